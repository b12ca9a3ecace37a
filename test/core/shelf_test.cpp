#include <gtest/gtest.h>

#include <quarry/core/shelf.hpp>

namespace {

using quarry::core::magazine;
using quarry::core::shelf;
using quarry::core::slab;

TEST(Shelf, MagazinesAreSmallerForLargerSlotsAndStayWithinBounds) {
  EXPECT_EQ(shelf::slots_for(8), magazine::capacity);
  std::size_t before = magazine::capacity;
  for (std::size_t slot_bytes = 8; slot_bytes <= 65536; slot_bytes *= 2) {
    const std::size_t slots = shelf::slots_for(slot_bytes);
    EXPECT_GE(slots, 4U);
    EXPECT_LE(slots, before);
    before = slots;
  }
}

TEST(Shelf, ADepotParksNoMoreThanItsBytes) {
  for (std::size_t slot_bytes = 8; slot_bytes <= 65536; slot_bytes *= 2) {
    const std::size_t magazines = shelf::depot_limit(slot_bytes);
    EXPECT_LE(magazines, shelf::most_parked);
    EXPECT_LE(magazines * shelf::slots_for(slot_bytes) * slot_bytes, shelf::depot_bytes);
  }
}

TEST(Shelf, StartsWithItsFirstMagazineAndNothingElse) {
  const shelf fresh(slab::layout(64, 65536));
  EXPECT_EQ(fresh.loaded, &fresh.first);
  EXPECT_EQ(fresh.magazine_slots, shelf::slots_for(64));
  EXPECT_EQ(fresh.full.size(), 0U);
  EXPECT_EQ(fresh.slots.used_slots(), 0U);
}

TEST(Shelf, AMagazineHoldsAboutItsBytes) {
  for (std::size_t slot_bytes = 8; slot_bytes <= 32768; slot_bytes += 8) {
    const std::size_t slots = shelf::slots_for(slot_bytes);
    if (slots > 4 && slots < magazine::capacity) {
      ASSERT_LE(slots * slot_bytes, shelf::magazine_bytes);
      ASSERT_GT((slots + 1) * slot_bytes, shelf::magazine_bytes);
    }
  }
}

}  // namespace
