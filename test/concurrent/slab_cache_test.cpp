// slab_cache and slab_ptr on several threads.
#include "quarry/slab_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
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
