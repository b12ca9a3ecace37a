// Forks beside threads that are in the middle of things: whatever they hold, the fork happens, and the child's resources are
// sound. timeout: 600
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <quarry/resource_page_source.hpp>
#include <quarry/slab_cache.hpp>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <string>
#include <thread>
#include <vector>

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/cache_node.hpp"
#include "../../src/call_stacks.hpp"
#include "../../src/checked_owners.hpp"
#include "../../src/thread_registry.hpp"
#include "support/in_child.hpp"
#include "support/resting_place.hpp"

#include "support/sanitizers.hpp"

#if QUARRY_TEST_HAS_THREAD_SANITIZER
// Else a child reports, when it ends, the threads of its parent that had ended by the fork as leaked.
extern "C" const char* __tsan_default_options() {
  return "report_thread_leaks=0";
}
#endif

namespace {

using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry::detail::call_stacks_lock;
using quarry::detail::checked_owners_lock;
using quarry::detail::pool_of_nodes;
using quarry::detail::registry_of_this_copy;
using quarry_test::resting_place;

constexpr std::size_t large_bytes = 300000;  // a block of its own

// Whether forks came to typed caches before a test opened one.
class forks_at_start final : public testing::Environment {
 public:
  static inline bool are_installed = false;
  void SetUp() override { are_installed = quarry::core::fork_list::of_this_copy().is_installed; }
};
const testing::Environment* const at_start = testing::AddGlobalTestEnvironment(new forks_at_start);

// A fork that has begun before the handlers are there runs none of them: its child would find the list locked by a thread that is
// about to enter its first cache.
TEST(Fork, ComesToTypedCachesBeforeTheFirstOneOpens) {
  EXPECT_TRUE(forks_at_start::are_installed);
  EXPECT_NE(at_start, nullptr);
}

slab_options checked() {
  slab_options options;
  options.checks = quarry::check_level::full;
  return options;
}

void use(std::pmr::memory_resource& resource, std::size_t bytes, int blocks) {
  std::vector<void*> taken;
  for (int i = 0; i < blocks; ++i) taken.push_back(resource.allocate(bytes));
  for (void* const each : taken) resource.deallocate(each, bytes);
}

// An upstream that makes a resource of its own at its first call, and takes its time.
class lazy_resource : public std::pmr::memory_resource {
 public:
  synchronized_slab_resource& below() {
    static synchronized_slab_resource resource(quarry::os_page_resource());
    return resource;
  }

 protected:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    synchronized_slab_resource& resource = below();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    return resource.allocate(bytes, alignment);
  }
  void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
    below().deallocate(place, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

// Forks while two threads are in the upstream all the time, and, where they may use the heap, others come and go. Returns 0 when
// every child was served and counts right.
int fork_beside_busy_upstreams(int forks) {
  const bool may_use_heap = quarry_test::why_busy_threads_cannot_fork() == nullptr;
  lazy_resource upstream;
  slab_options options;
  options.retain_bytes = 1;
  synchronized_slab_resource first(options, &upstream);
  synchronized_slab_resource second(options, &upstream);
  std::atomic<bool> done{false};
  std::thread busy[] = {std::thread([&] {
                          while (!done) use(first, large_bytes, 1);
                        }),
                        std::thread([&] {
                          while (!done) {
                            use(second, large_bytes, 1);
                            slab_thread_view view(second);
                            use(view, 64, 100);
                            if (may_use_heap) std::thread([&] { use(first, 48, 100); }).join();
                          }
                        })};
  int result = 0;
  for (int i = 0; i < forks && result == 0; ++i) {
    result = quarry_test::run_in_child(30, [&] {
      for (auto* each : {&first, &second}) {
        const std::size_t before = each->stats().oversize_blocks;
        use(*each, large_bytes, 2);
        use(*each, 64, 100);
        if (each->stats().oversize_blocks != before) return 1;
        const auto stats = each->stats();
        if (stats.upstream_bytes < stats.oversize_bytes) return 2;
        each->release();
        if (each->stats().upstream_bytes != 0) return 3;
        use(*each, 64, 100);
        if (each->stats().live_slots != 0) return 4;
      }
      return 0;
    });
  }
  done = true;
  for (std::thread& each : busy) each.join();
  return result;
}

TEST(Fork, HappensWhileUpstreamsOfNestedResourcesAreBusyAllTheTime) {
  // In a child, so that a deadlock ends.
  EXPECT_EQ(quarry_test::run_in_child(120, [] { return fork_beside_busy_upstreams(300); }), 0);
}

// Has its memory from a resource of pages; while it is called another resource comes and goes, whose calls are checked.
class checking_resource final : public lazy_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    void* const result = lazy_resource::do_allocate(bytes, alignment);
    const synchronized_slab_resource passing(checked());
    return result;
  }
};

