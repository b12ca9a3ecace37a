// again with: -Os
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <quarry/core/bins/bin.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::core::bin;
using quarry::core::slab;
using quarry_test::counting_resource;

constexpr std::size_t slab_bytes = 16384;

/// Slabs with their headers apart, and which of them an address lies in: the bin's owner knows that.
class slab_set {
 public:
  slab* make(void* base, const quarry::core::slab_layout& layout) {
    headers_.push_back(std::make_unique<std::uint64_t[]>(layout.header_bytes / sizeof(std::uint64_t) + 1));
    return by_base_[base] = slab::create(headers_.back().get(), base, layout.total_slots);
  }
  slab* of(const void* slot) const {
    const auto base = reinterpret_cast<std::uintptr_t>(slot) & ~std::uintptr_t{slab_bytes - 1};
    return by_base_.at(reinterpret_cast<const void*>(base));
  }
  slab* flush(bin& from, const std::vector<void*>& slots) const {
    return from.flush(slots.data(), slots.size(), [&](std::size_t i) { return of(slots[i]); });
  }
  slab* flush_run(bin& from, void* first, std::size_t count) const {
    return from.flush_run(first, count, [this](void* slot) { return of(slot); });
  }

 private:
  std::map<const void*, slab*> by_base_;
  std::vector<std::unique_ptr<std::uint64_t[]>> headers_;
};

/// A bin and the slabs that it was given.
class filled_bin {
 public:
  filled_bin(std::size_t slot_bytes, std::size_t count) : slots(slab::layout(slot_bytes, slab_bytes)) {
    for (std::size_t i = 0; i < count; ++i) adopt();
  }
  filled_bin(const filled_bin&) = delete;
  filled_bin& operator=(const filled_bin&) = delete;
  ~filled_bin() {
    for (void* const base : bases) memory.deallocate(base, slab_bytes, slab_bytes);
  }
  void adopt() {
    bases.push_back(memory.allocate(slab_bytes, slab_bytes));
    slots.adopt(slabs.make(bases.back(), slots.layout()));
  }
  std::vector<void*> refill(std::size_t count) {
    std::vector<void*> taken(count);
    const std::size_t found = slots.refill(taken.data() + count, count);
    return {taken.rbegin(), taken.rbegin() + static_cast<std::ptrdiff_t>(found)};
  }
  std::vector<void*> take_all() {
    std::vector<void*> all;
    for (std::vector<void*> taken = refill(63); !taken.empty(); taken = refill(63))
      all.insert(all.end(), taken.begin(), taken.end());
    return all;
  }
  slab* flush(const std::vector<void*>& back) { return slabs.flush(slots, back); }
  slab* of(const void* slot) const { return slabs.of(slot); }

  counting_resource memory;
  std::vector<void*> bases;
  slab_set slabs;
  bin slots;
};

std::size_t length(const slab* chain) {
  std::size_t slabs = 0;
  for (; chain != nullptr; chain = chain->next) ++slabs;
  return slabs;
}

TEST(Bin, RefillsNothingWithoutASlab) {
  filled_bin empty(64, 0);
  EXPECT_TRUE(empty.refill(10).empty());
}

TEST(Bin, RefillsNeighboursInAddressOrder) {
  filled_bin one(64, 1);
  const std::vector<void*> taken = one.refill(20);
  ASSERT_EQ(taken.size(), 20U);
  EXPECT_TRUE(std::is_sorted(taken.begin(), taken.end()));
  EXPECT_EQ(one.slots.used_slots(), 20U);
}

TEST(Bin, HandsOutEverySlotOfEverySlabOnce) {
  filled_bin three(48, 3);
  std::set<void*> seen;
  std::size_t total = 0;
  three.slots.for_each_slab([&total](const slab& each) { total += each.slots(); });
  for (std::vector<void*> taken = three.refill(50); !taken.empty(); taken = three.refill(50)) {
    for (void* const slot : taken) {
      EXPECT_TRUE(seen.insert(slot).second);
    }
    ASSERT_TRUE(three.slots.check_invariants());
  }
  EXPECT_EQ(seen.size(), total);
  EXPECT_EQ(three.slots.used_slots(), total);
}

