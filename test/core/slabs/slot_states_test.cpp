#include "quarry/core/slabs/slot_states.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

namespace quarry::core {
namespace {

constexpr std::size_t slots = 100;

class SlotStates : public testing::TestWithParam<slot_detail> {
 protected:
  SlotStates()
      : room_(
            std::make_unique<std::max_align_t[]>(bytes_of(slots, GetParam()) / sizeof(std::max_align_t) + 1)),
        header_(slab::create(room_.get(), begin_, slots)),
        states_(*header_) {
    states_.start(*header_, GetParam());
  }

  static std::size_t bytes_of(std::size_t count, slot_detail detail) {
    return slab::header_bytes_for(count) + slot_states::bytes_for(count, detail);
  }

  alignas(64) std::byte begin_[slots * 16];
  std::unique_ptr<std::max_align_t[]> room_;
  slab* header_;
  slot_states states_;
};

INSTANTIATE_TEST_SUITE_P(Details, SlotStates, testing::Values(slot_detail::state, slot_detail::record));

TEST_P(SlotStates, BeginFreshAndAreKeptOneByOne) {
  for (std::size_t i = 0; i < slots; ++i) EXPECT_EQ(states_[i], slot_state::fresh);
  states_.set(0, slot_state::live);
  states_.set(slots - 1, slot_state::freed);
  EXPECT_EQ(states_[0], slot_state::live);
  EXPECT_EQ(states_[1], slot_state::fresh);
  EXPECT_EQ(states_[slots - 1], slot_state::freed);
  EXPECT_TRUE(header_->bitmap().check_invariants());
  EXPECT_TRUE(header_->empty());
}

TEST_P(SlotStates, SealWhatNeverChangesInTheHeader) {
  EXPECT_TRUE(states_.is_sealed(*header_));
  header_->bitmap().take(3);
  header_->next = header_;
  EXPECT_TRUE(states_.is_sealed(*header_));
  header_->size_class ^= 1;
  EXPECT_FALSE(states_.is_sealed(*header_));
}

TEST_P(SlotStates, KeepARecordOfEachSlotWithinTheirBytes) {
  if (GetParam() == slot_detail::state) {
    EXPECT_EQ(slot_states::bytes_for(slots, slot_detail::state), slots + 4);
    EXPECT_EQ(slot_states::bytes_for(slots, slot_detail::none), 0U);
    return;
  }
  for (std::size_t i = 0; i < slots; ++i) {
    EXPECT_EQ(states_.record(i, slots).bytes, 0U);
    states_.record(i, slots).bytes = static_cast<std::uint32_t>(i);
  }
  const auto* const end = reinterpret_cast<const std::byte*>(&states_.record(slots, slots));
  EXPECT_LE(end, reinterpret_cast<const std::byte*>(header_) + bytes_of(slots, slot_detail::record));
  for (std::size_t i = 0; i < slots; ++i) {
    EXPECT_EQ(states_.record(i, slots).bytes, i);
    EXPECT_EQ(states_[i], slot_state::fresh);
  }
  EXPECT_TRUE(states_.is_sealed(*header_));
}

}  // namespace
}  // namespace quarry::core
