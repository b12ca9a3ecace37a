// resource_setup: which requests are pooled in which class, and how fine slabs are cut.
#include <gtest/gtest.h>

#include <quarry/detail/resource_setup.hpp>
#include <quarry/memory_budget.hpp>
#include <stdexcept>
#include <string>

namespace {

using quarry::slab_options;
using quarry::core::no_class;
using quarry::core::slot_bytes_of;
using quarry::detail::resource_setup;

TEST(ResourceSetup, PoolsByDefaultWhatASlabHoldsTwoOf) {
  const resource_setup setup{slab_options()};
  const std::size_t largest = setup.options().largest_required_pool_block;
  EXPECT_EQ(largest, setup.options().slab_bytes / 2);
  EXPECT_EQ(slot_bytes_of(setup.pooled_class(largest, 1)), largest);
  EXPECT_EQ(setup.pooled_class(largest + 1, 1), no_class);
}

TEST(ResourceSetup, PoolsByDefaultEveryAlignmentUpToHalfASlab) {
  const resource_setup setup{slab_options()};
  const std::size_t half = setup.options().slab_bytes / 2;
  EXPECT_EQ(slot_bytes_of(setup.pooled_class(1, half)), half);
  EXPECT_EQ(setup.pooled_class(1, 2 * half), no_class);
}

TEST(ResourceSetup, PoolsNoAlignmentAboveABlockSizeThatTheUserChose) {
  for (const std::size_t largest : {std::size_t{512}, std::size_t{4096}, std::size_t{32768}}) {
    slab_options options;
    options.largest_required_pool_block = largest;
    const resource_setup setup{options};
    EXPECT_NE(setup.pooled_class(8, largest), no_class);
    EXPECT_EQ(setup.pooled_class(8, 2 * largest), no_class) << largest;
    EXPECT_EQ(setup.pooled_class(largest + 1, 8), no_class);
  }
}

TEST(ResourceSetup, PoolsNoAlignmentAboveTheBlocksOfSmallSlabs) {
  slab_options options;
  options.slab_bytes = 1024;  // blocks up to 512 bytes: inside the table of the hit path
  const resource_setup setup{options};
  const std::size_t largest = setup.options().largest_required_pool_block;
  ASSERT_LT(largest, quarry::core::table_bytes);
  EXPECT_NE(setup.pooled_class(8, largest), no_class);
  EXPECT_EQ(setup.pooled_class(8, 2 * largest), no_class);
}

TEST(ResourceSetup, GoodSizeIsThatOfTheSlotOrOfTheBlockItself) {
  const resource_setup setup{slab_options()};
  EXPECT_EQ(setup.good_size(41, 8), 48U);
  EXPECT_EQ(setup.good_size(40, 64), 64U);
  const std::size_t oversize = setup.options().largest_required_pool_block + 1;
  EXPECT_EQ(setup.good_size(oversize, 8), oversize);
}

TEST(ResourceSetup, GoodSizeIsWhatIsAskedForWhereOverrunsAreLookedFor) {
  slab_options options;
  options.checks = quarry::check_level::full;
  EXPECT_EQ(resource_setup{options}.good_size(41, 8), 41U);
}

TEST(ResourceSetup, EveryRequestThatRoundsUpToTheSameClassIsPooledAlike) {
  slab_options options;
  options.largest_required_pool_block = 520;  // rounded up to its class
  const resource_setup setup{options};
  const std::size_t largest = setup.options().largest_required_pool_block;
  for (std::size_t bytes = 1; bytes <= 2 * largest; ++bytes)
    for (std::size_t alignment = 1; alignment <= 2048; alignment *= 2) {
      const auto index = quarry::core::class_of(bytes, alignment);
      EXPECT_EQ(setup.pooled_class(bytes, alignment), slot_bytes_of(index) <= largest ? index : no_class)
          << bytes << " bytes aligned to " << alignment;
    }
}

// How fine slabs are cut.

TEST(ResourceSetup, WithoutASmallSupplyAGranuleIsASlab) {
  const auto limits = resource_setup{slab_options()}.limits();
  EXPECT_EQ(limits.granule_bytes, 65536U);
  EXPECT_EQ(limits.slab_granules, 1U);
  EXPECT_TRUE(limits.has_directory);
  EXPECT_EQ(limits.max_bytes, 0U);
  EXPECT_EQ(limits.retain_bytes, 32U << 20);
  EXPECT_EQ(limits.cache_bytes, 4U << 20);
}

TEST(ResourceSetup, ASmallBufferMaxBytesOrBudgetIsCutIntoSixtyFourGranulesOrMore) {
  for (std::size_t bytes = 1; bytes <= std::size_t{8} << 20; bytes += bytes / 3 + 1) {
    slab_options limited;
    limited.max_bytes = bytes;
    const resource_setup by_limit{limited};
    const resource_setup by_buffer{slab_options(), bytes, false};
    quarry::memory_budget budget(bytes);
    slab_options sharing;
    sharing.budget = &budget;
    const resource_setup by_budget{sharing};
    for (const resource_setup* each : {&by_limit, &by_buffer, &by_budget}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes of "
                                      << (each == &by_limit    ? "max_bytes"
                                          : each == &by_buffer ? "buffer"
                                                               : "budget"));
      const auto limits = each->limits();
      EXPECT_EQ(limits.granule_bytes & (limits.granule_bytes - 1), 0U);
      if (bytes >= std::size_t{64} * 65536) {
        EXPECT_EQ(limits.granule_bytes, 65536U);
        EXPECT_EQ(limits.slab_granules, 1U);
        EXPECT_TRUE(limits.has_directory);
        continue;
      }
      EXPECT_TRUE(limits.granule_bytes == 256 || limits.granule_bytes * 64 <= bytes);
      EXPECT_TRUE(limits.granule_bytes == 8192 || limits.granule_bytes * 128 > bytes)
          << "no finer than needed";
      EXPECT_LE(limits.granule_bytes, 8192U);
      EXPECT_GT(limits.slab_granules, 1U) << "a slab is large beside its header";
      EXPECT_LE(limits.cache_bytes, bytes / 16) << "a thread's cache leaves most to others";
      EXPECT_EQ(limits.has_directory, bytes >= std::size_t{1} << 20);
    }
    EXPECT_EQ(by_limit.limits().max_bytes, bytes);
    EXPECT_EQ(by_buffer.limits().max_bytes, 0U);
  }
}

