// One thread plays several here, so that every step is repeatable; test/concurrent/ has the threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <quarry/core/shared_engine.hpp>
#include <quarry/resource_page_source.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::core::class_index;
using quarry::core::class_of_bytes;
using quarry::core::slot_bytes_of;
using quarry::core::thread_cache;
using quarry_test::counting_resource;
using quarry_test::failing_resource;

int shelf_locks_held = 0;

struct watched_shelf_lock {
  void lock() {
    EXPECT_EQ(shelf_locks_held, 0) << "a second shelf's lock while one is held";
    ++shelf_locks_held;
  }
  void unlock() { --shelf_locks_held; }
};

struct watched_store_lock {
  void lock() { EXPECT_EQ(shelf_locks_held, 0) << "the store's lock while a shelf's is held"; }
  void unlock() {}
};

using engine =
    quarry::core::shared_engine<quarry::resource_page_source, watched_shelf_lock, watched_store_lock>;

constexpr std::size_t slab_bytes = 65536;
constexpr std::size_t retain_bytes = 1U << 20;
constexpr std::size_t cache_bytes = 1U << 16;

struct slot {
  void* address;
  class_index index;
};

class SharedEngine : public testing::Test {
 protected:
  void* allocate(thread_cache& cache, class_index index) {
    void* const hit = cache.cursors[index].pop();
    return hit != nullptr ? hit : shared.allocate_slow(cache, index);
  }
  void deallocate(thread_cache& cache, void* address, class_index index) {
    if (!cache.cursors[index].push(address)) shared.deallocate_slow(cache, address, index);
  }
  std::size_t used_slots() {
    std::size_t used = 0;
    shared.for_each_shelf([&used](class_index, engine::shelf_type& each) {
      EXPECT_TRUE(each.slots.check_invariants());
      used += each.slots.used_slots();
    });
    return used;
  }

  counting_resource memory;
  failing_resource failing{&memory};
  engine shared{quarry::resource_page_source(&failing), 0, slab_bytes, retain_bytes, cache_bytes};
};

TEST_F(SharedEngine, HandsASlotToOneOwnerAtATimeWhicheverCacheFreesIt) {
  std::vector<thread_cache*> caches;
  for (int i = 0; i < 3; ++i) caches.push_back(shared.store().open_cache());
  std::vector<slot> live;
  std::set<void*> addresses;
  std::mt19937 random(37);
  for (int i = 0; i < 60000; ++i) {
    thread_cache& cache = *caches[random() % 3];
    const bool fill = (i / 3000) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
    if (fill) {
      const auto index = static_cast<class_index>(random() % 30);
      void* const address = random() % 16 == 0 ? shared.allocate_direct(index) : allocate(cache, index);
      ASSERT_TRUE(addresses.insert(address).second) << "handed out twice";
      live.push_back({address, index});
    } else if (!live.empty()) {
      const slot freed = quarry_test::take_any(live, random);
      addresses.erase(freed.address);
      if (random() % 16 == 0) {
        shared.deallocate_direct(freed.address, freed.index);
      } else {
        deallocate(cache, freed.address, freed.index);
      }
    }
  }
  for (thread_cache* const each : caches) shared.close_cache(*each);
  shared.flush_depots();
  EXPECT_EQ(used_slots(), live.size()) << "what is not live is in the bins";
  shared.release();
  EXPECT_EQ(memory.live_blocks(), 0U);
}

TEST_F(SharedEngine, ACacheKeepsNoMoreThanItsBytes) {
  thread_cache& cache = *shared.store().open_cache();
  std::vector<slot> live;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < 20000; ++i) {
      const class_index index = class_of_bytes(8 + i % 40 * 16);
      live.push_back({allocate(cache, index), index});
    }
    for (const slot& each : live) deallocate(cache, each.address, each.index);
    live.clear();
    std::size_t resting_bytes = 0;
    for (class_index index = 0; index < quarry::core::class_count; ++index)
      resting_bytes += cache.cached_slots(index) * slot_bytes_of(index);
    EXPECT_LE(resting_bytes, cache_bytes);
    EXPECT_GT(resting_bytes, 0U);
  }
}

TEST_F(SharedEngine, FullMagazinesPassFromOneCacheToAnotherWhole) {
  thread_cache& producer = *shared.store().open_cache();
  thread_cache& consumer = *shared.store().open_cache();
  const class_index index = class_of_bytes(32);
  std::size_t most_parked = 0;
  std::vector<void*> passed;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 500; ++i) passed.push_back(allocate(producer, index));
    for (void* const each : passed) deallocate(consumer, each, index);
    passed.clear();
    most_parked = std::max(most_parked, shared.shelf_of(index)->parked.slots());
  }
  const auto* const shelf = shared.shelf_of(index);
  EXPECT_GT(most_parked, shelf->magazine_slots);
  EXPECT_LE(most_parked, 2U * shelf->parked_per_cache * shelf->magazine_slots);
}

