#include <gtest/gtest.h>

#include <quarry/core/magazines/homed_stacks.hpp>
#include <vector>

namespace {

using quarry::core::homed_stacks;
using quarry::core::magazine;

TEST(HomedStacks, GiveAHomeItsOwnNewestFirst) {
  magazine some[4];
  homed_stacks<8> resting;
  resting.push(some[0], 3);
  resting.push(some[1], 5);
  resting.push(some[2], 3);
  resting.push(some[3], 0);
  EXPECT_EQ(resting.size(), 4U);
  EXPECT_EQ(resting.pop(3), &some[2]);
  EXPECT_EQ(resting.pop(5), &some[1]);
  EXPECT_EQ(resting.pop(3), &some[0]);
  EXPECT_EQ(resting.size(), 1U);
}

TEST(HomedStacks, GiveAHomeWithoutAnyThoseOfTheNextOne) {
  magazine some[3];
  homed_stacks<8> resting;
  resting.push(some[0], 1);
  resting.push(some[1], 7);
  resting.push(some[2], 4);
  EXPECT_EQ(resting.pop(5), &some[1]) << "homes are asked in a row";
  EXPECT_EQ(resting.pop(5), &some[0]) << "after the last one comes the first";
  EXPECT_EQ(resting.pop(5), &some[2]);
  EXPECT_EQ(resting.pop(5), nullptr);
  EXPECT_EQ(resting.size(), 0U);
}

TEST(HomedStacks, VisitEachMagazineOnce) {
  magazine some[5];
  homed_stacks<3> resting;
  for (std::size_t i = 0; i < 5; ++i) resting.push(some[i], i % 3);
  std::vector<const magazine*> met;
  resting.for_each([&met](const magazine& each) { met.push_back(&each); });
  EXPECT_EQ(met, (std::vector<const magazine*>{&some[3], &some[0], &some[4], &some[1], &some[2]}));
}

TEST(HomedStacks, AreOneStackWhereThereIsOneHome) {
  magazine some[2];
  homed_stacks<1> resting;
  EXPECT_EQ(resting.pop(0), nullptr);
  resting.push(some[0], 0);
  resting.push(some[1], 0);
  EXPECT_EQ(resting.pop(0), &some[1]);
  EXPECT_EQ(resting.pop(0), &some[0]);
  EXPECT_EQ(resting.pop(0), nullptr);
}

}  // namespace
