#include <gtest/gtest.h>

#include <algorithm>
#include <quarry/core/shared_depot.hpp>
#include <random>
#include <vector>

namespace {

using quarry::core::magazine;
using quarry::core::shared_depot;

constexpr std::uint32_t magazine_slots = 10;

class SharedDepot : public testing::Test {
 protected:
  // Slots are only addresses here.
  std::vector<void*> slots_from(std::size_t first, std::size_t count) {
    std::vector<void*> made;
    for (std::size_t i = first; i < first + count; ++i) made.push_back(&bytes[i]);
    return made;
  }
  std::vector<void*> take_slots(std::size_t most) {
    std::vector<void*> taken(most);
    taken.resize(depot.take_slots(taken.data(), most));
    return taken;
  }
  void rest(int count) {
    for (int i = 0; i < count; ++i) depot.rest(magazines[static_cast<std::size_t>(next_magazine++)]);
  }

  std::vector<char> bytes = std::vector<char>(1000);
  std::vector<magazine> magazines = std::vector<magazine>(50);
  int next_magazine = 0;
  shared_depot depot{magazine_slots};
};

TEST_F(SharedDepot, ParksNoSlotWithoutAMagazineToPutItIn) {
  const std::vector<void*> slots = slots_from(0, 4);
  EXPECT_EQ(depot.park_slots(slots.data(), 4), 0U);
  EXPECT_EQ(depot.slots(), 0U);
  EXPECT_TRUE(take_slots(4).empty());
  EXPECT_EQ(depot.take(), nullptr);
}

TEST_F(SharedDepot, GivesTheNewestSlotsBackInTheirOrder) {
  rest(1);
  const std::vector<void*> slots = slots_from(0, 7);
  ASSERT_EQ(depot.park_slots(slots.data(), 7), 7U);
  EXPECT_EQ(depot.slots(), 7U);
  EXPECT_EQ(take_slots(3), slots_from(4, 3));
  EXPECT_EQ(take_slots(9), slots_from(0, 4)) << "what there is";
  EXPECT_EQ(depot.slots(), 0U);
  EXPECT_EQ(depot.resting(), 1U) << "the emptied magazine";
}

TEST_F(SharedDepot, MakesMagazinesThatArePassedOnWhole) {
  rest(2);
  const std::vector<void*> slots = slots_from(0, 14);
  ASSERT_EQ(depot.park_slots(slots.data(), 14), 14U);
  magazine* const whole = depot.take();
  ASSERT_NE(whole, nullptr);
  EXPECT_TRUE(std::equal(slots.begin(), slots.begin() + magazine_slots, whole->entries + 1));
  EXPECT_EQ(depot.slots(), 4U);
  EXPECT_EQ(depot.take(), nullptr) << "the other one is not full";
}

TEST_F(SharedDepot, OpensAWholeMagazineForWhoWantsAFewSlots) {
  magazine whole;
  const std::vector<void*> slots = slots_from(0, magazine_slots);
  std::copy(slots.begin(), slots.end(), whole.entries + 1);
  depot.park(whole);
  EXPECT_EQ(depot.slots(), magazine_slots);
  EXPECT_EQ(take_slots(2), slots_from(8, 2));
  EXPECT_EQ(depot.slots(), 8U);
  EXPECT_EQ(depot.take(), nullptr) << "it is no longer whole";
  EXPECT_EQ(take_slots(8), slots_from(0, 8));
  EXPECT_EQ(depot.take_empty(), &whole);
}

TEST_F(SharedDepot, StopsWhenEmptyMagazinesRunOut) {
  rest(2);
  const std::vector<void*> slots = slots_from(0, 25);
  EXPECT_EQ(depot.park_slots(slots.data(), 25), 2U * magazine_slots);
  rest(1);
  EXPECT_EQ(depot.park_slots(slots.data() + 20, 5), 5U);
  EXPECT_EQ(depot.slots(), 25U);
}

TEST_F(SharedDepot, HoldsEverySlotOnceThroughARandomHistory) {
  rest(40);
  std::mt19937 random(11);
  std::vector<void*> outside = slots_from(0, 300);
  std::vector<magazine*> whole;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      const std::size_t count = std::min<std::size_t>(random() % 25, outside.size());
      const std::size_t parked = depot.park_slots(outside.data() + outside.size() - count, count);
      ASSERT_EQ(parked, count);
      outside.resize(outside.size() - count);
    } else if (random() % 3 != 0) {
      for (void* const slot : take_slots(random() % 10 + 1)) outside.push_back(slot);
    } else if (random() % 2 == 0) {
      if (magazine* const taken = depot.take()) whole.push_back(taken);
    } else if (!whole.empty()) {
      depot.park(*whole.back());
      whole.pop_back();
    }
    ASSERT_EQ(depot.slots() + outside.size() + whole.size() * magazine_slots, 300U);
  }
  for (magazine* const each : whole) depot.park(*each);
  for (std::vector<void*> taken = take_slots(7); !taken.empty(); taken = take_slots(7))
    outside.insert(outside.end(), taken.begin(), taken.end());
  std::sort(outside.begin(), outside.end());
  EXPECT_EQ(outside, slots_from(0, 300));
  EXPECT_EQ(depot.resting(), 40U);
}

}  // namespace
