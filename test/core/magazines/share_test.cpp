#include <gtest/gtest.h>

#include <quarry/core/class_share.hpp>

namespace {

using quarry::core::class_count;
using quarry::core::class_index;
using quarry::core::class_share;
using quarry::core::share_steps;
using quarry::core::slot_bytes_of;

TEST(ShareSteps, StartSmallAndEndWithTwoFullMagazines) {
  for (class_index index = 0; index < class_count; ++index) {
    const share_steps steps(index);
    const std::size_t full_slots = quarry::core::shelf::slots_for(slot_bytes_of(index));
    class_share share = steps.grown(class_share());
    EXPECT_EQ(share.slots(), steps.first().slots());
    EXPECT_GE(share.slots(), 2U);
    EXPECT_LE(share.slots(), 8U);
    for (int step = 0; !share.is_paired(); ++step) {
      ASSERT_LT(step, 10) << index;
      const class_share wider = steps.grown(share);
      ASSERT_GT(wider.slots(), share.slots());
      ASSERT_LE(wider.slots(), 2 * share.slots());
      share = wider;
    }
    EXPECT_EQ(share.magazine_slots, full_slots);
    EXPECT_EQ(share.slots(), 2 * full_slots);
    EXPECT_EQ(steps.bytes_of(share), 2 * full_slots * slot_bytes_of(index));
    EXPECT_EQ(steps.grown(share).slots(), share.slots()) << "there is no larger one";
  }
}

TEST(ShareSteps, ShrinkToWhatTheyStartedWith) {
  for (class_index index = 0; index < class_count; ++index) {
    const share_steps steps(index);
    class_share share = steps.first();
    while (!share.is_paired()) share = steps.grown(share);
    for (int step = 0; share.slots() != steps.first().slots(); ++step) {
      ASSERT_LT(step, 10) << index;
      const class_share narrower = steps.shrunk(share);
      ASSERT_LT(narrower.slots(), share.slots());
      ASSERT_EQ(narrower.magazines, 1U);
      share = narrower;
    }
    EXPECT_EQ(steps.shrunk(share).slots(), share.slots());
  }
}

TEST(CacheBound, IsSharedByMoreThanEightCaches) {
  using quarry::core::cache_bound_bytes;
  EXPECT_EQ(cache_bound_bytes(1U << 20, 1), 1U << 20);
  EXPECT_EQ(cache_bound_bytes(1U << 20, 8), 1U << 20);
  EXPECT_EQ(cache_bound_bytes(1U << 20, 64), 1U << 17);
  for (std::size_t caches = 9; caches < 2000; ++caches)
    EXPECT_LE(cache_bound_bytes(100000, caches) * caches, 800000U);
}

}  // namespace
