// synchronized_slab_resource in one thread: what it shares with unsynchronized_slab_resource, through public
// observers and a counting or failing upstream. What threads do to it is in test/concurrent.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory_resource>
#include <new>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/resource_model.hpp"

namespace {

using quarry::slab_options;
using quarry::slab_stats;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry_test::counting_resource;
using quarry_test::failing_resource;
using quarry_test::resource_model;
using quarry_test::upstream_failure;

// What is checked when this is compiled: a resource is neither copied nor moved.
static_assert(std::is_base_of_v<std::pmr::memory_resource, synchronized_slab_resource>);
static_assert(std::is_final_v<synchronized_slab_resource>);
static_assert(!std::is_copy_constructible_v<synchronized_slab_resource>);
static_assert(!std::is_copy_assignable_v<synchronized_slab_resource>);
static_assert(!std::is_convertible_v<std::pmr::memory_resource*, synchronized_slab_resource>);
static_assert(std::is_final_v<slab_thread_view>);
static_assert(!std::is_copy_constructible_v<slab_thread_view>);

TEST(SynchronizedSlabResource, ConstructingUnusedReleasingAndDestroyingLeaveUpstreamAlone) {
  counting_resource upstream;
  {
    synchronized_slab_resource resource(&upstream);
    resource.release();
    resource.release();
    EXPECT_EQ(resource.trim(), 0U);
    EXPECT_EQ(resource.upstream_resource(), &upstream);
  }
  EXPECT_EQ(upstream.calls(), 0U);
}

TEST(SynchronizedSlabResource, TellsTheOptionsInForceAndTakesThemBackUnchanged) {
  const synchronized_slab_resource resource(slab_options(10, 1000));
  const slab_options options = resource.options();
  EXPECT_GE(options.largest_required_pool_block, 1000U);
  EXPECT_NE(options.thread_cache_bytes, 0U);
  const synchronized_slab_resource again(options);
  EXPECT_EQ(again.options().largest_required_pool_block, options.largest_required_pool_block);
  EXPECT_EQ(again.options().slab_bytes, options.slab_bytes);
  EXPECT_EQ(again.options().thread_cache_bytes, options.thread_cache_bytes);
}

TEST(SynchronizedSlabResource, RefusesANullUpstreamAndImpossibleOptions) {
  EXPECT_THROW(synchronized_slab_resource(nullptr), std::invalid_argument);
  slab_options options;
  options.slab_bytes = 3000;
  EXPECT_THROW(synchronized_slab_resource{options}, std::invalid_argument);
}

TEST(SynchronizedSlabResource, EqualsOnlyItself) {
  synchronized_slab_resource one;
  synchronized_slab_resource other;
  slab_thread_view view(one);
  slab_thread_view view_of_other(other);
  EXPECT_TRUE(one.is_equal(one));
  EXPECT_FALSE(one.is_equal(other));
  EXPECT_FALSE(view.is_equal(view_of_other));
  EXPECT_EQ(view.is_equal(one), one.is_equal(view));
}

TEST(SynchronizedSlabResource, ServesContainersThroughAllItsFaces) {
  counting_resource upstream;
  {
    synchronized_slab_resource resource(&upstream);
    std::pmr::map<int, std::pmr::string> map(&resource);
    using allocator = quarry::slab_allocator<int, synchronized_slab_resource>;
    std::set<int, std::less<>, allocator> set{allocator(resource)};
    slab_thread_view view(resource);
    std::pmr::vector<std::pmr::vector<int>> vectors(&view);
    for (int i = 0; i < 2000; ++i) {
      map.emplace(i, std::string(static_cast<std::size_t>(i % 100), 'x'));
      set.insert(i);
      vectors.emplace_back(static_cast<std::size_t>(i % 300), i);
    }
    for (int i = 0; i < 2000; ++i) {
      ASSERT_EQ(map.at(i).size(), static_cast<std::size_t>(i % 100));
      ASSERT_EQ(set.count(i), 1U);
      ASSERT_EQ(vectors[static_cast<std::size_t>(i)].size(), static_cast<std::size_t>(i % 300));
    }
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST(SynchronizedSlabResource, HonoursEveryAlignmentForEverySize) {
  synchronized_slab_resource resource;
  for (std::size_t alignment = 1; alignment <= 1U << 17; alignment *= 2)
    for (const std::size_t bytes : {0U, 1U, 8U, 24U, 100U, 1000U, 5000U, 40000U}) {
      void* const block = resource.allocate(bytes, alignment);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0U) << bytes << " at " << alignment;
      resource.deallocate(block, bytes, alignment);
    }
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
}

TEST(SynchronizedSlabResource, RandomOperationsKeepEveryByteOfEveryLiveBlock) {
  slab_options tight;
  tight.thread_cache_bytes = 2048;
  slab_options small_slabs;
  small_slabs.slab_bytes = 4096;
  for (const slab_options& options : {slab_options(), tight, small_slabs, slab_options(0, 600)}) {
    counting_resource upstream;
    upstream.forget_history();
    synchronized_slab_resource resource(options, &upstream);
    resource_model<synchronized_slab_resource> model(resource, upstream, 24);
    std::mt19937_64 random(7);
    for (int i = 0; i < 60000; ++i) {
      const bool grow = i / 5000 % 2 == 0;
      if (model.size() == 0 || random() % 100 < (grow ? 60U : 40U)) {
        const std::size_t bytes = random() % 20 == 0 ? random() % 30000 : random() % 600;
        model.allocate(bytes, std::size_t{1} << random() % 8);
      } else {
        model.deallocate(random() % model.size());
      }
      if (i % 20000 == 0) model.check();
      if (i % 30000 == 29999) model.trim(random() % 100000);
      ASSERT_FALSE(HasFailure());
    }
    model.check();
    model.deallocate_all();
    model.check();
    model.release();
  }
}

TEST(SynchronizedSlabResource, PassesTheExceptionOfUpstreamOnAtEveryCallAndChangesNothing) {
  for (std::size_t call = 1;; ++call) {
    counting_resource counted;
    failing_resource upstream(&counted, call);
    synchronized_slab_resource resource(&upstream);
    std::vector<std::pair<void*, std::size_t>> blocks;
    std::size_t failures = 0;
    for (int i = 0; i < 3000; ++i) {
      const std::size_t bytes = i % 50 == 0 ? 20000 : 16 + static_cast<std::size_t>(i % 13) * 60;
      try {
        blocks.emplace_back(resource.allocate(bytes), bytes);
      } catch (const upstream_failure&) {
        ++failures;
        blocks.emplace_back(resource.allocate(bytes), bytes);
      }
    }
    ASSERT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, blocks.size());
    for (const auto& [address, bytes] : blocks) resource.deallocate(address, bytes);
    ASSERT_EQ(resource.stats().live_slots, 0U);
    resource.release();
    ASSERT_EQ(counted.live_blocks(), 0U);
    if (!upstream.failed()) break;
    ASSERT_LE(failures, 1U);
  }
}

TEST(SynchronizedSlabResource, FreesWithoutMemoryForAMagazine) {
  counting_resource counted;
  failing_resource upstream(&counted);
  synchronized_slab_resource resource(&upstream);
  std::vector<void*> blocks;
  for (int i = 0; i < 5000; ++i) blocks.push_back(resource.allocate(40));
  upstream.fail_always(true);
  std::thread([&] {  // has no cache, and gets no memory for one
    for (int i = 0; i < 2500; ++i) resource.deallocate(blocks[static_cast<std::size_t>(i)], 40);
  })
      .join();
  for (int i = 2500; i < 5000; ++i) resource.deallocate(blocks[static_cast<std::size_t>(i)], 40);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(SynchronizedSlabResource, TryAllocateReturnsNullWhenUpstreamFails) {
  counting_resource counted;
  failing_resource upstream(&counted);
  upstream.fail_always(true);
  synchronized_slab_resource resource(&upstream);
  EXPECT_EQ(resource.try_allocate(40), nullptr);
  EXPECT_EQ(resource.try_allocate(1 << 20), nullptr);
  EXPECT_THROW(slab_thread_view{resource}, upstream_failure);
  upstream.fail_always(false);
  void* const slot = resource.try_allocate(40);
  ASSERT_NE(slot, nullptr);
  resource.deallocate(slot, 40);
}

TEST(SynchronizedSlabResource, HoldsNeverMoreThanMaxBytes) {
  counting_resource upstream;
  slab_options options;
  options.max_bytes = 1 << 20;
  synchronized_slab_resource resource(options, &upstream);
  std::vector<void*> blocks;
  while (void* const block = resource.try_allocate(200)) blocks.push_back(block);
  EXPECT_GT(blocks.size() * 200, options.max_bytes / 2);
  EXPECT_LE(upstream.peak_bytes(), options.max_bytes);
  EXPECT_THROW(static_cast<void>(resource.allocate(200)), std::bad_alloc);
  EXPECT_EQ(resource.try_allocate(2 << 20), nullptr);
  resource.deallocate(blocks.back(), 200);
  blocks.back() = resource.allocate(200);
  for (void* const each : blocks) resource.deallocate(each, 200);
}

TEST(SynchronizedSlabResource, AThreadKeepsAtMostItsShareOfFreeSlots) {
  for (const std::size_t bound_bytes : {1U, 10000U, 100000U}) {
    slab_options options;
    options.thread_cache_bytes = bound_bytes;
    synchronized_slab_resource resource(options);
    slab_thread_view view(resource);  // no depot takes part in what it keeps
    std::vector<std::pair<void*, std::size_t>> blocks;
    std::mt19937_64 random(3);
    for (int i = 0; i < 20000; ++i) {
      const std::size_t bytes = 1 + random() % 2000;
      blocks.emplace_back(view.allocate(bytes), bytes);
    }
    for (const auto& [address, bytes] : blocks) view.deallocate(address, bytes);
    const auto cached_bytes = [&] {
      std::size_t bytes = 0;
      const slab_stats stats = resource.stats();
      for (std::size_t i = 0; i < stats.class_rows; ++i)
        bytes += stats.classes[i].cached_slots * stats.classes[i].slot_bytes;
      return bytes;
    };
    resource.trim();  // empties the depots
    EXPECT_LE(cached_bytes(), bound_bytes);
    view.flush();
    EXPECT_EQ(cached_bytes(), 0U);
  }
}

TEST(SynchronizedSlabResource, ManyCachesTogetherKeepAtMostWhatEightMayKeep) {
  slab_options options;
  options.thread_cache_bytes = 100000;
  synchronized_slab_resource resource(options);
  std::deque<slab_thread_view> views;
  for (int i = 0; i < 40; ++i) views.emplace_back(resource);
  std::mt19937_64 random(5);
  for (slab_thread_view& view : views) {
    std::vector<std::pair<void*, std::size_t>> blocks;
    for (int i = 0; i < 3000; ++i) {
      const std::size_t bytes = 1 + random() % 1000;
      blocks.emplace_back(view.allocate(bytes), bytes);
    }
    for (const auto& [address, bytes] : blocks) view.deallocate(address, bytes);
  }
  resource.trim();  // empties the depots
  const slab_stats stats = resource.stats();
  std::size_t cached_bytes = 0;
  for (std::size_t i = 0; i < stats.class_rows; ++i)
    cached_bytes += stats.classes[i].cached_slots * stats.classes[i].slot_bytes;
  EXPECT_GT(cached_bytes, 0U);
  EXPECT_LE(cached_bytes, 8 * options.thread_cache_bytes);
}

TEST(SynchronizedSlabResource, TrimGivesSlabsBackOnceEverythingIsFreed) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  std::size_t part_bytes = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 50000; ++i) blocks.push_back(resource.allocate(100));
    for (void* const each : blocks) resource.deallocate(each, 100);
    const std::size_t held_bytes = upstream.live_bytes();
    const std::size_t given_back = resource.trim();
    EXPECT_EQ(held_bytes - upstream.live_bytes(), given_back);
    if (round == 0) part_bytes = upstream.live_bytes();
    EXPECT_EQ(upstream.live_bytes(), part_bytes) << "no slab stays in any round";
    EXPECT_EQ(resource.stats().cached_slots, 0U);
  }
  EXPECT_LE(part_bytes, resource.options().slab_bytes);
}

