#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <quarry/core/typed/slot_cache.hpp>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"

namespace {

using quarry::null_lock;
using quarry::spin_lock;
using quarry::core::cache_control;
using quarry::core::cache_front;
using quarry::core::cache_layout;
using quarry::core::make_cache_layout;
using quarry::core::slab;
using quarry::core::slot_cache;
using quarry::core::slot_fault;
using quarry_test::null_on_failure_source;

/// Ends as the handles of caches do.
template <class Slots>
struct closing : Slots {
  using Slots::Slots;
  closing(const closing&) = default;
  closing(closing&&) noexcept = default;
  ~closing() { this->close(); }
};

/// Slots of `Bytes` bytes in slabs of `SlabBytes`; counts what is destroyed.
template <std::size_t Bytes, std::size_t Alignment, std::size_t SlabBytes, class Lock, class PageSource>
struct kind_of {
  using type = kind_of;
  static constexpr std::uint32_t magazine_slots = quarry::core::magazine_slots_for(SlabBytes / Bytes);
  static constexpr std::size_t slot_bytes = Bytes;
  static constexpr std::size_t slot_alignment = Alignment;
  static constexpr cache_layout layout = make_cache_layout(
      {Bytes, Alignment, cache_control<Lock, PageSource, magazine_slots, true>::bytes, true}, SlabBytes);
  static constexpr bool marks_kept = true;
  static constexpr bool has_destructor = true;
  static_assert(layout.root.slots != 0);
  static inline std::multiset<void*> destroyed;
  static void destroy_object(void* slot) noexcept { destroyed.insert(slot); }
  static void begin_checks(cache_control<Lock, PageSource, magazine_slots, true>&) noexcept {}
};

template <std::size_t Bytes, std::size_t Alignment, std::size_t SlabBytes,
          class PageSource = null_on_failure_source>
using plain_slots = closing<
    slot_cache<kind_of<Bytes, Alignment, SlabBytes, null_lock, PageSource>, null_lock, false, PageSource>>;

class SlotCache : public ::testing::Test {
 protected:
  using kind = kind_of<40, 8, 1024, null_lock, null_on_failure_source>;
  using slots = closing<slot_cache<kind, null_lock, false, null_on_failure_source>>;

  void SetUp() override { kind::destroyed.clear(); }
  void fail_at(std::size_t call) {
    pages.calls = 0;
    pages.fail_at_call = call;
  }
  static void* take(slots& from) {
    void* const slot = from.try_hit();
    return slot != nullptr ? slot : from.allocate_slow();
  }
  static std::vector<void*> take(slots& from, std::size_t count) {
    std::vector<void*> taken;
    for (std::size_t i = 0; i < count; ++i) taken.push_back(take(from));
    return taken;
  }
  static void give(slots& to, const std::vector<void*>& taken) {
    for (void* const each : taken) to.deallocate(each);
  }
  static std::size_t slab_count(const slots& of) {
    std::size_t count = 0;
    of.inspect([&](const quarry::core::cache_stock& stock, std::size_t) { count = stock.slab_count(); });
    return count;
  }

