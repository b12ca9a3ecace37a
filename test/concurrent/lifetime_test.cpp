// How threads, resources and the process end, in every order: each case is one that some shipped allocator
// got wrong. timeout: 600
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <memory>
#include <memory_resource>
#include <optional>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <thread>
#include <vector>

#if defined(__unix__)
#include "support/in_child.hpp"
#include "support/resting_place.hpp"
#endif

#include "support/counting_resource.hpp"
#include "support/process_memory.hpp"

namespace {

using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry_test::counting_resource;

// Allocates and frees enough to load magazines of several classes and to leave slots in them.
void use(std::pmr::memory_resource& resource, int rounds = 200) {
  constexpr int most_rounds = 1000;
  const auto bytes_of = [](int i) { return 8 + static_cast<std::size_t>(i % 9) * 24; };
  void* blocks[most_rounds];  // not on the heap: threads may be here while others fork
  ASSERT_LE(rounds, most_rounds);
  for (int i = 0; i < rounds; ++i) blocks[i] = resource.allocate(bytes_of(i));
  for (int i = 0; i < rounds; ++i) resource.deallocate(blocks[i], bytes_of(i));
}

template <class F>
void in_a_thread(F f) {
  std::thread(f).join();
}

// A point where a number of threads wait for each other.
class meeting {
 public:
  explicit meeting(int threads) : missing_(threads) {}
  void arrive_and_wait() {
    --missing_;
    while (missing_ > 0) std::this_thread::yield();
  }

