#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/magazines/share.hpp>
#include <vector>

namespace {

using quarry::core::class_count;
using quarry::core::class_index;
using quarry::core::class_share;
using quarry::core::full_magazine_slots;
using quarry::core::magazine;
using quarry::core::pinning_limit;
using quarry::core::share_steps;
using quarry::core::slot_bytes_of;

constexpr share_steps steps_of(std::size_t slot_bytes, std::uint32_t growth_log2) {
  return share_steps(slot_bytes, full_magazine_slots(slot_bytes), growth_log2);
}

/// The slots of each share on the way from none to two full magazines.
std::vector<std::size_t> way_up(const share_steps& steps) {
  std::vector<std::size_t> way;
  for (class_share share; !share.is_paired() && way.size() < 100;) {
    share = steps.grown(share);
    way.push_back(share.slots());
  }
  return way;
}

class ShareSteps : public testing::TestWithParam<std::uint32_t> {
 protected:
  share_steps of(class_index index) const { return steps_of(slot_bytes_of(index), GetParam()); }
};

TEST_P(ShareSteps, StartSmallAndEndWithTwoFullMagazines) {
  for (class_index index = 0; index < class_count; ++index) {
    const share_steps steps = of(index);
    const std::size_t full_slots = full_magazine_slots(slot_bytes_of(index));
    class_share share = steps.grown(class_share());
    EXPECT_EQ(share.slots(), steps.first().slots());
    EXPECT_GE(share.slots(), 2U);
    EXPECT_LE(share.slots(), share_steps::first_slots);
    for (int step = 0; !share.is_paired(); ++step) {
      ASSERT_LT(step, 10) << index;
      const class_share wider = steps.grown(share);
      ASSERT_GT(wider.slots(), share.slots());
      ASSERT_LE(wider.slots(), (share.slots() + 1) << GetParam());
      share = wider;
    }
    EXPECT_EQ(share.magazine_slots, full_slots);
    EXPECT_EQ(share.slots(), 2 * full_slots);
    EXPECT_EQ(steps.bytes_of(share), 2 * full_slots * slot_bytes_of(index));
    EXPECT_EQ(steps.grown(share).slots(), share.slots()) << "there is no larger one";
  }
}

TEST_P(ShareSteps, ShrinkStepByStepToWhatTheyStartedWith) {
  for (class_index index = 0; index < class_count; ++index) {
    const share_steps steps = of(index);
    class_share share = steps.first();
    while (!share.is_paired()) share = steps.grown(share);
    for (int step = 0; share.slots() != steps.first().slots(); ++step) {
      ASSERT_LT(step, 10) << index;
      const class_share narrower = steps.shrunk(share);
      ASSERT_LT(narrower.slots(), share.slots());
      ASSERT_GE(narrower.slots(), std::max(share.slots() / 2, steps.first().slots()));
      ASSERT_EQ(narrower.magazines, 1U);
      share = narrower;
    }
    EXPECT_EQ(steps.shrunk(share).slots(), share.slots()) << "there is no smaller one";
  }
}

INSTANTIATE_TEST_SUITE_P(GrowthLog2, ShareSteps, testing::Values(1U, 3U));

TEST(ShareStepsBy, TwoDoubleAMagazineOfSmallSlotsUntilItIsFull) {
  EXPECT_EQ(way_up(steps_of(64, 1)), (std::vector<std::size_t>{7, 16, 34, 63, 126}));
}

TEST(ShareStepsBy, EightFillAMagazineOfSmallSlotsAtOnce) {
  EXPECT_EQ(way_up(steps_of(64, 3)), (std::vector<std::size_t>{7, 63, 126}));
}

TEST(ShareStepsBy, AnyFactorStartWith2KiBOfLargerSlotsAndAtLeastTwo) {
  EXPECT_EQ(way_up(steps_of(512, 1)), (std::vector<std::size_t>{4, 10, 22, 46, 63, 126}));
  EXPECT_EQ(way_up(steps_of(32768, 1)), (std::vector<std::size_t>{2, 4, 8}));
  EXPECT_EQ(way_up(steps_of(32768, 3)), (std::vector<std::size_t>{2, 4, 8}));
}

TEST(ShareStepsBy, AnyFactorShrinkByHalves) {
  const share_steps steps = steps_of(64, 3);
  EXPECT_EQ(steps.shrunk({63, 2}).slots(), 63U);
  EXPECT_EQ(steps.shrunk({63, 1}).slots(), 31U);
  EXPECT_EQ(steps.shrunk({31, 1}).slots(), 15U);
  EXPECT_EQ(steps.shrunk({15, 1}).slots(), 7U);
  EXPECT_EQ(steps.shrunk({7, 1}).slots(), 7U);
  EXPECT_EQ(steps.shrunk(class_share()).slots(), 0U) << "none stays none";
}

TEST(CacheBound, IsWholeForTwoCachesAndWhatThoseMayHoldIsSharedByMore) {
  using quarry::core::cache_bound_bytes;
  EXPECT_EQ(cache_bound_bytes(1U << 20, 0), 1U << 20);
  EXPECT_EQ(cache_bound_bytes(1U << 20, 1), 1U << 20);
  EXPECT_EQ(cache_bound_bytes(1U << 20, 2), 1U << 20);
  EXPECT_EQ(cache_bound_bytes(1U << 20, 4), 1U << 19);
  EXPECT_EQ(cache_bound_bytes(1U << 20, 64), 1U << 15);
  for (std::size_t caches = 3; caches < 2000; ++caches) {
    EXPECT_LE(cache_bound_bytes(100000, caches) * caches, 200000U);
    EXPECT_GT((cache_bound_bytes(100000, caches) + 2) * caches, 200000U)
        << "no more is lost than by rounding";
  }
}

TEST(PinningLimit, IsNoneInTwoSlabs) {
  EXPECT_EQ(pinning_limit(0, 0), magazine::capacity);
  EXPECT_EQ(pinning_limit(1, 1), magazine::capacity);
  EXPECT_EQ(pinning_limit(8, 2), magazine::capacity);
}

TEST(PinningLimit, IsNoneInAsManySlabsAsAreFew) {
  EXPECT_EQ(pinning_limit(8, 6, 6), magazine::capacity);
  EXPECT_EQ(pinning_limit(8, 7, 6), 1U);
}

TEST(PinningLimit, IsAnEighthOfWhatIsInUseInMoreSlabsAndAtLeastOne) {
  EXPECT_EQ(pinning_limit(0, 3), 1U);
  EXPECT_EQ(pinning_limit(15, 3), 1U);
  EXPECT_EQ(pinning_limit(16, 3), 2U);
  EXPECT_EQ(pinning_limit(62 * 8 + 7, 3), 62U);
  EXPECT_EQ(pinning_limit(63 * 8, 3), magazine::capacity);
  EXPECT_EQ(pinning_limit(std::size_t{1} << (sizeof(std::size_t) == 8 ? 40 : 30), 1000), magazine::capacity)
      << "whatever the number";
}

}  // namespace
