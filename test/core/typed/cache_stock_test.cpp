// again with: -Os
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <quarry/core/typed/cache_stock.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/cache_stock_fixture.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::core::cache_front;
using quarry::core::cache_layout;
using quarry::core::cache_stock;
using quarry::core::make_cache_layout;
using quarry::core::slab;

constexpr cache_layout one_slot_layout = make_cache_layout({512, 512, 100, true}, 1024);
static_assert(one_slot_layout.root.slots == 1 && one_slot_layout.extension.slots == 1);

std::size_t length_of(const slab* chain) {
  std::size_t length = 0;
  for (; chain != nullptr; chain = chain->next) ++length;
  return length;
}

class CacheStock : public quarry_test::cache_stock_fixture {
 protected:
  std::size_t give(const std::vector<void*>& slots) {
    std::size_t surplus = 0;
    for (void* const each : slots) surplus += length_of(stock.deallocate(front, each));
    return surplus;
  }
};

TEST_F(CacheStock, StartsWithOneHandleAndOneSlabOfFreeSlots) {
  EXPECT_TRUE(stock.last_handle());
  EXPECT_FALSE(stock.ended());
  EXPECT_EQ(stock.slab_count(), 1U);
  EXPECT_EQ(stock.out_slots(), 0U);
  EXPECT_EQ(stock.cached_slots(front), 0U);
  EXPECT_EQ(front.loaded.pop(), nullptr);
}

TEST_F(CacheStock, ServesTheRootSlabFirstAndAddedSlabsWhenItIsFull) {
  (void)add_slab();
  const std::vector<void*> from_root = take(layout.root.slots);
  for (void* const each : from_root) ASSERT_EQ(home_of(each, layout.slabs), first);
  EXPECT_EQ(stock.resting_slabs(), 1U);
  const std::vector<void*> from_extension = take(layout.extension.slots);
  for (void* const each : from_extension) ASSERT_NE(home_of(each, layout.slabs), first);
  EXPECT_EQ(stock.resting_slabs(), 0U);
  EXPECT_EQ(stock.allocate(front), nullptr) << "every slab is full";
  EXPECT_EQ(stock.allocate(front), nullptr);
  EXPECT_EQ(stock.out_slots(), layout.root.slots + layout.extension.slots);
  std::set<void*> distinct(from_root.begin(), from_root.end());
  distinct.insert(from_extension.begin(), from_extension.end());
  EXPECT_EQ(distinct.size(), stock.out_slots());
  (void)add_slab();
  EXPECT_NE(stock.allocate(front), nullptr);
}

TEST_F(CacheStock, RefillsHalfAMagazineInAddressOrder) {
  void* const lowest = stock.allocate(front);
  EXPECT_EQ(lowest, first->begin());
  EXPECT_EQ(stock.cached_slots(front), magazine_slots / 2 - 1);
  EXPECT_EQ(stock.out_slots(), magazine_slots / 2);
  for (std::size_t i = 1; i < magazine_slots / 2; ++i)
    EXPECT_EQ(stock.allocate(front), static_cast<std::byte*>(lowest) + i * 32);
  EXPECT_EQ(stock.cached_slots(front), 0U);
}

TEST_F(CacheStock, FlushesTheOlderHalfOfAFullMagazine) {
  const std::vector<void*> slots = take(layout.root.slots);
  ASSERT_EQ(stock.cached_slots(front), 0U);
  for (std::size_t i = 0; i < magazine_slots; ++i) ASSERT_EQ(stock.deallocate(front, slots[i]), nullptr);
  EXPECT_EQ(stock.out_slots(), slots.size());
  stock.deallocate(front, slots[magazine_slots]);
  EXPECT_EQ(stock.cached_slots(front), magazine_slots / 2);
  EXPECT_EQ(stock.out_slots(), slots.size() - magazine_slots / 2 - 1);
  for (std::size_t i = 0; i <= magazine_slots; ++i)
    EXPECT_EQ(stock.is_cached(front, slots[i]), i > magazine_slots / 2) << i;
  EXPECT_EQ(stock.allocate(front), slots[magazine_slots]) << "the newest comes first";
}

