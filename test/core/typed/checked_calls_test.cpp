#include <gtest/gtest.h>

#include <cstddef>
#include <quarry/core/typed/checked_calls.hpp>
#include <quarry/core/typed/slot_cache.hpp>
#include <quarry/locks.hpp>
#include <vector>

#include "support/page_sources.hpp"
#include "support/watching_lock.hpp"

namespace {

using quarry::core::cache_control;
using quarry::core::cache_layout;
using quarry::core::check_depth;
using quarry::core::found_fault;
using quarry::core::make_cache_layout;
using quarry::core::slot_cache;
using quarry::core::slot_fault;
using quarry_test::null_on_failure_source;
using quarry_test::watching_lock;

constexpr std::size_t slab_bytes = 1024;

template <class Lock>
struct kind {
  using type = kind;
  static constexpr std::uint32_t magazine_slots = 4;
  static constexpr bool marks_kept = true;
  static constexpr bool has_destructor = true;
  using control = cache_control<Lock, null_on_failure_source, magazine_slots, marks_kept>;
  static constexpr cache_layout layout = make_cache_layout({48, 8, control::bytes, marks_kept}, slab_bytes);
  static_assert(layout.root.slots != 0);
  static inline int destroyed = 0;
  static void destroy_object(void*) noexcept {
    EXPECT_EQ(watching_lock::depth, 0);
    ++destroyed;
  }
  static void begin_checks(control&) noexcept {}
};

std::vector<slot_fault> told;

void note(const found_fault& found, const void*, void (*)()) {
  EXPECT_EQ(watching_lock::depth, 0);
  told.push_back(found.fault);
}

class CheckedCalls : public ::testing::TestWithParam<check_depth> {
 protected:
 struct slots : slot_cache<kind<watching_lock>, watching_lock, true, null_on_failure_source> {
    using slots::slot_cache::slot_cache;
    ~slots() { close(); }
  };

  CheckedCalls() { told.clear(); }
  ~CheckedCalls() override { EXPECT_EQ(pages.memory.live_blocks(), 0U); }

  void fail_at(std::size_t call) {
    pages.calls = 0;
    pages.fail_at_call = call;
    pages.failed = false;
  }
  static void* take(slots& from) {
    void* const slot = from.try_hit();
    return slot != nullptr ? slot : from.try_allocate_slow();
  }

