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

TEST(OversizeList, TakesOneCallOfTheSourceForEachBlockAndOneForItsFree) {
  counting_resource memory;
  resource_page_source source(&memory);
  oversize_list list;
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < 1000; ++i) {
    blocks.push_back(list.allocate(40000, 16, source));
    ASSERT_EQ(memory.calls(), i + 1);
  }
  for (std::size_t i = 0; i < 1000; ++i) {
    list.deallocate(blocks[(i * 7) % 1000], 40000, source);
    ASSERT_EQ(memory.calls(), 1000 + i + 1);
  }
}

TEST(OversizeList, UnlinksTheOldestTheNewestAndTheOnlyBlock) {
  for (const std::vector<std::size_t>& order :
       {std::vector<std::size_t>{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}}) {
    counting_resource memory;
    resource_page_source source(&memory);
    oversize_list list;
    void* const blocks[3] = {list.allocate(100, 8, source), list.allocate(200, 8, source),
                             list.allocate(300, 8, source)};
    std::size_t left = 3;
    for (const std::size_t i : order) {
      list.deallocate(blocks[i], (i + 1) * 100, source);
      EXPECT_EQ(list.blocks(), --left);
      EXPECT_EQ(list.bytes_of(blocks[i]), 0U);
    }
    list.release(source);
    EXPECT_EQ(memory.deallocations(), 3U);
  }
}

TEST(OversizeList, KeepsItsRecordsClearOfTheBytesOfEverySize) {
  counting_resource memory;
  resource_page_source source(&memory);
  oversize_list list;
  std::vector<unsigned char*> blocks;
  for (std::size_t bytes = 0; bytes < 100; ++bytes) {
    blocks.push_back(static_cast<unsigned char*>(list.allocate(bytes, 1, source)));
    std::memset(blocks.back(), static_cast<int>(bytes), bytes);
  }
  for (std::size_t bytes = 0; bytes < 100; ++bytes) {
    for (std::size_t i = 0; i < bytes; ++i) ASSERT_EQ(blocks[bytes][i], bytes);
    list.deallocate(blocks[bytes], bytes, source);
  }
  EXPECT_EQ(list.blocks(), 0U);
}

}  // namespace