TEST_F(SharedEngine, ChangesNothingWhenTheSourceThrowsAtAnyCall) {
  bool reached_the_end = false;
  for (std::size_t fail_at_call = 1; !reached_the_end; ++fail_at_call) {
    ASSERT_LT(fail_at_call, 1000U);
    failing.fail_at(failing_resource::never);
    thread_cache& cache = *shared.store().open_cache();
    failing.fail_at(fail_at_call);
    std::set<void*> addresses;
    std::vector<slot> live;
    for (std::size_t i = 0; i < 1500; ++i) {
      const class_index index = class_of_bytes(i * 53 % 4000 + 1);
      void* address = nullptr;
      try {
        address = allocate(cache, index);
      } catch (const quarry_test::upstream_failure&) {
        address = allocate(cache, index);  // the source serves again
      }
      ASSERT_TRUE(addresses.insert(address).second);
      live.push_back({address, index});
    }
    for (const slot& each : live) deallocate(cache, each.address, each.index);
    reached_the_end = !failing.failed();
    shared.close_cache(cache);
    shared.flush_depots();
    EXPECT_EQ(used_slots(), 0U);
    shared.release();
    EXPECT_EQ(memory.live_blocks(), 0U);
    EXPECT_TRUE(!reached_the_end || fail_at_call > 10);
  }
}

TEST_F(SharedEngine, FreesWithoutMemoryForMagazines) {
  thread_cache& cache = *shared.store().open_cache();
  const class_index index = class_of_bytes(64);
  std::vector<void*> live(5000);
  for (void*& each : live) each = shared.allocate_direct(index);
  failing.fail_always(true);
  for (void* const each : live) deallocate(cache, each, index);
  failing.fail_always(false);
  shared.close_cache(cache);
  shared.flush_depots();
  EXPECT_EQ(used_slots(), 0U);
}

TEST_F(SharedEngine, ADepotParksItsShareForEachOpenCacheAndFlushesTheRest) {
  const class_index index = class_of_bytes(64);
  std::vector<void*> live(20000);
  for (void*& each : live) each = shared.allocate_direct(index);
  thread_cache& cache = *shared.store().open_cache();
  for (void* const each : live) deallocate(cache, each, index);
  const auto* const shelf = shared.shelf_of(index);
  const std::size_t most = std::size_t{shelf->parked_per_cache} * shelf->magazine_slots;
  EXPECT_LE(shelf->parked.slots(), most);
  EXPECT_GT(shelf->parked.slots() + shelf->magazine_slots, most) << "no other magazine fits";
}

// Two classes that fill the bound between them, and then a third that is used alone.
TEST_F(SharedEngine, AClassThatIsUsedTakesTheRoomOfThoseThatNoLongerAre) {
  thread_cache& cache = *shared.store().open_cache();
  const auto churn = [&](class_index index, std::size_t burst) {
    std::vector<void*> live;
    for (int round = 0; round < 200; ++round) {
      for (std::size_t i = 0; i < burst; ++i) live.push_back(allocate(cache, index));
      for (void* const each : live) deallocate(cache, each, index);
      live.clear();
    }
  };
  const class_index before[] = {class_of_bytes(400), class_of_bytes(512)};
  const class_index after = class_of_bytes(320);
  for (const class_index index : before) churn(index, 200);
  const std::size_t full_bytes = cache.share_bytes;
  ASSERT_GT(full_bytes, cache_bytes / 2);
  churn(after, 200);
  EXPECT_GT(cache.shelves[after].share.slots(), cache.shelves[before[0]].share.slots());
  EXPECT_GT(cache.shelves[after].share.slots(), cache.shelves[before[1]].share.slots());
  EXPECT_LE(cache.share_bytes, cache_bytes);
  shared.close_cache(cache);
  shared.flush_depots();
  EXPECT_EQ(used_slots(), 0U);
}

TEST_F(SharedEngine, AClosedCacheStartsSmallAgain) {
  thread_cache& cache = *shared.store().open_cache();
  const class_index index = class_of_bytes(64);
  std::vector<void*> live;
  for (int i = 0; i < 2000; ++i) live.push_back(allocate(cache, index));
  for (void* const each : live) deallocate(cache, each, index);
  ASSERT_TRUE(cache.shelves[index].share.is_paired());
  shared.close_cache(cache);
  EXPECT_EQ(cache.shelves[index].share.slots(), quarry::core::share_steps(index).first().slots());
  EXPECT_EQ(cache.share_bytes, quarry::core::share_steps(index).bytes_of(cache.shelves[index].share));
  EXPECT_EQ(cache.shelves[index].previous, nullptr);
  EXPECT_EQ(cache.cached_slots(index), 0U);
}

}  // namespace
