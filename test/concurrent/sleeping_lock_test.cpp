// The lock of a synchronized resource: that it excludes, and what waiting costs. Again as on systems that have no futex.
// again with: -DQUARRY_ABI=without_futex -DQUARRY_WITHOUT_FUTEX
#include "quarry/detail/sleeping_lock.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "../../src/waiting_rooms.hpp"
#include "support/in_child.hpp"

#if defined(QUARRY_WITHOUT_FUTEX)
#include "../../src/sleeping_lock.cpp"
#endif

namespace {

using quarry::detail::sleeping_lock;
using std::chrono::milliseconds;
using clock_type = std::chrono::steady_clock;

static_assert(sizeof(sleeping_lock) == 4 && std::is_trivially_destructible_v<sleeping_lock>);

TEST(SleepingLock, CanBeInitialisedAtCompileTimeAndTriedWhileHeld) {
  static sleeping_lock lock;
  lock.lock();
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(SleepingLock, ExcludesOtherThreads) {
  constexpr int thread_count = 8;
  constexpr int rounds = 20000;
  sleeping_lock lock;
  int counter = 0;  // not atomic: the lock alone protects it
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < rounds; ++round) {
        const std::lock_guard<sleeping_lock> guard(lock);
        ++counter;
        if ((round + i) % 512 == 0) std::this_thread::yield();  // the others wait for this one
      }
    });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(counter, thread_count * rounds);
}

TEST(SleepingLock, SleepsOnAfterASignalAndLeavesErrnoAsItWas) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  sleeping_lock lock;
  lock.lock();
  std::atomic<bool> is_held{false};
  int seen_errno = 0;
  std::thread waiter([&] {
    errno = 4711;
    lock.lock();
    seen_errno = errno;
    is_held = true;
    lock.unlock();
  });
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
    pthread_kill(waiter.native_handle(), SIGUSR1);
  }
  EXPECT_FALSE(is_held);
  lock.unlock();
  waiter.join();
  EXPECT_EQ(seen_errno, 4711);
  sigaction(SIGUSR1, &before, nullptr);
}

double cpu_ms_of_this_thread() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

TEST(SleepingLock, AThreadThatWaitsUsesNextToNoTime) {
  sleeping_lock lock;
  lock.lock();
  std::vector<double> used_ms(3);
  std::vector<std::thread> waiters;
  for (double& used : used_ms)
    waiters.emplace_back([&lock, &used] {
      const double before_ms = cpu_ms_of_this_thread();
      const std::lock_guard<sleeping_lock> guard(lock);
      used = cpu_ms_of_this_thread() - before_ms;
    });
  std::this_thread::sleep_for(milliseconds(200));
  lock.unlock();
  for (std::thread& each : waiters) each.join();  // each wakes the next
  for (const double used : used_ms) EXPECT_LT(used, 5) << "of 200 ms";
}

// The child has one thread, which holds the lock that others wait for. A waiter does nothing but try the lock, so no sanitizer
// stands in the way.
TEST(SleepingLock, IsUnlockedByTheChildOfAForkWhileThreadsWait) {
  sleeping_lock lock;
  lock.lock();
  std::atomic<bool> waits{false};
  std::thread waiter([&] {
    waits = true;
    const std::lock_guard<sleeping_lock> guard(lock);
  });
  while (!waits) std::this_thread::yield();
  std::this_thread::sleep_for(milliseconds(50));  // so that it sleeps, mostly
  EXPECT_EQ(quarry_test::run_in_child(10,
                                      [&] {
                                        quarry::detail::forget_waiting_threads();
                                        lock.unlock();
                                        const bool was_free = lock.try_lock();
                                        lock.unlock();
                                        return was_free ? 7 : 0;
                                      }),
            7);
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  waiter.join();
}

#if !QUARRY_HAS_FUTEX

