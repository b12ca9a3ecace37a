#include <gtest/gtest.h>

#include <quarry/core/depot.hpp>
#include <vector>

namespace {

using quarry::core::depot;
using quarry::core::magazine;
using quarry::core::magazine_stack;

TEST(MagazineStack, GivesTheNewestFirst) {
  magazine first;
  magazine second;
  magazine_stack stack;
  EXPECT_EQ(stack.pop(), nullptr);
  stack.push(first);
  stack.push(second);
  EXPECT_EQ(stack.size(), 2U);
  EXPECT_EQ(stack.pop(), &second);
  EXPECT_EQ(stack.pop(), &first);
  EXPECT_EQ(stack.pop(), nullptr);
  EXPECT_EQ(stack.size(), 0U);
}

TEST(MagazineStack, LeavesTheEntriesAboveTheBottomAlone) {
  int slot = 0;
  magazine resting;
  for (std::size_t i = 1; i <= magazine::capacity; ++i) resting.entries[i] = &slot;
  magazine_stack stack;
  stack.push(resting);
  ASSERT_EQ(stack.pop(), &resting);
  for (std::size_t i = 1; i <= magazine::capacity; ++i) EXPECT_EQ(resting.entries[i], &slot);
}

TEST(MagazineStack, IsWalkedTheNewestFirst) {
  magazine magazines[3];
  magazine_stack stack;
  for (magazine& each : magazines) stack.push(each);
  std::vector<const magazine*> seen;
  stack.for_each([&seen](const magazine& each) { seen.push_back(&each); });
  EXPECT_EQ(seen, (std::vector<const magazine*>{&magazines[2], &magazines[1], &magazines[0]}));
}

TEST(Depot, HasRoomUpToItsLimit) {
  magazine magazines[2];
  depot parked(2);
  EXPECT_EQ(parked.take(), nullptr);
  for (magazine& each : magazines) {
    EXPECT_TRUE(parked.has_room());
    parked.park(each);
  }
  EXPECT_FALSE(parked.has_room());
  EXPECT_EQ(parked.size(), 2U);
  std::size_t walked = 0;
  parked.for_each([&walked](const magazine&) { ++walked; });
  EXPECT_EQ(walked, 2U);
  EXPECT_EQ(parked.take(), &magazines[1]);
  EXPECT_TRUE(parked.has_room());
  EXPECT_EQ(parked.take(), &magazines[0]);
  EXPECT_EQ(parked.take(), nullptr);
}

TEST(Depot, WithALimitOfZeroParksNothing) {
  EXPECT_FALSE(depot(0).has_room());
}

TEST(MagazineStack, LinksMagazinesByTheirBottomEntryWhileTheyRest) {
  magazine first;
  magazine second;
  magazine_stack stack;
  stack.push(first);
  stack.push(second);
  EXPECT_EQ(second.entries[0], &first);
  EXPECT_EQ(first.entries[0], nullptr);
}

TEST(Depot, GivesAParkedMagazineBackWithItsSlots) {
  int slots[magazine::capacity];
  magazine full;
  quarry::core::cursor current;
  current.load(full, 0, magazine::capacity);
  for (int& each : slots) ASSERT_TRUE(current.push(&each));
  magazine below;
  depot parked(2);
  parked.park(below);
  parked.park(full);
  ASSERT_EQ(parked.take(), &full);
  current.load(full, magazine::capacity, magazine::capacity);
  for (std::size_t i = magazine::capacity; i-- > 0;) ASSERT_EQ(current.pop(), &slots[i]);
  EXPECT_EQ(current.pop(), nullptr) << "the link is gone";
}

}  // namespace