TEST(Bin, HandsOutOneSlotAtATimeInTheOrderOfARefill) {
  filled_bin by_one(48, 3), by_refill(48, 3);
  std::size_t slots = 0;
  while (void* const slot = by_one.slots.take_one()) {
    const std::vector<void*> refilled = by_refill.refill(1);
    ASSERT_EQ(refilled.size(), 1U);
    ASSERT_EQ(by_one.slots.used_slots(), ++slots);
    ASSERT_TRUE(by_one.slots.check_invariants());
    const auto home = [](filled_bin& of, const void* one) {
      std::size_t index = 0;
      of.slots.for_each_slab([&](const slab& each) {
        if (each.holds(one, of.slots.layout())) index = each.index_of(one, of.slots.layout());
      });
      return index;
    };
    ASSERT_EQ(home(by_one, slot), home(by_refill, refilled[0]));
  }
  EXPECT_EQ(slots, by_one.slots.slots());
  EXPECT_TRUE(by_refill.refill(1).empty());
}

TEST(Bin, HandsASlabBackWhenItsLastSlotReturns) {
  filled_bin two(64, 2);
  std::vector<void*> all = two.take_all();
  void* const kept = all.back();
  all.pop_back();
  const slab* const emptied = two.flush(all);
  ASSERT_EQ(length(emptied), 1U);
  EXPECT_TRUE(emptied->empty());
  EXPECT_NE(two.of(kept), emptied);
  EXPECT_EQ(two.slots.used_slots(), 1U);
  EXPECT_TRUE(two.slots.check_invariants());
  EXPECT_EQ(length(two.flush({kept})), 1U);
  EXPECT_TRUE(two.refill(1).empty());
}

TEST(Bin, FlushesRunsInEitherDirectionAndSingleSlotsAlike) {
  for (const int order : {0, 1, 2}) {
    filled_bin one(40, 1);
    std::vector<void*> taken = one.refill(63);
    void* const kept = one.refill(1).front();
    if (order == 1) std::reverse(taken.begin(), taken.end());
    if (order == 2) std::shuffle(taken.begin(), taken.end(), std::mt19937(5));
    EXPECT_EQ(one.flush(taken), nullptr);
    EXPECT_EQ(one.slots.used_slots(), 1U);
    EXPECT_TRUE(one.slots.check_invariants());
    EXPECT_NE(one.flush({kept}), nullptr);
  }
}

TEST(Bin, SeesHowManySlotsFollowEachOtherAtTheFront) {
  constexpr std::size_t slot_bytes = 48;
  const bin any(slab::layout(slot_bytes, slab_bytes));
  const auto at = [](std::size_t address) { return reinterpret_cast<void*>(address); };
  for (const bool ascends : {true, false}) {
    for (std::size_t count = 0; count <= 63; ++count) {
      std::vector<void*> run;
      for (std::size_t i = 0; i < count; ++i)
        run.push_back(at(1U << 20 | (ascends ? i : count - i) * slot_bytes));
      EXPECT_EQ(any.leading_run(run.data(), count), count < 9 ? 0 : count);
      for (std::size_t wrong = 0; wrong < count; ++wrong) {
        std::vector<void*> broken = run;
        broken[wrong] = at((1U << 21) + 8 * wrong);
        const std::size_t seen = any.leading_run(broken.data(), count);
        ASSERT_LE(seen, wrong) << count;
        ASSERT_EQ(seen, wrong < 9 ? 0 : (wrong - 1) / 8 * 8 + 1) << count;
      }
    }
  }
  void* const twice_as_far[] = {at(960),  at(1056), at(1152), at(1248), at(1344),
                                at(1440), at(1536), at(1632), at(1728), at(1824)};
  EXPECT_EQ(any.leading_run(twice_as_far, 10), 0U);
}

TEST(Bin, EndsARunWhereverItsNeighboursEnd) {
  for (const bool ascending : {true, false}) {
    for (std::size_t gap = 0; gap < 40; ++gap) {
      filled_bin one(40, 1);
      std::vector<void*> taken = one.refill(40);
      void* const kept = taken[gap];
      taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(gap));
      if (!ascending) std::reverse(taken.begin(), taken.end());
      EXPECT_EQ(one.flush(taken), nullptr);
      one.slots.for_each_slab([&](const slab& each) {
        each.for_each_used(one.slots.layout(), [&](void* used) { EXPECT_EQ(used, kept); });
      });
      EXPECT_EQ(one.slots.used_slots(), 1U);
      EXPECT_TRUE(one.slots.check_invariants());
    }
  }
}

