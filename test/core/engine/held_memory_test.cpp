// What is seen of a store, through held_memory alone.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <quarry/core/engine/store.hpp>
#include <quarry/locks.hpp>
#include <set>
#include <vector>

#include "support/fake_pages.hpp"

namespace {

using quarry::core::class_index;
using quarry::core::class_of_bytes;
using quarry::core::directory;
using quarry::core::engine_limits;
using quarry::core::extent;
using quarry::core::oversize_block;
using quarry::core::plain_supply;
using quarry::core::slab;
using quarry::core::slab_layout;
using quarry_test::discarding_pages;
using quarry_test::page_log;

constexpr std::size_t granule_bytes = 4096;
constexpr std::size_t slot_bytes = 64;
constexpr class_index index = class_of_bytes(slot_bytes);
constexpr slab_layout layout = slab::layout(slot_bytes, granule_bytes);

/// A supply that lets the store keep freed blocks.
struct keeping_supply : plain_supply<discarding_pages> {
  using plain_supply::plain_supply;
  bool keeps_blocks() const noexcept { return true; }
};

engine_limits limits() {
  engine_limits result;
  result.granule_bytes = granule_bytes;
  result.retain_bytes = 100'000;
  return result;
}

class HeldMemory : public testing::Test {
 protected:
  std::vector<slab*> take(std::size_t count) {
    std::vector<slab*> taken;
    for (std::size_t i = 0; i < count; ++i) taken.push_back(store.take_slab(layout, index, 1));
    return taken;
  }
  void give_back(slab* each) {
    each->next = nullptr;
    store.give_back(each);
  }

  page_log pages;
  quarry::core::store<keeping_supply, quarry::null_lock> store{keeping_supply(discarding_pages(pages)),
                                                               limits()};
  const quarry::core::held_memory<quarry::null_lock>& seen = store;
};

TEST_F(HeldMemory, AreNothingAtFirst) {
  const int elsewhere = 0;
  EXPECT_EQ(seen.held_bytes(), 0U);
  EXPECT_EQ(seen.peak_bytes(), 0U);
  EXPECT_EQ(seen.granule_bytes(), granule_bytes);
  EXPECT_EQ(seen.slab_of(&elsewhere), nullptr);
  EXPECT_FALSE(seen.holds(&elsewhere));
  EXPECT_EQ(seen.oversize_at(&elsewhere).memory, nullptr);
  EXPECT_EQ(seen.inspect().oversize_blocks, 0U);
  EXPECT_TRUE(seen.check_invariants());
}

TEST_F(HeldMemory, TellTheSlabOfEachSlotAndOfManyAtOnce) {
  const std::vector<slab*> taken = take(3);
  void* slots[3];
  for (std::size_t i = 0; i < 3; ++i) slots[i] = taken[i]->begin() + i * slot_bytes;
  slab* homes[3];
  EXPECT_TRUE(seen.slabs_of(slots, 3, homes));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(homes[i], taken[i]);
    EXPECT_EQ(seen.slab_of(slots[i]), taken[i]);
    EXPECT_TRUE(seen.holds(slots[i]));
  }
  slots[1] = &slots;
  EXPECT_FALSE(seen.slabs_of(slots, 3, homes)) << "one lies in no slab";
  EXPECT_EQ(homes[1], nullptr);
}

TEST_F(HeldMemory, HoldThePartsToo) {
  void* const part = store.take_part(40, 8);
  EXPECT_EQ(seen.slab_of(part), nullptr);
  EXPECT_TRUE(seen.holds(part));
  EXPECT_TRUE(seen.holds(static_cast<std::byte*>(part) + 39));
}

