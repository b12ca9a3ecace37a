#include <gtest/gtest.h>

#include <cstddef>
#include <quarry/core/typed/find_fault.hpp>
#include <utility>
#include <vector>

#include "support/cache_stock_fixture.hpp"

namespace {

using quarry::core::find_fault;
using quarry::core::slot_fault;

class FindFault : public quarry_test::cache_stock_fixture {
 protected:
  slot_fault fault_of(const void* slot) const { return find_fault(stock, front, slot); }
};

TEST_F(FindFault, ASlotInUseHasNone) {
  (void)add_slab();
  for (void* const each : take(layout.root.slots + layout.extension.slots))
    EXPECT_EQ(fault_of(each), slot_fault::none);
}

TEST_F(FindFault, WhatIsNoSlotIsForeign) {
  auto* const slot = static_cast<std::byte*>(take(1).front());
  for (const std::size_t byte : {std::size_t{1}, std::size_t{8}, slot_bytes - 1})
    EXPECT_EQ(fault_of(slot + byte), slot_fault::foreign) << "inside a slot";
  EXPECT_EQ(fault_of(first), slot_fault::foreign) << "a header";
  EXPECT_EQ(fault_of(first->begin() - 1), slot_fault::foreign);
  EXPECT_EQ(fault_of(first->begin() + layout.root.slots * slot_bytes), slot_fault::foreign);
  EXPECT_EQ(fault_of(&stock), slot_fault::foreign);
  EXPECT_EQ(fault_of(nullptr), slot_fault::foreign);
  // An address that nobody may read.
  EXPECT_EQ(fault_of(reinterpret_cast<void*>(std::uintptr_t{4096})), slot_fault::foreign);
}

TEST_F(FindFault, ASlotThatRestsAnywhereIsFree) {
  const std::vector<void*> slots = take(2);
  ASSERT_EQ(stock.deallocate(front, slots[0]), nullptr);
  EXPECT_EQ(fault_of(slots[0]), slot_fault::free) << "in the magazine";
  ASSERT_EQ(stock.flush(front), nullptr);
  EXPECT_EQ(fault_of(slots[0]), slot_fault::free) << "in its slab";
  stock.keep(slots[1]);
  EXPECT_EQ(fault_of(slots[1]), slot_fault::free) << "kept";
  ASSERT_EQ(stock.take_kept(), slots[1]);
  EXPECT_EQ(fault_of(slots[1]), slot_fault::none);
  EXPECT_EQ(fault_of(add_slab()->begin()), slot_fault::free) << "in a slab that rests";
}

TEST_F(FindFault, AnOverwrittenHeaderIsDamage) {
  void* const slot = take(1).front();
  void* const owner = std::exchange(first->owner, nullptr);
  EXPECT_EQ(fault_of(slot), slot_fault::damaged);
  first->owner = owner;
  EXPECT_EQ(fault_of(slot), slot_fault::none);
}

}  // namespace