// Forks while a thread is in such an upstream all the time. Returns 0 when every child was served.
template <class Upstream>
int fork_beside_busy_upstream(int forks) {
  Upstream upstream;
  slab_options options;
  options.retain_bytes = 1;
  synchronized_slab_resource resource(options, &upstream);
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done) use(resource, large_bytes, 1);
  });
  int result = 0;
  for (int i = 0; i < forks && result == 0; ++i)
    result = quarry_test::run_in_child(30, [&] {
      use(resource, large_bytes, 1);
      return 0;
    });
  done = true;
  busy.join();
  return result;
}

TEST(Fork, HappensWhileAnUpstreamMakesResourcesThatAreChecked) {
  EXPECT_EQ(quarry_test::run_in_child(60, [] { return fork_beside_busy_upstream<checking_resource>(100); }),
            0);
}

// Has its memory from a resource of pages, and notes each call in an object of a typed cache, which may be locked by then.
class noting_resource final : public lazy_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const auto note = notes_.make(1);
    void* const result = lazy_resource::do_allocate(bytes, alignment);
    const auto another = notes_.make(2);
    return result;
  }

  quarry::slab_cache<int, quarry::spin_lock> notes_;
};

TEST(Fork, HappensWhileAnUpstreamUsesATypedCache) {
  EXPECT_EQ(quarry_test::run_in_child(60, [] { return fork_beside_busy_upstream<noting_resource>(100); }), 0);
}

// A typed cache whose pages come from a synchronized resource: its lock is held while that one's are waited for.
TEST(Fork, HappensWhileATypedCacheTakesPagesFromAResource) {
  const auto fork_beside = [] {
    synchronized_slab_resource resource(quarry::os_page_resource());
    quarry::slab_cache<std::array<char, 4000>, quarry::spin_lock, 65536, quarry::resource_page_source> cache{
        quarry::resource_page_source(&resource)};
    std::atomic<bool> done{false};
    std::thread busy([&] {
      while (!done) {
        use(resource, large_bytes, 1);
        decltype(cache)::ptr some[40];
        for (auto& each : some) each = cache.make();
      }
    });
    int result = 0;
    for (int i = 0; i < 100 && result == 0; ++i)
      result = quarry_test::run_in_child(30, [&] {
        use(resource, large_bytes, 1);
        return cache.make() != nullptr ? 0 : 1;
      });
    done = true;
    busy.join();
    return result;
  };
  EXPECT_EQ(quarry_test::run_in_child(60, fork_beside), 0);
}

// Forks while two threads take and free blocks of their own all the time. Returns 0 when every child was served.
int fork_beside_busy_blocks(int forks) {
  synchronized_slab_resource resource(quarry::os_page_resource());
  std::atomic<bool> done{false};
  std::thread busy[] = {std::thread([&] {
                          while (!done) use(resource, large_bytes, 1);
                        }),
                        std::thread([&] {
                          while (!done) use(resource, large_bytes, 1);
                        })};
  int result = 0;
  for (int i = 0; i < forks && result == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    result = quarry_test::run_in_child(30, [&] {
      const std::size_t before = resource.stats().oversize_blocks;
      use(resource, large_bytes, 3);
      resource.trim();
      return before <= 2 && resource.stats().oversize_blocks == before ? 0 : 1;
    });
  }
  done = true;
  for (std::thread& each : busy) each.join();
  return result;
}

TEST(Fork, HappensWhileThreadsTakeAndFreeBlocksOfTheirOwn) {
  EXPECT_EQ(quarry_test::run_in_child(120, [] { return fork_beside_busy_blocks(200); }), 0);
}