TEST_F(CacheStock, AnEmptyRootSlabStaysAndEmptyExtensionsRestAsFarAsAllowed) {
  for (int i = 0; i < 4; ++i) (void)add_slab();
  const std::vector<void*> all = take(layout.root.slots + 4 * layout.extension.slots);
  std::size_t surplus = give(all);
  surplus += length_of(stock.flush(front));
  EXPECT_EQ(surplus, 3U) << "one rests";
  EXPECT_EQ(stock.slab_count(), 2U);
  EXPECT_EQ(stock.resting_slabs(), 1U);
  EXPECT_EQ(stock.peak_slabs(), 5U);
  EXPECT_EQ(length_of(stock.retain(0)), 1U);
  EXPECT_EQ(stock.slab_count(), 1U);
  EXPECT_EQ(length_of(stock.trim_all(front, 0)), 0U);
}

TEST_F(CacheStock, ReservedSlabsRestUntilTrimAll) {
  for (int i = 0; i < 3; ++i) {
    stock.begin_reserve();
    (void)add_slab();
  }
  EXPECT_EQ(give(take(layout.root.slots + 3 * layout.extension.slots)), 0U);
  EXPECT_EQ(stock.flush(front), nullptr);
  EXPECT_EQ(stock.resting_slabs(), 3U);
  EXPECT_EQ(length_of(stock.trim_all(front, 2)), 1U);
  EXPECT_EQ(length_of(stock.retain(1)), 1U) << "the reservation is over";
}

TEST_F(CacheStock, EndsWithTheLastHandleWhenNoSlotIsOut) {
  (void)give(take(3));
  stock.add_handle();
  EXPECT_FALSE(stock.last_handle());
  EXPECT_EQ(stock.drop_handle(front), nullptr);
  EXPECT_FALSE(stock.ended());
  EXPECT_EQ(stock.cached_slots(front), magazine_slots / 2) << "the magazine stays for the other handle";
  EXPECT_EQ(stock.drop_handle(front), nullptr);
  EXPECT_TRUE(stock.ended());
}

TEST_F(CacheStock, WithoutHandlesTheLastSlotEndsItAndEveryFreeIsAMiss) {
  (void)add_slab();
  const std::vector<void*> slots = take(layout.root.slots + 2);
  EXPECT_EQ(stock.drop_handle(front), nullptr);
  EXPECT_EQ(stock.out_slots(), slots.size()) << "the magazine was flushed";
  EXPECT_FALSE(front.loaded.push(slots[0]));
  EXPECT_EQ(front.loaded.pop(), nullptr);
  std::size_t surplus = 0;
  for (std::size_t i = slots.size(); i-- > 0;) {
    EXPECT_FALSE(stock.ended()) << i;
    surplus += length_of(stock.deallocate(front, slots[i]));
    EXPECT_EQ(surplus, i < slots.size() - 1 ? 1U : 0U) << "the empty extension slab goes at once";
  }
  EXPECT_TRUE(stock.ended());
}

TEST_F(CacheStock, TheLastHandleTakesRestingSlabsOut) {
  stock.begin_reserve();
  (void)add_slab();
  (void)add_slab();
  EXPECT_EQ(length_of(stock.drop_handle(front)), 2U);
  EXPECT_TRUE(stock.ended());
}

TEST_F(CacheStock, TheLastHandleEndsAReserveThoughSlotsAreOut) {
  (void)add_slab();
  (void)add_slab();
  stock.begin_reserve();
  void* const slot = take(1).front();
  EXPECT_EQ(length_of(stock.drop_handle(front)), 2U) << "nobody else knows of the slabs that rest";
  EXPECT_FALSE(stock.ended());
  EXPECT_EQ(stock.deallocate(front, slot), nullptr);
  EXPECT_TRUE(stock.ended());
}

TEST_F(CacheStock, RetainLeavesAReserveAlone) {
  for (int i = 0; i < 3; ++i) (void)add_slab();
  stock.begin_reserve();
  EXPECT_EQ(stock.retain(1), nullptr);
  EXPECT_EQ(stock.retain(0), nullptr);
  EXPECT_EQ(stock.resting_slabs(), 3U);
  EXPECT_EQ(length_of(stock.trim_all(front, 2)), 1U);
  EXPECT_EQ(length_of(stock.retain(1)), 1U) << "the reserve is over";
}

TEST_F(CacheStock, DrawsOnABudgetForWhatRestsAndGivesBackWhatIsTrimmed) {
  quarry::core::rest_budget budget(10 * slab_bytes);
  stock.draw_on(budget);
  for (int i = 0; i < 5; ++i) (void)add_slab();
  EXPECT_EQ(stock.flush(front), nullptr);
  EXPECT_EQ(budget.left_bytes(), 6 * slab_bytes) << "one rests without it";
  EXPECT_EQ(length_of(stock.trim(3)), 2U);
  EXPECT_EQ(budget.left_bytes(), 8 * slab_bytes);
  const std::vector<void*> slots = take(layout.root.slots + 1);
  EXPECT_EQ(budget.left_bytes(), 9 * slab_bytes) << "a slab that is used again is not drawn for";
  (void)give(slots);
  EXPECT_EQ(length_of(stock.trim_all(front, 0)), 3U);
  EXPECT_EQ(budget.left_bytes(), 10 * slab_bytes);
}

