// How views meet threads, and which of view and resource ends first: concurrent/lifetime_test.cpp.
#include "quarry/slab_thread_view.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory_resource>
#include <new>
#include <quarry/slab_allocator.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"

namespace {

using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry_test::counting_resource;
using quarry_test::failing_resource;

TEST(SlabThreadView, ServesEverySizeAndAlignmentOfItsResource) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  slab_thread_view view(resource);
  EXPECT_EQ(&view.resource(), &resource);
  struct block {
    void* address;
    std::size_t bytes, alignment;
  };
  std::vector<block> blocks;
  for (std::size_t alignment = 1; alignment <= 65536; alignment *= 4)
    for (const std::size_t bytes : {0U, 1U, 60U, 1000U, 1500U, 9000U, 200000U}) {
      void* const address = view.allocate(bytes, alignment);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(address) % alignment, 0U);
      EXPECT_TRUE(resource.owns(address));
      blocks.push_back({address, bytes, alignment});
    }
  for (const block& each : blocks) view.deallocate(each.address, each.bytes, each.alignment);
  view.flush();
  EXPECT_EQ(resource.stats().live_bytes, 0U);
  EXPECT_EQ(resource.stats().cached_slots, 0U);
}

TEST(SlabThreadView, IsEqualToViewsOfItsResourceAlone) {
  synchronized_slab_resource resource;
  synchronized_slab_resource other;
  const slab_thread_view view(resource);
  const slab_thread_view sibling(resource);
  const slab_thread_view stranger(other);
  EXPECT_TRUE(view.is_equal(view));
  EXPECT_TRUE(view.is_equal(sibling));
  EXPECT_FALSE(view.is_equal(stranger));
  EXPECT_FALSE(view.is_equal(*std::pmr::new_delete_resource()));
}

