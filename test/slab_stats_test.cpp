// slab_stats: a snapshot adds up, whichever resource it is of.
#include "quarry/slab_stats.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "quarry/synchronized_slab_resource.hpp"
#include "quarry/unsynchronized_slab_resource.hpp"
#include "support/counting_resource.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::slab_class_stats;
using quarry::slab_stats;
using quarry_test::counting_resource;

struct block {
  void* address;
  std::size_t bytes;
};

const slab_class_stats* row_of(const slab_stats& stats, std::size_t slot_bytes) {
  for (std::size_t i = 0; i < stats.class_rows; ++i)
    if (stats.classes[i].slot_bytes == slot_bytes) return &stats.classes[i];
  return nullptr;
}

std::size_t slots_of(const slab_class_stats& row) {
  return row.live_slots + row.cached_slots + row.free_slots;
}

void expect_rows_add_up(const slab_stats& stats) {
  slab_stats sum;
  for (std::size_t i = 0; i < stats.class_rows; ++i) {
    const slab_class_stats& row = stats.classes[i];
    EXPECT_TRUE(i == 0 || row.slot_bytes > stats.classes[i - 1].slot_bytes) << "rows ascend";
    sum.live_bytes += row.live_slots * row.slot_bytes;
    sum.live_slots += row.live_slots;
    sum.cached_slots += row.cached_slots;
    sum.slab_count += row.slab_count;
  }
  EXPECT_EQ(stats.live_bytes, sum.live_bytes + stats.oversize_bytes);
  EXPECT_EQ(stats.live_slots, sum.live_slots);
  EXPECT_EQ(stats.cached_slots, sum.cached_slots);
  EXPECT_EQ(stats.slab_count, sum.slab_count);
  EXPECT_GE(stats.upstream_peak_bytes, stats.upstream_bytes);
}

TEST(SlabStats, AFreshSnapshotIsAllZeroAndHasARowForEveryClass) {
  const slab_stats stats;
  EXPECT_EQ(stats.live_bytes + stats.live_slots + stats.cached_slots + stats.slab_count, 0U);
  EXPECT_EQ(stats.upstream_bytes + stats.upstream_peak_bytes, 0U);
  EXPECT_EQ(stats.oversize_bytes + stats.oversize_blocks + stats.class_rows, 0U);
  EXPECT_EQ(stats.classes.size(), quarry::core::class_count);
  for (const slab_class_stats& row : stats.classes)
    EXPECT_EQ(row.slot_bytes + slots_of(row) + row.slab_count, 0U);
}

template <class Resource>
class SlabStatsOf : public testing::Test {};
using resources = testing::Types<quarry::unsynchronized_slab_resource, quarry::synchronized_slab_resource>;
TYPED_TEST_SUITE(SlabStatsOf, resources, );

TYPED_TEST(SlabStatsOf, AnUnusedResourceHasNoRowsAndHoldsNothing) {
  const TypeParam resource;
  const slab_stats stats = resource.stats();
  EXPECT_EQ(stats.class_rows, 0U);
  EXPECT_EQ(stats.upstream_peak_bytes, 0U);
}

TYPED_TEST(SlabStatsOf, HasARowForEachClassInUseAndForNoOther) {
  TypeParam resource;
  for (const std::size_t bytes : {24U, 1000U, 24U, 200U}) static_cast<void>(resource.allocate(bytes));
  const slab_stats stats = resource.stats();
  EXPECT_EQ(stats.class_rows, 3U);
  ASSERT_NE(row_of(stats, resource.good_size(24)), nullptr);
  EXPECT_EQ(row_of(stats, resource.good_size(24))->live_slots, 2U);
  ASSERT_NE(row_of(stats, resource.good_size(200)), nullptr);
  EXPECT_EQ(row_of(stats, resource.good_size(200))->live_slots, 1U);
  expect_rows_add_up(stats);
}

TYPED_TEST(SlabStatsOf, FreeingMovesSlotsFromLiveToCachedOrFreeAndLosesNone) {
  TypeParam resource;
  std::vector<void*> live;
  for (int i = 0; i < 5000; ++i) live.push_back(resource.allocate(48));
  const slab_class_stats full = *row_of(resource.stats(), 48);
  EXPECT_EQ(full.live_slots, 5000U);
  void* const kept = live.back();  // a slab stays in use, so that the row does
  live.pop_back();
  for (std::size_t i = 0; i < live.size(); i += 2) resource.deallocate(live[i], 48);  // no slab empties
  const slab_class_stats half = *row_of(resource.stats(), 48);
  EXPECT_EQ(half.live_slots, 2500U);
  EXPECT_EQ(half.slab_count, full.slab_count);
  EXPECT_EQ(slots_of(half), slots_of(full));
  for (std::size_t i = 1; i < live.size(); i += 2) resource.deallocate(live[i], 48);
  EXPECT_EQ(row_of(resource.stats(), 48)->live_slots, 1U);
  resource.deallocate(kept, 48);
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_EQ(resource.stats().live_bytes, 0U);
}

TYPED_TEST(SlabStatsOf, AddsUpUnderRandomUse) {
  counting_resource upstream;
  TypeParam resource(&upstream);
  std::vector<block> live;
  std::mt19937 random(23);
  std::size_t peak = 0;
  for (int i = 0; i < 20000; ++i) {
    if (live.empty() || random() % 100 < 52) {
      const std::size_t bytes = random() % 50 == 0 ? 8193 + random() % 100000 : random() % 700;
      live.push_back({resource.allocate(bytes), bytes});
    } else {
      const auto freed = quarry_test::take_any(live, random);
      resource.deallocate(freed.address, freed.bytes);
    }
    if (i % 500 != 0) continue;
    const slab_stats stats = resource.stats();
    expect_rows_add_up(stats);
    ASSERT_EQ(stats.live_slots + stats.oversize_blocks, live.size());
    ASSERT_EQ(stats.upstream_bytes, upstream.live_bytes());
    ASSERT_EQ(stats.upstream_peak_bytes, upstream.peak_bytes());
    ASSERT_GE(stats.upstream_peak_bytes, peak) << "a peak never falls";
    peak = stats.upstream_peak_bytes;
  }
  resource.release();
  const slab_stats released = resource.stats();
  EXPECT_EQ(released.class_rows, 0U);
  EXPECT_EQ(released.live_bytes + released.upstream_bytes, 0U);
  EXPECT_EQ(released.upstream_peak_bytes, upstream.peak_bytes());
}

}  // namespace