TEST(Bin, KeepsRunsApartWhereSlabsTouchInMemory) {
  // Two slabs side by side in one block: the last slot of the first and the first slot of the second may be neighbours.
  counting_resource memory;
  void* const block = memory.allocate(2 * slab_bytes, 2 * slab_bytes);
  for (const std::size_t slot_bytes : {64U, 1024U}) {
    bin slots(slab::layout(slot_bytes, slab_bytes));
    slab_set slabs;
    slots.adopt(slabs.make(block, slots.layout()));
    slots.adopt(slabs.make(static_cast<std::byte*>(block) + slab_bytes, slots.layout()));
    std::vector<void*> all;
    void* taken[32];
    for (std::size_t found = slots.refill(taken + 32, 32); found != 0; found = slots.refill(taken + 32, 32))
      all.insert(all.end(), taken + 32 - found, taken + 32);
    std::sort(all.begin(), all.end());
    EXPECT_EQ(length(slabs.flush(slots, all)), 2U);
  }
  memory.deallocate(block, 2 * slab_bytes, 2 * slab_bytes);
}

TEST(Bin, PrefersAHalfFullSlabSoThatEmptierOnesCanEmpty) {
  filled_bin two(64, 2);
  std::vector<void*> all = two.take_all();
  slab* const first = two.of(all.front());
  std::vector<void*> of_first;
  std::vector<void*> of_second;
  for (void* const slot : all) (two.of(slot) == first ? of_first : of_second).push_back(slot);
  // One slab keeps two thirds of its slots, the other one a tenth.
  of_first.resize(of_first.size() / 3);
  of_second.resize(of_second.size() * 9 / 10);
  EXPECT_EQ(two.flush(of_second), nullptr);
  EXPECT_EQ(two.flush(of_first), nullptr);
  for (void* const slot : two.refill(10)) EXPECT_EQ(two.of(slot), first);
}

/// Makes an unlisted slab of `slots` slots at `place`; a pinned one never leaves its bin.
slab* make_unlisted(void* header, void* place, std::size_t slots, bool pinned) {
  slab* const made = slab::create(header, place, slots);
  made->is_unlisted = true;
  made->pinned = pinned;
  return made;
}

TEST(Bin, KeepsPinnedUnlistedSlabsAndFindsThemByRange) {
  alignas(64) std::byte places[3][16 * 64] = {};
  alignas(slab) std::byte headers[3][slab::header_bytes_for(16)];
  bin slots(slab::layout(64, slab_bytes));
  EXPECT_EQ(slots.find_unlisted(places[0]), nullptr);
  for (std::size_t i = 0; i < 3; ++i) {
    slots.adopt_unlisted(make_unlisted(headers[i], places[i], 16 - i, true));
    EXPECT_EQ(slots.unlisted_slabs(), i + 1);
  }
  EXPECT_EQ(slots.pinned_bytes(), (16 + 15 + 14) * 64U);
  EXPECT_EQ(slots.slots(), 16 + 15 + 14U);
  const auto home = [&slots](const void* slot) { return slots.find_unlisted(slot); };
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_NE(home(places[i] + 100), nullptr);
    EXPECT_EQ(home(places[i] + 100)->begin(), places[i]);
    EXPECT_EQ(home(places[i] + (16 - i) * 64 - 1)->begin(), places[i]);
  }
  EXPECT_EQ(home(places[2] + 14 * 64), nullptr) << "behind its last slot";
  EXPECT_EQ(home(headers), nullptr);
  for (int round = 0; round < 3; ++round) {
    void* taken[45];
    std::size_t found = 0;
    while (found < 45) {
      const std::size_t more = slots.refill(taken + 45 - found, 45 - found);
      ASSERT_NE(more, 0U);
      found += more;
    }
    EXPECT_FALSE(slots.any_free());
    EXPECT_EQ(slots.flush(taken, 45, [&](std::size_t i) { return home(taken[i]); }), nullptr);
    EXPECT_EQ(slots.used_slots(), 0U);
    EXPECT_EQ(slots.slabs(), 3U) << "they never leave";
    EXPECT_TRUE(slots.check_invariants());
  }
}

