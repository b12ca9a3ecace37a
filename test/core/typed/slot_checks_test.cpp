#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <quarry/core/typed/slot_checks.hpp>
#include <vector>

#include "support/cache_stock_fixture.hpp"

namespace {

using quarry::core::check_hooks;
using quarry::core::fault_report;
using quarry::core::found_fault;
using quarry::core::slab;
using quarry::core::slot_checks;
using quarry::core::slot_fault;

class SlotChecks : public quarry_test::cache_stock_fixture {
 protected:
  SlotChecks() {
    stock.resize_magazine(front, 0);
    EXPECT_TRUE(checks.add(*first, true, false));
    extension = add_slab();
    EXPECT_TRUE(checks.add(*extension, false, false));
  }
  ~SlotChecks() override { checks.~slot_checks(); }

  void* take() {
    void* const slot = stock.allocate(front);
    EXPECT_EQ(checks.hand_out(slot).fault, slot_fault::none);
    return slot;
  }
  void give(void* slot) {
    void* const free = checks.put_aside(slot, true, told);
    if (free != nullptr) {
      EXPECT_EQ(stock.make_room(front, free), nullptr);
    }
  }
  slot_fault fault_of(const void* slot) const { return checks.fault_of(stock, front, slot).fault; }
  void set_full() {
    checks.set_full(true, true);
    checks.fill_free(*first);
    checks.fill_free(*extension);
  }

