// Many threads on one resource, every object carrying its owner's pattern from end to end.
//
// Each case runs for a fraction of a second; with QUARRY_STRESS_SECONDS=60 in the environment for that long.
// timeout: 3000
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory_resource>
#include <mutex>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"

namespace {

using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry_test::counting_resource;

std::chrono::milliseconds stress_time() {
  const char* const seconds = std::getenv("QUARRY_STRESS_SECONDS");
  return seconds == nullptr ? std::chrono::milliseconds(300) : std::chrono::seconds(std::atoi(seconds));
}

// Runs work(thread number, running) in `count` threads until the time is over.
template <class Work>
void run_threads(int count, Work work) {
  std::atomic<bool> running{true};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&, i] { work(i, running); });
  std::this_thread::sleep_for(stress_time());
  running = false;
  for (std::thread& each : threads) each.join();
}

struct object {
  unsigned char* bytes = nullptr;
  std::size_t size = 0;
  std::uint64_t pattern = 0;

  static object make(std::pmr::memory_resource& from, std::size_t size, std::uint64_t pattern) {
    object made{static_cast<unsigned char*>(from.allocate(size, 8)), size, pattern};
    for (std::size_t i = 0; i < size; ++i) made.bytes[i] = made.byte_at(i);
    return made;
  }
  void destroy(std::pmr::memory_resource& in) const {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < size; ++i) wrong += bytes[i] != byte_at(i);
    ASSERT_EQ(wrong, 0U) << "another owner wrote into a live object of " << size << " bytes";
    in.deallocate(bytes, size, 8);
  }
  unsigned char byte_at(std::size_t i) const {
    return static_cast<unsigned char>((pattern >> (i % 8 * 8)) + i);
  }
};

class random_source {
 public:
  explicit random_source(int seed) : engine_(static_cast<std::uint64_t>(seed) + 1) {}
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }
  std::uint64_t pattern() { return engine_(); }
  std::size_t bytes() { return below(100) != 0 ? 1 + below(500) : 1 + below(20000); }

 private:
  std::mt19937_64 engine_;
};

// Where threads leave objects for others to free.
class exchange {
 public:
  // Leaves `mine` and returns what another thread has left, if any.
  object swap(std::size_t place, object mine) {
    shelf& at = shelves_[place % shelf_count];
    const std::lock_guard<std::mutex> held(at.lock);
    std::swap(at.left, mine);
    return mine;
  }
  void destroy_all(std::pmr::memory_resource& in) {
    for (shelf& each : shelves_)
      if (each.left.bytes != nullptr) each.left.destroy(in);
  }

 private:
  static constexpr std::size_t shelf_count = 512;
  struct shelf {
    std::mutex lock;
    object left;
  };
  std::vector<shelf> shelves_{shelf_count};
};

class Stress : public testing::TestWithParam<int> {
 protected:
  // Threads make objects, and each destroys what another has left.
  void exchange_objects(synchronized_slab_resource& resource) {
    exchange objects;
    run_threads(GetParam(), [&](int number, const std::atomic<bool>& running) {
      random_source random(number);
      while (running && !HasFatalFailure()) {
        const object other =
            objects.swap(random.below(512), object::make(resource, random.bytes(), random.pattern()));
        if (other.bytes != nullptr) other.destroy(resource);
      }
    });
    objects.destroy_all(resource);
  }

  void expect_nothing_live(synchronized_slab_resource& resource, const counting_resource& upstream) {
    const quarry::slab_stats stats = resource.stats();
    EXPECT_EQ(stats.live_slots, 0U);
    EXPECT_EQ(stats.oversize_blocks, 0U);
    EXPECT_EQ(stats.upstream_bytes, upstream.live_bytes());
    std::size_t visits = 0;
    resource.for_each_live([&](void*, std::size_t) { ++visits; });
    EXPECT_EQ(visits, 0U);
    resource.release();
    EXPECT_EQ(upstream.live_blocks(), 0U);
  }
};

TEST_P(Stress, ObjectsFreedByWhoeverTakesThemKeepTheirContents) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  exchange_objects(resource);
  expect_nothing_live(resource, upstream);
}

TEST_P(Stress, ASmallBoundPerThreadKeepsContentsToo) {
  counting_resource upstream;
  upstream.forget_history();
  slab_options options;
  options.thread_cache_bytes = 4096;
  synchronized_slab_resource resource(options, &upstream);
  exchange_objects(resource);
  expect_nothing_live(resource, upstream);
}