 private:
  std::atomic<int> missing_;
};

TEST(ResourceLifetime, FiveThousandResourcesAreUsedAtTheSameTime) {
  std::deque<synchronized_slab_resource> resources(5000);
  const auto use_all = [&] {
    std::vector<void*> blocks;
    for (auto& each : resources) blocks.push_back(each.allocate(40));
    std::size_t i = 0;
    for (auto& each : resources) each.deallocate(blocks[i++], 40);
  };
  use_all();
  std::thread other(use_all);
  use_all();
  other.join();
  for (auto& each : resources) ASSERT_EQ(each.stats().live_slots, 0U);
}

// Makes a resource over `upstream`, uses it and ends it, `times` times.
void make_and_end(int times, std::pmr::memory_resource& upstream) {
  for (int i = 0; i < times; ++i) {
    synchronized_slab_resource resource(&upstream);
    void* const slot = resource.allocate(24);
    resource.deallocate(slot, 24);
    EXPECT_EQ(resource.stats().live_slots, 0U);
  }
}

// Bytes of address space by which a run of many births may grow, for what the system's own library keeps.
constexpr std::size_t few_mapped_bytes = std::size_t{256} << 10;

TEST(ResourceLifetime, AHundredThousandResourcesComeAndGoInThreadsThatStay) {
  counting_resource upstream;
  upstream.forget_history();
  meeting start(2);
  meeting warm(2);
  meeting noted(2);
  std::size_t early_bytes = 0;
  std::thread other([&] {
    start.arrive_and_wait();
    make_and_end(1000, upstream);
    warm.arrive_and_wait();
    noted.arrive_and_wait();
    make_and_end(49000, upstream);
  });
  start.arrive_and_wait();
  make_and_end(1000, upstream);
  warm.arrive_and_wait();
  early_bytes = quarry_test::mapped_bytes();
  noted.arrive_and_wait();
  make_and_end(49000, upstream);
  other.join();
  EXPECT_EQ(upstream.live_blocks(), 0U);
  if (quarry_test::why_pages_are_not_counted() == nullptr) {
    EXPECT_LE(quarry_test::growth(early_bytes, quarry_test::mapped_bytes()), few_mapped_bytes);
  }
}

TEST(ResourceLifetime, AThreadForgetsResourcesThatEnded) {
  // The second resource may lie where the first one lay; nothing of the first may be found through it.
  counting_resource upstream;
  alignas(synchronized_slab_resource) static unsigned char place[sizeof(synchronized_slab_resource)];
  for (int i = 0; i < 100; ++i) {
    auto* const resource = ::new (static_cast<void*>(place)) synchronized_slab_resource(&upstream);
    void* const slot = resource->allocate(32);
    EXPECT_TRUE(upstream.holds(slot));
    resource->deallocate(slot, 32);
    resource->~synchronized_slab_resource();
    EXPECT_EQ(upstream.live_blocks(), 0U);
  }
}

TEST(ThreadLifetime, SlotsOfEndedThreadsAreReusedAndHeldMemoryStaysFlat) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  constexpr int births = 10000;
  std::size_t early_bytes = 0;
  std::size_t early_mapped_bytes = 0;  // with the nodes and tables of threads, which upstream does not see
  for (int i = 0; i < births; ++i) {
    in_a_thread([&] { use(resource, 100); });
    if (i != 100) continue;
    early_bytes = upstream.live_bytes();
    early_mapped_bytes = quarry_test::mapped_bytes();
  }
  EXPECT_EQ(upstream.live_bytes(), early_bytes);
  if (quarry_test::why_pages_are_not_counted() == nullptr) {
    EXPECT_LE(quarry_test::growth(early_mapped_bytes, quarry_test::mapped_bytes()), few_mapped_bytes);
  }
  EXPECT_EQ(resource.stats().cached_slots, 0U);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(ThreadLifetime, HeldMemoryStaysFlatWhileManyThreadsAreAliveAndOthersComeAndGo) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  constexpr int stayers = 32;
  meeting used(stayers + 1);
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < stayers; ++i)
    threads.emplace_back([&] {
      use(resource);
      used.arrive_and_wait();
      while (!done) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  used.arrive_and_wait();
  in_a_thread([&] { use(resource); });
  const std::size_t early_bytes = upstream.live_bytes();
  for (int i = 0; i < 1000; ++i) in_a_thread([&] { use(resource); });
  EXPECT_EQ(upstream.live_bytes(), early_bytes);
  done = true;
  for (std::thread& each : threads) each.join();
}

TEST(ThreadLifetime, AResourceMayEndBeforeTheThreadsThatUsedIt) {
  counting_resource upstream;
  auto resource = std::make_unique<synchronized_slab_resource>(&upstream);
  meeting used(2);
  meeting ended(2);
  std::thread thread([&] {
    use(*resource);
    used.arrive_and_wait();
    ended.arrive_and_wait();
    synchronized_slab_resource another(&upstream);
    use(another);
  });
  used.arrive_and_wait();
  resource.reset();
  EXPECT_EQ(upstream.live_blocks(), 0U);
  ended.arrive_and_wait();
  thread.join();
}

TEST(ThreadLifetime, AResourceMayEndAfterTheThreadsThatUsedIt) {
  counting_resource upstream;
  {
    synchronized_slab_resource resource(&upstream);
    void* kept = nullptr;
    in_a_thread([&] {
      use(resource);
      kept = resource.allocate(48);
    });
    resource.deallocate(kept, 48);
    EXPECT_EQ(resource.stats().live_slots, 0U);
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST(ThreadLifetime, AResourceMayEndWhileThreadsThatUsedItEnd) {
  counting_resource upstream;
  upstream.forget_history();
  constexpr int threads_each = 8;
  for (int round = 0; round < 300; ++round) {
    auto resource = std::make_unique<synchronized_slab_resource>(&upstream);
    std::atomic<int> last_calls_made{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < threads_each; ++i)
      threads.emplace_back([&] {
        use(*resource, 40);
        ++last_calls_made;
      });
    while (last_calls_made < threads_each) std::this_thread::yield();
    resource.reset();  // while the threads run their thread_local destructors
    ASSERT_EQ(upstream.live_blocks(), 0U);
    for (std::thread& each : threads) each.join();
  }
}

TEST(ThreadLifetime, ReleaseMayRunWhileThreadsEnd) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> last_calls_made{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        use(resource, 40);
        ++last_calls_made;
      });
    while (last_calls_made < 4) std::this_thread::yield();
    resource.release();
    ASSERT_EQ(upstream.live_blocks(), 0U);
    for (std::thread& each : threads) each.join();
    use(resource, 10);
  }
}

