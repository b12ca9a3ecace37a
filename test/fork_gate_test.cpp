#include "../src/fork_gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#if defined(__unix__)
#include "support/in_child.hpp"
#endif

namespace {

namespace fork_gate = quarry::detail::fork_gate;

TEST(ForkGate, LetsAThreadInAtOnceWhenNoForkWaits) {
  EXPECT_FALSE(fork_gate::is_inside());
  {
    const fork_gate::passage inside;
    const fork_gate::passage again;
    EXPECT_TRUE(fork_gate::is_inside());
    bool other_is_inside = true;
    std::thread([&] { other_is_inside = fork_gate::is_inside(); }).join();
    EXPECT_FALSE(other_is_inside);
  }
  EXPECT_FALSE(fork_gate::is_inside());
}

TEST(ForkGate, LetsAForkThatWaitsGoFirst) {
  std::atomic<bool> fork_is_over{false};
  std::atomic<int> came_first{0};
  constexpr int rounds = 20;
  for (int i = 0; i < rounds; ++i) {
    fork_is_over = false;
    fork_gate::close();
    std::thread other([&] {
      const fork_gate::passage inside;
      if (fork_is_over) ++came_first;
    });
    fork_gate::nap();
    fork_is_over = true;
    fork_gate::open_in_parent();
    other.join();
  }
  EXPECT_GT(came_first, 0) << "of " << rounds;
}

// Returns the time that another thread takes to enter.
std::chrono::steady_clock::duration time_to_enter() {
  std::chrono::steady_clock::duration taken{};
  std::thread([&] {
    const auto begin = std::chrono::steady_clock::now();
    const fork_gate::passage inside;
    taken = std::chrono::steady_clock::now() - begin;
  }).join();
  return taken;
}

// Returns the shortest of several such times: with the gate closed a thread waits for 10 ms at least, and else for nothing.
std::chrono::steady_clock::duration shortest_time_to_enter() {
  auto shortest = time_to_enter();
  for (int i = 0; i < 10; ++i) shortest = std::min(shortest, time_to_enter());
  return shortest;
}
constexpr std::chrono::milliseconds shortest_wait{10};

TEST(ForkGate, IsOpenAgainOnceEveryForkIsOver) {
  EXPECT_LT(shortest_time_to_enter(), shortest_wait);
  fork_gate::close();
  fork_gate::close();
  fork_gate::open_in_parent();
  EXPECT_GE(shortest_time_to_enter(), shortest_wait) << "one waits still";
  fork_gate::open_in_parent();
  EXPECT_LT(shortest_time_to_enter(), shortest_wait);
}

TEST(ForkGate, IsOpenInAChildHoweverManyForksWaited) {
  fork_gate::close();
  fork_gate::close();
  fork_gate::open_in_child();
  EXPECT_LT(shortest_time_to_enter(), shortest_wait);
}

#if defined(__unix__)

// In a process of its own, which ends when a thread is kept out for good.
TEST(ForkGate, KeepsNoThreadOutForGoodAndNoneThatIsInsideAlready) {
  EXPECT_EQ(quarry_test::run_in_child(20,
                                      [] {
                                        const fork_gate::passage inside;
                                        fork_gate::close();
                                        const auto begin = std::chrono::steady_clock::now();
                                        { const fork_gate::passage again; }
                                        const auto waited = std::chrono::steady_clock::now() - begin;
                                        time_to_enter();
                                        return waited < shortest_wait ? 0 : 1;
                                      }),
            0);
}

#endif

}  // namespace