TEST_F(CacheStock, FindsTheSlabOfAnyByteOfASlotAndOfNothingElse) {
  (void)add_slab();
  (void)take(layout.root.slots + 1);
  std::size_t slabs = 0;
  stock.for_each_slab([&](slab& each) {
    ++slabs;
    const std::byte* const begin = each.begin();
    const std::byte* const end = begin + each.slots() * 32;
    EXPECT_EQ(stock.find(begin), &each);
    EXPECT_EQ(stock.find(begin + 33), &each);
    EXPECT_EQ(stock.find(end - 1), &each);
    EXPECT_EQ(stock.find(begin - 1), nullptr) << "a header";
    EXPECT_EQ(stock.find(end), nullptr);
    EXPECT_EQ(stock.find(&each), nullptr);
  });
  EXPECT_EQ(slabs, 2U);
  EXPECT_EQ(stock.find(nullptr), nullptr);
  EXPECT_EQ(stock.find(&stock), nullptr);
}

TEST_F(CacheStock, FindsRestingSlabsToo) {
  slab* const resting = make_slab(layout, layout.extension);
  stock.add(resting);
  EXPECT_EQ(stock.find(resting->begin()), resting);
}

TEST_F(CacheStock, KeptObjectsStayOutUntilTheyAreTaken) {
  const std::vector<void*> slots = take(2);
  const std::size_t out = stock.out_slots();
  stock.keep(slots[1]);
  EXPECT_EQ(stock.kept_slots(), 1U);
  EXPECT_EQ(stock.out_slots(), out);
  EXPECT_TRUE(stock.is_kept(*first, first->index_of(slots[1], layout.slabs)));
  EXPECT_FALSE(stock.is_kept(*first, first->index_of(slots[0], layout.slabs)));
  EXPECT_EQ(stock.take_kept(), slots[1]);
  EXPECT_EQ(stock.take_kept(), nullptr);
  EXPECT_EQ(stock.kept_slots(), 0U);
}

TEST_F(CacheStock, SlabsOfASingleSlotComeAndGo) {
  void* entries_of_one[cache_stock::entries_for(4)];
  cache_front front_of_one;
  cache_stock one(one_slot_layout, *make_slab(one_slot_layout, one_slot_layout.root), entries_of_one, 4,
                  front_of_one);
  void* const from_root = one.allocate(front_of_one);
  EXPECT_NE(from_root, nullptr);
  EXPECT_EQ(one.allocate(front_of_one), nullptr);
  one.add(make_slab(one_slot_layout, one_slot_layout.extension));
  void* const from_extension = one.allocate(front_of_one);
  EXPECT_NE(from_extension, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(from_extension) % 512, 0U);
  EXPECT_EQ(one.deallocate(front_of_one, from_extension), nullptr);
  EXPECT_EQ(one.deallocate(front_of_one, from_root), nullptr);
  EXPECT_EQ(length_of(one.drop_handle(front_of_one)), 1U);
  EXPECT_TRUE(one.ended());
}

TEST_F(CacheStock, RandomUseKeepsTheInvariants) {
  std::mt19937 random(1);
  std::vector<void*> out;
  std::set<void*> distinct;
  std::size_t slabs = 1;
  for (int i = 0; i < 40000; ++i) {
    const bool grows = random() % 100 < (i / 4000 % 2 == 0 ? 60U : 40U);
    if (grows || out.empty()) {
      void* slot = stock.allocate(front);
      if (slot == nullptr && slabs < 60) {
        (void)add_slab();
        ++slabs;
        slot = stock.allocate(front);
      }
      if (slot == nullptr) continue;
      ASSERT_TRUE(distinct.insert(slot).second) << "a slot was handed out twice";
      out.push_back(slot);
    } else {
      void* const freed = quarry_test::take_any(out, random);
      distinct.erase(freed);
      slabs -= length_of(stock.deallocate(front, freed));
    }
    ASSERT_EQ(stock.slab_count(), slabs);
    ASSERT_EQ(stock.out_slots(), out.size() + stock.cached_slots(front));
    ASSERT_TRUE(i % 100 != 0 || stock.check_invariants(front));
  }
}

}  // namespace