TEST(Bin, APinnedSlabOfFewSlotsStaysThoughItGoesFromFullToEmptyAtOnce) {
  for (std::size_t count = 1; count <= 16; ++count) {
    alignas(64) std::byte place[16 * 64];
    alignas(slab) std::byte header[256];
    bin slots(slab::layout(64, slab_bytes));
    slots.adopt_unlisted(make_unlisted(header, place, count, true));
    for (int round = 0; round < 2; ++round) {
      std::vector<void*> taken(count);
      ASSERT_EQ(slots.refill(taken.data() + count, count), count);
      const auto home = [&](std::size_t i) { return slots.find_unlisted(taken[i]); };
      EXPECT_EQ(slots.flush(taken.data(), count, home), nullptr) << count;
      EXPECT_EQ(slots.slabs(), 1U);
      EXPECT_TRUE(slots.check_invariants());
    }
  }
}

TEST(Bin, ANullIsDroppedAndCountsForNothing) {
  filled_bin one(64, 1);
  std::vector<void*> back = one.refill(20);
  back[0] = back[7] = nullptr;
  EXPECT_EQ(one.slots.flush(back.data(), 10,
                            [&](std::size_t i) { return back[i] == nullptr ? nullptr : one.of(back[i]); }),
            nullptr);
  EXPECT_EQ(one.slots.used_slots(), 12U);
  EXPECT_TRUE(one.slots.check_invariants());
}

TEST(Bin, UnlistedSlabsThatAreNotPinnedLeaveInAnyOrderWhenTheyAreEmpty) {
  const std::size_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (const auto& order : orders) {
    alignas(64) std::byte places[4][16 * 64] = {};
    alignas(slab) std::byte headers[4][slab::header_bytes_for(16)];
    bin slots(slab::layout(64, slab_bytes));
    slots.adopt_unlisted(make_unlisted(headers[3], places[3], 16, true));
    for (std::size_t i = 0; i < 3; ++i) slots.adopt_unlisted(make_unlisted(headers[i], places[i], 16, false));
    EXPECT_EQ(slots.unlisted_slabs(), 4U);
    EXPECT_EQ(slots.pinned_bytes(), 16 * 64U) << "of those that stay";
    const auto home = [&slots](const void* slot) { return slots.find_unlisted(slot); };
    void* taken[64];
    std::size_t found = 0;
    while (found < 64) {
      const std::size_t more = slots.refill(taken + 64 - found, 64 - found);
      ASSERT_NE(more, 0U);
      found += more;
    }
    std::size_t left = 4;
    for (const std::size_t each : order) {
      std::vector<void*> of_one;
      for (void* const slot : taken)
        if (home(slot) != nullptr && home(slot)->begin() == places[each]) of_one.push_back(slot);
      ASSERT_EQ(of_one.size(), 16U);
      slab* const last = home(of_one.back());
      EXPECT_EQ(slots.flush(of_one.data(), 15, [&](std::size_t i) { return home(of_one[i]); }), nullptr);
      slab* const emptied = slots.flush(&of_one[15], 1, [&](std::size_t) { return last; });
      EXPECT_EQ(emptied, last);
      EXPECT_EQ(length(emptied), 1U);
      slots.forget_unlisted(*emptied);
      EXPECT_EQ(slots.unlisted_slabs(), --left);
      EXPECT_EQ(home(places[each]), nullptr) << "it is found no more";
      EXPECT_EQ(slots.slots(), left * 16);
      EXPECT_TRUE(slots.check_invariants());
    }
    EXPECT_NE(home(places[3]), nullptr);
    EXPECT_EQ(slots.used_slots(), 16U);
  }
}

