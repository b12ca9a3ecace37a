#include <gtest/gtest.h>

#include <cstdint>
#include <quarry/core/typed/slot_numbers.hpp>
#include <set>
#include <vector>

#include "support/cache_stock_fixture.hpp"

namespace {

using quarry::core::number_of_slot;
using quarry::core::slab;
using quarry::core::slot_of_number;

class SlotNumbers : public quarry_test::cache_stock_fixture {};

TEST_F(SlotNumbers, ANumberLeadsBackToItsSlotAndNoTwoSlotsShareOne) {
  (void)add_slab();
  (void)add_slab();
  std::set<std::uint32_t> seen;
  const std::vector<void*> slots = take(layout.root.slots + 2 * layout.extension.slots);
  for (void* const each : slots) {
    const std::uint32_t number = number_of_slot(stock, layout, each);
    EXPECT_EQ(slot_of_number(stock, layout, number), each);
    EXPECT_LT(number, 3 * layout.extension.slots) << "numbers are dense";
    EXPECT_TRUE(seen.insert(number).second);
    EXPECT_EQ(number_of_slot(stock, layout, each), number) << "and stay";
  }
}

TEST_F(SlotNumbers, SlabsAreNumberedInTheOrderInWhichTheyAreAskedFor) {
  slab* const extension = add_slab();
  EXPECT_EQ(slot_of_number(stock, layout, 0), nullptr) << "no slab has a number yet";
  EXPECT_EQ(number_of_slot(stock, layout, extension->begin()), 0U);
  EXPECT_EQ(number_of_slot(stock, layout, first->begin()), layout.extension.slots);
  EXPECT_EQ(number_of_slot(stock, layout, first->slot_at(1, layout.slabs)), layout.extension.slots + 1);
}

TEST_F(SlotNumbers, TheControlBlocksPlacesAndNumbersPastTheLastSlabHaveNoSlot) {
  EXPECT_EQ(number_of_slot(stock, layout, first->begin()), 0U);
  for (std::uint32_t i = 0; i < layout.extension.slots; ++i)
    EXPECT_EQ(slot_of_number(stock, layout, i) == nullptr, i >= layout.root.slots) << i;
  EXPECT_EQ(slot_of_number(stock, layout, static_cast<std::uint32_t>(layout.extension.slots)), nullptr);
  EXPECT_EQ(slot_of_number(stock, layout, UINT32_MAX), nullptr);
}

TEST_F(SlotNumbers, NumbersOfSlabsThatLeftAreGivenAgainTheLowestFirst) {
  const auto number_of_a_new_slab = [&] {
    return number_of_slot(stock, layout, add_slab()->begin()) / layout.extension.slots;
  };
  constexpr std::uint32_t slabs = 150;  // more than the bits of two words
  for (std::uint32_t i = 0; i < slabs; ++i) EXPECT_EQ(number_of_a_new_slab(), i);
  stock.trim(slabs - 3);  // the last three leave
  for (std::uint32_t i = slabs - 3; i < slabs + 2; ++i) EXPECT_EQ(number_of_a_new_slab(), i);
  stock.trim(0);
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(number_of_a_new_slab(), i);
}

}  // namespace
