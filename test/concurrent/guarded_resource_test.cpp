// One guarded_resource, many threads: those that allocate and free, one that asks for what is known, one that forks.
#include "quarry/guarded_resource.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "quarry/resource_page_source.hpp"
#include "quarry/synchronized_slab_resource.hpp"
#include "quarry/violation.hpp"
#include "support/in_child.hpp"

namespace quarry {
namespace {

guard_options one_in(std::size_t every) {
  guard_options options;
  options.every = every;
  options.blocks = 16;
  options.pause_us = 0;
  return options;
}

// Allocates, writes, looks at what it wrote, frees.
void work_on(std::pmr::memory_resource& memory, unsigned seed, int operations) {
  std::mt19937 random(seed);
  std::vector<std::pair<unsigned char*, std::size_t>> live;
  for (int i = 0; i < operations; ++i) {
    if (live.size() < 20 && random() % 2 == 0) {
      const std::size_t bytes = 1 + random() % 100;
      live.emplace_back(static_cast<unsigned char*>(memory.allocate(bytes, 8)), bytes);
      std::memset(live.back().first, static_cast<int>(seed), bytes);
    } else if (!live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      const auto [block, bytes] = live.back();
      live.pop_back();
      EXPECT_EQ(std::count(block, block + bytes, seed), static_cast<std::ptrdiff_t>(bytes));
      memory.deallocate(block, bytes, 8);
    }
  }
  for (const auto& [block, bytes] : live) memory.deallocate(block, bytes, 8);
}

TEST(ConcurrentGuardedResource, ServesThreadsAsItsUpstreamDoes) {
  synchronized_slab_resource slabs;
  guarded_resource memory(one_in(3), &slabs);
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed)
    threads.emplace_back([&memory, seed] { work_on(memory, seed, 5000); });
  for (int i = 0; i < 100; ++i) {
    const guarded_resource other(one_in(1), &slabs);  // comes and goes beside it
    EXPECT_FALSE(other.guards(&memory));
    EXPECT_LE(memory.guarded_allocations(), 20000U);
  }
  for (std::thread& each : threads) each.join();
  EXPECT_GT(memory.guarded_allocations(), 100U);
  EXPECT_EQ(slabs.stats().live_slots, 0U);
}

TEST(ConcurrentGuardedResource, PausesForAllThreadsTogether) {
  synchronized_slab_resource slabs;
  guard_options options = one_in(1);
  options.pause_us = 200;
  guarded_resource memory(options, &slabs);
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [begin] { return std::chrono::steady_clock::now() - begin; };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (passed() < std::chrono::milliseconds(100)) memory.deallocate(memory.allocate(16, 8), 16, 8);
    });
  for (std::thread& each : threads) each.join();
  EXPECT_LE(memory.guarded_allocations(),
            static_cast<std::size_t>(passed() / std::chrono::microseconds(options.pause_us)) + 1);
}

TEST(ConcurrentGuardedResource, DescribesABlockWhileOthersAreGuarded) {
  synchronized_slab_resource slabs;
  guarded_resource memory(one_in(1), &slabs);
  void* const block = memory.allocate(48, 8);
  std::thread other([&memory] { work_on(memory, 1, 2000); });
  testing::internal::CaptureStderr();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(guarded_resource::describe(block));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("in a live block, 0 bytes from its begin"),
            std::string::npos);
  other.join();
  memory.deallocate(block, 48, 8);
}

TEST(ConcurrentGuardedResource, WorksInTheChildOfAForkWhileOthersAreInside) {
  synchronized_slab_resource slabs(quarry::os_page_resource());  // the child must not need the heap
  guarded_resource memory(one_in(1), &slabs);
  std::atomic<bool> stops{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      // Relaxed: the joins order the rest.
      while (!stops.load(std::memory_order_relaxed)) memory.deallocate(memory.allocate(16, 8), 16, 8);
    });
  void* const block = memory.allocate(32, 8);
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(quarry_test::run_in_child(20,
                                        [&] {
                                          for (int j = 0; j < 200; ++j)
                                            memory.deallocate(memory.allocate(16, 8), 16, 8);
                                          memory.deallocate(block, 32, 8);
                                          return 0;
                                        }),
              0);
  stops.store(true, std::memory_order_relaxed);  // Relaxed: as above.
  for (std::thread& each : threads) each.join();
  memory.deallocate(block, 32, 8);
}

}  // namespace
}  // namespace quarry
