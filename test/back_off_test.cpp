// How a thread waits where it has nothing to sleep on.
#include "../src/back_off.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace {

TEST(BackOff, SleepsBetweenLooksOnceItHasWaitedForAWhile) {
  using clock = std::chrono::steady_clock;
  quarry::detail::back_off wait;
  for (int i = 0; i < 64; ++i) wait();
  const auto begin = clock::now();
  for (int i = 0; i < 100; ++i) wait();
  EXPECT_GE(clock::now() - begin, std::chrono::milliseconds(5)) << "100 times 50 us or, on Windows, 1 ms";
}

}  // namespace
