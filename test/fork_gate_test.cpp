#include "../src/fork_gate.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

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

TEST(ForkGate, KeepsNoThreadOutForGoodAndNoneThatIsInsideAlready) {
  const fork_gate::passage inside;
  fork_gate::close();
  { const fork_gate::passage again; }
  std::thread([] { const fork_gate::passage after_a_while; }).join();
  fork_gate::open_in_child();
}

}  // namespace
