#include "quarry/core/magazines/quarantine.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace quarry::core {
namespace {

TEST(Quarantine, GivesSlotsBackInTheirOrderAndCountsThemByClass) {
  const auto tested = std::make_unique<quarantine>();
  EXPECT_TRUE(tested->empty());
  char slots[quarantine::most_slots];
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < 300; ++i) tested->put(slots + i, i % 2 == 0 ? 1 : 5);
    EXPECT_EQ(tested->slots_of(1), 150U);
    EXPECT_EQ(tested->slots_of(5), 150U);
    for (int i = 0; i < 300; ++i) {
      const quarantine::resting oldest = tested->take();
      EXPECT_EQ(oldest.slot, slots + i);
      EXPECT_EQ(oldest.index, i % 2 == 0 ? 1U : 5U);
    }
    EXPECT_TRUE(tested->empty());
    EXPECT_EQ(tested->slots_of(1) + tested->slots_of(5), 0U);
  }
}

TEST(Quarantine, IsFullByNumberAndByBytes) {
  const auto tested = std::make_unique<quarantine>();
  char slot = 0;
  for (std::size_t i = 0; i < quarantine::most_slots; ++i) {
    EXPECT_FALSE(tested->is_full());
    tested->put(&slot, 0);
  }
  EXPECT_TRUE(tested->is_full());
  static_cast<void>(tested->take());
  EXPECT_FALSE(tested->is_full());

  const auto large = std::make_unique<quarantine>();
  std::size_t slots = 0;
  for (; !large->is_full(); ++slots) large->put(&slot, class_count - 1);
  EXPECT_EQ(slots, quarantine::most_bytes / largest_slot_bytes + 1);
}

}  // namespace
}  // namespace quarry::core