  null_on_failure_source::state pages;
  null_on_failure_source source{pages};
  slots cache{source};
};

TEST_F(SlotCache, TakesNoMemoryUntilItsFirstSlot) {
  EXPECT_FALSE(cache.is_open());
  EXPECT_EQ(cache.try_hit(), nullptr);
  EXPECT_EQ(cache.take_kept(), nullptr);
  EXPECT_EQ(cache.trim(0), 0U);
  EXPECT_EQ(cache.at(0), nullptr);
  EXPECT_FALSE(cache.owns(&cache));
  EXPECT_EQ(cache.try_deallocate(&cache, 8), slot_fault::foreign);
  cache.for_each_live([](void*) { FAIL(); });
  EXPECT_EQ(cache.erase_if([](void*) { return true; }), 0U);
  cache.inspect([](const auto&, std::size_t) { FAIL(); });
  EXPECT_EQ(pages.memory.calls(), 0U);
  void* const slot = take(cache);
  EXPECT_TRUE(cache.is_open());
  EXPECT_EQ(pages.memory.allocations(), 1U);
  cache.deallocate(slot);
}

TEST_F(SlotCache, OpensAgainAfterARefusal) {
  fail_at(1);
  EXPECT_FALSE(cache.open());
  fail_at(1);
  EXPECT_FALSE(cache.try_open());
  fail_at(1);
  EXPECT_EQ(cache.allocate_slow(), nullptr);
  EXPECT_FALSE(cache.is_open());
  EXPECT_EQ(pages.memory.allocations(), 0U);
  EXPECT_TRUE(cache.try_open());
  EXPECT_TRUE(cache.open());
  EXPECT_EQ(pages.memory.allocations(), 1U);
}

TEST_F(SlotCache, ACopyOpensTheOriginalAndSharesIt) {
  const slots copy(cache);
  EXPECT_TRUE(cache.is_open());
  EXPECT_TRUE(copy.shares_with(cache));
  EXPECT_EQ(pages.memory.live_blocks(), 1U);
}

TEST_F(SlotCache, ACopyOfWhatCannotBeOpenedStartsOnItsOwn) {
  fail_at(1);
  slots copy(cache);
  EXPECT_FALSE(copy.is_open());
  EXPECT_FALSE(cache.is_open());
  EXPECT_FALSE(copy.shares_with(cache)) << "unopened handles share nothing";
  EXPECT_TRUE(copy.shares_with(copy));
  EXPECT_TRUE(copy.try_open());
  EXPECT_FALSE(cache.is_open());
}

TEST_F(SlotCache, MovingHandsTheSlabsOverAndLeavesAnUnopenedHandle) {
  void* const slot = take(cache);
  slots moved(std::move(cache));
  EXPECT_FALSE(cache.is_open());
  EXPECT_TRUE(moved.owns(slot));
  EXPECT_EQ(pages.memory.live_blocks(), 1U);
  cache.swap(moved);
  EXPECT_TRUE(cache.owns(slot));
  EXPECT_FALSE(moved.is_open());
  cache.deallocate(slot);
}

TEST_F(SlotCache, SwappingExchangesThePageSourcesToo) {
  null_on_failure_source::state other_pages;
  null_on_failure_source other_source(other_pages);
  slots other{other_source};
  cache.swap(other);
  EXPECT_TRUE(cache.try_open());
  EXPECT_EQ(other_pages.memory.allocations(), 1U);
  EXPECT_EQ(pages.memory.allocations(), 0U);
  EXPECT_TRUE(other.try_open());
  EXPECT_EQ(pages.memory.allocations(), 1U);
  cache.swap(other);  // the other source goes first
}

TEST_F(SlotCache, SlotsOutliveTheHandlesAndFindTheirWayHome) {
  std::vector<void*> taken;
  {
    slots first{source};
    const slots second(first);
    taken = take(first, kind::layout.root.slots + kind::layout.extension.slots);
  }
  EXPECT_EQ(pages.memory.live_blocks(), 2U);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    EXPECT_GE(pages.memory.live_blocks(), 1U) << i;
    slots::push(*slots::front_of(static_cast<std::byte*>(taken[i]) + i % 40), taken[i]);
  }
  EXPECT_EQ(pages.memory.live_blocks(), 0U);
}

TEST_F(SlotCache, TheFrontOfASlotIsItsCaches) {
  slots other{source};
  void* const mine = take(cache);
  void* const foreign = take(other);
  EXPECT_TRUE(cache.is_mine(mine));
  EXPECT_FALSE(cache.is_mine(foreign));
  EXPECT_NE(slots::front_of(mine), slots::front_of(foreign));
  EXPECT_EQ(slots::front_of(mine)->destroy, &slots::destroy_inside);
  cache.deallocate(mine);
  other.deallocate(foreign);
}

TEST_F(SlotCache, DestroyingInsideASlotDestroysTheObjectAndFreesTheSlotOnce) {
  void* const slot = take(cache);
  slots::destroy_inside(static_cast<std::byte*>(slot) + 17);
  EXPECT_EQ(kind::destroyed, (std::multiset<void*>{slot}));
  EXPECT_EQ(cache.try_deallocate(slot, 8), slot_fault::free);
}

