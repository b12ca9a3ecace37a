// slab_options: what each 0 stands for, what is refused, and where the options say that memory comes from.
#include "quarry/slab_options.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory_resource>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "quarry/core/bins/size_class.hpp"
#include "quarry/core/slabs/slab.hpp"
#include "quarry/page_sources.hpp"
#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"
#include "support/process_memory.hpp"

namespace {

// What goes through operator new of a slab's alignment and more; the only one in this program that asks for it is
// std::pmr::new_delete_resource().
constexpr std::size_t least_slab_alignment = 4096;
std::size_t slab_bytes_from_new = 0;  // so far
std::size_t slab_bytes_to_delete = 0;

}  // namespace

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto wanted = static_cast<std::size_t>(alignment);
  void* const memory = std::aligned_alloc(wanted, (bytes + wanted - (bytes != 0)) / wanted * wanted);
  if (memory == nullptr) throw std::bad_alloc();
  if (wanted >= least_slab_alignment) slab_bytes_from_new += bytes;
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t bytes, std::align_val_t alignment) noexcept {
  if (static_cast<std::size_t>(alignment) >= least_slab_alignment) slab_bytes_to_delete += bytes;
  std::free(memory);
}

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
         a.thread_cache_bytes == b.thread_cache_bytes && a.upstream_only == b.upstream_only &&
         a.huge_pages == b.huge_pages;
}

TEST(SlabOptions, ConvertFromPoolOptionsAndBackWithoutLosingAField) {
  static_assert(std::is_convertible_v<std::pmr::pool_options, slab_options>);
  static_assert(std::is_convertible_v<slab_options, std::pmr::pool_options>);
  std::pmr::pool_options given;
  given.max_blocks_per_chunk = 17;
  given.largest_required_pool_block = 99;
  const slab_options options = given;
  EXPECT_EQ(options.slab_bytes + options.max_bytes + options.retain_bytes + options.thread_cache_bytes, 0U);
  EXPECT_FALSE(options.upstream_only);
  EXPECT_TRUE(options.huge_pages);
  const std::pmr::pool_options back = options;
  EXPECT_EQ(back.max_blocks_per_chunk, 17U);
  EXPECT_EQ(back.largest_required_pool_block, 99U);
}