// Of two locks that share a room one opens: that of the thread that came last.
TEST(SleepingLock, WakesWhoSleepsInARoomBehindOthers) {
  std::vector<sleeping_lock> locks(quarry::detail::waiting_rooms::count + 1);
  sleeping_lock& first = locks.front();
  sleeping_lock& last = locks.back();
  first.lock();
  last.lock();
  std::thread waits_for_first([&] { const std::lock_guard<sleeping_lock> guard(first); });
  std::this_thread::sleep_for(milliseconds(50));  // so that it sleeps, mostly
  std::atomic<bool> is_served{false};
  std::thread waits_for_last([&] {
    const std::lock_guard<sleeping_lock> guard(last);
    is_served = true;
  });
  std::this_thread::sleep_for(milliseconds(50));
  last.unlock();
  const auto begin = clock_type::now();
  while (!is_served && clock_type::now() - begin < std::chrono::seconds(5))
    std::this_thread::sleep_for(milliseconds(1));
  EXPECT_TRUE(is_served);
  first.unlock();
  waits_for_first.join();
  waits_for_last.join();
}

TEST(SleepingLock, IsUnlockedByTheChildOfAForkWhoseParentHadItsRoomTaken) {
  sleeping_lock lock;
  lock.lock();
  std::thread waiter([&] { const std::lock_guard<sleeping_lock> guard(lock); });
  std::this_thread::sleep_for(milliseconds(50));  // so that it sleeps, mostly
  {
    const auto held = quarry::detail::waiting_rooms::hold(&lock);
    EXPECT_EQ(quarry_test::run_in_child(10,
                                        [&] {
                                          quarry::detail::forget_waiting_threads();
                                          lock.unlock();
                                          const bool was_free = lock.try_lock();
                                          lock.unlock();
                                          return was_free ? 7 : 0;
                                        }),
              7);
  }
  lock.unlock();
  waiter.join();
}

#endif

/// Keeps the thread that constructs it, and those that it starts, on one core.
class one_core {
 public:
  one_core() {
    pthread_getaffinity_np(pthread_self(), sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &before_)) {
        CPU_SET(core, &one);
        break;
      }
    is_kept = pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0;
  }
  ~one_core() { pthread_setaffinity_np(pthread_self(), sizeof before_, &before_); }
  one_core(const one_core&) = delete;
  one_core& operator=(const one_core&) = delete;
  bool is_kept = false;

 private:
  cpu_set_t before_{};
};

// On one core: a thread of no priority holds the lock and works; a real-time thread wakes up, wants it, and so keeps the holder off
// the core unless it sleeps. The holder works on until it is wanted, so the other one waits every time. The shortest of several
// waits is judged, because the holder has to share the core with whatever else runs on the machine; a thread that spins keeps it off
// each time, until the system takes the core away from the one that spins.
TEST(SleepingLock, AThreadOfRealTimePriorityIsServedByAHolderThatItKeepsOffTheCore) {
  const one_core here;
  ASSERT_TRUE(here.is_kept) << "a thread may always choose among the cores that it has";
  double shortest_ms = 1e9;
  for (int attempt = 0; attempt < 5; ++attempt) {
    sleeping_lock lock;
    std::atomic<int> error{-1};
    std::atomic<bool> is_held{false}, is_wanted{false};
    std::thread urgent([&] {
      sched_param priority{};
      priority.sched_priority = 10;
      error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
      if (error != 0) return;
      while (!is_held) std::this_thread::sleep_for(std::chrono::microseconds(200));
      const auto begin = clock_type::now();
      is_wanted = true;
      lock.lock();
      const std::chrono::duration<double, std::milli> waited = clock_type::now() - begin;
      lock.unlock();
      shortest_ms = std::min(shortest_ms, waited.count());
    });
    while (error == -1) std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (error != 0) {
      urgent.join();
      ASSERT_EQ(error, EPERM);
      GTEST_SKIP()
          << "this user may not have SCHED_FIFO threads: that takes CAP_SYS_NICE or an RLIMIT_RTPRIO of 10";
    }
    lock.lock();
    is_held = true;
    while (!is_wanted) continue;
    const double begin_ms = cpu_ms_of_this_thread();
    while (cpu_ms_of_this_thread() - begin_ms < 1) continue;
    lock.unlock();
    urgent.join();
  }
  EXPECT_LT(shortest_ms, 5);
}

}  // namespace