  quarry_test::slab_memory block{1024};
  slot_checks& checks = *slot_checks::create(block.base(), 1024, check_hooks{}, layout, fault_report{});
  slab* extension = nullptr;
  fault_report told;
};

TEST_F(SlotChecks, ALiveSlotHasNoFault) {
  std::vector<void*> slots;
  for (std::size_t i = 0; i < layout.root.slots + layout.extension.slots; ++i) slots.push_back(take());
  for (void* const each : slots) EXPECT_EQ(fault_of(each), slot_fault::none);
  EXPECT_EQ(checks.fault_of_source(stock, front).fault, slot_fault::none);
}

TEST_F(SlotChecks, TellsAPointerThatIsNoSlotWithoutReadingIt) {
  auto* const slot = static_cast<std::byte*>(take());
  EXPECT_EQ(fault_of(nullptr), slot_fault::foreign);
  EXPECT_EQ(fault_of(reinterpret_cast<void*>(std::uintptr_t{4096})), slot_fault::foreign);
  EXPECT_EQ(fault_of(&slot), slot_fault::foreign);
  EXPECT_EQ(fault_of(first), slot_fault::foreign) << "a header";
  EXPECT_EQ(fault_of(first->begin() - 8), slot_fault::foreign);
  EXPECT_EQ(fault_of(first->begin() + layout.root.slots * slot_bytes), slot_fault::foreign);
  const found_fault inside = checks.fault_of(stock, front, slot + 8);
  EXPECT_EQ(inside.fault, slot_fault::interior);
  EXPECT_EQ(inside.begin, slot);
  EXPECT_EQ(inside.slot, 0U);
  EXPECT_EQ(inside.byte, 8U);
  EXPECT_EQ(inside.slot_bytes, slot_bytes);
  EXPECT_EQ(fault_of(slot + 4), slot_fault::misaligned);
}

TEST_F(SlotChecks, TellsAFreeSlotFromOneThatWasNeverOut) {
  void* const slot = take();
  EXPECT_EQ(fault_of(static_cast<std::byte*>(slot) + slot_bytes), slot_fault::never_out);
  give(slot);
  EXPECT_EQ(fault_of(slot), slot_fault::free);
  EXPECT_EQ(take(), slot);
  EXPECT_EQ(fault_of(slot), slot_fault::none);
  stock.keep(slot);
  EXPECT_EQ(fault_of(slot), slot_fault::free) << "kept";
  EXPECT_EQ(stock.take_kept(), slot);
}

TEST_F(SlotChecks, ASlotOfASlabThatLeftIsForeign) {
  void* const slot = extension->begin();
  EXPECT_EQ(fault_of(slot), slot_fault::never_out);
  EXPECT_EQ(stock.trim(0), extension);
  checks.remove(*extension, told);
  EXPECT_EQ(fault_of(slot), slot_fault::foreign);
}

TEST_F(SlotChecks, EveryWordOfAHeaderThatIsOverwrittenIsDamage) {
  void* slot = nullptr;
  for (std::size_t i = 0; i <= layout.root.slots; ++i)
    slot = take();  // the last one is of the extension slab
  ASSERT_EQ(stock.home_of(slot), extension);
  ASSERT_EQ(fault_of(slot), slot_fault::none);
  checks.set_full(true, false);
  constexpr std::size_t group_at = 3 * sizeof(void*);  // may be anything: it is written where the slab moves
  for (std::size_t byte = 0; byte < sizeof(slab); byte += 8) {
    if (byte == group_at) continue;
    auto* const word = reinterpret_cast<std::byte*>(extension) + byte;
    std::byte before[8];
    std::memcpy(before, word, 8);
    std::memset(word, 0x5A, 8);
    EXPECT_EQ(fault_of(slot), slot_fault::damaged) << byte;
    EXPECT_EQ(checks.fault_of_source(stock, front).fault, slot_fault::damaged) << byte;
    std::memcpy(word, before, 8);
  }
  EXPECT_EQ(fault_of(slot), slot_fault::none);
}

TEST_F(SlotChecks, ALinkToASlabThatDoesNotLeadBackIsDamage) {
  slab* const third = add_slab();
  ASSERT_TRUE(checks.add(*third, false, false));
  for (std::size_t i = 0; i <= layout.root.slots + layout.extension.slots; ++i) take();
  const void* const slot = extension->begin();
  ASSERT_EQ(fault_of(slot), slot_fault::none);
  for (slab* slab::*const link : {&slab::next, &slab::previous}) {
    slab* const before = extension->*link;
    extension->*link = before == third ? first : third;
    EXPECT_EQ(fault_of(slot), slot_fault::damaged);
    extension->*link = before;
  }
  EXPECT_EQ(fault_of(slot), slot_fault::none);
}

TEST_F(SlotChecks, FindsTheFirstByteThatWasWrittenInAFreeSlot) {
  set_full();
  void* const slot = stock.allocate(front);
  static_cast<std::byte*>(slot)[17] = std::byte{1};
  const found_fault found = checks.hand_out(slot);
  EXPECT_EQ(found.fault, slot_fault::written);
  EXPECT_EQ(found.pointer, slot);
  EXPECT_EQ(found.byte, 17U);
  EXPECT_EQ(checks.hand_out(slot).fault, slot_fault::none) << "told once";
  stock.make_room(front, slot);
  static_cast<std::byte*>(extension->begin())[slot_bytes] = std::byte{1};
  checks.look_for_writes(*extension, told);
  EXPECT_EQ(told.found.fault, slot_fault::written);
  EXPECT_EQ(told.found.slot, 1U);
}

TEST_F(SlotChecks, AFreedSlotWaitsItsTurn) {
  set_full();
  std::vector<void*> slots;
  const std::size_t room = 1024 / 8 / sizeof(void*);
  for (std::size_t i = 0; i < room + 1; ++i) slots.push_back(take());
  for (std::size_t i = 0; i < room; ++i) give(slots[i]);
  EXPECT_EQ(checks.waiting(), room);
  for (std::size_t i = 0; i < room; ++i) {
    EXPECT_EQ(fault_of(slots[i]), slot_fault::free) << i;
    EXPECT_FALSE(first->bitmap().is_free(first->index_of(slots[i], layout.slabs))) << i;
  }
  static_cast<std::byte*>(slots[0])[3] = std::byte{1};
  give(slots[room]);
  EXPECT_EQ(told.found.fault, slot_fault::written);
  EXPECT_EQ(told.found.pointer, slots[0]);
  EXPECT_TRUE(first->bitmap().is_free(first->index_of(slots[0], layout.slabs)));
  fault_report later;
  checks.look_for_writes(*first, later);
  EXPECT_EQ(later.found.fault, slot_fault::none) << "told once";
  while (void* const waited = checks.end_wait(told)) stock.make_room(front, waited);
  EXPECT_EQ(checks.waiting(), 0U);
}

TEST_F(SlotChecks, ABlockThatIsTooSmallMakesNone) {
  EXPECT_EQ(slot_checks::create(block.base(), sizeof(slot_checks), check_hooks{}, layout, fault_report{}),
            nullptr);
}

}  // namespace