TEST(ThreadLifetime, ReleaseMakesWhatOtherThreadsCachedVoid) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  meeting used(2);
  meeting released(2);
  std::thread other([&] {
    use(resource);
    used.arrive_and_wait();
    released.arrive_and_wait();
    for (int i = 0; i < 1000; ++i) {
      void* const slot = resource.allocate(32);
      ASSERT_TRUE(upstream.holds(slot));
      resource.deallocate(slot, 32);
    }
  });
  used.arrive_and_wait();
  resource.release();
  EXPECT_EQ(upstream.live_blocks(), 0U);
  released.arrive_and_wait();
  other.join();
}

TEST(ThreadLifetime, ForEachLiveMayWaitForThreadsThatEnd) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  void* const kept = resource.allocate(40);
  constexpr int count = 4;
  meeting used(count + 1);
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&] {
      use(resource);
      used.arrive_and_wait();
      while (!done) std::this_thread::yield();
    });
  used.arrive_and_wait();
  slab_thread_view view(resource);
  use(view);
  std::optional<slab_thread_view> ended(resource);
  use(*ended);
  std::vector<void*> live;
  resource.for_each_live([&](void* slot, std::size_t) {
    done = true;
    for (std::thread& each : threads) each.join();
    threads.clear();
    ended.reset();
    live.push_back(slot);
  });
  EXPECT_EQ(live, std::vector<void*>{kept});
  resource.deallocate(kept, 40);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(ThreadLifetime, ForEachLiveMayRunWhileThreadsEnd) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  void* const kept = resource.allocate(40);
  for (int round = 0; round < 200; ++round) {
    constexpr int count = 4;
    std::atomic<int> last_calls_made{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i)
      threads.emplace_back([&] {
        use(resource, 40);
        ++last_calls_made;
      });
    while (last_calls_made < count) std::this_thread::yield();
    int live = 0;
    resource.for_each_live([&](void* slot, std::size_t) { live += slot == kept ? 1 : 1000; });
    ASSERT_EQ(live, 1);
    for (std::thread& each : threads) each.join();
  }
  resource.deallocate(kept, 40);
}

// A thread_local whose destructor uses the resource; it was made before the thread first used the resource,
// so its destructor runs after the thread's caches have been closed.
struct late_user {
  synchronized_slab_resource* resource = nullptr;
  void* block = nullptr;
  ~late_user() {
    if (resource == nullptr) return;
    resource->deallocate(block, 56);
    use(*resource);
  }
};
thread_local late_user made_first;

TEST(ThreadLifetime, ThreadLocalDestructorsMayUseTheResourceAfterTheThreadsCachesClosed) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  for (int i = 0; i < 20; ++i)
    in_a_thread([&] {
      made_first.resource = &resource;
      made_first.block = resource.allocate(56);
    });
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_EQ(resource.stats().cached_slots, 0U);
}

thread_local late_user made_last;

TEST(ThreadLifetime, ThreadLocalDestructorsMayUseTheResourceBeforeTheThreadsCachesClose) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  for (int i = 0; i < 20; ++i)
    in_a_thread([&] {
      void* const block = resource.allocate(56);
      made_last.resource = &resource;
      made_last.block = block;
    });
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_EQ(resource.stats().cached_slots, 0U);
}

// Static destructors run after the main thread's caches have been closed. A wrong exit status is seen by
// ProcessLifetime.StaticDestructorsMayUseAStaticResource, which runs a copy of this process.
synchronized_slab_resource& static_resource() {
  static synchronized_slab_resource resource;
  return resource;
}
struct static_user {
  std::vector<void*> blocks;
  ~static_user() {
    for (void* const each : blocks) static_resource().deallocate(each, 72);
    use(static_resource());
    if (static_resource().stats().live_slots != 0) std::_Exit(77);
  }
};

#if defined(__unix__)

TEST(ProcessLifetime, StaticDestructorsMayUseAStaticResource) {
  EXPECT_EQ(quarry_test::run_in_child(20,
                                      []() -> int {
                                        static_resource();
                                        static static_user user;
                                        for (int i = 0; i < 100; ++i)
                                          user.blocks.push_back(static_resource().allocate(72));
                                        std::exit(42);
                                      }),
            42);
}

