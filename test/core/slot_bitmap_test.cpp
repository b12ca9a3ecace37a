#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <quarry/core/slot_bitmap.hpp>
#include <random>
#include <vector>

namespace {

using quarry::core::slot_bitmap;
using quarry::core::word_slots;

/// A bitmap together with the words that must lie behind it.
class bitmap_of {
 public:
  explicit bitmap_of(std::size_t slots)
      : memory_((sizeof(slot_bitmap) + slot_bitmap::trailing_bytes(slot_bitmap::words_for(slots))) /
                    sizeof(std::size_t) +
                1),
        bitmap_(::new (memory_.data()) slot_bitmap) {
    bitmap_->reset(slots);
  }
  slot_bitmap* operator->() { return bitmap_; }
  slot_bitmap& operator*() { return *bitmap_; }

 private:
  std::vector<std::size_t> memory_;
  slot_bitmap* bitmap_;
};

std::size_t lowest_slot(const slot_bitmap& bitmap) {
  const std::size_t word = bitmap.lowest_word();
  return word * word_slots + quarry::core::lowest_bit(bitmap.word(word));
}

const std::size_t interesting_sizes[] = {1, 2, 63, 64, 65, 128, 1000, 4095, 4096, 4097, 8192, 70000};

TEST(SlotBitmap, HasEverySlotFreeAfterReset) {
  for (const std::size_t slots : interesting_sizes) {
    bitmap_of bitmap(slots);
    EXPECT_TRUE(bitmap->check_invariants());
    for (std::size_t i = 0; i < slots; ++i) ASSERT_TRUE(bitmap->is_free(i)) << i << " of " << slots;
    EXPECT_EQ(lowest_slot(*bitmap), 0U);
  }
}

TEST(SlotBitmap, HasNoSlotFreeAfterResetNone) {
  bitmap_of bitmap(5000);
  bitmap->reset_none(5000);
  EXPECT_FALSE(bitmap->any());
  EXPECT_TRUE(bitmap->check_invariants());
  for (std::size_t i = 0; i < 5000; ++i) ASSERT_FALSE(bitmap->is_free(i));
}

TEST(SlotBitmap, HandsOutEverySlotOnceInOrderAndNoneBeyond) {
  for (const std::size_t slots : interesting_sizes) {
    bitmap_of bitmap(slots);
    for (std::size_t i = 0; i < slots; ++i) {
      ASSERT_TRUE(bitmap->any());
      ASSERT_EQ(lowest_slot(*bitmap), i);
      bitmap->take(i);
    }
    EXPECT_FALSE(bitmap->any());
    EXPECT_TRUE(bitmap->check_invariants());
  }
}

TEST(SlotBitmap, FindsTheLowestFreeSlotHoweverFarAway) {
  for (const std::size_t slots : interesting_sizes) {
    for (const std::size_t only : {std::size_t{0}, slots / 2, slots - 1}) {
      bitmap_of bitmap(slots);
      bitmap->reset_none(slots);
      bitmap->put_one(only);
      EXPECT_EQ(lowest_slot(*bitmap), only);
      EXPECT_TRUE(bitmap->check_invariants());
    }
  }
}

TEST(SlotBitmap, PutsRunsAcrossWordsBack) {
  for (std::size_t first = 0; first < 70; first += 7) {
    for (const std::size_t count : {1U, 2U, 63U, 64U, 65U, 128U, 190U}) {
      bitmap_of bitmap(300);
      bitmap->reset_none(300);
      bitmap->put(first, count);
      EXPECT_TRUE(bitmap->check_invariants());
      for (std::size_t i = 0; i < 300; ++i) ASSERT_EQ(bitmap->is_free(i), i >= first && i < first + count);
    }
  }
}

TEST(SlotBitmap, AgreesWithAModelUnderRandomTakesAndPuts) {
  constexpr std::size_t slots = 4500;
  bitmap_of bitmap(slots);
  std::vector<bool> is_free(slots, true);
  std::mt19937 random(11);
  for (int i = 0; i < 200000; ++i) {
    const std::size_t slot = random() % slots;
    if (is_free[slot]) {
      bitmap->take(slot);
    } else {
      bitmap->put_one(slot);
    }
    is_free[slot] = !is_free[slot];
    if (i % 5000 == 0) {
      ASSERT_TRUE(bitmap->check_invariants());
      for (std::size_t s = 0; s < slots; ++s) ASSERT_EQ(bitmap->is_free(s), is_free[s]);
    }
  }
}

TEST(SlotBitmap, SeesASummaryThatDisagrees) {
  bitmap_of bitmap(200);
  bitmap->take(130);
  // A word emptied behind the bitmap's back: its summary bit is now wrong.
  reinterpret_cast<quarry::core::bitmap_word*>(&*bitmap + 1)[1] = 0;
  EXPECT_FALSE(bitmap->check_invariants());
}

}  // namespace
