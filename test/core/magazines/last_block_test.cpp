#include "quarry/core/magazines/last_block.hpp"

#include <gtest/gtest.h>

namespace quarry::core {
namespace {

class LastBlock : public testing::Test {
 protected:
  alignas(64) std::byte memory[128];
  last_block tested;
};

TEST_F(LastBlock, ServesARequestOfAsManyBytesOnceItHasComeBack) {
  EXPECT_FALSE(tested.rests());
  tested.hand_out(memory, 50'000);
  EXPECT_FALSE(tested.rests());
  EXPECT_EQ(tested.look().memory, nullptr);
  EXPECT_TRUE(tested.come_back(memory, 50'000));
  ASSERT_TRUE(tested.rests());
  EXPECT_EQ(tested.look().memory, memory);
  EXPECT_EQ(tested.look().bytes, 50'000U);
  EXPECT_EQ(tested.take(49'999, 8), nullptr);
  EXPECT_EQ(tested.take(50'001, 8), nullptr);
  EXPECT_EQ(tested.take(50'000, 8), memory);
  EXPECT_FALSE(tested.rests()) << "it is the user's";
  EXPECT_TRUE(tested.come_back(memory, 50'000));
}

TEST_F(LastBlock, ServesNoRequestThatItIsNotAlignedFor) {
  tested.hand_out(memory + 32, 50'000);
  ASSERT_TRUE(tested.come_back(memory + 32, 50'000));
  EXPECT_EQ(tested.take(50'000, 64), nullptr);
  EXPECT_EQ(tested.take(50'000, 32), memory + 32);
}

TEST_F(LastBlock, TakesNothingThatItDidNotHandOut) {
  EXPECT_FALSE(tested.come_back(nullptr, 0));
  EXPECT_FALSE(tested.come_back(memory, 50'000));
  tested.hand_out(memory, 50'000);
  EXPECT_FALSE(tested.come_back(memory + 64, 50'000));
  EXPECT_FALSE(tested.come_back(nullptr, 50'000));
  EXPECT_FALSE(tested.come_back(memory, 40'000))
      << "that is a matter of the store's, which finds it by its address";
  EXPECT_FALSE(tested.come_back(memory, 50'000)) << "it went to the store";
  tested.hand_out(memory, 50'000);
  tested.hand_out(memory + 64, 60'000);
  EXPECT_FALSE(tested.come_back(memory, 50'000)) << "only the last one";
  EXPECT_TRUE(tested.come_back(memory + 64, 60'000));
}

TEST_F(LastBlock, OfTwoFreesTheSecondDoesNothing) {
  tested.hand_out(memory, 40'000);
  ASSERT_TRUE(tested.come_back(memory, 40'000));
  EXPECT_TRUE(tested.come_back(memory, 40'000));
  EXPECT_TRUE(tested.come_back(memory, 50'000)) << "nor with other bytes";
  EXPECT_EQ(tested.take(40'000, 1), memory);
  EXPECT_FALSE(tested.rests());
}

TEST_F(LastBlock, LeavesAndIsForgotten) {
  EXPECT_EQ(tested.leave().memory, nullptr);
  tested.hand_out(memory, 40'000);
  EXPECT_EQ(tested.leave().memory, nullptr) << "it is the user's";
  EXPECT_FALSE(tested.come_back(memory, 40'000));
  tested.hand_out(memory, 40'000);
  ASSERT_TRUE(tested.come_back(memory, 40'000));
  EXPECT_EQ(tested.leave().memory, memory);
  EXPECT_FALSE(tested.rests());
  EXPECT_FALSE(tested.come_back(memory, 40'000));
}

TEST_F(LastBlock, IsAddedWhileItRests) {
  resting_blocks sum;
  tested.hand_out(memory, 40'000);
  tested.add_to(sum);
  EXPECT_EQ(sum.blocks, 0U);
  ASSERT_TRUE(tested.come_back(memory, 40'000));
  tested.add_to(sum);
  tested.add_to(sum);
  EXPECT_EQ(sum.blocks, 2U);
  EXPECT_EQ(sum.bytes, 80'000U);
}

TEST_F(LastBlock, ThatRestsStaysWhereAnotherIsHandedOut) {
  tested.hand_out(memory, 50'000);
  ASSERT_TRUE(tested.come_back(memory, 50'000));
  tested.hand_out(memory + 64,
                  60'000);  // the supply came back with the first while it was asked for this one
  EXPECT_EQ(tested.look().memory, memory);
  EXPECT_FALSE(tested.come_back(memory + 64, 60'000)) << "it goes to the store";
  EXPECT_EQ(tested.take(60'000, 8), nullptr);
  EXPECT_EQ(tested.take(50'000, 8), memory);
}

}  // namespace
}  // namespace quarry::core
