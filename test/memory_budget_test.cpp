// A budget that several resources share: what is counted, what is refused, and when on_pressure is called.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory_resource>
#include <new>
#include <quarry/memory_budget.hpp>
#include <quarry/page_sources.hpp>
#include <quarry/slab_thread_view.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"
#include "support/refusing_resource.hpp"

namespace {

using quarry::memory_budget;
using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry::unsynchronized_slab_resource;
using quarry_test::allocate_until_refused;
using quarry_test::both_resources;
using quarry_test::counting_resource;
using quarry_test::deallocate_each;
using quarry_test::refusing_resource;
using quarry_test::resource_names;
using quarry_test::upstream_failure;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

slab_options sharing(memory_budget& budget) {
  slab_options options;
  options.budget = &budget;
  return options;
}

TEST(MemoryBudget, CountsUpToItsLimitAndRefusesTheRest) {
  memory_budget budget(100);
  EXPECT_EQ(budget.limit_bytes(), 100U);
  EXPECT_TRUE(budget.try_charge(60));
  EXPECT_FALSE(budget.try_charge(41));
  EXPECT_FALSE(budget.try_charge(SIZE_MAX));
  EXPECT_TRUE(budget.try_charge(40));
  EXPECT_EQ(budget.held_bytes(), 100U);
  EXPECT_EQ(budget.refusals(), 2U);
  budget.discharge(60);
  EXPECT_EQ(budget.held_bytes(), 40U);
  EXPECT_TRUE(budget.try_charge(0));
}

TEST(MemoryBudget, RelieveSaysWhetherThereWasSomethingToCall) {
  EXPECT_FALSE(memory_budget(1).relieve());
  int calls = 0;
  EXPECT_TRUE(memory_budget(1, [&] { ++calls; }).relieve());
  EXPECT_EQ(calls, 1);
}

TEST(MemoryBudget, OnPressureMayRelieveAnotherButNotItself) {
  int calls = 0;
  memory_budget other(1, [&] { ++calls; });
  memory_budget* self = nullptr;
  memory_budget budget(1, [&] {
    EXPECT_TRUE(other.relieve());
    EXPECT_FALSE(self->relieve());
  });
  self = &budget;
  EXPECT_TRUE(budget.relieve());
  EXPECT_EQ(calls, 1);
}

template <class Resource>
class MemoryBudgetOf : public testing::Test {};
TYPED_TEST_SUITE(MemoryBudgetOf, both_resources, resource_names);

TYPED_TEST(MemoryBudgetOf, HoldsWhatItsResourcesHoldOverEveryUpstream) {
  for (std::pmr::memory_resource* upstream :
       {std::pmr::new_delete_resource(), quarry::os_page_resource(), quarry::pooled_page_resource()}) {
    memory_budget budget(64 * mebibyte);
    {
      TypeParam first(sharing(budget), upstream), second(sharing(budget), upstream);
      std::vector<std::pair<void*, std::size_t>> blocks;
      for (std::size_t i = 0; i < 3000; ++i) {
        const std::size_t bytes = 8 + i * 37 % 5000 + (i % 100 == 0 ? 300'000U : 0U);
        blocks.emplace_back((i % 2 == 0 ? first : second).allocate(bytes), bytes);
        ASSERT_EQ(budget.held_bytes(), first.stats().upstream_bytes + second.stats().upstream_bytes);
      }
      for (std::size_t i = 0; i < blocks.size(); ++i)
        (i % 2 == 0 ? first : second).deallocate(blocks[i].first, blocks[i].second);
      first.trim();
      EXPECT_EQ(budget.held_bytes(), first.stats().upstream_bytes + second.stats().upstream_bytes);
      first.release();
      EXPECT_EQ(budget.held_bytes(), second.stats().upstream_bytes);
      EXPECT_GT(budget.held_bytes(), 0U);
      EXPECT_TRUE(second.reserve(mebibyte));
      EXPECT_EQ(budget.held_bytes(), second.stats().upstream_bytes);
    }
    EXPECT_EQ(budget.held_bytes(), 0U) << "the end discharges everything";
  }
}

TYPED_TEST(MemoryBudgetOf, RefusesWhatWouldPassTheLimitAndServesAgainAfterFreesOfAnother) {
  memory_budget budget(4 * mebibyte);
  TypeParam first(sharing(budget)), second(sharing(budget));
  const std::vector<void*> blocks = allocate_until_refused(first, 1000);
  EXPECT_GT(blocks.size() * 1000, 3 * mebibyte);
  EXPECT_LE(budget.held_bytes(), 4 * mebibyte);
  EXPECT_THROW(static_cast<void>(second.allocate(100'000)), std::bad_alloc);
  EXPECT_EQ(second.try_allocate(mebibyte), nullptr);
  EXPECT_FALSE(second.reserve(mebibyte));
  EXPECT_EQ(budget.held_bytes(), first.stats().upstream_bytes + second.stats().upstream_bytes)
      << "a refusal leaves nothing charged";
  deallocate_each(first, blocks, 1000);
  first.trim();
  EXPECT_NE(second.try_allocate(mebibyte), nullptr);
}

TYPED_TEST(MemoryBudgetOf, WhatUpstreamRefusesIsNotCharged) {
  memory_budget budget(64 * mebibyte);
  refusing_resource upstream;
  TypeParam resource(sharing(budget), &upstream);
  static_cast<void>(resource.allocate(64));
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{3000}, 2 * mebibyte}) {
    for (std::size_t served = 0; served < 4; ++served) {
      upstream.refuse_after(served);
      while (!upstream.refused()) {
        try {
          static_cast<void>(resource.allocate(bytes));
        } catch (const upstream_failure&) {
        }
      }
      EXPECT_EQ(budget.held_bytes(), upstream.live_bytes());
    }
  }
  upstream.refuse_nothing_more();
}

TYPED_TEST(MemoryBudgetOf, WhatRestsGoesBackBeforeOnPressureIsCalled) {
  int calls = 0;
  memory_budget budget(4 * mebibyte, [&] { ++calls; });
  TypeParam resource(sharing(budget));
  const std::size_t before = allocate_until_refused(resource, 1000).size();
  EXPECT_EQ(calls, 1);
  resource.release();
  deallocate_each(resource, allocate_until_refused(resource, 64), 64);
  EXPECT_EQ(calls, 2);
  std::size_t count = 0;
  while (count < before * 9 / 10 && resource.try_allocate(1000) != nullptr) ++count;
  EXPECT_EQ(count, before * 9 / 10);
  EXPECT_EQ(calls, 2);
}

TYPED_TEST(MemoryBudgetOf, OnPressureMayTrimAnotherResource) {
  TypeParam* idle = nullptr;
  int calls = 0;
  memory_budget budget(4 * mebibyte, [&] {
    ++calls;
    idle->trim();
  });
  TypeParam first(sharing(budget)), second(sharing(budget));
  idle = &first;
  deallocate_each(first, allocate_until_refused(first, 1000), 1000);
  calls = 0;
  EXPECT_GT(first.stats().upstream_bytes, 3 * mebibyte);
  EXPECT_NE(second.try_allocate(2 * mebibyte), nullptr);
  EXPECT_EQ(calls, 1);
  EXPECT_NE(second.try_allocate(64), nullptr);
}

TYPED_TEST(MemoryBudgetOf, OnPressureIsCalledOnceForEachCallThatFails) {
  int calls = 0;
  memory_budget budget(mebibyte, [&] { ++calls; });
  TypeParam resource(sharing(budget));
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(resource.try_allocate(2 * mebibyte), nullptr);
    EXPECT_EQ(calls, i);
    EXPECT_THROW(static_cast<void>(resource.allocate(mebibyte)), std::bad_alloc);
    EXPECT_EQ(calls, i + 1);
    calls = i;
  }
}

TYPED_TEST(MemoryBudgetOf, NobodyCallsOnPressureForWhatAnotherLimitRefuses) {
  int calls = 0;
  memory_budget budget(64 * mebibyte, [&] { ++calls; });
  slab_options options = sharing(budget);
  options.max_bytes = mebibyte;
  TypeParam resource(options);
  EXPECT_EQ(resource.try_allocate(2 * mebibyte), nullptr);
  EXPECT_EQ(budget.refusals(), 0U);
  EXPECT_EQ(calls, 0);
}

TYPED_TEST(MemoryBudgetOf, OnPressureMayUseTheResourceThatIsRefusedAndIsNotCalledAgainForThat) {
  TypeParam* refused = nullptr;
  int calls = 0;
  std::vector<void*> spare;
  memory_budget budget(2 * mebibyte, [&] {
    ++calls;
    EXPECT_EQ(refused->try_allocate(mebibyte), nullptr);
    deallocate_each(*refused, spare, 100'000);
    spare.clear();
    refused->trim();
  });
  TypeParam resource(sharing(budget));
  refused = &resource;
  for (int i = 0; i < 15; ++i) spare.push_back(resource.allocate(100'000));
  EXPECT_EQ(calls, 0);
  EXPECT_NE(resource.try_allocate(mebibyte), nullptr);
  EXPECT_EQ(calls, 1);
}

TYPED_TEST(MemoryBudgetOf, OnPressureMayReleaseTheResourceThatIsRefused) {
  for (const auto level : {quarry::check_level::off, quarry::check_level::full})
    for (const std::size_t bytes : {16U, 1000U, 100'000U}) {
      TypeParam* refused = nullptr;
      int calls = 0;
      memory_budget budget(mebibyte, [&] {
        ++calls;
        refused->release();
        while (void* const filler = refused->try_allocate(bytes + 16)) std::memset(filler, 0x5A, bytes + 16);
        refused->release();
      });
      slab_options options = sharing(budget);
      options.checks = level;
      options.leaks = quarry::leak_action::quiet;
      TypeParam resource(options);
      refused = &resource;
      void* served = nullptr;
      while (calls == 0) served = resource.allocate(bytes);
      EXPECT_TRUE(resource.owns(served));
      EXPECT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, 1U);
      resource.deallocate(served, bytes);
    }
}

TYPED_TEST(MemoryBudgetOf, WhatOnPressureThrowsPassesAndChangesNothing) {
  memory_budget budget(mebibyte, [] { throw 7; });
  TypeParam resource(sharing(budget));
  void* const block = resource.allocate(64);
  const std::size_t held = budget.held_bytes();
  EXPECT_THROW(static_cast<void>(resource.allocate(2 * mebibyte)), int);
  EXPECT_EQ(resource.try_allocate(2 * mebibyte), nullptr);
  EXPECT_LE(budget.held_bytes(), held);
  EXPECT_EQ(budget.held_bytes(), resource.stats().upstream_bytes);
  EXPECT_THROW(static_cast<void>(resource.allocate(2 * mebibyte)), int) << "the budget remembers no call";
  resource.deallocate(block, 64);
}

TEST(MemoryBudgetOfViews, AViewIsRefusedAndMadeAfterPressure) {
  counting_resource upstream;
  synchronized_slab_resource* other = nullptr;
  bool gives = false;
  memory_budget budget(mebibyte, [&] {
    if (gives) other->release();
  });
  synchronized_slab_resource first(sharing(budget), &upstream), second(sharing(budget), &upstream);
  other = &first;
  static_cast<void>(allocate_until_refused(first, 1000));
  static_cast<void>(allocate_until_refused(first, 8));
  while (budget.try_charge(1)) continue;
  EXPECT_THROW(slab_thread_view view(second), std::bad_alloc);
  gives = true;
  {
    slab_thread_view view(second);
    EXPECT_NE(view.try_allocate(64), nullptr);
  }
  budget.discharge(budget.held_bytes() - first.stats().upstream_bytes - second.stats().upstream_bytes);
}

TEST(MemoryBudgetOfViews, OnPressureMayReleaseTheResourceOfTheViewThatIsRefused) {
  synchronized_slab_resource* refused = nullptr;
  int calls = 0;
  memory_budget budget(mebibyte, [&] {
    ++calls;
    refused->release();
  });
  synchronized_slab_resource resource(sharing(budget));
  refused = &resource;
  slab_thread_view view(resource);
  while (calls == 0) static_cast<void>(view.allocate(64));
  EXPECT_EQ(resource.stats().live_slots, 1U);
}

TEST(MemoryBudgetOfThreads, NeverHoldMoreThanTheLimitAndDischargeAllOfIt) {
  constexpr int thread_count = 4;
  constexpr std::size_t limit_bytes = 8 * mebibyte;
  synchronized_slab_resource* shared = nullptr;
  std::atomic<int> calls{0};
  memory_budget budget(limit_bytes, [&] {
    calls.fetch_add(1, std::memory_order_relaxed);  // relaxed: a counter
    shared->trim();
  });
  counting_resource upstream;  // says so when a free does not match
  {
    synchronized_slab_resource resource(sharing(budget), &upstream);
    shared = &resource;
    std::vector<std::thread> threads;
    for (int id = 0; id < thread_count; ++id)
      threads.emplace_back([&, id] {
        unsynchronized_slab_resource own(sharing(budget));
        for (int round = 0; round < 20; ++round) {
          const std::size_t bytes = 500U + static_cast<std::size_t>(id * 300 + round * 7);
          std::vector<void*> mine, ours;
          while (mine.size() < 3000) {
            void* const block = own.try_allocate(bytes);
            if (block == nullptr) break;
            mine.push_back(block);
            if (void* const other = resource.try_allocate(bytes)) ours.push_back(other);
          }
          EXPECT_LE(budget.held_bytes(), limit_bytes);
          deallocate_each(own, mine, bytes);
          deallocate_each(resource, ours, bytes);
          own.trim();
        }
      });
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(budget.held_bytes(), resource.stats().upstream_bytes);
    EXPECT_GT(calls.load(std::memory_order_relaxed), 0);
  }
  EXPECT_EQ(budget.held_bytes(), 0U);
}

}  // namespace