TEST(ProcessLifetime, AChildOfAForkAllocatesWhileThreadsOfTheParentWereBusy) {
  const bool may_use_heap = quarry_test::why_busy_threads_cannot_fork() == nullptr;
  synchronized_slab_resource resource;
  std::atomic<bool> done{false};
  std::atomic<int> started{0};  // threads whose slots a child finds in use and cannot get back
  std::vector<std::thread> busy;
  for (int i = 0; i < 4; ++i)
    busy.emplace_back([&] {
      use(resource, 50);
      ++started;
      while (!done) {
        use(resource, 50);
        synchronized_slab_resource own;
        use(own, 10);
        if (may_use_heap) in_a_thread([&] { use(resource, 20); });
      }
    });
  while (started < 4) std::this_thread::yield();
  for (int i = 0; i < 50; ++i) {
    const int status = quarry_test::run_in_child(20, [&] {
      use(resource, 500);
      void* const large = resource.allocate(1 << 20);
      resource.deallocate(large, 1 << 20);
      synchronized_slab_resource fresh;
      use(fresh);
      resource.trim();
      if (resource.stats().slab_count == 0) return 3;
      resource.release();
      use(resource);
      return 0;
    });
    ASSERT_EQ(status, 0);
  }
  done = true;
  for (std::thread& each : busy) each.join();
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(ProcessLifetime, ForEachLiveMayFork) {
  const auto fork_at_each = [] {
    synchronized_slab_resource resource;
    use(resource);
    void* const kept = resource.allocate(64);
    int failures = 0;
    resource.for_each_live([&](void* slot, std::size_t) {
      const int status = quarry_test::run_in_child(20, [&] {
        if (slot != kept) return 1;
        use(resource);
        return 0;
      });
      failures += status != 0 ? 1 : 0;
    });
    return failures;
  };
  EXPECT_EQ(quarry_test::run_in_child(20, fork_at_each), 0);
}

TEST(ProcessLifetime, AChildOfAForkEndsResourcesWhoseThreadsItDoesNotHave) {
  auto resource = std::make_unique<synchronized_slab_resource>();
  quarry_test::resting_place place;
  std::thread other([&] {
    use(*resource);
    place.rest();
  });
  ASSERT_TRUE(place.wait_until_taken());
  EXPECT_EQ(quarry_test::run_in_child(20,
                                      [&] {
                                        use(*resource);
                                        resource.reset();
                                        return 0;
                                      }),
            0);
  place.wake();
  other.join();
}

#endif

TEST(ThreadView, FlushesIntoTheResourceWhenItEnds) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  {
    slab_thread_view view(resource);
    use(view);
    EXPECT_GT(resource.stats().cached_slots, 0U);
  }
  EXPECT_EQ(resource.stats().cached_slots, 0U);
}

TEST(ThreadView, MayEndAfterItsResource) {
  counting_resource upstream;
  std::optional<slab_thread_view> view;
  {
    synchronized_slab_resource resource(&upstream);
    view.emplace(resource);
    use(*view);
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
  view.reset();
}

TEST(ThreadView, MovesFromThreadToThread) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  slab_thread_view view(resource);
  void* const block = view.allocate(64);
  in_a_thread([&] {
    view.deallocate(block, 64);
    use(view);
  });
  use(view);
  view.flush();
  EXPECT_EQ(resource.stats().cached_slots, 0U);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(ThreadView, FreesWhatTheResourceAndOtherViewsAllocated) {
  synchronized_slab_resource resource;
  slab_thread_view first(resource);
  slab_thread_view second(resource);
  EXPECT_TRUE(first.is_equal(second));
  EXPECT_TRUE(second.is_equal(first));
  void* const a = first.allocate(64);
  void* const b = resource.allocate(64);
  second.deallocate(a, 64);
  first.deallocate(b, 64);
  void* const c = second.allocate(64);
  resource.deallocate(c, 64);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

}  // namespace
