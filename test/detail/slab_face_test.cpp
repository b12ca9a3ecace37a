// What every face of a resource does with arguments at the edge: null, alignments that are none, sizes that no memory has.
#include "quarry/detail/slab_face.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <new>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_thread_view.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/counting_resource.hpp"

namespace {

using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry::unsynchronized_slab_resource;
using quarry_test::counting_resource;

/// A resource, or a view with the resource behind it.
template <class Face>
struct face_over {
  explicit face_over(std::pmr::memory_resource* upstream) : face(upstream) {}
  Face face;
};
template <>
struct face_over<slab_thread_view> {
  explicit face_over(std::pmr::memory_resource* upstream) : resource(upstream), face(resource) {}
  synchronized_slab_resource resource;
  slab_thread_view face;
};

template <class Face>
class SlabFace : public testing::Test {
 protected:
  counting_resource upstream_;
  face_over<Face> over_{&upstream_};
  Face& face_ = over_.face;
  std::pmr::memory_resource& base_ = over_.face;
};
struct face_names {
  template <class Face>
  static std::string GetName(int) {
    return std::is_same_v<Face, unsynchronized_slab_resource> ? "Unsynchronized"
           : std::is_same_v<Face, slab_thread_view>           ? "View"
                                                              : "Synchronized";
  }
};
using faces = testing::Types<unsynchronized_slab_resource, synchronized_slab_resource, slab_thread_view>;
TYPED_TEST_SUITE(SlabFace, faces, face_names);

constexpr std::size_t all_bytes[] = {0, 1, 8, 64, 1000, 1025, 9000, 32768, 32769, 100000};

TYPED_TEST(SlabFace, DropsNullOfEverySizeAndAlignment) {
  for (int round = 0; round < 200; ++round)  // enough to fill magazines
    for (const std::size_t bytes : all_bytes)
      for (std::size_t alignment = 1; alignment <= 65536; alignment *= 16)
        this->face_.deallocate(nullptr, bytes, alignment);
  this->face_.template deallocate_fixed<64, 8>(nullptr);
  quarry::slab_allocator<long, TypeParam> allocator(this->face_);
  allocator.deallocate(nullptr, 1);
  allocator.deallocate(nullptr, 1000);
  allocator.deallocate_one(nullptr);
  for (const std::size_t bytes : all_bytes) {
    std::vector<void*> taken;
    for (int i = 0; i < 100; ++i) taken.push_back(this->face_.allocate(bytes, 8));
    for (void* const each : taken) EXPECT_TRUE(this->upstream_.holds(each)) << bytes << " bytes";
    for (void* const each : taken) this->face_.deallocate(each, bytes, 8);
  }
}

TYPED_TEST(SlabFace, RefusesAnAlignmentThatIsNoPowerOfTwoAndAsksNobody) {
  for (const std::size_t bytes : all_bytes)
    for (const std::size_t alignment :
         {std::size_t{0}, std::size_t{3}, std::size_t{24}, std::size_t{4097}, SIZE_MAX}) {
      const std::size_t calls = this->upstream_.calls();
      EXPECT_THROW(static_cast<void>(this->face_.allocate(bytes, alignment)), std::invalid_argument);
      EXPECT_THROW(static_cast<void>(this->base_.allocate(bytes, alignment)), std::invalid_argument);
      EXPECT_EQ(this->face_.try_allocate(bytes, alignment), nullptr);
      EXPECT_EQ(this->upstream_.calls(), calls);
    }
  try {
    static_cast<void>(this->face_.allocate(8, 3));
    ADD_FAILURE() << "not refused";
  } catch (const std::invalid_argument& refused) {
    EXPECT_STREQ(refused.what(), "quarry: an alignment is 3; allowed is a power of two.");
  }
}

TYPED_TEST(SlabFace, AMissRefusesAnAlignmentThatIsNoPowerOfTwoAlsoWhereItsClassIsOpen) {
  std::vector<void*> taken{this->face_.allocate(96, 8)};
  EXPECT_THROW(
      {
        while (taken.size() < 10'000) taken.push_back(this->face_.allocate(96, 24));
      },
      std::invalid_argument);
  for (void* const each : taken) this->face_.deallocate(each, 96, 8);
}

TYPED_TEST(SlabFace, RefusesWhatNoMemoryHolds) {
  quarry::slab_allocator<long, TypeParam> allocator(this->face_);
  void* const live = this->face_.allocate(64);
  const std::size_t calls = this->upstream_.calls();
  for (const std::size_t bytes :
       {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX - 65536, SIZE_MAX / 2 + 1, SIZE_MAX / 2})
    for (const std::size_t alignment :
         {std::size_t{1}, std::size_t{16}, std::size_t{65536}, SIZE_MAX / 2 + 1}) {
      EXPECT_THROW(static_cast<void>(this->face_.allocate(bytes, alignment)), std::bad_alloc);
      EXPECT_EQ(this->face_.try_allocate(bytes, alignment), nullptr);
      EXPECT_THROW(static_cast<void>(this->face_.allocate_run(100, bytes, alignment)), std::bad_alloc);
    }
  for (const std::size_t bytes : all_bytes)
    EXPECT_THROW(static_cast<void>(this->face_.allocate(bytes, SIZE_MAX / 2 + 1)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(allocator.allocate(SIZE_MAX / sizeof(long))), std::bad_array_new_length);
  EXPECT_EQ(this->upstream_.calls(), calls);
  this->face_.deallocate(live, 64);
}

TEST(SlabHost, MovesNothingThatRestsForWhatNoMemoryHolds) {
  counting_resource upstream;  // a sanitizer's operator new ends the program instead of throwing
  unsynchronized_slab_resource resource(&upstream);
  void* slots[20];
  for (void*& each : slots) each = resource.allocate(200);
  for (void* const each : slots) resource.deallocate(each, 200);
  const std::size_t resting = resource.stats().cached_slots;
  EXPECT_GE(resting, 20U);
  EXPECT_EQ(resource.try_allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(resource.stats().cached_slots, resting);
}

TEST(SlabHost, ReservesNothingOfWhatNoMemoryHolds) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX - 100, SIZE_MAX / 2 + 1})
    EXPECT_FALSE(resource.reserve(bytes));
  EXPECT_EQ(upstream.allocations(), 0U);
}

}  // namespace