TEST(SynchronizedSlabResource, ForEachLiveVisitsExactlyTheLiveSlotsWhereverFreeOnesRest) {
  synchronized_slab_resource resource;
  slab_thread_view view(resource);
  std::set<void*> live;
  for (int i = 0; i < 3000; ++i) live.insert(i % 2 == 0 ? resource.allocate(48) : view.allocate(48));
  for (int i = 0; i < 1500; ++i) {
    void* const freed = *live.begin();
    live.erase(live.begin());
    i % 3 == 0 ? view.deallocate(freed, 48) : resource.deallocate(freed, 48);
  }
  std::set<void*> visited;
  resource.for_each_live([&](void* slot, std::size_t slot_bytes) {
    EXPECT_EQ(slot_bytes, 48U);
    EXPECT_TRUE(visited.insert(slot).second);
  });
  EXPECT_EQ(visited, live);
  for (void* const each : live) resource.deallocate(each, 48);
}

TEST(SynchronizedSlabResource, KnowsWhatItOwnsAndHowLargeItIs) {
  synchronized_slab_resource resource;
  int local = 0;
  void* const pooled = resource.allocate(48);
  void* const oversize = resource.allocate(1 << 20);
  EXPECT_TRUE(resource.owns(pooled));
  EXPECT_TRUE(resource.owns(oversize));
  EXPECT_FALSE(resource.owns(&local));
  EXPECT_EQ(resource.block_bytes(pooled), 48U);
  EXPECT_EQ(resource.block_bytes(oversize), 1U << 20);
  EXPECT_EQ(resource.block_bytes(&local), 0U);
  EXPECT_EQ(resource.good_size(33), 48U);
  resource.deallocate(pooled, 48);
  resource.deallocate(oversize, 1 << 20);
}

TEST(SynchronizedSlabResource, ReportsWhatStatsTell) {
  synchronized_slab_resource resource;
  void* const slot = resource.allocate(48);
  std::ostringstream table;
  std::ostringstream json;
  resource.report(table);
  resource.report_json(json);
  EXPECT_NE(table.str().find("live 48 bytes in 1 slots"), std::string::npos) << table.str();
  EXPECT_NE(json.str().find("\"live_slots\":1,"), std::string::npos) << json.str();
  resource.deallocate(slot, 48);
}

}  // namespace
