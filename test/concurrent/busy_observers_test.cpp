// Observers of a synchronized resource beside threads that are busy with it: what they tell is possible at every moment
// and exact at the end.
// timeout: 600
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory_resource>
#include <quarry/page_sources.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::slab_options;
using quarry::slab_stats;
using quarry::synchronized_slab_resource;
using quarry_test::counting_resource;
using quarry_test::take_any;

constexpr std::size_t sizes[] = {16, 64, 200, 1000, 3000};

/// Threads that allocate and free until they are stopped; each holds at most `most_held` blocks.
class busy_threads {
 public:
  busy_threads(synchronized_slab_resource& resource, int count, std::size_t most_held) {
    for (int i = 0; i < count; ++i)
      threads_.emplace_back([this, &resource, i, most_held] {
        std::mt19937 random(static_cast<std::mt19937::result_type>(i));
        std::vector<std::pair<void*, std::size_t>> held;
        while (!stopping_.load(std::memory_order_relaxed)) {
          // Bursts, so that magazines run full and empty and the slow paths are used.
          const std::size_t wanted = random() % most_held;
          while (held.size() < wanted) {
            const std::size_t bytes = sizes[random() % std::size(sizes)];
            held.emplace_back(resource.allocate(bytes), bytes);
          }
          while (held.size() > wanted) {
            const auto [block, bytes] = take_any(held, random);
            resource.deallocate(block, bytes);
          }
          rounds_.fetch_add(1, std::memory_order_relaxed);
        }
        for (const auto& [block, bytes] : held) resource.deallocate(block, bytes);
      });
  }
  busy_threads(const busy_threads&) = delete;
  busy_threads& operator=(const busy_threads&) = delete;
  ~busy_threads() { stop(); }

  /// Bursts of all threads so far.
  std::size_t rounds() const { return rounds_.load(std::memory_order_relaxed); }
  void stop() {
    stopping_.store(true, std::memory_order_relaxed);
    for (std::thread& each : threads_) each.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;    // owner
  std::atomic<bool> stopping_{false};   // any thread; relaxed: join() orders what follows
  std::atomic<std::size_t> rounds_{0};  // any thread; relaxed: a counter
};

/// Calls f() at least `calls` times and until every thread has been at work in between.
template <class F>
void call_beside(const busy_threads& threads, std::size_t calls, F f) {
  const std::size_t first = threads.rounds();
  for (std::size_t i = 0; i < calls || threads.rounds() < first + 200; ++i) f();
}

TEST(BusyObservers, StatsTellsAPossibleStateWhileThreadsAreBusyAndTheExactOneAfterwards) {
  constexpr int thread_count = 4;
  constexpr std::size_t most_held = 2000;
  counting_resource upstream;
  upstream.forget_history();
  slab_options options;
  options.slab_bytes = 4096;                  // many slabs
  options.largest_required_pool_block = 512;  // the others go upstream
  synchronized_slab_resource resource(options, &upstream);
  std::vector<void*> standing;
  for (int i = 0; i < 30'000; ++i) standing.push_back(resource.allocate(64));
  busy_threads threads(resource, thread_count, most_held);
  std::size_t peak = 0;
  call_beside(threads, 100, [&] {
    const slab_stats stats = resource.stats();
    // A block on its way between two places may be counted in neither or in both: magazines of each thread and class.
    constexpr std::size_t on_the_way = thread_count * std::size(sizes) * 512;
    EXPECT_GE(stats.live_slots + on_the_way, standing.size());
    EXPECT_LE(stats.live_slots, standing.size() + thread_count * most_held + on_the_way);
    EXPECT_GE(stats.upstream_peak_bytes, peak);
    peak = stats.upstream_peak_bytes;
    std::size_t slabs = 0;
    for (std::size_t i = 0; i < stats.class_rows; ++i) {
      EXPECT_GT(stats.classes[i].slot_bytes, i == 0 ? 0 : stats.classes[i - 1].slot_bytes);
      EXPECT_LE(stats.classes[i].live_slots, stats.live_slots);  // no number has run below zero
      EXPECT_LE(stats.classes[i].cached_slots * stats.classes[i].slot_bytes, std::size_t{1} << 30);
      EXPECT_LE(stats.classes[i].free_slots * stats.classes[i].slot_bytes, std::size_t{1} << 30);
      slabs += stats.classes[i].slab_count;
    }
    EXPECT_EQ(slabs, stats.slab_count);
  });
  threads.stop();
  const slab_stats stats = resource.stats();
  EXPECT_EQ(stats.live_slots, standing.size());
  EXPECT_EQ(stats.live_bytes, standing.size() * 64);
  EXPECT_EQ(stats.upstream_bytes, upstream.live_bytes());
  EXPECT_EQ(stats.upstream_peak_bytes, upstream.peak_bytes());
  for (void* const each : standing) resource.deallocate(each, 64);
}

TEST(BusyObservers, ReportsAndTrimWorkBesideBusyThreads) {
  synchronized_slab_resource resource(quarry::os_page_resource());
  void* const mine = resource.allocate(200);
  int foreign = 0;
  busy_threads threads(resource, 3, 1000);
  call_beside(threads, 30, [&] {
    std::ostringstream table;
    resource.report(table);
    EXPECT_FALSE(table.str().empty());
    std::ostringstream json;
    resource.report_json(json);
    EXPECT_EQ(json.str().front(), '{');
    std::ostringstream picture;
    resource.report_svg(picture);
    EXPECT_NE(picture.str().find("</svg>"), std::string::npos);
    std::ostringstream live;
    resource.report_live(live);
    EXPECT_EQ(live.str().rfind("live: ", 0), 0U);
    EXPECT_TRUE(resource.owns(mine));
    EXPECT_FALSE(resource.owns(&foreign));
    EXPECT_EQ(resource.block_bytes(mine), resource.good_size(200));
    EXPECT_LT(resource.trim(), std::size_t{1} << 40);
  });
  threads.stop();
  EXPECT_EQ(resource.stats().live_slots, 1U);
  resource.deallocate(mine, 200);
}

TEST(BusyObservers, ManyObserversAtATimeSeeTheSameEnd) {
  synchronized_slab_resource resource(quarry::os_page_resource());
  busy_threads threads(resource, 2, 500);
  std::vector<std::thread> observers;
  for (int i = 0; i < 3; ++i)
    observers.emplace_back([&] {
      call_beside(threads, 50, [&] { EXPECT_LE(resource.stats().live_slots, std::size_t{100'000}); });
    });
  for (std::thread& each : observers) each.join();
  threads.stop();
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(BusyObservers, LookWhileAnotherThreadOpensOneClassAfterTheOther) {
  for (int round = 0; round < 2000; ++round) {
    slab_options options;
    options.checks =
        quarry::check_level::pointers;  // at which the first slab of a class is one of the directory
    synchronized_slab_resource resource(options);
    std::atomic<bool> is_done{false};
    std::thread opens([&] {
      for (std::size_t bytes = 16; bytes <= 32768; bytes += 64)
        resource.deallocate(resource.allocate(bytes), bytes);
      is_done = true;
    });
    do {
      std::ostringstream told;
      resource.report_live(told);
    } while (!is_done);
    opens.join();
    EXPECT_EQ(resource.stats().live_bytes, 0U);
  }
}

}  // namespace
