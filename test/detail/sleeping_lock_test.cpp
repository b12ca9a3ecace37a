// The lock of a synchronized resource: who waits for long sleeps, and is woken.
#include <quarry/detail/sleeping_lock.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/resource.h>

#include "support/in_child.hpp"
#endif

namespace {

using quarry::detail::sleeping_lock;

TEST(SleepingLock, IsHeldFromLockToUnlock) {
  sleeping_lock lock;
  EXPECT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  lock.lock();
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

#if defined(__linux__)

TEST(SleepingLock, WhoWaitsForLongSleepsAndIsWoken) {
  if (const char* const why = quarry_test::why_threads_cannot_fork()) GTEST_SKIP() << why;
  const auto wait_for_it = [] {
    sleeping_lock lock;
    lock.lock();
    std::atomic<long> sleeps{-1};  // of the waiter, while it waited
    std::thread waiter([&] {
      rusage before{}, after{};
      getrusage(RUSAGE_THREAD, &before);
      lock.lock();
      getrusage(RUSAGE_THREAD, &after);
      sleeps = after.ru_nvcsw - before.ru_nvcsw;
      lock.unlock();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const bool has_waited = sleeps < 0;
    lock.unlock();
    for (int naps = 0; naps < 500 && sleeps < 0; ++naps)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (sleeps < 0) return 3;  // nobody woke it; the child's end takes the thread along
    waiter.join();
    return !has_waited ? 2 : sleeps == 0 ? 1 : 0;
  };
  EXPECT_EQ(quarry_test::run_in_child(20, wait_for_it), 0)
      << "1: it was busy while it waited, 2: it did not wait, 3: it was not woken";
}

#endif

TEST(SleepingLock, KeepsThreadsApart) {
  sleeping_lock lock;
  int inside = 0;  // under the lock
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        const std::lock_guard<sleeping_lock> held(lock);
        ASSERT_EQ(inside++, 0);
        if (i % 100 == 0) std::this_thread::yield();
        --inside;
      }
    });
  for (std::thread& each : threads) each.join();
}

}  // namespace
