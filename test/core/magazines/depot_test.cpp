#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <quarry/core/magazines/depot.hpp>
#include <random>
#include <vector>

namespace {

using quarry::core::depot;
using quarry::core::magazine;

constexpr std::uint32_t magazine_slots = 10;

class Depot : public testing::Test {
 protected:
  // Slots are only addresses here.
  std::vector<void*> slots_from(std::size_t first, std::size_t count) {
    std::vector<void*> made;
    for (std::size_t i = first; i < first + count; ++i) made.push_back(&bytes[i]);
    return made;
  }
  std::vector<void*> take_slots(std::size_t most) {
    std::vector<void*> taken(most);
    taken.resize(parked.take_slots(taken.data(), most, 0));
    return taken;
  }
  void rest(int count) {
    for (int i = 0; i < count; ++i) parked.rest(magazines[static_cast<std::size_t>(next_magazine++)]);
  }

  std::vector<char> bytes = std::vector<char>(1000);
  std::vector<magazine> magazines = std::vector<magazine>(50);
  int next_magazine = 0;
  depot<2> parked{magazine_slots};
};

TEST_F(Depot, ParksNoSlotWithoutAMagazineToPutItIn) {
  const std::vector<void*> slots = slots_from(0, 4);
  EXPECT_EQ(parked.park_slots(slots.data(), 4, 0), 0U);
  EXPECT_EQ(parked.slots(), 0U);
  EXPECT_TRUE(take_slots(4).empty());
  EXPECT_EQ(parked.take(0), nullptr);
}

TEST_F(Depot, GivesTheNewestSlotsBackInTheirOrder) {
  rest(1);
  const std::vector<void*> slots = slots_from(0, 7);
  ASSERT_EQ(parked.park_slots(slots.data(), 7, 0), 7U);
  EXPECT_EQ(parked.slots(), 7U);
  EXPECT_EQ(take_slots(3), slots_from(4, 3));
  EXPECT_EQ(take_slots(9), slots_from(0, 4)) << "what there is";
  EXPECT_EQ(parked.slots(), 0U);
  EXPECT_EQ(parked.resting(), 1U) << "the emptied magazine";
}

TEST_F(Depot, MakesMagazinesThatArePassedOnWhole) {
  rest(2);
  const std::vector<void*> slots = slots_from(0, 14);
  ASSERT_EQ(parked.park_slots(slots.data(), 14, 0), 14U);
  magazine* const whole = parked.take(0);
  ASSERT_NE(whole, nullptr);
  EXPECT_TRUE(std::equal(slots.begin(), slots.begin() + magazine_slots, whole->entries + 1));
  EXPECT_EQ(parked.slots(), 4U);
  EXPECT_EQ(parked.take(0), nullptr) << "the other one is not full";
}

TEST_F(Depot, OpensAWholeMagazineForWhoWantsAFewSlots) {
  magazine whole;
  const std::vector<void*> slots = slots_from(0, magazine_slots);
  std::copy(slots.begin(), slots.end(), whole.entries + 1);
  parked.park(whole, 0);
  EXPECT_EQ(parked.slots(), magazine_slots);
  EXPECT_EQ(take_slots(2), slots_from(8, 2));
  EXPECT_EQ(parked.slots(), 8U);
  EXPECT_EQ(parked.take(0), nullptr) << "it is no longer whole";
  EXPECT_EQ(take_slots(8), slots_from(0, 8));
  EXPECT_EQ(parked.take_empty(), &whole);
}

TEST_F(Depot, StopsWhenEmptyMagazinesRunOut) {
  rest(2);
  const std::vector<void*> slots = slots_from(0, 25);
  EXPECT_EQ(parked.park_slots(slots.data(), 25, 0), 2U * magazine_slots);
  rest(1);
  EXPECT_EQ(parked.park_slots(slots.data() + 20, 5, 0), 5U);
  EXPECT_EQ(parked.slots(), 25U);
}

TEST_F(Depot, GivesTheWholeMagazineBackThatWasParkedLast) {
  parked.park(magazines[0], 0);
  parked.park(magazines[1], 0);
  EXPECT_EQ(parked.slots(), 2U * magazine_slots);
  EXPECT_EQ(parked.take(0), &magazines[1]);
  EXPECT_EQ(parked.take(0), &magazines[0]);
  EXPECT_EQ(parked.slots(), 0U);
}

TEST_F(Depot, GivesEachHomeItsOwnAndThenThatOfTheOther) {
  parked.park(magazines[0], 0);
  parked.park(magazines[1], 1);
  EXPECT_EQ(parked.take(0), &magazines[0]);
  EXPECT_EQ(parked.take(0), &magazines[1]);
  rest(2);
  const std::vector<void*> slots = slots_from(0, 2U * magazine_slots);
  ASSERT_EQ(parked.park_slots(slots.data(), magazine_slots, 1), magazine_slots);
  ASSERT_EQ(parked.park_slots(slots.data() + magazine_slots, magazine_slots, 0), magazine_slots);
  void* taken[2];
  ASSERT_EQ(parked.take_slots(taken, 2, 1), 2U) << "of the magazine that this home has filled";
  EXPECT_EQ(taken[1], slots[magazine_slots - 1]);
  magazine* const other = parked.take(1);
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(other->entries[1], slots[magazine_slots]);
  EXPECT_EQ(parked.slots(), magazine_slots - 2U);
}

TEST_F(Depot, GivesSlotsOfTheOpenMagazineFirstAndLeavesWholeOnesWhole) {
  rest(1);
  parked.park(magazines[10], 0);
  const std::vector<void*> slots = slots_from(0, 3);
  ASSERT_EQ(parked.park_slots(slots.data(), 3, 0), 3U);
  EXPECT_EQ(take_slots(8), slots) << "no more than the open one holds";
  EXPECT_EQ(parked.take(0), &magazines[10]);
}

TEST_F(Depot, KeepsEmptyMagazinesForWhoAsks) {
  EXPECT_EQ(parked.take_empty(), nullptr);
  rest(2);
  EXPECT_EQ(parked.resting(), 2U);
  EXPECT_EQ(parked.slots(), 0U);
  EXPECT_EQ(parked.take(0), nullptr) << "none of them is full";
  EXPECT_NE(parked.take_empty(), nullptr);
  EXPECT_NE(parked.take_empty(), nullptr);
  EXPECT_EQ(parked.take_empty(), nullptr);
  EXPECT_EQ(parked.resting(), 0U);
}

TEST_F(Depot, HoldsEverySlotOnceThroughARandomHistory) {
  rest(40);
  std::mt19937 random(11);
  std::vector<void*> outside = slots_from(0, 300);
  std::vector<magazine*> whole;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      const std::size_t count = std::min<std::size_t>(random() % 25, outside.size());
      const std::size_t taken_in = parked.park_slots(outside.data() + outside.size() - count, count, 0);
      ASSERT_EQ(taken_in, count);
      outside.resize(outside.size() - count);
    } else if (random() % 3 != 0) {
      for (void* const slot : take_slots(random() % 10 + 1)) outside.push_back(slot);
    } else if (random() % 2 == 0) {
      if (magazine* const taken = parked.take(0)) whole.push_back(taken);
    } else if (!whole.empty()) {
      parked.park(*whole.back(), 0);
      whole.pop_back();
    }
    ASSERT_EQ(parked.slots() + outside.size() + whole.size() * magazine_slots, 300U);
  }
  for (magazine* const each : whole) parked.park(*each, 0);
  for (std::vector<void*> taken = take_slots(7); !taken.empty(); taken = take_slots(7))
    outside.insert(outside.end(), taken.begin(), taken.end());
  std::sort(outside.begin(), outside.end());
  EXPECT_EQ(outside, slots_from(0, 300));
  EXPECT_EQ(parked.resting(), 40U);
}

}  // namespace
