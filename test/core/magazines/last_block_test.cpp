#include "quarry/core/magazines/last_block.hpp"

#include <gtest/gtest.h>

namespace quarry::core {
namespace {

TEST(LastBlock, ServesARequestOfAsManyBytesOnce) {
  last_block tested;
  alignas(64) std::byte block[128];
  EXPECT_EQ(tested.take(50'000, 8), nullptr) << "nothing rests";
  EXPECT_EQ(tested.put({block, 50'000}).memory, nullptr);
  EXPECT_EQ(tested.take(49'999, 8), nullptr);
  EXPECT_EQ(tested.take(50'001, 8), nullptr);
  EXPECT_EQ(tested.take(50'000, 8), block);
  EXPECT_EQ(tested.take(50'000, 8), nullptr) << "it is the user's";
  EXPECT_EQ(tested.look().memory, nullptr);
}

TEST(LastBlock, ServesNoRequestThatItIsNotAlignedFor) {
  last_block tested;
  alignas(64) std::byte block[128];
  tested.put({block + 32, 50'000});
  EXPECT_EQ(tested.take(50'000, 64), nullptr);
  EXPECT_EQ(tested.take(50'000, 32), block + 32);
}

TEST(LastBlock, MakesRoomForTheNextOne) {
  last_block tested;
  std::byte first[8], second[8];
  tested.put({first, 40'000});
  const resting_block before = tested.put({second, 50'000});
  EXPECT_EQ(before.memory, first);
  EXPECT_EQ(before.bytes, 40'000U);
  EXPECT_EQ(tested.look().memory, second);
  EXPECT_EQ(tested.look().bytes, 50'000U);
  EXPECT_EQ(tested.put({}).memory, second);
  EXPECT_EQ(tested.look().memory, nullptr);
  EXPECT_EQ(tested.look().bytes, 0U);
}

TEST(LastBlock, OfTwoFreesInARowTheSecondDoesNothing) {
  last_block tested;
  std::byte block[8];
  tested.put({block, 40'000});
  EXPECT_EQ(tested.put({block, 40'000}).memory, nullptr);
  EXPECT_EQ(tested.take(40'000, 1), block);
  EXPECT_EQ(tested.put({block, 40'000}).memory, nullptr) << "it was handed out since";
  EXPECT_EQ(tested.look().memory, block);
  EXPECT_EQ(tested.look().bytes, 40'000U);
}

}  // namespace
}  // namespace quarry::core