TEST(Bin, APinnedUnlistedSlabStaysWhileAnEmptySlabBesideItLeaves) {
  filled_bin one(64, 1);
  alignas(64) std::byte place[16 * 64];
  alignas(slab) std::byte header[slab::header_bytes_for(16)];
  slab* const unlisted = make_unlisted(header, place, 16, true);
  one.slots.adopt_unlisted(unlisted);
  EXPECT_EQ(one.slots.slabs(), 2U);
  std::vector<void*> all = one.take_all();
  ASSERT_EQ(all.size(), 16 + slab_bytes / 64);
  slab* const emptied = one.slots.flush(all.data(), all.size(), [&](std::size_t i) {
    slab* const found = one.slots.find_unlisted(all[i]);
    return found != nullptr ? found : one.of(all[i]);
  });
  EXPECT_EQ(length(emptied), 1U);
  EXPECT_NE(emptied, unlisted);
  EXPECT_EQ(one.slots.slabs(), 1U);
  EXPECT_EQ(one.slots.slots(), 16U);
  EXPECT_EQ(one.slots.used_slots(), 0U);
}

TEST(Bin, CountsItsSlabsTheirSlotsAndThoseInUse) {
  filled_bin three(1000, 3);
  constexpr std::size_t each = slab_bytes / 1000;
  EXPECT_EQ(three.slots.slabs(), 3U);
  EXPECT_EQ(three.slots.slots(), 3 * each);
  EXPECT_EQ(three.slots.used_slots(), 0U);
  std::vector<void*> all = three.take_all();
  EXPECT_EQ(three.slots.used_slots(), 3 * each);
  std::sort(all.begin(), all.end());
  for (std::size_t left = 3; left > 0; --left) {
    std::vector<void*> back;  // the slots of one slab
    const slab* const home = three.of(all.front());
    for (void* const slot : all)
      if (three.of(slot) == home) back.push_back(slot);
    all.erase(std::remove_if(all.begin(), all.end(), [&](void* slot) { return three.of(slot) == home; }),
              all.end());
    EXPECT_EQ(three.flush(back), home);
    EXPECT_EQ(three.slots.slabs(), left - 1);
    EXPECT_EQ(three.slots.slots(), (left - 1) * each);
    EXPECT_EQ(three.slots.used_slots(), (left - 1) * each);
  }
}

TEST(Bin, AgreesWithAModelUnderRandomRefillsAndFlushes) {
  for (const std::size_t slot_bytes : {8U, 48U, 200U, 1000U}) {
    filled_bin many(slot_bytes, 8);
    std::vector<void*> used;
    std::mt19937 random(17);
    for (int i = 0; i < 3000; ++i) {
      if (random() % 2 == 0) {
        const std::vector<void*> taken = many.refill(1 + random() % 63);
        used.insert(used.end(), taken.begin(), taken.end());
      } else {
        std::vector<void*> back;
        for (std::size_t n = random() % 63; n > 0 && !used.empty(); --n)
          back.push_back(quarry_test::take_any(used, random));
        if (random() % 2 == 0) std::sort(back.begin(), back.end());
        for (slab* emptied = many.flush(back); emptied != nullptr;) {
          slab* const next = emptied->next;
          EXPECT_TRUE(emptied->empty());
          many.slots.adopt(emptied);
          emptied = next;
        }
      }
      if (i % 100 == 0) {
        ASSERT_TRUE(many.slots.check_invariants());
        ASSERT_EQ(many.slots.used_slots(), used.size());
      }
    }
    const std::set<void*> distinct(used.begin(), used.end());
    EXPECT_EQ(distinct.size(), used.size());
  }
}

TEST(Bin, PrefersAnEmptierSlabToOneThatIsNearlyFull) {
  filled_bin two(64, 2);
  std::vector<void*> all = two.take_all();
  slab* const first = two.of(all.front());
  std::vector<void*> of_first;
  std::vector<void*> of_second;
  for (void* const slot : all) (two.of(slot) == first ? of_first : of_second).push_back(slot);
  of_first.resize(of_first.size() / 10);        // a tenth of the first comes back,
  of_second.resize(of_second.size() * 9 / 10);  // nine tenths of the second
  EXPECT_EQ(two.flush(of_second), nullptr);
  EXPECT_EQ(two.flush(of_first), nullptr);
  for (void* const slot : two.refill(10)) EXPECT_NE(two.of(slot), first);
}

