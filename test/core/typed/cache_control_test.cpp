#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <quarry/core/typed/cache_control.hpp>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <set>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"
#include "support/watching_lock.hpp"

namespace {

using quarry::null_lock;
using quarry::resource_page_source;
using quarry::core::attached_source;
using quarry::core::cache_control;
using quarry::core::cache_layout;
using quarry::core::make_cache_layout;
using quarry::core::slab;
using quarry_test::null_on_failure_source;
using quarry_test::watching_lock;
using quarry_test::watching_source;

constexpr std::size_t slab_bytes = 1024;
constexpr std::size_t slot_bytes = 40;

void destroy_nothing(void*) noexcept {}

template <class Lock, class PageSource>
struct control_over {
  using control = cache_control<Lock, PageSource, 4, false>;
  static constexpr cache_layout layout =
      make_cache_layout({slot_bytes, 8, control::bytes, false}, slab_bytes);
  static_assert(layout.root.slots != 0 && layout.root.slots < layout.extension.slots);

  explicit control_over(PageSource pages) : source(pages) {}
  control* open() { return control::open(source, layout, &destroy_nothing); }

  attached_source<PageSource> source;
};

class CacheControl : public ::testing::Test, protected control_over<null_lock, null_on_failure_source> {
 protected:
  CacheControl() : control_over(null_on_failure_source(pages)) {}

  quarry_test::counting_resource& memory() { return pages.memory; }
  std::vector<void*> take(control& from, std::size_t count) {
    std::vector<void*> slots;
    for (std::size_t i = 0; i < count; ++i) slots.push_back(from.allocate(layout));
    return slots;
  }
  void fail_at(std::size_t call) {
    pages.calls = 0;
    pages.fail_at_call = call;
  }

