#include <gtest/gtest.h>

#include <cstdint>
#include <quarry/core/magazine.hpp>

namespace {

using quarry::core::cursor;
using quarry::core::magazine;

int slots[magazine::capacity + 1];

TEST(Cursor, IsEmptyAndFullAtOnceWhileNothingIsLoaded) {
  cursor current;
  EXPECT_FALSE(current.loaded());
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_FALSE(current.push(&slots[0]));
  EXPECT_EQ(current.pop(), nullptr);
}

TEST(Cursor, GivesBackWhatItTookTheNewestFirst) {
  magazine loaded;
  cursor current;
  current.load(loaded, 0, magazine::capacity);
  EXPECT_TRUE(current.loaded());
  EXPECT_EQ(current.pop(), nullptr);
  for (std::size_t i = 0; i < magazine::capacity; ++i) {
    ASSERT_TRUE(current.push(&slots[i]));
    ASSERT_EQ(current.count(loaded), i + 1);
  }
  EXPECT_FALSE(current.push(&slots[magazine::capacity])) << "the magazine is full";
  for (std::size_t i = magazine::capacity; i-- > 0;) ASSERT_EQ(current.pop(), &slots[i]);
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_EQ(current.count(loaded), 0U);
}

TEST(Cursor, TakesNoMoreThanTheLimitItWasLoadedWith) {
  magazine loaded;
  loaded.entries[1] = &slots[0];
  loaded.entries[2] = &slots[1];
  cursor current;
  current.load(loaded, 2, 3);
  EXPECT_TRUE(current.push(&slots[2]));
  EXPECT_FALSE(current.push(&slots[3]));
  EXPECT_EQ(current.pop(), &slots[2]);
  EXPECT_EQ(current.pop(), &slots[1]);
  EXPECT_EQ(current.pop(), &slots[0]);
  EXPECT_EQ(current.pop(), nullptr);
}

TEST(Cursor, NeverTouchesTheSlots) {
  magazine loaded;
  cursor current;
  current.load(loaded, 0, 4);
  // Addresses that nobody may read or write.
  auto* const forbidden = reinterpret_cast<void*>(std::uintptr_t{64});
  EXPECT_TRUE(current.push(forbidden));
  EXPECT_EQ(current.pop(), forbidden);
}

TEST(Cursor, UnloadedTakesTheSlowPathAgain) {
  magazine loaded;
  cursor current;
  current.load(loaded, 0, 4);
  ASSERT_TRUE(current.push(&slots[0]));
  current.unload();
  EXPECT_FALSE(current.loaded());
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_FALSE(current.push(&slots[0]));
}

TEST(Magazine, TakesAQuarterOfASlabWithinBounds) {
  EXPECT_EQ(quarry::core::magazine_slots_for(1), 4U);
  EXPECT_EQ(quarry::core::magazine_slots_for(80), 20U);
  EXPECT_EQ(quarry::core::magazine_slots_for(100000), 31U) << "so that the slowest call stays short";
}

TEST(Cursor, PutsANullBelowTheSlotsWhateverLayThere) {
  magazine loaded;
  loaded.entries[0] = &slots[0];  // a link, from when it rested
  loaded.entries[1] = &slots[1];
  cursor current;
  current.load(loaded, 1, magazine::capacity);
  EXPECT_EQ(loaded.entries[0], nullptr);
  EXPECT_EQ(current.pop(), &slots[1]);
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_EQ(current.pop(), nullptr) << "popping nothing moves nothing";
  EXPECT_EQ(current.count(loaded), 0U);
}

TEST(Cursor, RefusingASlotChangesNothing) {
  magazine loaded;
  cursor current;
  current.load(loaded, 0, 2);
  ASSERT_TRUE(current.push(&slots[0]));
  ASSERT_TRUE(current.push(&slots[1]));
  loaded.entries[3] = &slots[3];
  EXPECT_FALSE(current.push(&slots[2]));
  EXPECT_EQ(loaded.entries[3], &slots[3]);
  EXPECT_EQ(current.count(loaded), 2U);
  EXPECT_EQ(current.pop(), &slots[1]);
}

TEST(Cursor, LoadsAMagazineOfAnyCapacity) {
  void* entries[1 + 2];
  entries[1] = &slots[0];
  entries[2] = &slots[1];
  cursor current;
  current.load(entries, 2, 2);
  EXPECT_EQ(current.count(entries), 2U);
  EXPECT_FALSE(current.push(&slots[2])) << "full";
  EXPECT_EQ(current.pop(), &slots[1]);
  EXPECT_EQ(current.pop(), &slots[0]);
  EXPECT_EQ(current.pop(), nullptr);
}

TEST(Cursor, SeveralUnloadedOnesStayEmptyWhateverTheOthersAreOffered) {
  cursor first;
  cursor second;
  EXPECT_FALSE(first.push(&slots[0]));
  EXPECT_EQ(second.pop(), nullptr);
}

TEST(Cursor, PopsAsManyAsThereAre) {
  magazine loaded;
  cursor current;
  current.load(loaded, 0, 4);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(current.push(&slots[i]));
  int next = 2;
  const auto newest = [&next](void* slot) { EXPECT_EQ(slot, &slots[next--]); };
  EXPECT_EQ(quarry::core::pop_each(current, 2, newest), 2U);
  EXPECT_EQ(current.count(loaded), 1U);
  EXPECT_EQ(quarry::core::pop_each(current, 2, newest), 1U);
  EXPECT_EQ(next, -1);
  EXPECT_EQ(quarry::core::pop_each(current, 2, newest), 0U);
}

TEST(Cursor, PushesTheHighestOfARunAndTheLowestOfThoseLast) {
  magazine loaded;
  cursor current;
  EXPECT_EQ(quarry::core::push_run(current, &slots[0], 2, sizeof(int)), 0U) << "nothing is loaded";
  current.load(loaded, 0, 4);
  EXPECT_EQ(quarry::core::push_run(current, &slots[0], 3, sizeof(int)), 3U);
  EXPECT_EQ(quarry::core::push_run(current, &slots[10], 3, sizeof(int)), 1U);
  EXPECT_EQ(current.pop(), &slots[12]);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(current.pop(), &slots[i]);
  EXPECT_EQ(current.pop(), nullptr);
}

}  // namespace