TEST(Bin, VisitsNoMoreThanEightSlabsForARefill) {
  filled_bin many(1000, 20);
  std::vector<void*> all = many.take_all();
  std::set<const slab*> seen;
  for (void* const slot : all) {
    if (!seen.insert(many.of(slot)).second) continue;
    EXPECT_EQ(many.flush({slot}), nullptr);  // one free slot in each slab
  }
  EXPECT_EQ(many.refill(63).size(), 8U);
  EXPECT_EQ(many.refill(63).size(), 8U);
  EXPECT_EQ(many.refill(63).size(), 4U);
  EXPECT_TRUE(many.slots.check_invariants());
}

TEST(Bin, StopsARefillOnceHalfOfItIsThere) {
  filled_bin two(1000, 1);
  const std::size_t slots = two.refill(63).size();
  ASSERT_EQ(slots, 16U);  // of one slab
  two.adopt();
  two.adopt();
  EXPECT_EQ(two.refill(2 * slots).size(), slots);
  EXPECT_EQ(two.refill(2 * slots + 1).size(), slots) << "what the other slab has is less than half";
}

/// Eight slabs side by side: the last slot of one and the first of the next touch.
class adjoining_slabs {
 public:
  static constexpr std::size_t count = 8;

  explicit adjoining_slabs(bin& slots) : slots_(slots), block_(memory_.allocate(bytes, bytes)) {
    for (std::size_t i = 0; i < count; ++i)
      slots.adopt(homes.make(static_cast<std::byte*>(block_) + i * slab_bytes, slots.layout()));
  }
  adjoining_slabs(const adjoining_slabs&) = delete;
  adjoining_slabs& operator=(const adjoining_slabs&) = delete;
  ~adjoining_slabs() { memory_.deallocate(block_, bytes, bytes); }

  /// Takes every slot, in address order.
  std::vector<void*> take_all() {
    std::vector<void*> all;
    void* taken[63];
    for (std::size_t found = slots_.refill(taken + 63, 63); found != 0; found = slots_.refill(taken + 63, 63))
      all.insert(all.end(), taken + 63 - found, taken + 63);
    std::sort(all.begin(), all.end());
    return all;
  }

  slab_set homes;

 private:
  static constexpr std::size_t bytes = count * slab_bytes;
  bin& slots_;
  counting_resource memory_;
  void* block_;
};

TEST(Bin, EndsARunAtTheBorderOfASlabInEitherDirection) {
  bin slots(slab::layout(64, slab_bytes));
  adjoining_slabs slabs(slots);
  const std::vector<void*> all = slabs.take_all();
  std::vector<void*> pair;  // the two slots on either side of a border
  for (std::size_t i = 1; i < all.size() && pair.empty(); ++i)
    if (slabs.homes.of(all[i]) != slabs.homes.of(all[i - 1]) &&
        static_cast<std::byte*>(all[i]) - static_cast<std::byte*>(all[i - 1]) == 64)
      pair = {all[i - 1], all[i]};
  ASSERT_EQ(pair.size(), 2U) << "no two slabs touch, so that this test shows nothing";
  for (int direction = 0; direction < 2; ++direction) {
    EXPECT_EQ(slabs.homes.flush(slots, pair), nullptr);
    for (void* const slot : pair) EXPECT_EQ(slabs.homes.of(slot)->free_slots(), 1U);
    ASSERT_TRUE(slots.check_invariants());
    void* taken[2];
    ASSERT_EQ(slots.refill(taken + 1, 1), 1U);
    ASSERT_EQ(slots.refill(taken + 2, 1), 1U);
    EXPECT_EQ(std::set<void*>(taken, taken + 2), std::set<void*>(pair.begin(), pair.end()));
    std::reverse(pair.begin(), pair.end());
  }
}

