#include <gtest/gtest.h>

#include <cstring>
#include <quarry/core/arena.hpp>
#include <quarry/resource_page_source.hpp>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"

namespace {

using quarry::resource_page_source;
using quarry::core::arena;
using quarry_test::counting_resource;

bool is_aligned(const void* address, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

TEST(Arena, TakesNothingUntilItIsAsked) {
  counting_resource memory;
  resource_page_source source(&memory);
  arena parts;
  EXPECT_TRUE(parts.untouched());
  EXPECT_EQ(parts.try_allocate(1, 1), nullptr);
  parts.release(source);
  EXPECT_EQ(memory.calls(), 0U);
}

TEST(Arena, HandsOutAlignedPartsThatDoNotOverlap) {
  counting_resource memory;
  resource_page_source source(&memory);
  arena parts;
  std::vector<std::pair<unsigned char*, std::size_t>> all;
  for (std::size_t i = 1; i < 400; ++i) {
    const std::size_t bytes = i * 7 % 300 + 1;
    const std::size_t alignment = std::size_t{1} << (i % 9);
    auto* const place = static_cast<unsigned char*>(parts.allocate(bytes, alignment, source));
    ASSERT_TRUE(is_aligned(place, alignment));
    EXPECT_TRUE(parts.owns(place));
    std::memset(place, static_cast<int>(i % 251), bytes);
    all.emplace_back(place, bytes);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t byte = 0; byte < all[i].second; ++byte) ASSERT_EQ(all[i].first[byte], (i + 1) % 251);
  }
  EXPECT_FALSE(parts.untouched());
  parts.release(source);
  EXPECT_TRUE(parts.untouched());
  EXPECT_EQ(memory.live_blocks(), 0U);
}

TEST(Arena, TakesEverLargerBlocksUpToALimit) {
  counting_resource memory;
  resource_page_source source(&memory);
  arena parts;
  for (int i = 0; i < 4000; ++i) static_cast<void>(parts.allocate(100, 8, source));
  const auto history = memory.history();
  EXPECT_EQ(history.front().bytes, 2048U);
  for (std::size_t i = 1; i < history.size(); ++i) EXPECT_GE(history[i].bytes, history[i - 1].bytes);
  EXPECT_EQ(history.back().bytes, 65536U);
  parts.release(source);
}

TEST(Arena, ServesAPartLargerThanABlock) {
  counting_resource memory;
  resource_page_source source(&memory);
  arena parts;
  void* const large = parts.allocate(1000000, 4096, source);
  EXPECT_TRUE(is_aligned(large, 4096));
  std::memset(large, 1, 1000000);
  parts.release(source);
}

TEST(Arena, UsesTheBufferItStartsInFirstAndNeverGivesItBack) {
  counting_resource memory;
  resource_page_source source(&memory);
  alignas(16) std::byte buffer[500];
  arena parts;
  parts.start_in(buffer, sizeof(buffer));
  EXPECT_EQ(parts.allocate(100, 16, source), buffer);
  EXPECT_EQ(memory.calls(), 0U);
  EXPECT_EQ(parts.try_allocate(401, 1), nullptr);
  void* const beyond = parts.allocate(401, 1, source);
  EXPECT_TRUE(memory.holds(beyond));
  parts.release(source);
  EXPECT_EQ(memory.live_blocks(), 0U);
}

TEST(Arena, StaysAsItWasWhenTheSourceFails) {
  counting_resource memory;
  quarry_test::failing_resource failing(&memory);
  resource_page_source source(&failing);
  arena parts;
  void* const first = parts.allocate(8, 8, source);
  failing.fail_always(true);
  EXPECT_THROW(static_cast<void>(parts.allocate(5000, 8, source)), quarry_test::upstream_failure);
  failing.fail_always(false);
  EXPECT_EQ(parts.allocate(8, 8, source), static_cast<std::byte*>(first) + 8);
  parts.release(source);
}

TEST(Arena, ReturnsNullWhenTheSourceDoes) {
  quarry_test::null_on_failure_source::state state;
  quarry_test::null_on_failure_source source(state);
  state.fail_at_call = 1;
  arena parts;
  EXPECT_EQ(parts.allocate(8, 8, source), nullptr);
  EXPECT_NE(parts.allocate(8, 8, source), nullptr);
  parts.release(source);
}

TEST(Arena, PartsOfOneBlockFollowEachOther) {
  counting_resource memory;
  resource_page_source source(&memory);
  arena parts;
  auto* const first = static_cast<std::byte*>(parts.allocate(24, 8, source));
  EXPECT_EQ(parts.allocate(8, 8, source), first + 24);
  EXPECT_EQ(parts.try_allocate(1, 1), first + 32);
  EXPECT_EQ(parts.try_allocate(4, 4), first + 36) << "padding to the alignment and no more";
  EXPECT_EQ(memory.allocations(), 1U);
  parts.release(source);
}

TEST(Arena, TryAllocateNeverAsksForABlockAndUsesTheLastByte) {
  counting_resource memory;
  resource_page_source source(&memory);
  arena parts;
  static_cast<void>(parts.allocate(1, 1, source));
  std::size_t left = 0;
  while (parts.try_allocate(1, 1) != nullptr) ++left;
  EXPECT_EQ(memory.allocations(), 1U);
  EXPECT_GT(left, 1900U);
  EXPECT_LT(left, 2048U);
  EXPECT_NE(parts.try_allocate(0, 1), nullptr) << "nothing still fits";
  parts.release(source);
}

TEST(Arena, ForgetsItsBufferOnReleaseUntilItStartsInItAgain) {
  counting_resource memory;
  resource_page_source source(&memory);
  alignas(16) std::byte buffer[256];
  arena parts;
  for (int round = 0; round < 2; ++round) {
    parts.start_in(buffer, sizeof(buffer));
    EXPECT_TRUE(parts.untouched());
    EXPECT_EQ(parts.try_allocate(16, 16), buffer);
    EXPECT_FALSE(parts.untouched());
    EXPECT_FALSE(parts.owns(buffer)) << "the buffer stays the caller's";
    parts.release(source);
    EXPECT_EQ(parts.try_allocate(1, 1), nullptr);
  }
  EXPECT_EQ(memory.calls(), 0U);
}

TEST(Arena, StartsSmallAgainAfterRelease) {
  counting_resource memory;
  resource_page_source source(&memory);
  arena parts;
  for (int round = 0; round < 2; ++round) {
    const std::size_t calls = memory.allocations();
    for (int i = 0; i < 100; ++i) static_cast<void>(parts.allocate(500, 8, source));
    EXPECT_EQ(memory.history()[calls].bytes, 2048U);
    parts.release(source);
    EXPECT_EQ(memory.live_blocks(), 0U);
  }
}

TEST(Arena, FillsItsBufferToTheLastByteAndNotBeyond) {
  alignas(16) std::byte buffer[64];
  arena parts;
  parts.start_in(buffer, sizeof(buffer));
  EXPECT_EQ(parts.try_allocate(65, 1), nullptr);
  EXPECT_EQ(parts.try_allocate(64, 16), buffer);
  EXPECT_EQ(parts.try_allocate(1, 1), nullptr);
}

}  // namespace
