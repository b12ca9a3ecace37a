// slab_cache and slab_ptr on several threads.
#include "quarry/slab_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "support/counting_resource.hpp"

namespace {

using quarry::resource_page_source;
using quarry::slab_cache;
using quarry::spin_lock;

template <class T, class Lock>
using test_cache = slab_cache<T, Lock, 4096, resource_page_source>;

struct message {
  unsigned words[12];
};

class SlabCache : public ::testing::Test {
 protected:
  quarry_test::counting_resource upstream;
  resource_page_source pages{&upstream};
};

TEST_F(SlabCache, AnyBasicLockableGuardsIt) {
  test_cache<message, std::mutex> cache(pages);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      std::vector<decltype(cache)::ptr> mine;
      for (int i = 0; i < 3000; ++i) {
        mine.push_back(cache.make());
        if (i % 3 == 0) mine.erase(mine.begin());
        if (mine.size() > 200) mine.clear();
      }
    });
  for (auto& each : threads) each.join();
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

TEST_F(SlabCache, ThreadsShareOneCacheAndFreeEachOthersObjects) {
  std::vector<test_cache<std::string, spin_lock>::ptr> handed;
  std::mutex gate;
  {
    test_cache<std::string, spin_lock> cache(pages);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&gate, &handed, mine = cache]() mutable {
        std::vector<decltype(mine)::ptr> own;
        for (int i = 0; i < 5000; ++i) {
          own.push_back(mine.make(std::size_t{30}, 'a'));
          if (i % 7 == 0) {
            const std::lock_guard<std::mutex> guard(gate);
            handed.push_back(std::move(own.back()));
            own.pop_back();
            if (handed.size() > 100) own.swap(handed);
          }
          if (own.size() > 300) own.clear();
        }
      });
    for (auto& each : threads) each.join();
  }
  std::thread([&] { handed.clear(); }).join();
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(SlabCache, ManyThreadsMayOpenOneHandleAtOnce) {
  for (int round = 0; round < 50; ++round) {
    test_cache<message, spin_lock> cache(pages);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) threads.emplace_back([&] { EXPECT_NE(cache.make(), nullptr); });
    for (auto& each : threads) each.join();
    EXPECT_EQ(upstream.live_blocks(), 1U);
  }
}

TEST_F(SlabCache, TheLastHandleAndTheLastObjectsMayGoOnDifferentThreadsAtOnce) {
  for (int round = 0; round < 100; ++round) {
    auto cache = std::make_unique<test_cache<std::string, spin_lock>>(pages);
    std::vector<test_cache<std::string, spin_lock>::ptr> mine, theirs;
    for (int i = 0; i < 200; ++i) {
      mine.push_back(cache->make(std::size_t{30}, 'a'));
      theirs.push_back(cache->make(std::size_t{30}, 'b'));
    }
    std::atomic<int> ready{0};
    // Release and acquire: all three start together.
    const auto wait = [&ready] {
      ready.fetch_add(1, std::memory_order_acq_rel);
      while (ready.load(std::memory_order_acquire) != 3) {
      }
    };
    std::thread one([&] {
      wait();
      mine.clear();
    });
    std::thread two([&] {
      wait();
      theirs.clear();
    });
    std::thread three([&] {
      wait();
      cache.reset();
    });
    one.join();
    two.join();
    three.join();
    ASSERT_EQ(upstream.live_blocks(), 0U);
  }
}

/// Says whether it lives; what it says stays in the slot when it is gone.
struct watched {
  watched() : alive(1) {}
  explicit watched(bool) : alive(1) { throw std::bad_alloc(); }
  ~watched() { alive.store(2, std::memory_order_relaxed); }
  const std::string text = std::string(40, 'x');
  std::atomic<int> alive;  // relaxed: the cache's lock orders it
};

TEST_F(SlabCache, AVisitBesideOtherThreadsSeesOnlyWhatLives) {
  test_cache<watched, spin_lock> cache(pages);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      std::vector<decltype(cache)::ptr> own(64);
      for (unsigned i = 0; !stop.load(std::memory_order_relaxed); ++i) {
        own[i * 7 % own.size()] = cache.make();
        if (i % 5 == 0) own[i % own.size()].reset();
        if (i % 64 == 0) {
          EXPECT_THROW(cache.make(true), std::bad_alloc);
        }
        if (i % 1000 == 0) own = std::vector<decltype(cache)::ptr>(64);
      }
    });
  std::size_t visits = 0;
  for (int round = 0; round < 300 || (visits == 0 && round < 100000); ++round) {
    cache.for_each_live([&](watched& each) {
      ++visits;
      ASSERT_EQ(each.alive.load(std::memory_order_relaxed), 1);
      ASSERT_EQ(each.text.size(), 40U);
    });
    std::this_thread::yield();
  }
  stop.store(true, std::memory_order_relaxed);
  for (auto& each : threads) each.join();
  EXPECT_GT(visits, 0U);
}

TEST_F(SlabCache, AVisitThatFreesKeepsOtherThreadsOutUntilItEnds) {
  test_cache<std::string, std::mutex> cache(pages);
  std::string* const first = cache.make("first").release();
  auto second = cache.make("second");
  std::atomic<bool> is_freed{false};
  std::thread other;
  cache.for_each_live([&](std::string& each) {
    if (&each != first) return;
    decltype(cache)::ptr::adopt(&each).reset();
    other = std::thread([&] {
      second.reset();
      is_freed = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_FALSE(is_freed);
  });
  ASSERT_TRUE(other.joinable());
  other.join();
  EXPECT_TRUE(is_freed);
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

TEST_F(SlabCache, ThreadsRecycleAndReuseEachOthersObjects) {
  test_cache<std::string, spin_lock> cache(pages);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([mine = cache]() mutable {
      for (int i = 0; i < 3000; ++i) {
        auto one = mine.reuse();
        EXPECT_TRUE(one->empty());
        one->assign(40, 'x');
        mine.recycle(std::move(one));
        if (i % 1000 == 0) mine.trim();
      }
    });
  for (auto& each : threads) each.join();
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

}  // namespace
