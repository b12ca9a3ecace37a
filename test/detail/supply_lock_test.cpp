// How the lock meets forks: concurrent/fork_test.cpp.
#include "quarry/detail/supply_lock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/another_thread.hpp"

namespace {

using quarry::detail::supply_lock;
using quarry_test::another_thread_gets;

TEST(SupplyLock, IsHeldUntilItWasUnlockedAsOftenAsItWasLocked) {
  supply_lock lock;
  lock.lock();
  EXPECT_FALSE(another_thread_gets(lock));
  lock.lock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
  lock.unlock();
  EXPECT_FALSE(another_thread_gets(lock));
  lock.unlock();
  EXPECT_TRUE(another_thread_gets(lock));
}

TEST(SupplyLock, KeepsThreadsApart) {
  supply_lock lock;
  long sum = 0;
  const auto add = [&] {
    for (int i = 0; i < 20000; ++i) {
      lock.lock();
      ++sum;
      lock.unlock();
    }
  };
  std::thread others[] = {std::thread(add), std::thread(add), std::thread(add)};
  add();
  for (std::thread& each : others) each.join();
  EXPECT_EQ(sum, 80000);
}

}  // namespace
