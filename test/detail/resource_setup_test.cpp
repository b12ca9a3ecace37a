#include <gtest/gtest.h>

#include <quarry/detail/resource_setup.hpp>
#include <stdexcept>
#include <string>

namespace {

using quarry::slab_options;
using quarry::core::no_class;
using quarry::core::slot_bytes_of;
using quarry::detail::resource_setup;

TEST(ResourceSetup, PoolsByDefaultWhatASlabHoldsEightOf) {
  const resource_setup setup{slab_options()};
  const std::size_t largest = setup.options().largest_required_pool_block;
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
  for (const std::size_t largest : {std::size_t{512}, std::size_t{4096}}) {
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
  options.slab_bytes = 2048;  // blocks up to 256 bytes: inside the table of the hit path
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