TEST_F(SlotCache, ReservedSlotsComeWithoutThePageSource) {
  EXPECT_TRUE(cache.reserve(100));
  const std::size_t calls = pages.memory.calls();
  for (int round = 0; round < 2; ++round) give(cache, take(cache, 100));
  EXPECT_EQ(pages.memory.calls(), calls);
  EXPECT_TRUE(cache.reserve(100));
  EXPECT_EQ(pages.memory.calls(), calls) << "they are there already";
  EXPECT_EQ(cache.trim(0), (calls - 1) * 1024);
  EXPECT_EQ(pages.memory.live_blocks(), 1U);
}

TEST_F(SlotCache, ReservedSlabsGoBackThoughSlotsOutliveTheHandle) {
  void* slot = nullptr;
  {
    slots own{source};
    EXPECT_TRUE(own.reserve(100));
    slot = take(own);
  }
  EXPECT_EQ(pages.memory.live_blocks(), 1U) << "the slab of the slot that is out";
  slots::destroy_inside(slot);
  EXPECT_EQ(pages.memory.live_blocks(), 0U);
}

TEST_F(SlotCache, RetainLeavesReservedSlabsAlone) {
  EXPECT_TRUE(cache.reserve(100));
  const std::size_t calls = pages.memory.calls();
  EXPECT_TRUE(cache.retain(1));
  give(cache, take(cache, 100));
  EXPECT_EQ(pages.memory.calls(), calls);
}

TEST_F(SlotCache, AReserveThatFailsAtAnyCallKeepsWhatItTookAndMayBeRepeated) {
  for (std::size_t call = 1; call <= 5; ++call) {
    slots fresh{source};
    fail_at(call);
    EXPECT_FALSE(fresh.reserve(100));
    EXPECT_EQ(slab_count(fresh), call - 1);
    EXPECT_EQ(fresh.is_open(), call > 1);
    EXPECT_TRUE(fresh.reserve(100));
    const std::size_t calls = pages.memory.calls();
    give(fresh, take(fresh, 100));
    EXPECT_EQ(pages.memory.calls(), calls);
  }
  EXPECT_EQ(pages.memory.live_blocks(), 0U);
}

TEST_F(SlotCache, TryDeallocateRefusesEveryPointerThatIsNoSlotInUse) {
  slots other{source};
  const std::vector<void*> taken = take(cache, kind::layout.root.slots);
  void* const foreign = take(other);
  auto* const first = static_cast<std::byte*>(taken.front());
  EXPECT_EQ(cache.try_deallocate(first + 1, 8), slot_fault::misaligned);
  EXPECT_EQ(cache.try_deallocate(first + 8, 8), slot_fault::foreign) << "inside a slot";
  EXPECT_EQ(cache.try_deallocate(first - 8, 8), slot_fault::foreign) << "the control block";
  EXPECT_EQ(cache.try_deallocate(static_cast<std::byte*>(taken.back()) + 40, 8), slot_fault::foreign);
  EXPECT_EQ(cache.try_deallocate(nullptr, 8), slot_fault::foreign);
  EXPECT_EQ(cache.try_deallocate(foreign, 8), slot_fault::foreign);
  EXPECT_EQ(cache.try_deallocate(taken[1], 8), slot_fault::none);
  EXPECT_EQ(cache.try_deallocate(taken[1], 8), slot_fault::free) << "in the magazine";
  cache.trim(0);
  EXPECT_EQ(cache.try_deallocate(taken[1], 8), slot_fault::free) << "in its slab";
  cache.keep(taken[2]);
  EXPECT_EQ(cache.try_deallocate(taken[2], 8), slot_fault::free) << "kept";
  void*& owner = home_of(taken[0], kind::layout.slabs)->owner;
  void* const right_owner = std::exchange(owner, nullptr);
  EXPECT_EQ(cache.try_deallocate(taken[0], 8), slot_fault::damaged);
  owner = right_owner;
  for (std::size_t i = 0; i < taken.size(); ++i)
    EXPECT_EQ(cache.try_deallocate(taken[i], 8), i == 1 || i == 2 ? slot_fault::free : slot_fault::none);
  other.deallocate(foreign);
}

