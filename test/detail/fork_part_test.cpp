#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <quarry/detail/fork_part.hpp>
#include <quarry/locks.hpp>
#include <vector>

#if defined(__unix__)
#include "support/in_child.hpp"

namespace {

using quarry::core::fork_part;
using quarry::core::is_taken_by_forks;
using quarry::core::transit;

struct plain_lock {
  void lock() {}
  void unlock() {}
};
static_assert(is_taken_by_forks<quarry::spin_lock> && is_taken_by_forks<std::mutex>);
static_assert(!is_taken_by_forks<plain_lock>, "it cannot be tried");
static_assert(!is_taken_by_forks<quarry::null_lock>, "it keeps no other thread out");

/// Notes what is done with it, and refuses as often as it was told.
struct noting_lock {
  int refusals = 0;
  int tries = 0;
  int holds = 0;
  bool is_held = false;

  void lock() { is_held = true; }
  bool try_lock() {
    ++tries;
    if (is_held) return false;
    if (refusals > 0) {
      --refusals;
      return false;
    }
    ++holds;
    return is_held = true;
  }
  void unlock() {
    EXPECT_TRUE(is_held);
    is_held = false;
  }
};

struct control {
  noting_lock lock;
  transit* transits = nullptr;
  fork_part<control, noting_lock> part{*this};
};

TEST(ForkPart, OfEachCacheThatExistsIsHeldByAForkAndOpenAfterItOnBothSides) {
  control one;
  std::optional<control> ended(std::in_place), gone(std::in_place);
  control other;
  gone.reset();
  ended.reset();
  EXPECT_EQ(quarry_test::run_in_child(30,
                                      [&] {
                                        if (one.lock.is_held || other.lock.is_held) return 1;
                                        return one.lock.holds == 1 && other.lock.holds == 1 ? 0 : 2;
                                      }),
            0);
  for (const control* each : {&one, &other}) {
    EXPECT_FALSE(each->lock.is_held);
    EXPECT_EQ(each->lock.holds, 1);
  }
}

TEST(ForkPart, OfEachCacheIsOpenedAgainWhileOneOfThemIsTaken) {
  control first, between, last;
  between.lock.refusals = 3;
  EXPECT_EQ(quarry_test::run_in_child(30, [&] { return between.lock.is_held ? 1 : 0; }), 0);
  EXPECT_EQ(between.lock.tries, 4);
  EXPECT_EQ(between.lock.holds, 1);
  EXPECT_EQ(first.lock.holds + last.lock.holds, 5) << "one of them was taken and opened for each refusal";
  for (const control* each : {&first, &between, &last}) EXPECT_FALSE(each->lock.is_held);
}

TEST(ForkPart, WhoseLockStaysTakenIsLeftAlone) {
  control taken, open;
  taken.lock.lock();
  EXPECT_EQ(quarry_test::run_in_child(30, [&] { return taken.lock.is_held && !open.lock.is_held ? 0 : 1; }),
            0);
  EXPECT_TRUE(taken.lock.is_held);
  EXPECT_FALSE(open.lock.is_held);
  EXPECT_GT(taken.lock.tries, 10);
}

TEST(ForkPart, KeepsForTheChildWhatIsInTransit) {
  control block;
  int slots[2];
  transit second{slots + 1, nullptr};
  transit first{slots, &second};
  block.transits = &first;
  EXPECT_EQ(quarry_test::run_in_child(30,
                                      [&] {
                                        const transit* const kept = block.transits;
                                        if (kept == &first || kept->next == &second) return 1;
                                        if (kept->slot != slots || kept->next->slot != slots + 1) return 2;
                                        return kept->next->next == nullptr ? 0 : 3;
                                      }),
            0);
  EXPECT_EQ(block.transits, &first);
}

}  // namespace
#endif