TEST(SlabOptions, EveryZeroStandsForItsDefault) {
  const slab_options options = slab_options().resolved();
  EXPECT_EQ(options.slab_bytes, 65536U);
  EXPECT_EQ(options.largest_required_pool_block, options.slab_bytes / 2);
  EXPECT_EQ(options.max_blocks_per_chunk, options.slab_bytes / 8) << "slots of the smallest class in a slab";
  EXPECT_EQ(options.retain_bytes, 32U << 20);
  EXPECT_EQ(options.thread_cache_bytes, 4U << 20);
  EXPECT_EQ(options.max_bytes, 0U) << "no limit";
  EXPECT_FALSE(options.upstream_only);
  EXPECT_TRUE(options.huge_pages);
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

TEST(SlabOptions, TheLargestBlockIsByDefaultHalfASlabOfAnySize) {
  for (std::size_t slab_bytes = 1024; slab_bytes <= std::size_t{1} << 24; slab_bytes *= 2)
    EXPECT_EQ(with(slab_bytes, 0).resolved().largest_required_pool_block,
              slab_bytes / 2 < largest_slot_bytes ? slab_bytes / 2 : largest_slot_bytes);
}

TEST(SlabOptions, WithoutASlabSizeTwoOfTheLargestBlockFit) {
  for (std::size_t bytes = 1; bytes <= largest_slot_bytes; bytes += 61) {
    const slab_options options = with(0, bytes).resolved();
    EXPECT_EQ(options.slab_bytes, 65536U);
    EXPECT_GE(options.slab_bytes, 2 * options.largest_required_pool_block);
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
  for (std::size_t slab_bytes = 1024; slab_bytes <= 65536; slab_bytes *= 2)
    for (quarry::core::class_index index = 0; index < quarry::core::class_count; ++index) {
      const slab_options options = with(slab_bytes, quarry::core::slot_bytes_of(index));
      if (!complaint_about(options).empty()) continue;
      const auto layout = slab::layout(options.resolved().largest_required_pool_block, slab_bytes);
      EXPECT_GE(layout.total_slots, 2U) << layout.slot_bytes << " bytes in " << slab_bytes;
      ++accepted;
    }
  EXPECT_GT(accepted, 500U);
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
  slab_options large = with(0, SIZE_MAX);
  large.upstream_only = true;
  large.huge_pages = false;
  const slab_options once = large.resolved();
  EXPECT_TRUE(once.upstream_only);
  EXPECT_FALSE(once.huge_pages);
  EXPECT_TRUE(same(once.resolved(), once));
}

// Where memory comes from.

constexpr std::size_t mebibyte = std::size_t{1} << 20;

template <class Resource>
class SupplyOptions : public testing::Test {};
TYPED_TEST_SUITE(SupplyOptions, quarry_test::both_resources, quarry_test::resource_names);

TYPED_TEST(SupplyOptions, EveryByteComesFromAnUpstreamOfTheProgramsWithAndWithoutUpstreamOnly) {
  for (const bool upstream_only : {false, true}) {
    SCOPED_TRACE(upstream_only ? "upstream_only" : "by default");
    slab_options options;
    options.upstream_only = upstream_only;
    quarry_test::counting_resource upstream;
    TypeParam resource(options, &upstream);
    for (const std::size_t bytes : {24U, 500U, 30000U, 100000U}) {
      for (std::size_t sum = 0; sum < 4 * mebibyte; sum += bytes) {
        void* const block = resource.allocate(bytes);
        ASSERT_TRUE(upstream.holds(block)) << bytes << " bytes";
      }
      EXPECT_EQ(resource.stats().upstream_bytes, upstream.live_bytes());
    }
    resource.release();
    EXPECT_EQ(upstream.live_bytes(), 0U);
  }
}

TYPED_TEST(SupplyOptions, OverTheHeapSlabsComeFromThePagePoolUnlessUpstreamOnlyIsSaid) {
  for (const bool upstream_only : {false, true}) {
    SCOPED_TRACE(upstream_only ? "upstream_only" : "by default");
    slab_options options;
    options.upstream_only = upstream_only;
    const std::size_t before = slab_bytes_from_new;
    [[maybe_unused]] const std::size_t before_back = slab_bytes_to_delete;
    std::size_t slab_count = 0;
    {
      TypeParam resource(options, std::pmr::new_delete_resource());
      std::vector<void*> blocks;
      for (std::size_t sum = 0; sum < 4 * mebibyte; sum += 64) blocks.push_back(resource.allocate(64));
      slab_count = resource.stats().slab_count;
      EXPECT_GT(slab_count, 60U);
      for (void* const each : blocks) resource.deallocate(each, 64);
    }
    const std::size_t from_new = slab_bytes_from_new - before;
#if defined(__cpp_sized_deallocation)  // otherwise nobody says how many
    EXPECT_EQ(slab_bytes_to_delete - before_back, from_new);
#endif
    if (upstream_only) {
      EXPECT_GE(from_new, 4 * mebibyte * 9 / 10);
    } else {
      EXPECT_EQ(from_new, 0U);
    }
  }
}

#if defined(__linux__)

TYPED_TEST(SupplyOptions, ExtentsAreAdvisedForHugePagesUnlessTheseAreRefused) {
  for (const auto& upstream : quarry_test::common_upstreams())
    for (const bool huge_pages : {true, false, true}) {
      SCOPED_TRACE(testing::Message() << upstream.name << (huge_pages ? ", huge pages" : ", small pages"));
      slab_options options;
      options.huge_pages = huge_pages;
      TypeParam resource(options, upstream.resource);
      std::size_t advised = 0;
      for (std::size_t sum = 0; sum < 32 * mebibyte; sum += 30000) {
        const void* const block = resource.allocate(30000);
        if (sum % (mebibyte / 2) < 30000) advised += quarry_test::is_advised_for_huge_pages(block);
      }
      if (huge_pages) {
        EXPECT_GT(advised, 20U);
      } else {
        EXPECT_EQ(advised, 0U);
      }
    }
}

#endif

}  // namespace