TEST_F(HeldMemory, TellWhichBlocksLiveAndWhichRest) {
  auto* const live = static_cast<std::byte*>(store.take_oversize(70'000, 16));
  auto* const rests = static_cast<std::byte*>(store.take_oversize(30'000, 16));
  ASSERT_TRUE(store.give_back_oversize(rests));
  EXPECT_EQ(seen.oversize_bytes_of(live + 69'999), 70'000U);
  EXPECT_EQ(seen.oversize_bytes_of(rests), 0U);
  const auto of_live = seen.oversize_at(live + 5);
  EXPECT_EQ(of_live.memory, live);
  EXPECT_EQ(of_live.bytes, 70'000U);
  EXPECT_TRUE(of_live.is_live);
  const auto of_rests = seen.oversize_at(rests + 29'999);
  EXPECT_EQ(of_rests.memory, rests);
  EXPECT_FALSE(of_rests.is_live);
  std::map<void*, std::size_t> each;
  seen.for_each_oversize([&](void* block, std::size_t bytes) { each[block] = bytes; });
  EXPECT_EQ(each, (std::map<void*, std::size_t>{{live, 70'000}}));
  EXPECT_EQ(seen.inspect().oversize_blocks, 1U);
  EXPECT_EQ(seen.inspect().oversize_bytes, 70'000U);
}

TEST_F(HeldMemory, TellTheWholeOfABlockThatServedASmallerRequestBeforeItRests) {
  auto* const block = static_cast<std::byte*>(store.take_oversize(30'000, 16));
  ASSERT_TRUE(store.give_back_oversize(block));
  ASSERT_EQ(store.take_oversize(29'000, 16), block);
  ASSERT_TRUE(store.give_back_oversize(block));
  EXPECT_EQ(seen.oversize_at(block + 29'999).memory, block);
  EXPECT_EQ(seen.oversize_at(block + 30'000).memory, nullptr);
}

TEST_F(HeldMemory, CountNoLooseSlabAsABlock) {
  ASSERT_NE(store.take_slab_loose(layout, index, 2048), nullptr);
  EXPECT_EQ(seen.inspect().oversize_blocks, 0U);
  EXPECT_EQ(seen.inspect().oversize_bytes, 0U);
}

TEST_F(HeldMemory, AreVisitedSomeAtATimeUntilAllWereSeen) {
  constexpr std::size_t count = 300;
  const std::vector<slab*> taken = take(count);
  std::set<slab*> slabs;
  std::size_t turns = 1;
  directory::visit at;
  while (seen.visit_slabs(at, [&](slab& each) {
    slabs.insert(&each);
    return true;
  }))
    ++turns;
  EXPECT_EQ(slabs, std::set<slab*>(taken.begin(), taken.end()));
  EXPECT_GE(turns, count / 64);
  std::size_t granules = 0;
  seen.visit_extents([&](const extent& each) { granules += each.lent; });
  EXPECT_EQ(granules, count);

  std::set<void*> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.insert(store.take_oversize(40'000 + i, 16));
  turns = 1;
  for (decltype(store)::oversize_place place;
       seen.visit_oversize(place, [&](const oversize_block& each) { blocks.erase(each.memory); });)
    ++turns;
  EXPECT_TRUE(blocks.empty());
  EXPECT_GT(turns, 1U);
}

TEST_F(HeldMemory, RememberTheMostThatWasHeldAndCountSlabsThatWentBack) {
  const std::vector<slab*> taken = take(200);
  const std::size_t most = seen.held_bytes();
  EXPECT_EQ(most, pages.memory.live_bytes());
  const std::uint32_t epoch = seen.epoch();
  for (slab* const each : taken) {
    const std::uint32_t before = seen.epoch();
    give_back(each);
    EXPECT_NE(seen.epoch(), before);
  }
  (void)store.trim(0);
  EXPECT_LT(seen.held_bytes(), most);
  EXPECT_EQ(seen.peak_bytes(), most);
  EXPECT_NE(seen.epoch(), epoch);
}

TEST_F(HeldMemory, CountWhatWasDiscarded) {
  const std::vector<slab*> taken = take(200);
  for (std::size_t i = 0; i < taken.size(); ++i)
    if (i % 8 != 0) give_back(taken[i]);
  (void)store.trim(0);
  EXPECT_EQ(seen.inspect().discarded_bytes, pages.discarded_bytes);
  EXPECT_GT(seen.inspect().discarded_bytes, 0U);
}

}  // namespace
