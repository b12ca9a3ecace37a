#include <gtest/gtest.h>

#include <cstring>
#include <quarry/core/slab_engine.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/page_sources.hpp"

namespace {

using quarry::core::class_index;
using quarry::core::class_key;
using quarry::core::class_of_bytes;
using quarry::core::slot_bytes_of;
using quarry_test::null_on_failure_source;
using engine = quarry::core::slab_engine<null_on_failure_source>;

constexpr std::size_t slab_bytes = 65536;
constexpr std::size_t retain_bytes = 1U << 20;

struct slot {
  void* address;
  class_index index;
};

TEST(SlabEngine, TakesNothingUntilItIsUsed) {
  null_on_failure_source::state state;
  {
    engine unused(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
    unused.trim(0);
    unused.release();
  }
  EXPECT_EQ(state.memory.calls(), 0U);
}

TEST(SlabEngine, ServesEveryClassWithSlotsOfItsSize) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, 8 * quarry::core::largest_slot_bytes, retain_bytes);
  for (class_index index = 0; index < quarry::core::class_count; ++index) {
    std::set<std::byte*> taken;
    for (int i = 0; i < 100; ++i) {
      auto* const address = static_cast<std::byte*>(slots.allocate(index));
      std::memset(address, 1, slot_bytes_of(index));
      EXPECT_TRUE(slots.owns(address));
      ASSERT_TRUE(taken.insert(address).second);
    }
    const std::byte* end = nullptr;
    for (std::byte* const each : taken) {
      ASSERT_TRUE(end == nullptr || each >= end) << "slots overlap";
      end = each + slot_bytes_of(index);
    }
    for (std::byte* const each : taken) slots.deallocate(each, index);
  }
}

TEST(SlabEngine, AHitIsOfferedOnlyWhileTheMagazineServes) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
  const class_index index = class_of_bytes(64);
  const class_key key = quarry::core::class_keys[quarry::core::last_byte_of(64, 8)];
  EXPECT_EQ(slots.try_hit(key), nullptr);
  int elsewhere = 0;
  EXPECT_FALSE(slots.try_free_hit(&elsewhere, key));
  void* const first = slots.allocate(index);
  void* const second = slots.try_hit(key);
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(slots.try_free_hit(second, key));
  EXPECT_EQ(slots.try_hit(key), second) << "the newest slot comes first";
  slots.deallocate(second, index);
  slots.deallocate(first, index);
}

TEST(SlabEngine, AllocatingReturnsNullWhenTheSourceDoesAtEveryCall) {
  for (std::size_t fail_at_call = 1;; ++fail_at_call) {
    null_on_failure_source::state state;
    state.fail_at_call = fail_at_call;
    std::size_t nulls = 0;
    {
      engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
      std::vector<slot> live;
      for (std::size_t i = 0; i < 3000; ++i) {
        const class_index index = class_of_bytes(i * 53 % 4000 + 1);
        void* address = slots.allocate(index);
        if (address == nullptr) {
          ++nulls;
          address = slots.allocate(index);  // the source serves again
        }
        ASSERT_NE(address, nullptr);
        std::memset(address, static_cast<int>(i % 250), slot_bytes_of(index));
        live.push_back({address, index});
      }
      for (std::size_t i = 0; i < live.size(); ++i) {
        const auto* const bytes = static_cast<const unsigned char*>(live[i].address);
        ASSERT_EQ(bytes[0], i % 250);
        ASSERT_EQ(bytes[slot_bytes_of(live[i].index) - 1], i % 250);
        slots.deallocate(live[i].address, live[i].index);
      }
    }
    EXPECT_EQ(state.memory.live_blocks(), 0U);
    EXPECT_LE(nulls, 1U);
    if (!state.failed) {
      EXPECT_GT(fail_at_call, 10U);
      break;
    }
  }
}

TEST(SlabEngine, FreesWithoutMemoryForAnotherMagazine) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
  const class_index index = class_of_bytes(32);
  std::vector<void*> live;
  for (int i = 0; i < 20000; ++i) live.push_back(slots.allocate(index));
  for (void* const each : live) {
    state.fail_at_call = state.calls + 1;  // whatever is asked for next is refused
    slots.deallocate(each, index);
  }
  std::size_t still_live = 0;
  slots.for_each_live([&still_live](void*, std::size_t) { ++still_live; });
  EXPECT_EQ(still_live, 0U);
}

TEST(SlabEngine, StaysWithinItsLimit) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 500000, slab_bytes, retain_bytes);
  const class_index index = class_of_bytes(100);
  std::size_t served = 0;
  while (slots.allocate(index) != nullptr) ++served;
  EXPECT_GT(served * slot_bytes_of(index), 350000U);
  EXPECT_LE(state.memory.peak_bytes(), 500000U);
  slots.release();
  EXPECT_EQ(state.memory.live_bytes(), 0U);
  EXPECT_NE(slots.allocate(index), nullptr);
}

TEST(SlabEngine, TrimGivesEverythingBackOnceNothingIsLive) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, 64U << 20);
  std::vector<slot> live;
  for (std::size_t i = 0; i < 20000; ++i) {
    const class_index index = class_of_bytes(i % 600 + 1);
    live.push_back({slots.allocate(index), index});
  }
  for (const slot& each : live) slots.deallocate(each.address, each.index);
  EXPECT_GT(state.memory.live_bytes(), 0U);
  slots.trim(0);
  EXPECT_EQ(state.memory.live_bytes(), 0U);
}

TEST(SlabEngine, CountsTheSlotsThatRestInMagazines) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
  const class_index index = class_of_bytes(64);
  std::vector<void*> live;
  for (int i = 0; i < 1000; ++i) live.push_back(slots.allocate(index));
  const auto used_slots = [&] {
    std::size_t used = 0;
    slots.for_each_shelf([&](class_index each, const quarry::core::shelf& shelf) {
      EXPECT_EQ(each, index);
      EXPECT_TRUE(shelf.slots.check_invariants());
      used += shelf.slots.used_slots();
    });
    return used;
  };
  EXPECT_EQ(used_slots(), 1000 + slots.cached_slots(index));
  for (void* const each : live) slots.deallocate(each, index);
  EXPECT_EQ(used_slots(), slots.cached_slots(index));
}

}  // namespace
