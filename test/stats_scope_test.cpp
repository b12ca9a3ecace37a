// Scopes: what a piece of code left in a resource, per class and in total.
#include "quarry/stats_scope.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <list>
#include <quarry/slab_allocator.hpp>

#include "support/both_resources.hpp"

namespace {

using quarry::change_between;
using quarry::slab_stats;
using quarry::stats_change;
using quarry::stats_scope;
using quarry_test::both_resources;
using quarry_test::resource_names;

void expect_nothing(const stats_change& change) {
  EXPECT_EQ(change.live_bytes, 0);
  EXPECT_EQ(change.live_slots, 0);
  EXPECT_EQ(change.oversize_bytes, 0);
  EXPECT_EQ(change.oversize_blocks, 0);
}

template <class Resource>
class StatsScopes : public testing::Test {};
TYPED_TEST_SUITE(StatsScopes, both_resources, resource_names);

TYPED_TEST(StatsScopes, TellWhatWasAllocatedAndNotFreedSinceTheyBegan) {
  TypeParam resource;
  void* const before = resource.allocate(48);
  stats_scope scope(resource);
  expect_nothing(scope.change());
  EXPECT_EQ(scope.change().class_rows, 0U);

  void* const first = resource.allocate(48);
  void* const second = resource.allocate(200);
  void* const block = resource.allocate(100'000);
  stats_change change = scope.change();
  EXPECT_EQ(change.live_bytes, 48 + 208 + 100'000);
  EXPECT_EQ(change.live_slots, 2);
  EXPECT_EQ(change.oversize_bytes, 100'000);
  EXPECT_EQ(change.oversize_blocks, 1);
  EXPECT_EQ(change.slab_count, 1);
  EXPECT_GE(change.upstream_bytes, 100'000);
  ASSERT_EQ(change.class_rows, 2U);
  EXPECT_EQ(change.classes[0].slot_bytes, 48U);
  EXPECT_EQ(change.classes[0].live_slots, 1);
  EXPECT_EQ(change.classes[0].slab_count, 0);
  EXPECT_EQ(change.classes[1].slot_bytes, 208U);
  EXPECT_EQ(change.classes[1].live_slots, 1);
  EXPECT_EQ(change.classes[1].slab_count, 1);

  resource.deallocate(first, 48);
  resource.deallocate(second, 200);
  resource.deallocate(block, 100'000);
  expect_nothing(scope.change());
  resource.deallocate(before, 48);
  change = scope.change();
  EXPECT_EQ(change.live_bytes, -48);
  EXPECT_EQ(change.live_slots, -1);
  ASSERT_GE(change.class_rows, 1U);
  EXPECT_EQ(change.classes[0].live_slots, -1);

  scope.restart();
  expect_nothing(scope.change());
  EXPECT_EQ(scope.change().class_rows, 0U);
}

TYPED_TEST(StatsScopes, TellWhatAReleaseTookAway) {
  TypeParam resource;
  for (int i = 0; i < 100; ++i) static_cast<void>(resource.allocate(64));
  const stats_scope scope(resource);
  resource.release();
  static_cast<void>(resource.allocate(32));
  const stats_change change = scope.change();
  EXPECT_EQ(change.live_slots, -99);
  ASSERT_EQ(change.class_rows, 2U);
  EXPECT_EQ(change.classes[0].slot_bytes, 32U);
  EXPECT_EQ(change.classes[0].live_slots, 1);
  EXPECT_EQ(change.classes[1].slot_bytes, 64U);
  EXPECT_EQ(change.classes[1].live_slots, -100);
}

TEST(StatsScope, FollowsAContainer) {
  quarry::unsynchronized_slab_resource resource;
  std::list<int, quarry::slab_allocator<int>> numbers(&resource);
  const stats_scope scope(resource);
  numbers.resize(1000);
  EXPECT_EQ(scope.change().live_slots, 1000);
  numbers.clear();
  EXPECT_EQ(scope.change().live_slots, 0);
}

TEST(StatsChange, IsNothingBetweenEmptySnapshots) {
  expect_nothing(change_between(slab_stats(), slab_stats()));
}

}  // namespace
