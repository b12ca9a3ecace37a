#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <quarry/core/magazines/magazine.hpp>
#include <vector>

namespace {

using quarry::core::cursor;
using quarry::core::full_magazine_slots;
using quarry::core::magazine;
using quarry::core::magazine_stack;

int slots[magazine::capacity + 1];

class Cursor : public testing::Test {
 protected:
  /// Loads the magazine with the first `count` slots, the last of them on top.
  void load(std::size_t count, std::size_t limit) {
    for (std::size_t i = 0; i < count; ++i) loaded.entries[1 + i] = &slots[i];
    current.load(loaded.entries, count, limit);
  }

  void* nothing = nullptr;
  magazine loaded;
  cursor current{nothing};
};

TEST_F(Cursor, IsEmptyAndFullAtOnceWhileNothingIsLoaded) {
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_FALSE(current.push(&slots[0]));
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_EQ(nothing, nullptr) << "the owner's entry is never written";
}

TEST_F(Cursor, WithoutAMagazineStaysEmptyWhateverOthersOfItsOwnerAreOffered) {
  cursor other(nothing);
  EXPECT_FALSE(current.push(&slots[0]));
  EXPECT_EQ(other.pop(), nullptr);
}

TEST_F(Cursor, GivesBackWhatItTookTheNewestFirst) {
  load(0, magazine::capacity);
  EXPECT_EQ(current.pop(), nullptr);
  for (std::size_t i = 0; i < magazine::capacity; ++i) {
    ASSERT_TRUE(current.push(&slots[i]));
    ASSERT_EQ(current.count(loaded.entries), i + 1);
  }
  EXPECT_FALSE(current.push(&slots[magazine::capacity])) << "the magazine is full";
  for (std::size_t i = magazine::capacity; i-- > 0;) ASSERT_EQ(current.pop(), &slots[i]);
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_EQ(current.count(loaded.entries), 0U);
}

TEST_F(Cursor, TakesNoMoreThanTheLimitItWasLoadedWith) {
  load(2, 3);
  EXPECT_TRUE(current.push(&slots[2]));
  EXPECT_FALSE(current.push(&slots[3]));
  for (std::size_t i = 3; i-- > 0;) EXPECT_EQ(current.pop(), &slots[i]);
  EXPECT_EQ(current.pop(), nullptr);
}

TEST_F(Cursor, PopsOnlyWhereTheAnswerIsYes) {
  load(2, 3);
  void* slot = nullptr;
  const void* asked = nullptr;
  EXPECT_FALSE(current.pop_if(slot, [&](const void* found) {
    asked = found;
    return false;
  }));
  EXPECT_EQ(asked, &slots[1]);
  EXPECT_EQ(current.count(loaded.entries), 2U);
  EXPECT_TRUE(current.pop_if(slot, [](const void*) { return true; }));
  EXPECT_EQ(slot, &slots[1]);
  EXPECT_EQ(current.count(loaded.entries), 1U);
  EXPECT_TRUE(current.pop_if(slot, [](const void*) { return true; }));
  EXPECT_FALSE(current.pop_if(slot, [](const void* found) { return found != nullptr; }))
      << "null is below them";
  EXPECT_EQ(current.count(loaded.entries), 0U);
}

TEST_F(Cursor, PushesOnlyWhereThereIsRoomAndTheAnswerIsYes) {
  load(2, 3);
  EXPECT_FALSE(current.push_if(&slots[2], [] { return false; }));
  EXPECT_EQ(current.count(loaded.entries), 2U);
  EXPECT_TRUE(current.push_if(&slots[2], [] { return true; }));
  int asked = 0;
  EXPECT_FALSE(current.push_if(&slots[3], [&] { return ++asked != 0; }));
  EXPECT_EQ(asked, 0) << "nobody is asked where there is no room";
  EXPECT_EQ(current.pop(), &slots[2]);
}

TEST_F(Cursor, TakesMoreOnceItsLimitIsRaisedAndNoMoreOnceItIsLowered) {
  load(2, 2);
  ASSERT_FALSE(current.push(&slots[2]));
  current.limit_to(loaded.entries, 3);
  EXPECT_EQ(current.count(loaded.entries), 2U) << "the limit moves no slot";
  EXPECT_TRUE(current.push(&slots[2]));
  EXPECT_FALSE(current.push(&slots[3]));
  ASSERT_EQ(current.pop(), &slots[2]);
  current.limit_to(loaded.entries, 2);
  EXPECT_FALSE(current.push(&slots[2]));
}

TEST_F(Cursor, NeverTouchesTheSlots) {
  load(0, 4);
  // Addresses that nobody may read or write.
  auto* const forbidden = reinterpret_cast<void*>(std::uintptr_t{64});
  EXPECT_TRUE(current.push(forbidden));
  EXPECT_EQ(current.pop(), forbidden);
}

TEST_F(Cursor, PutsANullBelowTheSlotsWhateverLayThere) {
  loaded.entries[0] = &slots[0];  // a link, from when it rested
  load(1, magazine::capacity);
  EXPECT_EQ(loaded.entries[0], nullptr);
  EXPECT_EQ(current.pop(), &slots[0]);
  EXPECT_EQ(current.pop(), nullptr);
  EXPECT_EQ(current.pop(), nullptr) << "popping nothing moves nothing";
  EXPECT_EQ(current.count(loaded.entries), 0U);
}

TEST_F(Cursor, RefusingASlotChangesNothing) {
  load(2, 2);
  loaded.entries[3] = &slots[3];
  EXPECT_FALSE(current.push(&slots[2]));
  EXPECT_EQ(loaded.entries[3], &slots[3]);
  EXPECT_EQ(current.count(loaded.entries), 2U);
  EXPECT_EQ(current.pop(), &slots[1]);
}

TEST_F(Cursor, LoadsAMagazineOfAnyCapacity) {
  void* entries[1 + 2] = {nullptr, &slots[0], &slots[1]};
  current.load(entries, 2, 2);
  EXPECT_EQ(current.count(entries), 2U);
  EXPECT_FALSE(current.push(&slots[2])) << "full";
  EXPECT_EQ(current.pop(), &slots[1]);
  EXPECT_EQ(current.pop(), &slots[0]);
  EXPECT_EQ(current.pop(), nullptr);
}

TEST_F(Cursor, DropsTheNullsOnTopAndNoSlot) {
  load(2, 8);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(current.push(nullptr));
  EXPECT_EQ(current.pop(), nullptr) << "a null on top looks like an empty magazine";
  current.drop_nulls(loaded.entries);
  EXPECT_EQ(current.count(loaded.entries), 2U);
  EXPECT_EQ(current.pop(), &slots[1]);
  EXPECT_EQ(current.pop(), &slots[0]);
}

TEST_F(Cursor, DropsNullsUntilTheNextSlotOnlySoThatThoseBelowAreFoundLater) {
  load(1, 8);
  ASSERT_TRUE(current.push(nullptr));
  ASSERT_TRUE(current.push(&slots[1]));
  current.drop_nulls(loaded.entries);
  EXPECT_EQ(current.count(loaded.entries), 3U) << "a slot is on top";
  ASSERT_EQ(current.pop(), &slots[1]);
  ASSERT_EQ(current.pop(), nullptr);
  current.drop_nulls(loaded.entries);
  EXPECT_EQ(current.pop(), &slots[0]);
}

TEST_F(Cursor, DropsNullsDownToTheBottomAndNotBelow) {
  load(0, 4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(current.push(nullptr));
  current.drop_nulls(loaded.entries);
  EXPECT_EQ(current.count(loaded.entries), 0U);
  current.drop_nulls(loaded.entries);
  EXPECT_EQ(current.count(loaded.entries), 0U);
  EXPECT_TRUE(current.push(&slots[0]));
  EXPECT_EQ(current.pop(), &slots[0]);
}

TEST_F(Cursor, PopsAsManyAsThereAre) {
  load(3, 4);
  int next = 2;
  const auto newest = [&next](void* slot) { EXPECT_EQ(slot, &slots[next--]); };
  EXPECT_EQ(quarry::core::pop_each(current, 2, newest), 2U);
  EXPECT_EQ(current.count(loaded.entries), 1U);
  EXPECT_EQ(quarry::core::pop_each(current, 2, newest), 1U);
  EXPECT_EQ(next, -1);
  EXPECT_EQ(quarry::core::pop_each(current, 2, newest), 0U);
}

TEST_F(Cursor, PushesTheHighestOfARunAndTheLowestOfThoseLast) {
  EXPECT_EQ(quarry::core::push_run(current, &slots[0], 2, sizeof(int)), 0U) << "nothing is loaded";
  load(0, 4);
  EXPECT_EQ(quarry::core::push_run(current, &slots[0], 3, sizeof(int)), 3U);
  EXPECT_EQ(quarry::core::push_run(current, &slots[10], 3, sizeof(int)), 1U);
  EXPECT_EQ(current.pop(), &slots[12]);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(current.pop(), &slots[i]);
  EXPECT_EQ(current.pop(), nullptr);
}

TEST(MagazineStack, GivesTheNewestMagazineBackFirstAndCountsThem) {
  std::vector<magazine> magazines(3);
  magazine_stack resting;
  EXPECT_EQ(resting.pop(), nullptr);
  for (std::size_t i = 0; i < 3; ++i) {
    resting.push(magazines[i]);
    EXPECT_EQ(resting.size(), i + 1);
  }
  for (std::size_t i = 3; i-- > 0;) {
    EXPECT_EQ(resting.pop(), &magazines[i]);
    EXPECT_EQ(resting.size(), i);
  }
  EXPECT_EQ(resting.pop(), nullptr);
  EXPECT_EQ(resting.size(), 0U);
}

TEST(MagazineStack, LeavesTheSlotsOfWhatRestsInItAlone) {
  magazine full;
  for (std::size_t i = 0; i <= magazine::capacity; ++i) full.entries[i] = &slots[i];
  magazine_stack resting;
  resting.push(full);
  ASSERT_EQ(resting.pop(), &full);
  for (std::size_t i = 1; i <= magazine::capacity; ++i) EXPECT_EQ(full.entries[i], &slots[i]);
}

TEST(FullMagazineSlots, AreWhatMakes32KiBWithinBounds) {
  EXPECT_EQ(full_magazine_slots(8), magazine::capacity);
  EXPECT_EQ(full_magazine_slots(520), magazine::capacity) << "63 * 520 < 32 KiB < 64 * 520";
  EXPECT_EQ(full_magazine_slots(528), 62U);
  EXPECT_EQ(full_magazine_slots(4096), 8U);
  EXPECT_EQ(full_magazine_slots(8192), 4U);
  EXPECT_EQ(full_magazine_slots(32768), 4U) << "at least four";
}

}  // namespace
