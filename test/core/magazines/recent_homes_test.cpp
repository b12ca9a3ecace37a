#include <gtest/gtest.h>

#include <quarry/core/magazines/recent_homes.hpp>

namespace {

using recent_homes = quarry::core::recent_homes<8>;

void visit(recent_homes& place, std::size_t homes, std::uint32_t visits) {
  for (std::uint32_t i = 0; i < visits; ++i) place.note(i % homes);
}

TEST(RecentHomes, AreOneBeforeAPeriodHasEnded) {
  recent_homes place;
  EXPECT_EQ(place.count(), 1U);
  visit(place, 8, recent_homes::period - 1);
  EXPECT_EQ(place.count(), 1U);
  place.note(0);
  EXPECT_EQ(place.count(), 8U);
}

TEST(RecentHomes, AreThoseOfTheLastPeriodAlone) {
  recent_homes place;
  visit(place, 5, recent_homes::period);
  visit(place, 2, recent_homes::period - 1);
  EXPECT_EQ(place.count(), 5U);
  place.note(1);
  EXPECT_EQ(place.count(), 2U);
  for (std::uint32_t i = 0; i < recent_homes::period; ++i) place.note(7);
  EXPECT_EQ(place.count(), 1U);
}

TEST(RecentHomes, AreOneWhereThereIsOne) {
  quarry::core::recent_homes<1> place;
  for (std::uint32_t i = 0; i < 3 * recent_homes::period; ++i) ASSERT_FALSE(place.note(0));
  EXPECT_EQ(place.count(), 1U);
}

TEST(RecentHomes, AreOneWhenForgotten) {
  recent_homes place;
  visit(place, 4, recent_homes::period + 10);
  place.forget();
  EXPECT_EQ(place.count(), 1U);
  visit(place, 3, recent_homes::period - 1);
  EXPECT_EQ(place.count(), 1U) << "the period begins anew";
  place.note(0);
  EXPECT_EQ(place.count(), 3U);
}

}  // namespace