TEST(Fork, HappensInsideAnUpstream) {
  struct forking_resource final : std::pmr::memory_resource {
    int children = 0, failures = 0;
    void fork_and_wait() {
      ++children;
      if (quarry_test::run_in_child(10, [] { return 0; }) != 0) ++failures;
    }
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      fork_and_wait();
      return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
      fork_and_wait();
      std::pmr::new_delete_resource()->deallocate(place, bytes, alignment);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  };
  EXPECT_EQ(quarry_test::run_in_child(
                60,
                [] {
                  forking_resource upstream;
                  {
                    slab_options options;
                    options.retain_bytes = 1;
                    synchronized_slab_resource resource(options, &upstream);
                    use(resource, 64, 3000);
                    use(resource, large_bytes, 2);
                    std::thread([&] { use(resource, 4000, 100); }).join();
                    resource.for_each_live([](void*, std::size_t) {});
                    resource.trim();
                    for (const std::size_t keep_bytes : {std::size_t{1} << 20, std::size_t{0}}) {
                      static_cast<void>(resource.allocate(large_bytes, 8));
                      use(resource, 64, 3000);
                      resource.release(keep_bytes);
                    }
                    use(resource, 64, 3000);
                  }
                  return upstream.children > 10 && upstream.failures == 0 ? 0 : 1;
                }),
            0);
}

// A thread that has used a resource and rests.
class resting_thread {
 public:
  explicit resting_thread(synchronized_slab_resource& resource)
      : thread_([this, &resource] {
          use(resource, 64, 500);
          place_.rest();
        }) {
    EXPECT_TRUE(place_.wait_until_taken());
  }
  ~resting_thread() {
    place_.wake();
    thread_.join();
  }

 private:
  resting_place place_;
  std::thread thread_;
};

// A thread that rests until its process ends, in which no other thread waits for it.
void leave_resting(synchronized_slab_resource& resource) {
  new resting_thread(resource);
}

TEST(Fork, LeavesEveryGenerationTheSameShareAndRightCounts) {
  if (const char* const why = quarry_test::why_children_cannot_start_threads()) GTEST_SKIP() << why;
  slab_options options;
  options.thread_cache_bytes = 65536;
  synchronized_slab_resource resource(options);
  std::size_t cached_in_first = 0;
  EXPECT_EQ(quarry_test::run_in_generations(300, 20,
                                            [&](int) {
                                              leave_resting(resource);
                                              use(resource, 64, 5000);
                                              if (resource.stats().live_slots != 0) return 1;
                                              std::size_t cached = 0;
                                              std::thread([&] {  // one that has no share yet
                                                use(resource, 64, 5000);
                                                const std::size_t before = resource.stats().cached_slots;
                                                resource.flush_thread_cache();
                                                cached = before - resource.stats().cached_slots;
                                              })
                                                  .join();
                                              if (cached < cached_in_first / 2) return 2;
                                              if (cached_in_first == 0) cached_in_first = cached;
                                              return 0;
                                            }),
            0);
}

TEST(Fork, CountsWhatVanishedThreadsCachedUntilRelease) {
  synchronized_slab_resource resource;
  const resting_thread other(resource);
  EXPECT_EQ(quarry_test::run_in_child(30,
                                      [&] {
                                        if (resource.stats().live_slots != 0) return 1;
                                        if (resource.stats().cached_slots == 0) return 2;
                                        use(resource, 64, 1000);
                                        if (resource.stats().live_slots != 0) return 3;
                                        resource.release();
                                        if (resource.stats().cached_slots != 0) return 4;
                                        use(resource, 64, 1000);
                                        return resource.stats().live_slots == 0 ? 0 : 5;
                                      }),
            0);
}

TEST(Fork, LeavesViewsWithWhatTheyCache) {
  EXPECT_EQ(quarry_test::run_in_child(60,
                                      [] {
                                        synchronized_slab_resource resource;
                                        std::optional<slab_thread_view> view(resource);
                                        use(*view, 64, 500);
                                        void* const kept = view->allocate(64);
                                        const std::size_t cached = resource.stats().cached_slots;
                                        if (cached == 0) return 1;
                                        return quarry_test::run_in_child(20, [&] {
                                          if (resource.stats().cached_slots != cached) return 2;
                                          int live = 0;
                                          resource.for_each_live([&](void*, std::size_t) { ++live; });
                                          if (live != 1) return 3;
                                          view->deallocate(kept, 64);
                                          use(*view, 64, 500);
                                          view.reset();
                                          resource.for_each_live([&](void*, std::size_t) { ++live; });
                                          return live == 1 && resource.stats().live_slots == 0 ? 0 : 4;
                                        });
                                      }),
            0);
}

