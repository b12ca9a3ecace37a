#include "quarry/core/slabs/slot_states.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>

namespace quarry::core {
namespace {

constexpr std::size_t slots = 101;

template <bool IsShared, slot_detail Detail>
struct kind {
  using states_type = slot_states<IsShared>;
  static constexpr bool is_shared = IsShared;
  static constexpr slot_detail detail = Detail;
};

template <class Kind>
class SlotStates : public testing::Test {
 protected:
  using states_type = typename Kind::states_type;

  SlotStates()
      : room_(std::make_unique<std::max_align_t[]>(bytes_of(slots) / sizeof(std::max_align_t) + 1)),
        header_(slab::create(room_.get(), begin_, slots)),
        states_(*header_) {
    states_.start(*header_, Kind::detail);
  }

  static std::size_t bytes_of(std::size_t count) {
    return slab::header_bytes_for(count) + states_type::bytes_for(count, Kind::detail);
  }

  alignas(64) std::byte begin_[slots * 16];
  std::unique_ptr<std::max_align_t[]> room_;
  slab* header_;
  states_type states_;
};

using kinds = testing::Types<kind<false, slot_detail::state>, kind<false, slot_detail::record>,
                             kind<true, slot_detail::state>, kind<true, slot_detail::record>>;
TYPED_TEST_SUITE(SlotStates, kinds, );

TYPED_TEST(SlotStates, BeginFreshAndAreKeptOneByOne) {
  const auto& states = this->states_;
  for (std::size_t i = 0; i < slots; ++i) EXPECT_EQ(states[i], slot_state::fresh);
  for (std::size_t i = 0; i < slots; i += 3) EXPECT_TRUE(states.begin_life(i));
  for (std::size_t i = 0; i < slots; i += 6) EXPECT_TRUE(states.end_life(i));
  for (std::size_t i = 0; i < slots; ++i)
    EXPECT_EQ(states[i], i % 6 == 0   ? slot_state::freed
                         : i % 3 == 0 ? slot_state::live
                                      : slot_state::fresh)
        << i;
  EXPECT_TRUE(this->header_->bitmap().check_invariants());
  EXPECT_TRUE(this->header_->empty());
}

TYPED_TEST(SlotStates, SayOfARunWhetherOneOfItIsLive) {
  const auto& states = this->states_;
  for (const std::size_t live : {std::size_t{0}, std::size_t{1}, std::size_t{50}, slots - 1}) {
    EXPECT_TRUE(states.begin_life(live));
    for (std::size_t first = 0; first < slots; ++first)
      for (std::size_t count = 1; first + count <= slots; ++count)
        ASSERT_EQ(states.is_any_live(first, count), first <= live && live < first + count)
            << live << ' ' << first << ' ' << count;
    EXPECT_TRUE(states.end_life(live)) << "then it was live once, which is no life";
  }
}

TYPED_TEST(SlotStates, RefuseASecondBeginAndASecondEnd) {
  const auto& states = this->states_;
  EXPECT_FALSE(states.end_life(7)) << "a fresh slot";
  EXPECT_EQ(states[7], slot_state::fresh);
  for (int lives = 0; lives < 3; ++lives) {
    EXPECT_TRUE(states.begin_life(7));
    EXPECT_FALSE(states.begin_life(7));
    EXPECT_EQ(states[7], slot_state::live);
    EXPECT_TRUE(states.end_life(7));
    EXPECT_FALSE(states.end_life(7));
    EXPECT_EQ(states[7], slot_state::freed);
  }
  states.forget(7);
  EXPECT_EQ(states[7], slot_state::fresh);
  EXPECT_EQ(states[6], slot_state::fresh);
  EXPECT_EQ(states[8], slot_state::fresh);
}

TYPED_TEST(SlotStates, AreFoundAgainWhereTheyBegin) {
  this->states_.begin_life(slots - 1);
  const typename TestFixture::states_type again(TestFixture::states_type::begin_of(*this->header_));
  EXPECT_EQ(again[slots - 1], slot_state::live);
}

TYPED_TEST(SlotStates, SealWhatNeverChangesInTheHeader) {
  slab& header = *this->header_;
  const auto is_sealed = [&] { return TestFixture::states_type::is_sealed(header); };
  EXPECT_TRUE(is_sealed());
  header.bitmap().take(3);
  header.next = &header;
  EXPECT_TRUE(is_sealed());
  int sealed_bits = 0;
  for (std::size_t bit = 0; bit < sizeof(slab) * 8; ++bit) {
    std::byte& damaged = reinterpret_cast<std::byte*>(&header)[bit / 8];
    damaged ^= std::byte{1} << bit % 8;
    sealed_bits += !is_sealed();
    damaged ^= std::byte{1} << bit % 8;
  }
  // Begin and owner; the numbers of slots and of their words, and the seal itself; class, granules, room and two flags.
  EXPECT_EQ(sealed_bits, 2 * static_cast<int>(sizeof(void*)) * 8 + 3 * 32 + 5 * 8);
  EXPECT_TRUE(is_sealed());
  TestFixture::states_type::unseal(header);
  EXPECT_FALSE(is_sealed());
}

TYPED_TEST(SlotStates, TakeAByteWhereSlotsHaveSeveralOwnersAndTwoBitsElsewhere) {
  using tested = typename TestFixture::states_type;
  EXPECT_EQ(tested::bytes_for(slots, slot_detail::none), 0U);
  EXPECT_EQ(tested::bytes_for(slots, slot_detail::state), TypeParam::is_shared ? 101U : 26U);
}

TYPED_TEST(SlotStates, KeepARecordOfEachSlotWithinTheirBytes) {
  if constexpr (TypeParam::detail == slot_detail::record) {
    const auto& states = this->states_;
    for (std::size_t i = 0; i < slots; ++i) {
      EXPECT_EQ(states.record(i, slots).bytes, 0U);
      states.record(i, slots).bytes = static_cast<std::uint32_t>(i);
    }
    const auto* const end = reinterpret_cast<const std::byte*>(&states.record(slots, slots));
    EXPECT_LE(end, reinterpret_cast<const std::byte*>(this->header_) + this->bytes_of(slots));
    for (std::size_t i = 0; i < slots; ++i) {
      EXPECT_EQ(states.record(i, slots).bytes, i);
      EXPECT_EQ(states[i], slot_state::fresh);
    }
  }
  EXPECT_TRUE(TestFixture::states_type::is_sealed(*this->header_));
}

}  // namespace
}  // namespace quarry::core