  null_on_failure_source::state pages;
};

constexpr std::size_t most_taken = 1000;  // slots: more slabs than one block of the checks notes

TEST_P(CheckedCalls, TakeABlockForThemselvesAndGiveItBack) {
  null_on_failure_source source(pages);
  slots cache(source);
  ASSERT_TRUE(cache.set_checks(GetParam(), &note, nullptr));
  EXPECT_EQ(pages.memory.live_blocks(), 2U);
  ASSERT_TRUE(cache.set_checks(check_depth::none, &note, nullptr));
  EXPECT_EQ(pages.memory.live_blocks(), 1U);
}

TEST_P(CheckedCalls, FailCleanlyWhereverThePageSourceHasNoMore) {
  for (std::size_t call = 1;; ++call) {
    null_on_failure_source source(pages);
    slots cache(source);
    fail_at(call);
    std::size_t taken = 0;
    std::vector<void*> out;
    const bool checks = cache.set_checks(GetParam(), &note, nullptr);
    for (; taken < most_taken; ++taken) {
      void* const slot = take(cache);
      if (slot == nullptr && pages.failed) break;
      ASSERT_NE(slot, nullptr);
      out.push_back(slot);
    }
    const bool failed = pages.failed;
    fail_at(0);
    for (void* const each : out) cache.deallocate(each);
    EXPECT_TRUE(told.empty());
    if (checks) {
      cache.deallocate(out.empty() ? static_cast<void*>(&pages) : out.front());
      EXPECT_EQ(told.size(), 1U);
      told.clear();
    }
    if (!failed) break;
  }
}

TEST_P(CheckedCalls, GiveTheirBlocksBackWhereTheyCannotBegin) {
  null_on_failure_source source(pages);
  slots cache(source);
  std::vector<void*> out;
  while (out.size() < most_taken) out.push_back(take(cache));
  const std::size_t blocks = pages.memory.live_blocks();
  std::size_t call = 1;
  for (fail_at(call); !cache.set_checks(GetParam(), &note, nullptr); fail_at(++call))
    EXPECT_EQ(pages.memory.live_blocks(), blocks);
  EXPECT_GT(call, 2U) << "one block is too few";
  for (void* const each : out) cache.deallocate(each);
  EXPECT_TRUE(told.empty());
}

TEST_P(CheckedCalls, MayBeginAndEndInACacheThatIsInUse) {
  null_on_failure_source source(pages);
  slots cache(source);
  std::vector<void*> out;
  for (int i = 0; i < 200; ++i) out.push_back(take(cache));
  for (int i = 0; i < 50; ++i) {
    cache.deallocate(out.back());
    out.pop_back();
  }
  for (const check_depth depth :
       {GetParam(), check_depth::full, check_depth::pointers, check_depth::none, GetParam()}) {
    ASSERT_TRUE(cache.set_checks(depth, &note, nullptr));
    void* const slot = take(cache);
    cache.deallocate(slot);
    if (depth != check_depth::none) {
      cache.deallocate(slot);
      EXPECT_EQ(told, std::vector<slot_fault>{slot_fault::free});
      told.clear();
    }
    std::size_t live = 0;
    cache.for_each_live([&](void*) { ++live; });
    EXPECT_EQ(live, out.size());
    cache.inspect([&](const quarry::core::cache_stock& stock, std::size_t cached) {
      EXPECT_EQ(stock.out_slots() - cached, out.size());
    });
  }
  for (void* const each : out) cache.deallocate(each);
  EXPECT_TRUE(told.empty());
}

TEST_P(CheckedCalls, LetWhatWaitsGoWhenTheyEnd) {
  null_on_failure_source source(pages);
  slots cache(source);
  ASSERT_TRUE(cache.set_checks(GetParam(), &note, nullptr));
  cache.deallocate(take(cache));
  ASSERT_TRUE(cache.set_checks(check_depth::none, &note, nullptr));
  cache.inspect([](const quarry::core::cache_stock& stock, std::size_t cached) {
    EXPECT_EQ(stock.out_slots() - cached, 0U);
  });
}

TEST_P(CheckedCalls, HandOutWhatWaitsBeforeTheyTakeASlab) {
  null_on_failure_source source(pages);
  slots cache(source);
  ASSERT_TRUE(cache.set_checks(GetParam(), &note, nullptr));
  std::vector<void*> out;
  while (out.size() < kind<watching_lock>::layout.root.slots) out.push_back(take(cache));
  const std::size_t calls = pages.calls;
  cache.deallocate(out.front());
  EXPECT_EQ(take(cache), out.front());
  EXPECT_EQ(pages.calls, calls);
  for (void* const each : out) cache.deallocate(each);
}

TEST_P(CheckedCalls, KnowNoSlabThatWentBack) {
  null_on_failure_source source(pages);
  slots cache(source);
  ASSERT_TRUE(cache.set_checks(GetParam(), &note, nullptr));
  std::vector<void*> out;
  while (out.size() < most_taken) out.push_back(take(cache));
  void* const gone = out[most_taken / 2];
  for (void* const each : out) cache.deallocate(each);
  EXPECT_GT(cache.trim(0), 0U);
  cache.deallocate(gone);
  EXPECT_EQ(told, std::vector<slot_fault>{slot_fault::foreign});
}

TEST_P(CheckedCalls, LookBeforeADestructorRuns) {
  null_on_failure_source source(pages);
  slots cache(source);
  ASSERT_TRUE(cache.set_checks(GetParam(), &note, nullptr));
  void* const slot = take(cache);
  auto& front = *slots::front_of(slot);
  kind<watching_lock>::destroyed = 0;
  slots::destroy_owned(front, slot);
  EXPECT_EQ(kind<watching_lock>::destroyed, 1);
  EXPECT_TRUE(told.empty());
  slots::destroy_owned(front, slot);
  front.destroy(slot);
  EXPECT_EQ(kind<watching_lock>::destroyed, 1);
  EXPECT_EQ(told, (std::vector<slot_fault>{slot_fault::free, slot_fault::free}));
}

TEST_P(CheckedCalls, ReserveSlabsThatTheyKnow) {
  null_on_failure_source source(pages);
  slots cache(source);
  ASSERT_TRUE(cache.set_checks(GetParam(), &note, nullptr));
  ASSERT_TRUE(cache.reserve(100));
  const std::size_t calls = pages.calls;
  std::vector<void*> out;
  for (int i = 0; i < 100; ++i) out.push_back(take(cache));
  EXPECT_EQ(pages.calls, calls);
  for (void* const each : out) cache.deallocate(each);
  EXPECT_TRUE(told.empty());
  EXPECT_GT(cache.trim(0), 0U);
}

TEST_P(CheckedCalls, StayWithWhatOutlivesTheLastHandle) {
  null_on_failure_source source(pages);
  void* slot = nullptr;
  slots::front* front = nullptr;
  {
    slots cache(source);
    ASSERT_TRUE(cache.set_checks(GetParam(), &note, nullptr));
    slot = take(cache);
    void* const other = take(cache);
    front = slots::front_of(slot);
    cache.deallocate(other);
    cache.deallocate(other);
    EXPECT_EQ(told.size(), 1U);
  }
  slots::push(*front, static_cast<std::byte*>(slot) + 8);
  EXPECT_EQ(told.back(), slot_fault::interior);
  EXPECT_NE(pages.memory.live_blocks(), 0U);
  slots::push(*front, slot);
  EXPECT_EQ(told.size(), 2U);
}

INSTANTIATE_TEST_SUITE_P(Depths, CheckedCalls, ::testing::Values(check_depth::pointers, check_depth::full));

}  // namespace
