// Size feedback of slab_allocator, where the standard library has it.
// standard: 23
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <memory_resource>
#include <type_traits>

#include "quarry/slab_allocator.hpp"
#include "support/counting_resource.hpp"
#include "support/refused_calls.hpp"

namespace {

template <class Allocator, class = void>
struct has_allocate_at_least : std::false_type {};
template <class Allocator>
struct has_allocate_at_least<
    Allocator, std::void_t<decltype(std::declval<Allocator&>().allocate_at_least(std::size_t{}))>>
    : std::true_type {};

#if defined(__cpp_lib_allocate_at_least)

TEST(AllocateAtLeast, TellsHowManyObjectsTheSizeClassHolds) {
  static_assert(has_allocate_at_least<quarry::slab_allocator<char>>::value);
  quarry_test::counting_resource upstream;
  quarry::unsynchronized_slab_resource resource(&upstream);
  quarry::slab_allocator<char> allocator(&resource);
  const auto got = allocator.allocate_at_least(65);
  EXPECT_EQ(got.count, resource.good_size(65, 1));
  EXPECT_GT(got.count, 65U);
  std::fill(got.ptr, got.ptr + got.count, 'x');
  allocator.deallocate(got.ptr, got.count);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

class RefusedAllocateAtLeast : public testing::TestWithParam<quarry_test::refusal> {
 public:
  /// The resource, and an allocator of bytes over it as the face.
  class world {
   public:
    world(const quarry::slab_options& options, std::pmr::memory_resource& upstream)
        : resource_(options, &upstream) {}
    quarry::unsynchronized_slab_resource& resource() { return resource_; }
    quarry::slab_allocator<char>& face() { return face_; }

   private:
    quarry::unsynchronized_slab_resource resource_;
    quarry::slab_allocator<char> face_{resource_};
  };
};

TEST_P(RefusedAllocateAtLeast, LeavesEverythingAsItWas) {
  using face_type = quarry::slab_allocator<char>;
  quarry_test::refuse_every_call<world, face_type>(
      GetParam(),
      {{"allocate_at_least", true,
        [](face_type& face, std::size_t bytes) {
          const auto got = face.allocate_at_least(bytes - 3);
          return quarry_test::taken_blocks{{got.ptr, got.count, 1}};
        }}},
      {240, 1000, 40'000});
}

INSTANTIATE_TEST_SUITE_P(EveryRefusal, RefusedAllocateAtLeast,
                         testing::ValuesIn(quarry_test::every_refusal()),
                         [](const auto& each) { return each.param.name(); });

#else

TEST(AllocateAtLeast, IsAbsentWhereTheLibraryHasNoTypeForIt) {
  EXPECT_FALSE(has_allocate_at_least<quarry::slab_allocator<char>>::value);
}

#endif

}  // namespace