TEST(Bin, KeepsItsGroupsWhateverOrderSlotsComeAndGoIn) {
  std::size_t emptied = 0;  // slabs that left, over all sizes and steps
  for (const std::size_t slot_bytes : {8U, 64U, 1000U, 4096U}) {
    bin slots(slab::layout(slot_bytes, slab_bytes));
    adjoining_slabs slabs(slots);
    std::set<void*> used;
    std::vector<slab*> outside;
    std::mt19937 random(41);
    for (int step = 0; step < 4000; ++step) {
      const bool fill = (step / 200) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;  // ebb and flow
      if (fill) {
        if (!outside.empty() && random() % 8 == 0) {
          slots.adopt(outside.back());
          outside.pop_back();
        }
        const std::size_t wanted = 1 + random() % 63;
        std::vector<void*> taken(wanted);
        const std::size_t found = slots.refill(taken.data() + wanted, wanted);
        ASSERT_LE(found, wanted);
        for (std::size_t i = wanted - found; i < wanted; ++i)
          ASSERT_TRUE(used.insert(taken[i]).second) << "a slot was handed out twice";
      } else if (!used.empty()) {
        std::vector<void*> back;  // a stretch of neighbours, in any of three orders
        auto at = used.begin();
        std::advance(at, random() % used.size());
        for (std::size_t n = 1 + random() % 63; n > 0 && at != used.end(); --n) {
          back.push_back(*at);
          at = used.erase(at);
        }
        if (step % 3 == 1) std::reverse(back.begin(), back.end());
        if (step % 3 == 2) std::shuffle(back.begin(), back.end(), random);
        slab* next = nullptr;
        for (slab* each = slabs.homes.flush(slots, back); each != nullptr; each = next) {
          next = each->next;
          ASSERT_TRUE(each->empty());
          outside.push_back(each);
          ++emptied;
        }
      }
      ASSERT_TRUE(slots.check_invariants());
      ASSERT_EQ(slots.used_slots(), used.size());
    }
    slots.for_each_slab([&](const slab& each) {
      const auto* const first = static_cast<const void*>(each.begin());
      const auto after = used.lower_bound(const_cast<void*>(first));
      EXPECT_TRUE(each.empty() || (after != used.end() && slabs.homes.of(*after) == &each));
    });
  }
  EXPECT_GT(emptied, 0U);
}

TEST(Bin, FlushesARunAcrossTheBordersOfSlabs) {
  bin slots(slab::layout(64, slab_bytes));
  adjoining_slabs slabs(slots);
  const std::vector<void*> all = slabs.take_all();
  std::size_t begin = 0;  // of the run of neighbours being looked at; a header ends each
  std::size_t crossings = 0;
  std::size_t emptied = 0;
  for (std::size_t i = 1; i <= all.size(); ++i) {
    if (i < all.size() && static_cast<std::byte*>(all[i]) - static_cast<std::byte*>(all[i - 1]) == 64)
      continue;
    crossings += slabs.homes.of(all[begin]) != slabs.homes.of(all[i - 1]) ? 1U : 0U;
    emptied += length(slabs.homes.flush_run(slots, all[begin], i - begin));
    ASSERT_TRUE(slots.check_invariants());
    begin = i;
  }
  EXPECT_GT(crossings, 0U);
  EXPECT_EQ(emptied, adjoining_slabs::count);
  EXPECT_FALSE(slots.any_free()) << "emptied slabs have left";
}

TEST(Bin, TakesARunFromTheSlabThatARefillWouldLookAtFirst) {
  filled_bin one(64, 1);
  EXPECT_TRUE(one.slots.any_free());
  ASSERT_EQ(one.refill(10).size(), 10U);
  const quarry::core::slot_run run = one.slots.take_run(8, 20);
  EXPECT_EQ(run.slots, 20U);
  EXPECT_EQ(run.slot_bytes, 64U);
  EXPECT_EQ(one.slots.used_slots(), 30U);
  EXPECT_EQ(one.refill(1).front(), static_cast<std::byte*>(run.first) + 20 * 64);
  EXPECT_TRUE(one.slots.check_invariants());
  filled_bin none(64, 0);
  EXPECT_FALSE(none.slots.any_free());
  EXPECT_EQ(none.slots.take_run(1, 1).first, nullptr);
}

TEST(Bin, AFreshSlabThatHasNoRunAsLongAsIsAskedForStays) {
  filled_bin three_slots(5000, 1);
  EXPECT_EQ(three_slots.slots.take_run(8, 20).slots, 0U);
  EXPECT_EQ(three_slots.slots.slabs(), 1U);
  EXPECT_TRUE(three_slots.slots.check_invariants());
  EXPECT_EQ(three_slots.refill(3).size(), 3U);
}

}  // namespace
