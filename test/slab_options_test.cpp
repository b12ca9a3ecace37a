// slab_options: what each 0 stands for, and what is refused.
#include "quarry/slab_options.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "quarry/core/bins/size_class.hpp"
#include "quarry/core/slab.hpp"

namespace {

using quarry::slab_options;
using quarry::core::largest_slot_bytes;
using quarry::core::slab;

slab_options with(std::size_t slab_bytes, std::size_t largest_block) {
  slab_options options;
  options.slab_bytes = slab_bytes;
  options.largest_required_pool_block = largest_block;
  return options;
}

/// Returns what resolved() says against `options`; empty when it accepts them.
std::string complaint_about(const slab_options& options) {
  try {
    static_cast<void>(options.resolved());
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

bool same(const slab_options& a, const slab_options& b) {
  return a.max_blocks_per_chunk == b.max_blocks_per_chunk &&
         a.largest_required_pool_block == b.largest_required_pool_block && a.slab_bytes == b.slab_bytes &&
         a.max_bytes == b.max_bytes && a.retain_bytes == b.retain_bytes &&
         a.thread_cache_bytes == b.thread_cache_bytes;
}

TEST(SlabOptions, ConvertFromPoolOptionsAndBackWithoutLosingAField) {
  static_assert(std::is_convertible_v<std::pmr::pool_options, slab_options>);
  static_assert(std::is_convertible_v<slab_options, std::pmr::pool_options>);
  std::pmr::pool_options given;
  given.max_blocks_per_chunk = 17;
  given.largest_required_pool_block = 99;
  const slab_options options = given;
  EXPECT_EQ(options.slab_bytes + options.max_bytes + options.retain_bytes + options.thread_cache_bytes, 0U);
  const std::pmr::pool_options back = options;
  EXPECT_EQ(back.max_blocks_per_chunk, 17U);
  EXPECT_EQ(back.largest_required_pool_block, 99U);
}

TEST(SlabOptions, EveryZeroStandsForItsDefault) {
  const slab_options options = slab_options().resolved();
  EXPECT_EQ(options.slab_bytes, 65536U);
  EXPECT_EQ(options.largest_required_pool_block, options.slab_bytes / 8);
  EXPECT_EQ(options.max_blocks_per_chunk, options.slab_bytes / 8) << "slots of the smallest class in a slab";
  EXPECT_EQ(options.retain_bytes, 32U << 20);
  EXPECT_EQ(options.thread_cache_bytes, 1U << 20);
  EXPECT_EQ(options.max_bytes, 0U) << "no limit";
}

TEST(SlabOptions, LimitsThatAreGivenStayAsTheyAre) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{12345}, SIZE_MAX}) {
    slab_options options;
    options.max_bytes = options.retain_bytes = options.thread_cache_bytes = bytes;
    const slab_options resolved = options.resolved();
    EXPECT_EQ(resolved.max_bytes, bytes);
    EXPECT_EQ(resolved.retain_bytes, bytes);
    EXPECT_EQ(resolved.thread_cache_bytes, bytes);
  }
}

TEST(SlabOptions, TheLargestBlockGrowsToItsClassAndStopsAtTheLargestOne) {
  EXPECT_EQ(with(0, 1).resolved().largest_required_pool_block, 8U);
  EXPECT_EQ(with(0, 64).resolved().largest_required_pool_block, 64U);
  EXPECT_EQ(with(0, 65).resolved().largest_required_pool_block, 72U);
  for (const std::size_t bytes : {largest_slot_bytes, largest_slot_bytes + 1, SIZE_MAX})
    EXPECT_EQ(with(0, bytes).resolved().largest_required_pool_block, largest_slot_bytes);
}

TEST(SlabOptions, WithoutASlabSizeEightOfTheLargestBlockFit) {
  for (std::size_t bytes = 1; bytes <= largest_slot_bytes; bytes += 61) {
    const slab_options options = with(0, bytes).resolved();
    EXPECT_GE(options.slab_bytes, 65536U);
    EXPECT_GE(options.slab_bytes, 8 * options.largest_required_pool_block);
    EXPECT_EQ(options.slab_bytes & (options.slab_bytes - 1), 0U);
  }
}

TEST(SlabOptions, SlabsThatAreNoPowerOfTwoOrOutOfRangeAreRefusedByNameValueAndRule) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{512}, std::size_t{1023}, std::size_t{1025},
                                  std::size_t{65535}, std::size_t{1} << 25, SIZE_MAX / 2 + 1, SIZE_MAX}) {
    const std::string text = complaint_about(with(bytes, 0));
    for (const std::string& word :
         {std::string("slab_bytes"), std::to_string(bytes), std::string("power of two"), std::string("1024"),
          std::string("16777216")})
      EXPECT_NE(text.find(word), std::string::npos) << '"' << text << "\" lacks " << word;
  }
  for (std::size_t bytes = 1024; bytes <= std::size_t{1} << 24; bytes *= 2)
    EXPECT_EQ(complaint_about(with(bytes, 0)), "");
}

TEST(SlabOptions, EverySlabThatIsAcceptedHoldsTwoOfTheLargestBlock) {
  std::size_t accepted = 0;
  for (std::size_t slab_bytes = 1024; slab_bytes <= 65536; slab_bytes *= 2) {
    void* const base = std::pmr::new_delete_resource()->allocate(slab_bytes, slab_bytes);
    for (quarry::core::class_index index = 0; index < quarry::core::class_count; ++index) {
      const slab_options options = with(slab_bytes, quarry::core::slot_bytes_of(index));
      if (!complaint_about(options).empty()) continue;
      const auto layout = slab::layout(options.resolved().largest_required_pool_block, slab_bytes);
      EXPECT_GE(slab::create(base, layout)->slots(), 2U) << layout.slot_bytes << " bytes in " << slab_bytes;
      ++accepted;
    }
    std::pmr::new_delete_resource()->deallocate(base, slab_bytes, slab_bytes);
  }
  EXPECT_GT(accepted, 300U);
}

TEST(SlabOptions, AComplaintAboutASmallSlabNamesASizeThatIsAccepted) {
  std::size_t refused = 0;
  for (std::size_t slab_bytes = 1024; slab_bytes <= 65536; slab_bytes *= 2) {
    for (quarry::core::class_index index = 0; index < quarry::core::class_count; ++index) {
      const std::size_t largest = quarry::core::slot_bytes_of(index);
      const std::string text = complaint_about(with(slab_bytes, largest));
      if (text.empty()) continue;
      ++refused;
      const std::string before = "at least ";
      const std::size_t at = text.find(before);
      ASSERT_NE(at, std::string::npos) << text;
      EXPECT_NE(text.find(std::to_string(largest)), std::string::npos) << text;
      EXPECT_EQ(complaint_about(with(std::stoul(text.substr(at + before.size())), largest)), "") << text;
    }
  }
  EXPECT_GT(refused, 50U);
}

TEST(SlabOptions, ResolvingTwiceIsResolvingOnce) {
  for (const std::size_t slab_bytes : {0U, 4096U, 65536U, 1U << 20, 1U << 24}) {
    for (const std::size_t largest : {0U, 1U, 100U, 256U, 1000U}) {
      const slab_options once = with(slab_bytes, largest).resolved();
      EXPECT_TRUE(same(once.resolved(), once)) << slab_bytes << ", " << largest;
    }
  }
  const slab_options large = with(0, SIZE_MAX).resolved();
  EXPECT_TRUE(same(large.resolved(), large));
}

}  // namespace