TEST(ResourceSetup, ABufferBeforeAnUpstreamIsCutAsUsual) {
  for (const std::size_t buffer_bytes : {std::size_t{1}, std::size_t{65536}, std::size_t{64} << 20}) {
    const auto limits = resource_setup(slab_options(), buffer_bytes, true).limits();
    EXPECT_EQ(limits.granule_bytes, 65536U);
    EXPECT_EQ(limits.slab_granules, 1U);
    EXPECT_TRUE(limits.has_directory);
  }
}

TEST(ResourceSetup, ALimitIsOfWhatComesBesideTheBuffer) {
  slab_options options;
  options.max_bytes = 65536;
  EXPECT_EQ(resource_setup(options, 0, true).limits().granule_bytes, 1024U);
  EXPECT_EQ(resource_setup(options, 65536, true).limits().granule_bytes, 2048U);
  EXPECT_EQ(resource_setup(options, std::size_t{64} << 20, true).limits().granule_bytes, 65536U);
  EXPECT_EQ(resource_setup(options, 65536, false).limits().granule_bytes, 1024U) << "nothing comes beside it";
  options.max_bytes = SIZE_MAX;
  EXPECT_EQ(resource_setup(options, 65536, true).limits().granule_bytes, 65536U);
}

TEST(ResourceSetup, TheSmallerOfTwoLimitsDecides) {
  quarry::memory_budget large(std::size_t{64} << 20), small(32768);
  slab_options options;
  options.max_bytes = 65536;
  options.budget = &large;
  EXPECT_EQ(resource_setup(options, 0, true).limits().granule_bytes, 1024U);
  options.budget = &small;
  EXPECT_EQ(resource_setup(options, 0, true).limits().granule_bytes, 512U);
}

TEST(ResourceSetup, ASlabSizeThatTheUserChoseIsTheGranuleWhateverTheSupply) {
  slab_options options;
  options.slab_bytes = 16384;
  options.max_bytes = 100000;
  for (const std::size_t buffer_bytes : {std::size_t{0}, std::size_t{20000}}) {
    const auto limits = resource_setup(options, buffer_bytes, false).limits();
    EXPECT_EQ(limits.granule_bytes, 16384U);
    EXPECT_EQ(limits.slab_granules, 1U);
    EXPECT_TRUE(limits.has_directory);
  }
}

TEST(ResourceSetup, PoolsOfTinySuppliesOnlyWhatHalfAnExtentHolds) {
  const resource_setup tiny{slab_options(), 4096, false};
  const std::size_t most = tiny.limits().granule_bytes * 64 / 2;  // an extent has 64 granules
  EXPECT_NE(tiny.pooled_class(most, 1), no_class);
  EXPECT_EQ(tiny.pooled_class(most + 1, 1), no_class);
  EXPECT_EQ(tiny.good_size(most + 1, 1), most + 1);
}

TEST(ResourceSetup, RefusesWhatTheOptionsRefuse) {
  slab_options options;
  options.slab_bytes = 3000;
  EXPECT_THROW(resource_setup{options}, std::invalid_argument);
}

TEST(CheckedUpstream, RefusesNullAndSaysSo) {
  std::pmr::memory_resource* const heap = std::pmr::new_delete_resource();
  EXPECT_EQ(quarry::detail::checked_upstream(heap), heap);
  try {
    quarry::detail::checked_upstream(nullptr);
    ADD_FAILURE() << "null was taken";
  } catch (const std::invalid_argument& refusal) {
    EXPECT_NE(std::string(refusal.what()).find("upstream is null"), std::string::npos);
  }
}

}  // namespace
