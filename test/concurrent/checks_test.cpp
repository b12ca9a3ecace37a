// Checks beside other threads: what two of them do to one block, and forks in the middle of a check. timeout: 300
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/violation.hpp>
#include <set>
#include <thread>

#if defined(__unix__)
#include "support/in_child.hpp"
#endif

namespace {

using quarry::check_level;
using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;

std::atomic<int> violations{0};

void count(const quarry::violation&) {
  ++violations;
}

slab_options options_of(check_level level) {
  slab_options options;
  options.checks = level;
  return options;
}

// Each round one block is freed twice, by two threads at about the same moment.
TEST(ChecksOfThreads, ABlockThatTwoThreadsFreeIsToldOnceAndNeverHasTwoOwners) {
  constexpr int rounds = 500;
  violations = 0;
  quarry::set_violation_handler(count);
  {
    synchronized_slab_resource memory(options_of(check_level::pointers));
    slab_thread_view mine(memory), others(memory);
    std::atomic<void*> shared{nullptr};
    std::atomic<int> freed{0};
    std::thread other([&] {
      for (int round = 1; round <= rounds; ++round) {
        void* block = nullptr;
        while ((block = shared.exchange(nullptr)) == nullptr) std::this_thread::yield();
        others.deallocate(block, 48, 8);
        freed = round;
        while (shared.load() != &freed) std::this_thread::yield();
        shared = nullptr;
        freed = -round;
      }
    });
    for (int round = 1; round <= rounds; ++round) {
      void* const block = mine.allocate(48, 8);
      shared = block;
      mine.deallocate(block, 48, 8);
      while (freed != round) std::this_thread::yield();
      std::set<void*> owned;
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(owned.insert(mine.allocate(48, 8)).second);
      for (void* each : owned) mine.deallocate(each, 48, 8);
      shared = &freed;
      while (freed != -round) std::this_thread::yield();
    }
    other.join();
    mine.flush();
    others.flush();
    memory.trim();
    EXPECT_EQ(memory.stats().live_slots, 0U);
    EXPECT_EQ(violations, rounds);
  }
  quarry::set_violation_handler(nullptr);
}

#if defined(__unix__)

TEST(ChecksOfThreads, AForkBesideThemLeavesTheChildItsChecks) {
  if (const char* const why = quarry_test::why_busy_threads_cannot_fork()) GTEST_SKIP() << why;
  synchronized_slab_resource memory(options_of(check_level::full));
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done) memory.deallocate(memory.allocate(48, 8), 48, 8);
  });
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(quarry_test::run_in_child(30,
                                        [&] {
                                          void* const block = memory.allocate(64, 8);
                                          memory.deallocate(block, 64, 8);
                                          synchronized_slab_resource own(options_of(check_level::full));
                                          own.deallocate(own.allocate(64, 8), 64, 8);
                                          return 7;
                                        }),
              7);
  done = true;
  busy.join();
}

#endif

}  // namespace