TEST_F(SlotCache, KeptObjectsAreHandedOutAndTheRestDestroyedWithTheLastHandle) {
  std::vector<void*> taken;
  {
    slots own{source};
    taken = take(own, 4);
    for (void* const each : taken) own.keep(each);
    const slots copy(own);
    void* const again = own.take_kept();
    EXPECT_NE(std::find(taken.begin(), taken.end(), again), taken.end());
    own.keep(again);
    EXPECT_TRUE(kind::destroyed.empty());
  }
  EXPECT_EQ(kind::destroyed, std::multiset<void*>(taken.begin(), taken.end()));
  EXPECT_EQ(pages.memory.live_blocks(), 0U);
}

TEST_F(SlotCache, TrimDestroysKeptObjectsAndGivesEmptySlabsBack) {
  const std::vector<void*> taken = take(cache, kind::layout.root.slots + 3 * kind::layout.extension.slots);
  for (void* const each : taken) cache.keep(each);
  EXPECT_EQ(cache.trim(0), 3U * 1024);
  EXPECT_EQ(kind::destroyed.size(), taken.size());
  EXPECT_EQ(slab_count(cache), 1U);
}

TEST_F(SlotCache, RetainGivesWhatIsTooMuchBackAtOnce) {
  EXPECT_TRUE(cache.retain(5));
  give(cache, take(cache, kind::layout.root.slots + 5 * kind::layout.extension.slots));
  EXPECT_EQ(cache.trim(5), 0U);  // no slot rests in the magazine
  EXPECT_EQ(slab_count(cache), 6U);
  EXPECT_TRUE(cache.retain(2));
  EXPECT_EQ(slab_count(cache), 3U);
  slots fresh{source};
  fail_at(1);
  EXPECT_FALSE(fresh.retain(1));
}

TEST_F(SlotCache, EverySlotHasAnIndexAndEveryIndexASlotOrNone) {
  const std::vector<void*> taken = take(cache, kind::layout.root.slots + 2 * kind::layout.extension.slots);
  std::set<std::uint32_t> seen;
  for (void* const each : taken) {
    const std::uint32_t index = cache.index_of(each);
    EXPECT_EQ(cache.at(index), each);
    EXPECT_LT(index, 3 * kind::layout.extension.slots);
    seen.insert(index);
  }
  EXPECT_EQ(seen.size(), taken.size());
  std::size_t without_slot = 0;
  for (std::uint32_t i = 0; i < 3 * kind::layout.extension.slots; ++i)
    without_slot += cache.at(i) == nullptr ? 1 : 0;
  EXPECT_EQ(without_slot, kind::layout.extension.slots - kind::layout.root.slots) << "the control block's";
  EXPECT_EQ(cache.at(3 * kind::layout.extension.slots), nullptr);
  EXPECT_EQ(cache.at(UINT32_MAX), nullptr);
  give(cache, taken);
}

TEST_F(SlotCache, VisitsWhatIsInTheUsersHandsAndErasesWhatIsChosen) {
  const std::vector<void*> taken = take(cache, 3);
  cache.deallocate(taken[1]);
  std::set<void*> seen;
  cache.for_each_live([&](void* slot) { EXPECT_TRUE(seen.insert(slot).second); });
  EXPECT_EQ(seen, (std::set<void*>{taken[0], taken[2]}));
  EXPECT_EQ(cache.erase_if([&](void* slot) { return slot == taken[2]; }), 1U);
  EXPECT_EQ(kind::destroyed, std::multiset<void*>{taken[2]});
  EXPECT_EQ(cache.try_deallocate(taken[2], 8), slot_fault::free);
  cache.deallocate(taken[0]);
}

