#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <quarry/core/oversize_list.hpp>
#include <quarry/resource_page_source.hpp>
#include <random>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"

namespace {

using quarry::resource_page_source;
using quarry::core::oversize_list;
using quarry_test::counting_resource;

TEST(OversizeList, GivesBackExactlyWhatItTookInAnyOrder) {
  counting_resource memory;
  resource_page_source source(&memory);
  oversize_list list;
  struct block {
    void* address;
    std::size_t bytes;
  };
  std::vector<block> blocks;
  std::size_t total_bytes = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    const std::size_t bytes = i * 37 % 5000;
    const std::size_t alignment = std::size_t{1} << (i % 13);
    void* const address = list.allocate(bytes, alignment, source);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(address) % alignment, 0U);
    std::memset(address, 0xFF, bytes);
    EXPECT_TRUE(list.owns(address));
    blocks.push_back({address, bytes});
    total_bytes += bytes;
  }
  EXPECT_EQ(list.blocks(), 500U);
  EXPECT_EQ(list.bytes(), total_bytes);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(3));
  for (const block& each : blocks) {
    list.deallocate(each.address, each.bytes, source);
    EXPECT_FALSE(list.owns(each.address));
  }
  EXPECT_EQ(list.blocks(), 0U);
  EXPECT_EQ(list.bytes(), 0U);
}

TEST(OversizeList, OwnsTheBytesOfItsBlocksAndNoOthers) {
  counting_resource memory;
  resource_page_source source(&memory);
  oversize_list list;
  auto* const address = static_cast<std::byte*>(list.allocate(1000, 8, source));
  EXPECT_TRUE(list.owns(address + 999));
  EXPECT_FALSE(list.owns(address + 1000));
  EXPECT_EQ(list.bytes_of(address + 500), 1000U);
  EXPECT_EQ(list.bytes_of(&memory), 0U);
  list.release(source);
}

TEST(OversizeList, OwnsABlockOfNoBytes) {
  counting_resource memory;
  resource_page_source source(&memory);
  oversize_list list;
  void* const nothing = list.allocate(0, 65536, source);
  EXPECT_TRUE(list.owns(nothing));
  list.deallocate(nothing, 0, source);
}

TEST(OversizeList, ReleaseGivesEveryBlockBack) {
  counting_resource memory;
  resource_page_source source(&memory);
  oversize_list list;
  for (std::size_t i = 0; i < 100; ++i) static_cast<void>(list.allocate(i * 1000, 64, source));
  list.release(source);
  EXPECT_EQ(memory.live_blocks(), 0U);
  EXPECT_EQ(list.blocks(), 0U);
}

TEST(OversizeList, AsksForWhatCannotExistWhenTheSizeWouldWrap) {
  counting_resource memory;  // fails the test when a request would wrap
  resource_page_source source(&memory);
  oversize_list list;
  for (std::size_t alignment = 1; alignment != 0; alignment *= 2) {
    for (std::size_t less = 0; less < 200; less += 3)
      EXPECT_THROW(static_cast<void>(list.allocate(SIZE_MAX - less, alignment, source)), std::bad_alloc);
  }
  EXPECT_EQ(list.blocks(), 0U);
}

TEST(OversizeList, StaysAsItWasWhenTheSourceFails) {
  counting_resource memory;
  quarry_test::failing_resource failing(&memory, 1);
  resource_page_source source(&failing);
  oversize_list list;
  EXPECT_THROW(static_cast<void>(list.allocate(100, 8, source)), quarry_test::upstream_failure);
  EXPECT_EQ(list.blocks(), 0U);
  quarry_test::null_on_failure_source::state state;
  quarry_test::null_on_failure_source returning_null(state);
  state.fail_at_call = 1;
  EXPECT_EQ(list.allocate(100, 8, returning_null), nullptr);
  EXPECT_EQ(list.blocks(), 0U);
}

}  // namespace
