#include <gtest/gtest.h>

#include <quarry/core/typed/waiting_slots.hpp>

namespace {

using quarry::core::waiting_slots;

TEST(WaitingSlots, GivesBackWhatCameFirst) {
  void* places[3];
  int slots[5];
  waiting_slots waiting(places, 3);
  EXPECT_EQ(waiting.pop(), nullptr);
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 3; ++i) waiting.push(slots + i);
    EXPECT_EQ(waiting.count(), waiting.capacity());
    EXPECT_TRUE(waiting.holds(slots + 2));
    EXPECT_FALSE(waiting.holds(slots + 3));
    EXPECT_EQ(waiting.pop(), slots);
    EXPECT_FALSE(waiting.holds(slots));
    waiting.push(slots + 3);
    EXPECT_EQ(waiting.pop(), slots + 1);
    EXPECT_EQ(waiting.pop(), slots + 2);
    EXPECT_EQ(waiting.pop(), slots + 3);
    EXPECT_EQ(waiting.pop(), nullptr);
  }
}

}  // namespace
