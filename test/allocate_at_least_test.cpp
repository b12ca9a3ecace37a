// Size feedback of slab_allocator, where the standard library has it.
// standard: 23
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "quarry/slab_allocator.hpp"
#include "support/counting_resource.hpp"

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

#else

TEST(AllocateAtLeast, IsAbsentWhereTheLibraryHasNoTypeForIt) {
  EXPECT_FALSE(has_allocate_at_least<quarry::slab_allocator<char>>::value);
}

#endif

}  // namespace
