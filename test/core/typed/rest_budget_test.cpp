#include <gtest/gtest.h>

#include <cstddef>
#include <quarry/core/typed/rest_budget.hpp>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using quarry::core::rest_budget;
using quarry::core::rest_draw;

static_assert(std::is_empty_v<rest_draw<false>>, "machines without a budget pay nothing for it");

TEST(RestBudget, GivesOutWhatItHasAndNoMore) {
  rest_budget budget(100);
  EXPECT_TRUE(budget.take(60));
  EXPECT_FALSE(budget.take(41));
  EXPECT_EQ(budget.left_bytes(), 40U);
  EXPECT_TRUE(budget.take(40));
  EXPECT_FALSE(budget.take(1));
  budget.give(60);
  EXPECT_EQ(budget.left_bytes(), 60U);
}

TEST(RestBudget, DrawsAreWholeSlabsAsFarAsThereIsRoom) {
  rest_budget budget(100);
  rest_draw<true> one, other;
  EXPECT_EQ(one.cover(3, 10), 0U) << "it draws on no budget yet";
  one.join(budget);
  other.join(budget);
  EXPECT_EQ(one.cover(7, 10), 7U);
  EXPECT_EQ(other.cover(7, 10), 3U);
  EXPECT_EQ(one.cover(5, 10), 5U);
  EXPECT_EQ(other.cover(7, 10), 5U);
  other.leave(10);
  EXPECT_EQ(budget.left_bytes(), 50U);
  EXPECT_EQ(other.cover(7, 10), 0U);
}

TEST(RestBudget, ThreadsTogetherTakeNoMoreThanItHas) {
  rest_budget budget(64);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&budget] {
      rest_draw<true> draw;
      draw.join(budget);
      for (int i = 0; i < 20000; ++i) {
        EXPECT_LE(draw.cover(static_cast<std::size_t>(i) % 9, 8), 8U);
        EXPECT_LE(budget.left_bytes(), 64U);
      }
      draw.leave(8);
    });
  for (auto& each : threads) each.join();
  EXPECT_EQ(budget.left_bytes(), 64U);
}

}  // namespace
