// The two locks: what they promise to a std::lock_guard, and that one of them excludes.
#include "quarry/locks.hpp"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

TEST(null_lock, is_empty_and_always_free) {
  static_assert(std::is_empty_v<quarry::null_lock>);
  quarry::null_lock lock;
  const std::lock_guard<quarry::null_lock> guard(lock);
  EXPECT_TRUE(lock.try_lock());
}

TEST(spin_lock, is_a_word_and_can_be_initialised_at_compile_time) {
  static_assert(sizeof(quarry::spin_lock) == sizeof(unsigned));
  static quarry::spin_lock lock;
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(spin_lock, refuses_try_lock_while_held) {
  quarry::spin_lock lock;
  lock.lock();
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock()) << "what try_lock() took is held";
  lock.unlock();
}

TEST(spin_lock, excludes_other_threads) {
  constexpr int thread_count = 8;
  constexpr int rounds = 20000;
  quarry::spin_lock lock;
  int counter = 0;  // not atomic: the lock alone protects it
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        const std::lock_guard<quarry::spin_lock> guard(lock);
        ++counter;
      }
    });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(counter, thread_count * rounds);
}

}  // namespace