TEST_P(Stress, ThreadsThatComeAndGoLeaveNothingBehind) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  exchange objects;
  run_threads(GetParam(), [&](int number, const std::atomic<bool>& running) {
    random_source random(number);
    while (running && !HasFatalFailure()) {
      const int seed = static_cast<int>(random.below(1000000));
      std::thread([&objects, &resource, seed] {
        random_source own(seed);
        for (int i = 0; i < 300; ++i) {
          const object other =
              objects.swap(own.below(512), object::make(resource, own.bytes(), own.pattern()));
          if (other.bytes != nullptr) other.destroy(resource);
        }
      }).join();
    }
  });
  objects.destroy_all(resource);
  expect_nothing_live(resource, upstream);
}

TEST_P(Stress, ViewsAndThreadsShareOneResource) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  exchange objects;
  run_threads(GetParam(), [&](int number, const std::atomic<bool>& running) {
    random_source random(number);
    while (running && !HasFatalFailure()) {
      slab_thread_view view(resource);
      std::pmr::memory_resource& used =
          number % 2 == 0 ? static_cast<std::pmr::memory_resource&>(view) : resource;
      for (int i = 0; i < 1000; ++i) {
        const object other =
            objects.swap(random.below(512), object::make(used, random.bytes(), random.pattern()));
        if (other.bytes != nullptr) other.destroy(used);
      }
    }
  });
  objects.destroy_all(resource);
  expect_nothing_live(resource, upstream);
}

TEST_P(Stress, ObserversAndTrimRunBesideTheThreads) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  exchange objects;
  run_threads(GetParam() + 1, [&](int number, const std::atomic<bool>& running) {
    random_source random(number);
    while (running && !HasFatalFailure()) {
      if (number == 0) {
        const quarry::slab_stats stats = resource.stats();
        EXPECT_LE(stats.upstream_bytes, stats.upstream_peak_bytes);
        EXPECT_FALSE(resource.owns(&random));
        resource.trim(random.below(1 << 20));
        std::this_thread::yield();
        continue;
      }
      const object other =
          objects.swap(random.below(512), object::make(resource, random.bytes(), random.pattern()));
      if (other.bytes != nullptr) other.destroy(resource);
    }
  });
  objects.destroy_all(resource);
  expect_nothing_live(resource, upstream);
}

TEST_P(Stress, ALimitOnHeldBytesIsKeptByAllThreadsTogether) {
  const std::size_t limit_bytes = std::size_t{GetParam() <= 2 ? 1U : 4U} << 20;
  counting_resource upstream;
  upstream.forget_history();
  slab_options options;
  options.max_bytes = limit_bytes;
  options.thread_cache_bytes = 16384;
  synchronized_slab_resource resource(options, &upstream);
  std::atomic<std::size_t> refusals{0};
  run_threads(GetParam(), [&](int number, const std::atomic<bool>& running) {
    random_source random(number);
    std::vector<object> live;
    // All is kept until the limit is met, however slow the threads are.
    while ((running || refusals == 0) && !HasFatalFailure()) {
      try {
        live.push_back(object::make(resource, 1 + random.below(3000), random.pattern()));
      } catch (const std::bad_alloc&) {
        ++refusals;
        while (!live.empty()) {
          live.back().destroy(resource);
          live.pop_back();
        }
      }
    }
    for (const object& each : live) each.destroy(resource);
  });
  EXPECT_GT(refusals, 0U);
  EXPECT_LE(upstream.peak_bytes(), limit_bytes);
  expect_nothing_live(resource, upstream);
}

TEST_P(Stress, ContainersOfEachThreadShareOneResource) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  run_threads(GetParam(), [&](int number, const std::atomic<bool>& running) {
    using allocator = quarry::slab_allocator<std::pair<const int, int>, synchronized_slab_resource>;
    random_source random(number);
    while (running) {
      std::map<int, int, std::less<>, allocator> squares{allocator(resource)};
      std::pmr::vector<std::pmr::string> words(&resource);
      for (int i = 0; i < 200; ++i) {
        squares.emplace(i, i * i);
        words.emplace_back(10 + random.below(60), static_cast<char>('a' + i % 26));
      }
      for (int i = 0; i < 200; ++i) ASSERT_EQ(squares.at(i), i * i);
      for (int i = 0; i < 200; ++i) ASSERT_EQ(words[static_cast<std::size_t>(i)].back(), 'a' + i % 26);
    }
  });
  expect_nothing_live(resource, upstream);
}

INSTANTIATE_TEST_SUITE_P(Threads, Stress, testing::Values(2, 8, 64),
                         [](const auto& threads) { return std::to_string(threads.param); });

}  // namespace
