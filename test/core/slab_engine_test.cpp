#include <gtest/gtest.h>

#include <cstring>
#include <quarry/core/slab_engine.hpp>
#include <quarry/resource_page_source.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"
#include "support/take_any.hpp"

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

std::vector<void*> slots_of(const quarry::core::slot_run& run) {
  std::vector<void*> slots;
  for (std::size_t i = 0; i < run.slots; ++i)
    slots.push_back(static_cast<std::byte*>(run.first) + i * run.slot_bytes);
  return slots;
}

std::set<void*> live_slots(engine& slots) {
  std::set<void*> live;
  slots.for_each_live(
      [&live](void* address, std::size_t) { EXPECT_TRUE(live.insert(address).second) << "visited twice"; });
  return live;
}

TEST(SlabEngine, RunsAreNeighboursAndLeaveTheMagazineAlone) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
  const class_index index = class_of_bytes(512);
  const quarry::core::slot_run first = slots.allocate_run(index, 8, 50);
  ASSERT_EQ(first.slots, 50U);
  EXPECT_EQ(first.slot_bytes, 512U);
  EXPECT_EQ(slots.cached_slots(index), 0U);
  EXPECT_EQ(live_slots(slots).size(), 50U);
  void* const single = slots.allocate(index);
  const std::size_t cached = slots.cached_slots(index);
  EXPECT_EQ(slots.allocate_run(index, 1, 5).slots, 5U);
  EXPECT_EQ(slots.cached_slots(index), cached);
  slots.deallocate_run(index, first.first, first.slots);
  EXPECT_EQ(slots.cached_slots(index), cached);
  slots.deallocate(single, index);
}

TEST(SlabEngine, ARunIsEmptyWhereOnlyShorterOnesAreAtHand) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
  const class_index index = class_of_bytes(1024);
  const std::vector<void*> run = slots_of(slots.allocate_run(index, 8, 40));
  ASSERT_EQ(run.size(), 40U);
  for (std::size_t i = 0; i < run.size(); i += 2) slots.deallocate_run(index, run[i], 1);
  const std::size_t calls = state.calls;
  EXPECT_EQ(slots.allocate_run(index, 8, 40).first, nullptr);
  EXPECT_EQ(state.calls, calls) << "single slots are at hand";
  EXPECT_EQ(slots.allocate_run(index, 1, 40).first, run[0]);
}

TEST(SlabEngine, RunsMixWithSingleSlotsUnderRandomUse) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, 2 * slab_bytes);
  struct live_run {
    quarry::core::slot_run run;
    class_index index;
  };
  std::vector<live_run> live;
  std::set<void*> addresses;
  std::mt19937 random(29);
  const auto free_some = [&] {
    const live_run freed = quarry_test::take_any(live, random);
    for (void* const each : slots_of(freed.run)) addresses.erase(each);
    if (random() % 2 == 0) {
      slots.deallocate_run(freed.index, freed.run.first, freed.run.slots);
    } else {
      for (void* const each : slots_of(freed.run)) slots.deallocate(each, freed.index);
    }
  };
  for (int i = 0; i < 6000; ++i) {
    const auto index = static_cast<class_index>(random() % 40);
    const bool fill = (i / 1000) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
    if (fill) {
      quarry::core::slot_run run = slots.allocate_run(index, 8, 8 + random() % 200);
      if (run.slots == 0 || random() % 2 == 0) {
        if (run.slots != 0) live.push_back({run, index});
        for (void* const each : slots_of(run))
          ASSERT_TRUE(addresses.insert(each).second) << "handed out twice";
        run = {slots.allocate(index), 1, slot_bytes_of(index)};
      }
      for (void* const each : slots_of(run)) ASSERT_TRUE(addresses.insert(each).second) << "handed out twice";
      live.push_back({run, index});
    } else if (!live.empty()) {
      free_some();
    }
    if (i % 500 == 0) {
      ASSERT_EQ(live_slots(slots), addresses);
      slots.for_each_shelf(
          [](class_index, const quarry::core::shelf& each) { EXPECT_TRUE(each.slots.check_invariants()); });
    }
  }
  while (!live.empty()) free_some();
  slots.trim(0);
  EXPECT_EQ(state.memory.live_blocks(), 0U);
}

TEST(SlabEngine, ARunIsEmptyWhenTheSourceFailsAndNothingChanges) {
  for (std::size_t fail_at_call = 1; fail_at_call <= 6; ++fail_at_call) {
    null_on_failure_source::state state;
    engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
    state.fail_at_call = fail_at_call;
    std::set<void*> live;
    while (!state.failed) {
      const std::vector<void*> run = slots_of(slots.allocate_run(class_of_bytes(300), 1, 63));
      EXPECT_TRUE(!run.empty() || state.failed);
      live.insert(run.begin(), run.end());
    }
    EXPECT_EQ(live_slots(slots), live);
    EXPECT_NE(slots.allocate_run(class_of_bytes(300), 1, 63).slots, 0U) << "the source serves again";
  }
}