// What an ending thread cached is in its cache or in the slabs; on the way there it would be lost to the child.
TEST(Fork, WaitsForThreadsThatEnd) {
  EXPECT_EQ(quarry_test::run_in_child(120,
                                      [] {
                                        synchronized_slab_resource resource;
                                        for (int round = 0; round < 200; ++round) {
                                          std::atomic<bool> ends{false};
                                          std::thread ending([&] {
                                            for (std::size_t bytes = 16; bytes <= 1024; bytes += 16)
                                              use(resource, bytes, 100);
                                            ends = true;
                                          });
                                          while (!ends) std::this_thread::yield();
                                          const int status = quarry_test::run_in_child(
                                              20, [&] { return resource.stats().live_slots == 0 ? 0 : 1; });
                                          ending.join();
                                          if (status != 0) return 1;
                                        }
                                        return 0;
                                      }),
            0);
}

// Pages of the system, each of which costs a call of `before`.
struct calling_upstream final : std::pmr::memory_resource {
  std::function<void()> before;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    before();
    return quarry::os_page_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
    quarry::os_page_resource()->deallocate(place, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

// A view that another thread was closing is never closed in the child, and its resource ends there all the same. The fork happens
// in an upstream, where it waits for no thread that flushes.
TEST(Fork, LetsAResourceEndWhoseViewsAnotherThreadWasClosing) {
  EXPECT_EQ(quarry_test::run_in_child(120,
                                      [] {
                                        // Of pages: the child must not need the heap.
                                        synchronized_slab_resource resource(quarry::os_page_resource());
                                        std::atomic<bool> done{false};
                                        std::vector<std::thread> closing;
                                        for (int i = 0; i < 3; ++i)
                                          closing.emplace_back([&] {
                                            while (!done)
                                              use(*std::make_unique<slab_thread_view>(resource), 64, 1);
                                          });
                                        int status = 0, forks = 0;
                                        calling_upstream upstream;
                                        upstream.before = [&] {
                                          if (status != 0) return;
                                          ++forks;
                                          status = quarry_test::run_in_child(5, [&] {
                                            resource.release();
                                            return 0;
                                          });
                                        };
                                        while (forks < 1000 && status == 0) {
                                          synchronized_slab_resource other(&upstream);
                                          use(other, 64, 1);
                                        }
                                        done = true;
                                        for (std::thread& each : closing) each.join();
                                        return status;
                                      }),
            0);
}

// An object whose end takes a while, so that forks meet it half-way.
struct named {
  std::string name{"a name that lies on the heap, being long"};
};

template <class Lock>
int fork_beside_a_busy_cache(int forks) {
  quarry::slab_cache<named, Lock> cache;
  const auto lives = cache.make();
  std::atomic<bool> done{false};
  std::vector<std::thread> busy;
  for (int i = 0; i < 2; ++i)
    busy.emplace_back([&] {
      while (!done) {
        const auto one = cache.make();
        const auto other = cache.make();
      }
    });
  int result = 0;
  for (int i = 0; i < forks && result == 0; ++i)
    result = quarry_test::run_in_child(20, [&] {
      std::thread([&] {
        use(*std::pmr::new_delete_resource(), 64, 10);
      }).join();  // takes the stack of one that is gone
      const auto mine = cache.make();
      int seen = 0;
      bool all_live = true;
      cache.for_each_live([&](const named& each) {
        ++seen;
        all_live = all_live && each.name.size() == 40;
      });
      return all_live && seen >= 2 && seen <= 6 ? 0 : 1;
    });
  done = true;
  for (std::thread& each : busy) each.join();
  return result;
}

// The same where two threads do nothing but visit, so that the lock is hardly ever free.
template <class Lock>
int fork_beside_visitors(int forks) {
  constexpr int objects = 5000;  // a visit is long, and what lies between two is short
  quarry::slab_cache<named, Lock> cache;
  std::vector<decltype(cache.make())> all;
  for (int i = 0; i < objects; ++i) all.push_back(cache.make());
  std::atomic<bool> done{false};
  std::vector<std::thread> visitors;
  for (int i = 0; i < 2; ++i)
    visitors.emplace_back([&] {
      while (!done) cache.for_each_live([](const named&) {});
    });
  int result = 0;
  for (int i = 0; i < forks && result == 0; ++i)
    result = quarry_test::run_in_child(20, [&] {
      const auto mine = cache.make();
      int seen = 0;
      cache.for_each_live([&](const named&) { ++seen; });
      return seen == objects + 1 ? 0 : 1;
    });
  done = true;
  for (std::thread& each : visitors) each.join();
  return result;
}

TEST(Fork, HappensBesideThreadsThatVisitATypedCacheWithoutAPause) {
  EXPECT_EQ(quarry_test::run_in_child(120, [] { return fork_beside_visitors<quarry::spin_lock>(20); }), 0);
  EXPECT_EQ(quarry_test::run_in_child(120, [] { return fork_beside_visitors<std::mutex>(20); }), 0);
}

// The objects of these caches own memory of the heap, and the caches map pages on no resource's behalf.
TEST(Fork, LeavesTypedCachesWithALockUsable) {
  if (const char* const why = quarry_test::why_busy_threads_cannot_fork()) GTEST_SKIP() << why;
  EXPECT_EQ(quarry_test::run_in_child(120, [] { return fork_beside_a_busy_cache<quarry::spin_lock>(300); }),
            0);
  EXPECT_EQ(quarry_test::run_in_child(120, [] { return fork_beside_a_busy_cache<std::mutex>(100); }), 0);
}

// What a family of processes has, each of which adds to it, with threads that its children lack. The functions return 0 when all
// is as it should be.
class inheritance {
 public:
  int add(int generation) {
    for (int i = 0; i < vanishing; ++i) {
      auto* const place = new resting_place;  // for a thread that rests until its process ends
      std::thread([this, place] {
        use_all();
        const auto lives = cache_.make();
        place->rest();
      }).detach();
      if (!place->wait_until_taken()) return 1;
    }
    use_all();
    auto* const block = static_cast<int*>(resource_.allocate(48));
    *block = generation;
    blocks_.push_back(block);
    objects_.push_back(cache_.make());
    auto* const pages = static_cast<std::byte*>(pool_->allocate(page_bytes));
    pages[page_bytes - 1] = static_cast<std::byte>(generation);
    pages_.push_back(pages);
    return check(static_cast<std::size_t>(generation));
  }

  int end() {
    for (int* const each : blocks_) resource_.deallocate(each, 48);
    objects_.clear();
    for (std::byte* const each : pages_) pool_->deallocate(each, page_bytes);
    if (resource_.stats().live_slots != 0) return 10;
    if (resource_.stats().cached_slots == 0) return 11;  // by the threads that vanished
    resource_.release();
    if (resource_.stats().cached_slots != 0 || resource_.stats().upstream_bytes != 0) return 12;
    if (below_.stats().live_slots != 0 || below_.stats().oversize_blocks != 0) return 13;
    below_.release();
    if (below_.stats().cached_slots != 0 || below_.stats().upstream_bytes != 0) return 14;
    if (cache_.erase_if([](const named&) { return true; }) != blocks_.size() * vanishing) return 15;
    cache_.trim();
    if (cache_.stats().live_slots != 0 || cache_.stats().slab_count != 1) return 16;
    if (quarry::trim_pooled_pages() == 0 || quarry::trim_pooled_pages() != 0) return 17;
    use_all();
    return 0;
  }

 private:
  static constexpr int vanishing = 1;                // threads of each generation
  static constexpr std::size_t page_bytes = 131072;  // that each generation takes from the pool

  void use_all() {
    use(resource_, 64, 500);
    use(resource_, large_bytes, 1);
    use(below_, 200, 100);
    use(*pool_, page_bytes, 2);
    const auto one = cache_.make();
    synchronized_slab_resource own(&resource_);
    use(own, 32, 100);
  }

  int check(std::size_t generations) {
    if (resource_.stats().live_slots != generations) return 2;
    if (resource_.stats().oversize_blocks != 0) return 3;
    if (cache_.stats().live_slots != generations * (vanishing + 1)) return 4;
    for (std::size_t i = 0; i < generations; ++i) {
      if (*blocks_[i] != static_cast<int>(i + 1)) return 5;
      if (objects_[i]->name.size() != 40) return 6;
      if (pages_[i][page_bytes - 1] != static_cast<std::byte>(i + 1)) return 7;
    }
    return 0;
  }

  std::pmr::memory_resource* pool_ = quarry::pooled_page_resource();
  synchronized_slab_resource below_{pool_};
  synchronized_slab_resource resource_{slab_options{}, &below_};
  quarry::slab_cache<named, quarry::spin_lock> cache_;
  std::vector<int*> blocks_;  // one of each generation, as those below
  std::vector<quarry::slab_cache<named, quarry::spin_lock>::ptr> objects_;
  std::vector<std::byte*> pages_;
};

TEST(Fork, LeavesNestedResourcesTypedCacheAndPagePoolSoundForHundredsOfGenerations) {
  if (const char* const why = quarry_test::why_children_cannot_start_threads()) GTEST_SKIP() << why;
  constexpr int generations = 300;
  inheritance all;
  EXPECT_EQ(quarry_test::run_in_generations(generations, 20,
                                            [&](int generation) {
                                              const int wrong = all.add(generation);
                                              return wrong != 0 || generation != generations ? wrong
                                                                                             : all.end();
                                            }),
            0);
}

TEST(Fork, HappensInAConstructorAndInAVisitOfATypedCache) {
  struct forking {
    explicit forking(bool forks) {
      if (forks) status = quarry_test::run_in_child(10, [] { return 0; });
    }
    ~forking() { status = 0; }
    int status = 0;
  };
  EXPECT_EQ(quarry_test::run_in_child(60,
                                      [] {
                                        quarry::slab_cache<forking, quarry::spin_lock> cache;
                                        const auto one = cache.make(false);
                                        const auto other = cache.make(true);
                                        if (other->status != 0) return 1;
                                        int status = 0;
                                        cache.for_each_live([&](forking&) {
                                          status |= quarry_test::run_in_child(10, [&] {
                                            cache.make(false).reset();
                                            return cache.stats().live_slots == 2 ? 0 : 16;
                                          });
                                        });
                                        return status;
                                      }),
            0);
}

// Forks while another thread holds `taken` for a while. Returns 0 when the child came after that and is served at once.
int fork_beside_a_holder(std::mutex& taken) {
  synchronized_slab_resource resource(checked());
  std::atomic<bool> is_held{false};
  std::atomic<bool> is_free{false};
  resting_place place;
  std::thread holder([&] {
    {
      const std::lock_guard<std::mutex> held(taken);
      is_held = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      is_free = true;
    }
    place.rest();
  });
  while (!is_held) std::this_thread::yield();
  const int status = quarry_test::run_in_child(20, [&] {
    use(resource, 64, 500);
    synchronized_slab_resource another(checked());
    use(another, 64, 1);
    return is_free ? 0 : 1;
  });
  place.wake();
  holder.join();
  return status;
}

TEST(Fork, WaitsForWhoTakesANode) {
  EXPECT_EQ(quarry_test::run_in_child(60, [] { return fork_beside_a_holder(pool_of_nodes().lock()); }), 0);
}

TEST(Fork, WaitsForWhoNotesACallStack) {
  EXPECT_EQ(quarry_test::run_in_child(60, [] { return fork_beside_a_holder(call_stacks_lock()); }), 0);
}

TEST(Fork, WaitsForWhoLooksAtTheListOfResources) {
  EXPECT_EQ(quarry_test::run_in_child(60, [] { return fork_beside_a_holder(registry_of_this_copy().lock); }),
            0);
}

TEST(Fork, WaitsForWhoLooksAtTheListOfCheckedOwners) {
  EXPECT_EQ(quarry_test::run_in_child(60, [] { return fork_beside_a_holder(checked_owners_lock()); }), 0);
}

}  // namespace

#endif
