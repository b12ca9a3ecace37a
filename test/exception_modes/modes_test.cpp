// Objects compiled with exceptions and without, linked in either order, use one cache: each as it was compiled.
#include <gtest/gtest.h>

#include <memory_resource>
#include <new>

#include "modes.hpp"

namespace quarry_test {

void* counted_slabs::allocate_pages(std::size_t bytes, std::size_t alignment) {
  if (left == 0) throw std::bad_alloc();
  --left;
  return std::pmr::new_delete_resource()->allocate(bytes, alignment);
}
void counted_slabs::deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  ++left;
  std::pmr::new_delete_resource()->deallocate(pages, bytes, alignment);
}

}  // namespace quarry_test

namespace {

using quarry::slab_errc;
using quarry_test::counted_slabs;
using quarry_test::modes_cache;

TEST(ExceptionModes, CodeWithExceptionsCatchesWhatThePageSourceThrows) {
  counted_slabs::left = 0;
  modes_cache cache;
  EXPECT_EQ(cache.try_make(1), nullptr);
  EXPECT_EQ(cache.try_allocate(), nullptr);
  EXPECT_EQ(cache.try_open(), slab_errc::out_of_memory);
  EXPECT_EQ(cache.retain(1), slab_errc::out_of_memory);
  EXPECT_EQ(cache.reserve(1), slab_errc::out_of_memory);
  EXPECT_THROW(cache.make(1), std::bad_alloc);
  counted_slabs::left = 2;
  EXPECT_EQ(cache.reserve(5000), slab_errc::out_of_memory);
  EXPECT_NE(cache.try_make(1), nullptr);
}

TEST(ExceptionModes, BothUseTheObjectsOfTheOther) {
  counted_slabs::left = 3;
  {
    modes_cache cache;
    EXPECT_TRUE(open_without_exceptions(cache));
    EXPECT_TRUE(reserve_without_exceptions(cache, 1500));
    const auto mine = cache.make(1);
    const modes_cache::ptr theirs(make_without_exceptions(cache, 2));
    EXPECT_EQ(sum_without_exceptions(cache), 3);
    EXPECT_TRUE(cache.owns(theirs.get()));
  }
  EXPECT_EQ(counted_slabs::left, 3);
}

}  // namespace