TEST(SlabEngine, ChangesNothingForTheUserWhenTheSourceThrowsAtAnyCall) {
  bool reached_the_end = false;
  for (std::size_t fail_at_call = 1; !reached_the_end; ++fail_at_call) {
    quarry_test::counting_resource memory;
    quarry_test::failing_resource failing(&memory, fail_at_call);
    {
      quarry::core::slab_engine<quarry::resource_page_source> slots(quarry::resource_page_source(&failing), 0,
                                                                    slab_bytes, retain_bytes);
      std::set<void*> live;
      for (std::size_t i = 0; i < 2000; ++i) {
        const class_index index = class_of_bytes(i * 53 % 4000 + 1);
        try {
          ASSERT_TRUE(live.insert(slots.allocate(index)).second);
        } catch (const quarry_test::upstream_failure&) {
          std::set<void*> walked;
          slots.for_each_live([&walked](void* address, std::size_t) { walked.insert(address); });
          EXPECT_EQ(walked, live);
          ASSERT_TRUE(live.insert(slots.allocate(index)).second) << "the source serves again";
        }
      }
      reached_the_end = !failing.failed();
    }
    EXPECT_EQ(memory.live_blocks(), 0U);
    EXPECT_TRUE(!reached_the_end || fail_at_call > 10);
  }
}

TEST(SlabEngine, ServesFromItsMagazinesAndDepotWithoutTheSource) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
  const class_index index = class_of_bytes(64);
  std::vector<void*> live;
  for (int i = 0; i < 2000; ++i) live.push_back(slots.allocate(index));
  for (int round = 0; round < 3; ++round) {
    for (void* const each : live) slots.deallocate(each, index);
    EXPECT_GT(slots.cached_slots(index), quarry::core::shelf::slots_for(64)) << "the depot holds some";
    const std::size_t calls = state.calls;
    std::set<void*> distinct;
    for (void*& each : live) distinct.insert(each = slots.allocate(index));
    EXPECT_EQ(distinct.size(), live.size());
    EXPECT_EQ(state.calls, calls);
  }
}

TEST(SlabEngine, ForgetsEverySlotOnReleaseAndStartsAnew) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, retain_bytes);
  for (int round = 0; round < 3; ++round) {
    for (class_index index = 0; index < 60; ++index)
      for (int i = 0; i < 100; ++i) ASSERT_NE(slots.allocate(index), nullptr);
    EXPECT_EQ(live_slots(slots).size(), 6000U);
    slots.release();
    EXPECT_EQ(state.memory.live_blocks(), 0U);
    EXPECT_TRUE(live_slots(slots).empty());
    EXPECT_EQ(slots.try_hit(0), nullptr);
  }
}

TEST(SlabEngine, UsesItsBufferFirstWhateverItsSizeAndAddress) {
  constexpr std::size_t small_slab_bytes = 4096;
  alignas(64) static std::byte buffer[8 * small_slab_bytes];
  for (const std::size_t offset : {0U, 1U, 8U, 1000U, 4095U}) {
    for (std::size_t bytes = 0; bytes + offset <= sizeof(buffer); bytes += 997) {
      null_on_failure_source::state state;
      std::memset(buffer, 0x5A, sizeof(buffer));
      engine slots(null_on_failure_source(state), 0, small_slab_bytes, 0);
      slots.start_in(buffer + offset, bytes);
      for (int round = 0; round < 2; ++round) {
        std::vector<slot> live;
        bool used_the_buffer = false;
        for (std::size_t i = 0; i < 300; ++i) {
          const class_index index = class_of_bytes(i * 31 % 500 + 1);
          auto* const address = static_cast<std::byte*>(slots.allocate(index));
          ASSERT_TRUE(slots.owns(address));
          std::memset(address, 0xC3, slot_bytes_of(index));
          const auto at = static_cast<std::size_t>(address - (buffer + offset));
          EXPECT_TRUE(at < bytes || state.memory.holds(address));
          used_the_buffer = used_the_buffer || at < bytes;
          live.push_back({address, index});
        }
        EXPECT_TRUE(used_the_buffer || bytes < 2048) << bytes;
        for (const slot& each : live) slots.deallocate(each.address, each.index);
        slots.release();
        ASSERT_EQ(state.memory.live_blocks(), 0U);
      }
      bool wrote_outside = false;
      for (std::size_t i = 0; i < sizeof(buffer); ++i)
        wrote_outside =
            wrote_outside || ((i < offset || i >= offset + bytes) && buffer[i] != std::byte{0x5A});
      EXPECT_FALSE(wrote_outside);
    }
  }
}

TEST(SlabEngine, TrimKeepsTheBytesItIsTold) {
  null_on_failure_source::state state;
  engine slots(null_on_failure_source(state), 0, slab_bytes, 64U << 20);
  const class_index index = class_of_bytes(1024);
  std::vector<void*> live;
  for (int i = 0; i < 3000; ++i) live.push_back(slots.allocate(index));
  void* const kept = live.back();
  live.pop_back();
  for (void* const each : live) slots.deallocate(each, index);
  slots.trim(10 * slab_bytes);
  const std::size_t held = state.memory.live_bytes();
  EXPECT_LE(held, 24 * slab_bytes) << "the kept bytes, one extent in use, parts";
  EXPECT_GE(held, slab_bytes);
  EXPECT_EQ(live_slots(slots), std::set<void*>{kept});
  slots.trim(0);
  EXPECT_LT(state.memory.live_bytes(), held);
  EXPECT_EQ(live_slots(slots), std::set<void*>{kept});
}

}  // namespace
