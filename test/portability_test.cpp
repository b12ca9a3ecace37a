#include <gtest/gtest.h>

#include <quarry/portability.hpp>
#include <thread>
#include <utility>

namespace {

QUARRY_NOINLINE int twice(int number) {
  return 2 * number;
}

QUARRY_ALWAYS_INLINE int thrice(int number) {
  return 3 * number;
}

QUARRY_THREAD_LOCAL int number_of_this_thread = 7;

int side_of(int number) {
  if (number < 0) return -1;
  if (number >= 0) return 1;
  QUARRY_UNREACHABLE();
}

TEST(Portability, AnExpectationChangesNoCondition) {
  for (const int number : {0, 1, 2}) {
    EXPECT_EQ(QUARRY_LIKELY(number), number != 0);
    EXPECT_EQ(QUARRY_UNLIKELY(number), number != 0);
  }
  EXPECT_TRUE(QUARRY_LIKELY(std::pair<int, int>(1, 2).second == 2));
}

TEST(Portability, WhereAFunctionStandsChangesNoResult) {
  EXPECT_EQ(twice(21), 42);
  EXPECT_EQ(thrice(14), 42);
  EXPECT_EQ(side_of(-3), -1);
}

TEST(Portability, AnUnrolledLoopRunsAsOften) {
  int turns = 0;
  QUARRY_UNROLL(8)
  for (int i = 0; i < 11; ++i) ++turns;
  EXPECT_EQ(turns, 11);
}

TEST(Portability, AForgottenPointerPointsWhereItDid) {
  int number = 5;
  int* pointer = &number;
  QUARRY_FORGET(pointer);
  QUARRY_PREFETCH_FOR_WRITE(pointer);
  QUARRY_PAUSE();
  EXPECT_EQ(pointer, &number);
  EXPECT_EQ(*pointer, 5);
}

TEST(Portability, EachThreadHasItsVariable) {
  number_of_this_thread = 8;
  int seen = 0;
  std::thread([&seen] { seen = number_of_this_thread++; }).join();
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(number_of_this_thread, 8);
}

}  // namespace