  null_on_failure_source::state pages;
};

TEST_F(CacheControl, OpensWithOneSlabThatHoldsItAndGivesItBackWithTheLastHandle) {
  control* const block = open();
  ASSERT_NE(block, nullptr);
  ASSERT_EQ(memory().history().size(), 1U);
  EXPECT_EQ(memory().history()[0].bytes, slab_bytes);
  EXPECT_EQ(memory().history()[0].alignment, slab_bytes);
  EXPECT_TRUE(memory().holds(block));
  EXPECT_TRUE(memory().holds(reinterpret_cast<std::byte*>(block + 1) - 1));
  EXPECT_TRUE(block->stock.last_handle());
  block->drop_handle();
  EXPECT_EQ(memory().live_blocks(), 0U);
}

TEST_F(CacheControl, WhenTheFirstSlabIsRefusedNothingIsOpened) {
  fail_at(1);
  EXPECT_EQ(open(), nullptr);
  EXPECT_EQ(memory().allocations(), 0U);
  control* const block = open();
  ASSERT_NE(block, nullptr);
  block->drop_handle();
}

TEST_F(CacheControl, TakesARootSlabFirstAndOneExtensionSlabAtATimeAfterwards) {
  control* const block = open();
  std::vector<void*> slots = take(*block, layout.root.slots);
  EXPECT_EQ(memory().live_blocks(), 1U);
  for (std::size_t extensions = 1; extensions <= 3; ++extensions)
    for (std::size_t i = 0; i < layout.extension.slots; ++i) {
      slots.push_back(block->allocate(layout));
      ASSERT_EQ(memory().live_blocks(), 1 + extensions);
    }
  EXPECT_EQ(std::set<void*>(slots.begin(), slots.end()).size(), slots.size());
  // Every slab's header names the block, so that a slot finds its cache.
  for (void* const each : slots)
    ASSERT_EQ(home_of(each, layout.slabs)->owner, static_cast<control::front*>(block));
  for (void* const each : slots) block->deallocate(each);
  block->drop_handle();
}

TEST_F(CacheControl, ASlabRefusedAtAnyCallLeavesEverythingAsItWas) {
  for (std::size_t call = 1; call <= 4; ++call) {
    control* const block = open();
    fail_at(call);
    const std::vector<void*> slots = take(*block, layout.root.slots + (call - 1) * layout.extension.slots);
    const std::size_t out_slots = block->stock.out_slots();
    EXPECT_EQ(block->allocate(layout), nullptr);
    EXPECT_TRUE(pages.failed);
    pages.failed = false;
    EXPECT_EQ(block->stock.out_slots(), out_slots);
    EXPECT_EQ(block->stock.slab_count(), call);
    EXPECT_TRUE(block->stock.check_invariants(*block));
    void* const next = block->allocate(layout);  // the source has memory again
    EXPECT_NE(next, nullptr);
    EXPECT_EQ(block->stock.slab_count(), call + 1);
    block->deallocate(next);
    for (void* const each : slots) block->deallocate(each);
    block->drop_handle();
    EXPECT_EQ(memory().live_blocks(), 0U);
  }
}

TEST_F(CacheControl, GrowAddsASlabAndTryGrowTellsOfARefusal) {
  control* const block = open();
  EXPECT_TRUE(block->grow(layout));
  EXPECT_TRUE(block->try_grow(layout));
  EXPECT_EQ(block->stock.resting_slabs(), 2U);
  fail_at(1);
  EXPECT_FALSE(block->grow(layout));
  fail_at(1);
  EXPECT_FALSE(block->try_grow(layout));
  EXPECT_EQ(block->stock.slab_count(), 3U);
  block->drop_handle();
}

TEST_F(CacheControl, TheBlockLivesUntilTheLastHandleAndTheLastSlotInEitherOrder) {
  for (const bool handles_go_first : {true, false}) {
    control* const block = open();
    block->add_handle();
    block->add_handle();
    const std::vector<void*> slots = take(*block, layout.root.slots + layout.extension.slots);
    const auto drop_all = [&] {
      for (int i = 0; i < 3; ++i) block->drop_handle();
    };
    if (handles_go_first) drop_all();
    for (void* const each : slots) {
      ASSERT_GE(memory().live_blocks(), 1U);
      block->deallocate(each);
    }
    EXPECT_EQ(memory().live_blocks(), handles_go_first ? 0U : 2U) << "one empty slab rests";
    if (!handles_go_first) drop_all();
    EXPECT_EQ(memory().live_blocks(), 0U);
  }
}

TEST_F(CacheControl, FinishGivesTheSlabsOfItsVerbBackAndCountsThem) {
  control* const block = open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(block->grow(layout));
  EXPECT_EQ(block->finish([&] { return block->stock.trim(1); }), 2U);
  EXPECT_EQ(memory().live_blocks(), 2U);
  EXPECT_EQ(block->finish([]() -> slab* { return nullptr; }), 0U);
  block->drop_handle();
}

/// Tells how many of its class exist.
template <class Class>
struct counted {
  counted() { ++alive; }
  counted(const counted&) { ++alive; }
  counted& operator=(const counted&) = default;
  ~counted() { --alive; }
  static inline int alive = 0;
};
struct counted_lock : counted<counted_lock> {
  void lock() {}
  void unlock() {}
};
struct counted_source : resource_page_source, counted<counted_source> {
  using resource_page_source::resource_page_source;
};

TEST(CacheControlOfCountedParts, DestroysItsLockAndItsSourceOnceWhicheverOfHandlesAndSlotsGoLast) {
  quarry_test::counting_resource memory;
  for (const bool handle_goes_first : {true, false}) {
    control_over<counted_lock, counted_source> over{counted_source(&memory)};
    const int sources = counted_source::alive;
    auto* const block = over.open();
    EXPECT_EQ(counted_lock::alive, 1);
    EXPECT_EQ(counted_source::alive, sources + 1);
    void* const slot = block->allocate(over.layout);
    handle_goes_first ? block->drop_handle() : block->deallocate(slot);
    EXPECT_EQ(counted_lock::alive, 1);
    EXPECT_EQ(counted_source::alive, sources + 1);
    handle_goes_first ? block->deallocate(slot) : block->drop_handle();
    EXPECT_EQ(counted_lock::alive, 0);
    EXPECT_EQ(counted_source::alive, sources);
  }
}

TEST(CacheControlOverThrowingPages, PassesTheExceptionOnAndChangesNothing) {
  quarry_test::counting_resource memory;
  quarry_test::failing_resource failing(&memory);
  control_over<null_lock, resource_page_source> over{resource_page_source(&failing)};
  failing.fail_at(1);
  EXPECT_THROW(over.open(), quarry_test::upstream_failure);
  EXPECT_EQ(memory.allocations(), 0U);
  auto* const block = over.open();
  failing.fail_at(1);
  std::vector<void*> slots;
  for (std::size_t i = 0; i < over.layout.root.slots; ++i) slots.push_back(block->allocate(over.layout));
  EXPECT_THROW(block->allocate(over.layout), quarry_test::upstream_failure);
  EXPECT_EQ(block->stock.out_slots(), slots.size());
  failing.fail_at(1);
  EXPECT_THROW(block->grow(over.layout), quarry_test::upstream_failure);
  failing.fail_at(1);
  EXPECT_FALSE(block->try_grow(over.layout));
  EXPECT_TRUE(block->stock.check_invariants(*block));
  for (void* const each : slots) block->deallocate(each);
  block->drop_handle();
}

TEST(CacheControlUnderALock, HoldsItInEveryVerbAndNeverAcrossThePageSource) {
  quarry_test::counting_resource memory;
  control_over<watching_lock, watching_source> over{watching_source{&memory}};
  auto* const block = over.open();
  const auto locks_once_at_least = [](auto verb) {
    const int before = watching_lock::sections;
    verb();
    EXPECT_GT(watching_lock::sections, before);
    EXPECT_EQ(watching_lock::depth, 0);
  };
  std::vector<void*> slots(over.layout.root.slots + over.layout.extension.slots);
  for (void*& each : slots) locks_once_at_least([&] { each = block->allocate(over.layout); });
  locks_once_at_least([&] { block->grow(over.layout); });
  locks_once_at_least([&] { block->add_handle(); });
  for (void* const each : slots) locks_once_at_least([&] { block->deallocate(each); });
  locks_once_at_least([&] { block->drop_handle(); });
  locks_once_at_least([&] { block->drop_handle(); });
  EXPECT_EQ(memory.live_blocks(), 0U);
}

struct alignas(64) line_lock {
  void lock() { EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % 64, 0U); }
  void unlock() {}
};

TEST(CacheControlUnderALock, AnOverAlignedLockIsAligned) {
  quarry_test::counting_resource memory;
  std::vector<cache_control<line_lock, resource_page_source, 4, false>*> blocks;
  control_over<line_lock, resource_page_source> over{resource_page_source(&memory)};
  for (int i = 0; i < 16; ++i) {
    auto* const block = over.open();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignof(decltype(*block)), 0U);
    std::vector<void*> slots(over.layout.root.slots);
    for (void*& each : slots) each = block->allocate(over.layout);
    EXPECT_EQ(block->stock.slab_count(), 1U);
    for (void* const each : slots) {
      EXPECT_GE(each, static_cast<void*>(block + 1));
      block->deallocate(each);
    }
    blocks.push_back(block);
  }
  for (auto* const each : blocks) each->drop_handle();
}

}  // namespace