TEST(SlabThreadView, ContainersMoveBetweenItAndItsResourceWithoutACopy) {
  synchronized_slab_resource resource;
  slab_thread_view view(resource);
  slab_thread_view sibling(resource);
  std::pmr::memory_resource* const faces[] = {&resource, &view, &sibling};
  for (std::pmr::memory_resource* from : faces)
    for (std::pmr::memory_resource* to : faces) {
      std::pmr::vector<std::pmr::string> source({"a string that is too long to lie in its object"}, from);
      const std::pmr::string* const place = source.data();
      std::pmr::vector<std::pmr::string> target(std::move(source), to);
      EXPECT_EQ(target.data(), place);
      std::pmr::vector<std::pmr::string> assigned(from);
      assigned = std::move(target);
      EXPECT_EQ(assigned.data(), place);
    }
  view.flush();
  sibling.flush();
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(SlabThreadView, ServesSlabAllocators) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  slab_thread_view view(resource);
  {
    using allocator = quarry::slab_allocator<int, slab_thread_view>;
    std::list<int, allocator> list(&view);
    std::vector<int, allocator> vector(&view);
    std::map<int, int, std::less<int>, allocator::rebind<std::pair<const int, int>>::other> map(&view);
    for (int i = 0; i < 1000; ++i) {
      list.push_back(i);
      vector.push_back(i);
      map[i] = i;
    }
    EXPECT_TRUE(upstream.holds(&list.front()));
    EXPECT_EQ(list.size() + vector.size() + map.size(), 3000U);
    allocator own(&view);
    allocator::multiallocation_chain burst;
    own.allocate_individual(100, burst);
    own.deallocate_individual(burst);
    resource.release();  // all of it is gone; the containers' ends touch none of it
    new (&list) std::list<int, allocator>(&view);
    new (&vector) std::vector<int, allocator>(&view);
    new (&map) decltype(map)(&view);
    list.push_back(1);
    EXPECT_TRUE(upstream.holds(&list.front()));
  }
  view.flush();
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(SlabThreadView, KeepsItsSlotsFromTheResourceUntilItFlushes) {
  synchronized_slab_resource resource;
  slab_thread_view view(resource);
  void* const block = view.allocate(64);
  view.deallocate(block, 64);
  EXPECT_EQ(view.allocate(64), block) << "the newest slot, from its own cache";
  view.deallocate(block, 64);
  EXPECT_GT(resource.stats().cached_slots, 0U);
  resource.trim();
  EXPECT_GT(resource.stats().cached_slots, 0U) << "a view is not the calling thread's";
  view.flush();
  EXPECT_EQ(resource.stats().cached_slots, 0U);
}

TEST(SlabThreadView, LeavesTheResourceAsItWasWhenUpstreamThrowsAtAnyCall) {
  bool reached_the_end = false;
  for (std::size_t fail_at_call = 1; !reached_the_end; ++fail_at_call) {
    ASSERT_LT(fail_at_call, 100U);
    counting_resource memory;
    failing_resource upstream(&memory);
    synchronized_slab_resource resource(&upstream);
    upstream.fail_at(fail_at_call);
    try {
      slab_thread_view view(resource);
      for (std::size_t bytes = 8; bytes < 3000; bytes += 200) view.deallocate(view.allocate(bytes), bytes);
    } catch (const quarry_test::upstream_failure&) {
      EXPECT_TRUE(upstream.failed());
    }
    reached_the_end = !upstream.failed();
    EXPECT_EQ(resource.stats().live_slots, 0U);
    EXPECT_EQ(resource.stats().cached_slots, 0U);
    EXPECT_TRUE(!reached_the_end || fail_at_call > 3);
  }
}

TEST(SlabThreadView, TriesWithoutThrowingPastTheLimit) {
  slab_options options;
  options.max_bytes = 1U << 18;
  synchronized_slab_resource resource(options);
  slab_thread_view view(resource);
  std::vector<void*> blocks;
  while (void* const block = view.try_allocate(200)) blocks.push_back(block);
  EXPECT_GT(blocks.size(), 500U);
  EXPECT_THROW(static_cast<void>(view.allocate(200)), std::bad_alloc);
  for (void* const each : blocks) view.deallocate(each, 200);
  EXPECT_NE(view.try_allocate(200), nullptr);
}

TEST(SlabThreadView, OpensAnotherCacheAfterItsResourceWasReleased) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  slab_thread_view view(resource);
  slab_thread_view idle(resource);
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t bytes : {8U, 64U, 2000U, 100000U}) {
      void* const kept = view.allocate(bytes);
      view.deallocate(view.allocate(bytes), bytes);
      EXPECT_TRUE(upstream.holds(kept));
      EXPECT_TRUE(resource.owns(kept));
    }
    EXPECT_EQ(resource.stats().live_slots, 3U);
    resource.release();
    EXPECT_EQ(upstream.live_blocks(), 0U);
    view.flush();  // there is nothing to flush
    EXPECT_EQ(resource.stats().cached_slots, 0U);
  }
  // The first call after release() may be a free, of what the resource allocated meanwhile.
  void* const slot = resource.allocate(64);
  view.deallocate(slot, 64);
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_EQ(view.allocate(64), slot);
}

TEST(SlabThreadView, WorksWithoutACacheWhereThereIsNoMemoryForAnotherAfterRelease) {
  counting_resource memory;
  failing_resource upstream(&memory);
  synchronized_slab_resource resource(&upstream);
  slab_thread_view view(resource);
  resource.release();
  upstream.fail_always(true);
  EXPECT_EQ(view.try_allocate(64), nullptr);
  view.deallocate(nullptr, 64);
  upstream.fail_always(false);
  view.deallocate(view.allocate(64), 64);
  EXPECT_GT(resource.stats().cached_slots, 0U) << "it has a cache again";
}

TEST(SlabThreadView, MayEndAfterReleaseWithoutAnotherCall) {
  counting_resource upstream;
  synchronized_slab_resource resource(&upstream);
  {
    slab_thread_view view(resource);
    view.deallocate(view.allocate(64), 64);
    resource.release();
  }
  resource.deallocate(resource.allocate(64), 64);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST(SlabThreadView, NeedsMemoryForItsCache) {
  slab_options options;
  options.max_bytes = 1024;
  synchronized_slab_resource resource(options);
  EXPECT_THROW(slab_thread_view{resource}, std::bad_alloc);
}

}  // namespace
