#include "../src/live_blocks.hpp"

#include <gtest/gtest.h>

#include <string>

namespace quarry::detail {
namespace {

TEST(LiveBlocks, ArePutTogetherBySizeAndOrigin) {
  live_blocks live;
  EXPECT_TRUE(live.empty());
  int block = 0;
  for (int i = 0; i < 3; ++i) live.add(&block, 48, 0);
  live.add(&block, 8, 0);
  EXPECT_FALSE(live.empty());
  testing::internal::CaptureStderr();
  live.write({&block, "some_resource", "orders", nullptr}, "ended");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("4 blocks of 152 bytes live while their resource ended"), std::string::npos) << said;
  EXPECT_NE(said.find("'orders', quarry::some_resource"), std::string::npos) << said;
  EXPECT_NE(said.find("3 of 48 bytes"), std::string::npos) << said;
  EXPECT_NE(said.find("1 of 8 bytes"), std::string::npos) << said;
}

TEST(LiveBlocks, OfNoBytesLiveToo) {
  live_blocks live;
  int block = 0;
  live.add(&block, 0, 0);
  EXPECT_FALSE(live.empty());
}

TEST(LiveBlocks, CountThoseForWhichThereIsNoRoom) {
  live_blocks live;
  int block = 0;
  for (std::size_t bytes = 1; bytes <= 40; ++bytes) live.add(&block, bytes, 0);
  testing::internal::CaptureStderr();
  live.write({&block, "some_resource", nullptr, nullptr}, "ended");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("40 blocks of 820 bytes"), std::string::npos) << said;
  EXPECT_NE(said.find("8 of other sizes or from elsewhere"), std::string::npos) << said;
}

}  // namespace
}  // namespace quarry::detail
