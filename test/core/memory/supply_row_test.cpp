// How a supply's blocks follow each other in memory.

#include <quarry/core/memory/supply_row.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

namespace {

using quarry::core::supply_row;

const void* at(std::uintptr_t address) {
  return reinterpret_cast<const void*>(address);
}

TEST(SupplyRow, HasNoGapBeforeTwoBlocksLieSideBySide) {
  supply_row row;
  EXPECT_EQ(row.gap_before(4096), 0U);
  row.note(at(100'000), 200);
  EXPECT_EQ(row.gap_before(4096), 0U);
}

TEST(SupplyRow, GoesUpwardToTheNextAlignedAddress) {
  supply_row row;
  row.note(at(0x10000), 0x100);
  row.note(at(0x10100), 0x100);
  EXPECT_EQ(row.gap_before(0x1000), 0xE00U);
  row.note(at(0x10200 + 64), 0xE00 - 64);  // what heads a block may lie between
  EXPECT_EQ(row.gap_before(0x1000), 0U);
}

TEST(SupplyRow, GoesDownwardToTheAlignedAddressBefore) {
  supply_row row;
  row.note(at(0x20000), 0x100);
  row.note(at(0x1FF00), 0x100);
  EXPECT_EQ(row.gap_before(0x1000), 0xF00U);
}

TEST(SupplyRow, EndsWithABlockThatLiesElsewhere) {
  for (const std::uintptr_t next : {0x30000U, 0x10200U + 65U, 0x9000U}) {
    supply_row row;
    row.note(at(0x10000), 0x100);
    row.note(at(0x10100), 0x100);
    EXPECT_NE(row.gap_before(0x1000), 0U);
    row.note(at(next), 0x100);
    EXPECT_EQ(row.gap_before(0x1000), 0U) << next;
  }
}

}  // namespace