TEST(SlotCacheOverThrowingPages, PassesTheExceptionOnAndTriesAgain) {
  quarry_test::counting_resource memory;
  quarry_test::failing_resource failing(&memory);
  using slots = plain_slots<40, 8, 1024, quarry::resource_page_source>;
  quarry::resource_page_source pages(&failing);
  slots cache{pages};
  failing.fail_at(1);
  EXPECT_THROW(cache.allocate_slow(), quarry_test::upstream_failure);
  failing.fail_at(1);
  EXPECT_THROW(slots{cache}, quarry_test::upstream_failure);
  failing.fail_at(1);
  EXPECT_FALSE(cache.try_open());
  failing.fail_at(1);
  EXPECT_FALSE(cache.reserve(1));
  EXPECT_EQ(memory.allocations(), 0U);
  void* const slot = cache.allocate_slow();
  EXPECT_NE(slot, nullptr);
  failing.fail_at(1);
  EXPECT_FALSE(cache.reserve(100));
  cache.deallocate(slot);
}

// ---- every size of slot

template <class Slots>
class SlotCacheOf : public ::testing::Test {};

template <std::size_t Bytes, std::size_t Alignment, std::size_t SlabBytes>
struct geometry {
  using kind = kind_of<Bytes, Alignment, SlabBytes, null_lock, null_on_failure_source>;
  using slots = plain_slots<Bytes, Alignment, SlabBytes>;
  static constexpr std::size_t slab_bytes = SlabBytes;
};
using geometries =
    ::testing::Types<geometry<1, 1, 1024>, geometry<1, 1, 65536>, geometry<7, 1, 4096>,
                     geometry<64, 64, 4096>, geometry<512, 512, 4096>, geometry<2048, 2048, 4096>,
                     geometry<2000, 8, 4096>, geometry<32768, 32768, 65536>>;
TYPED_TEST_SUITE(SlotCacheOf, geometries, );

TYPED_TEST(SlotCacheOf, SlotsAreAlignedDisjointInsideTheSlabsAndKeepTheirBytes) {
  using kind = typename TypeParam::kind;
  null_on_failure_source::state pages;
  null_on_failure_source source(pages);
  typename TypeParam::slots cache{source};
  const std::size_t count = kind::layout.root.slots + 3 * kind::layout.extension.slots;
  std::vector<std::byte*> taken;
  for (std::size_t i = 0; i < count; ++i) {
    void* const hit = cache.try_hit();
    taken.push_back(static_cast<std::byte*>(hit != nullptr ? hit : cache.allocate_slow()));
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(taken[i]) % kind::slot_alignment, 0U);
    ASSERT_TRUE(pages.memory.holds(taken[i]));
    ASSERT_TRUE(pages.memory.holds(taken[i] + kind::slot_bytes - 1));
    std::memset(taken[i], static_cast<int>(i & 255), kind::slot_bytes);
  }
  EXPECT_EQ(pages.memory.live_blocks(), 4U);
  EXPECT_EQ(pages.memory.live_bytes(), 4 * TypeParam::slab_bytes);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(taken[i][0], static_cast<std::byte>(i & 255));
    ASSERT_EQ(taken[i][kind::slot_bytes - 1], static_cast<std::byte>(i & 255));
  }
  std::mt19937 random(1);
  std::shuffle(taken.begin(), taken.end(), random);
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 2 == 0) {
      ASSERT_EQ(cache.try_deallocate(taken[i], kind::slot_alignment), slot_fault::none);
    } else {
      cache.deallocate(taken[i]);
    }
  }
  cache.trim(0);
  EXPECT_EQ(pages.memory.live_blocks(), 1U);
}

// ---- several threads may use one handle

TEST(SharedSlotCache, OpensOnceAndServesAfterwardsAsAnyOther) {
  using kind = kind_of<40, 8, 1024, spin_lock, null_on_failure_source>;
  null_on_failure_source::state pages;
  null_on_failure_source source(pages);
  closing<slot_cache<kind, spin_lock, true, null_on_failure_source>> cache{source};
  EXPECT_TRUE(cache.open());
  EXPECT_TRUE(cache.open());
  EXPECT_EQ(pages.memory.allocations(), 1U);
  void* const slot = cache.allocate_slow();
  cache.deallocate(slot);
  // Where a tool watches, every call is a miss.
  EXPECT_EQ(quarry::core::is_watched() ? cache.allocate_slow() : cache.try_hit(), slot);
  cache.deallocate(slot);
}

}  // namespace
