// What a resource does with an upstream that breaks a promise.
#include "quarry/detail/resource_supply.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory_resource>
#include <new>
#include <string>
#include <vector>

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"
#include "support/sanitizers.hpp"

namespace {

using quarry_test::both_resources;
using quarry_test::counting_resource;
using quarry_test::resource_names;

/// Breaks a promise in all calls while it is told to.
class faulty_resource final : public std::pmr::memory_resource {
 public:
  enum class fault { none, is_misaligned, is_null };

  counting_resource memory;
  fault now = fault::none;
  std::size_t least_bytes = 0;  // of the calls in which it does
  std::function<void()> before_each;

 private:
  // Where it is misaligned, the block begins a few bytes behind what the memory gave.
  static constexpr std::size_t shift_bytes = 8;

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (before_each) before_each();
    if (now == fault::none || bytes < least_bytes) return memory.allocate(bytes, alignment);
    if (now == fault::is_null) return nullptr;
    shifted_ = static_cast<std::byte*>(memory.allocate(bytes + shift_bytes, alignment)) + shift_bytes;
    return shifted_;
  }
  void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
    if (place == shifted_) return memory.deallocate(shifted_ - shift_bytes, bytes + shift_bytes, alignment);
    memory.deallocate(place, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::byte* shifted_ = nullptr;
};

using fault = faulty_resource::fault;

#if QUARRY_TEST_HAS_ADDRESS_SANITIZER  // whose companion ends the program at a null that the library excludes
constexpr fault faults[] = {fault::is_misaligned};
#else
constexpr fault faults[] = {fault::is_misaligned, fault::is_null};
#endif

// Returns what the exception of `allocate` says, or nothing.
template <class Allocate>
std::string message_of(Allocate allocate) {
  try {
    allocate();
  } catch (const std::bad_alloc& thrown) {
    return thrown.what();
  }
  return "";
}

std::string text_of(const void* address) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

template <class Resource>
class FaultyUpstream : public testing::Test {};
TYPED_TEST_SUITE(FaultyUpstream, both_resources, resource_names);

TYPED_TEST(FaultyUpstream, IsNamedWhereItsMemoryIsNotAlignedAndLosesNothing) {
  faulty_resource upstream;
  TypeParam resource(&upstream);
  for (const std::size_t bytes : {std::size_t{48}, std::size_t{2000}, std::size_t{100000}})
    for (const fault each : faults) {
      void* const live = resource.allocate(bytes, 8);
      const auto held_bytes = resource.stats().upstream_bytes;
      upstream.now = each;
      std::vector<void*> taken;  // what is there already
      const std::string message = message_of([&] {
        for (;;) taken.push_back(resource.allocate(bytes, 8));
      });
      EXPECT_NE(message.find("quarry: upstream " + text_of(&upstream)), std::string::npos) << message;
      EXPECT_NE(message.find("faulty_resource"), std::string::npos) << message;
      EXPECT_NE(message.find("aligned to "), std::string::npos) << message;
      EXPECT_LE(resource.stats().upstream_bytes, held_bytes);
      EXPECT_EQ(resource.stats().upstream_bytes, upstream.memory.live_bytes());
      EXPECT_EQ(resource.try_allocate(300000), nullptr);
      upstream.now = fault::none;
      taken.push_back(live);
      taken.push_back(resource.allocate(bytes, 8));
      for (void* const block : taken) resource.deallocate(block, bytes, 8);
      EXPECT_EQ(resource.stats().live_bytes, 0U);
    }
  resource.release();
  EXPECT_EQ(upstream.memory.live_blocks(), 0U);
}

TYPED_TEST(FaultyUpstream, IsNamedWhereAlignmentIsIgnoredForLargeAlignmentsOnly) {
  faulty_resource upstream;
  upstream.now = fault::is_misaligned;
  upstream.least_bytes = 4096;
  TypeParam resource(&upstream);
  std::vector<void*> taken;
  const std::string message = message_of([&] {
    for (int i = 0; i < 100000; ++i) taken.push_back(resource.allocate(40, 8));
  });
  EXPECT_NE(message.find("aligned to 65536"), std::string::npos) << message;
  const std::string of_block = message_of([&] { (void)resource.allocate(300'000, 4096); });
  EXPECT_NE(of_block.find(" for 300000 bytes aligned to 4096;"), std::string::npos) << of_block;
  for (void* const each : taken) EXPECT_TRUE(upstream.memory.holds(each));
  for (void* const each : taken) resource.deallocate(each, 40, 8);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TYPED_TEST(FaultyUpstream, IsNotBelievedWhereItServesWhatNoMemoryHolds) {
  struct wrapping_resource final : std::pmr::memory_resource {
    counting_resource memory;
    void* do_allocate(std::size_t bytes, std::size_t) override { return memory.allocate(bytes + 16, 16); }
    void do_deallocate(void* place, std::size_t bytes, std::size_t) override {
      memory.deallocate(place, bytes + 16, 16);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  };
  wrapping_resource upstream;
  TypeParam resource(&upstream);
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 16}) {
    const std::string message = message_of([&] { static_cast<void>(resource.allocate(bytes)); });
    EXPECT_NE(message.find(text_of(&upstream)), std::string::npos) << message;
    EXPECT_EQ(resource.try_allocate(bytes), nullptr);
  }
  EXPECT_EQ(upstream.memory.live_bytes(),
            resource.stats().upstream_bytes + 16 * upstream.memory.live_blocks());
}

TYPED_TEST(FaultyUpstream, IsNamedWhereItComesBackIntoTheResourceForMoreMemory) {
  faulty_resource upstream;
  TypeParam resource(&upstream);
  std::string message;
  upstream.before_each = [&] {
    const std::string inner = message_of([&] { resource.deallocate(resource.allocate(200000), 200000); });
    if (!inner.empty()) message = inner;
  };
  std::vector<void*> taken;
  for (int i = 0; i < 5000; ++i) taken.push_back(resource.allocate(64));
  taken.push_back(resource.allocate(300000));
  EXPECT_NE(message.find("while it served a request of the same resource"), std::string::npos) << message;
  EXPECT_NE(message.find(text_of(&upstream)), std::string::npos) << message;
  resource.deallocate(taken.back(), 300000);
  taken.pop_back();
  for (void* const each : taken) resource.deallocate(each, 64);
  EXPECT_EQ(resource.stats().live_bytes, 0U);
  resource.release();
  EXPECT_EQ(upstream.memory.live_blocks(), 0U);
}

TYPED_TEST(FaultyUpstream, MayComeBackIntoTheResourceForWhatIsThereAlready) {
  faulty_resource upstream;
  TypeParam resource(&upstream);
  resource.deallocate(resource.allocate(40), 40);
  int served = 0;
  upstream.before_each = [&] {
    void* const slot = resource.allocate(40);
    resource.deallocate(slot, 40);
    ++served;
  };
  std::vector<void*> taken;
  for (int i = 0; i < 5000; ++i) taken.push_back(resource.allocate(100));
  for (void* const each : taken) resource.deallocate(each, 100);
  EXPECT_GT(served, 2);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

}  // namespace
