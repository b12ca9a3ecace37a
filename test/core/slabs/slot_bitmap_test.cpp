#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <new>
#include <quarry/core/slabs/slot_bitmap.hpp>
#include <random>
#include <set>
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

const std::size_t interesting_sizes[] = {
    1,    2,    63,   64,   65,   128,
    1000, 4095, 4096, 4097, 8192, std::min(std::size_t{70000}, slot_bitmap::most_slots)};

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

TEST(SlotBitmap, CountsItsFreeSlotsThroughEveryChange) {
  bitmap_of bitmap(200);
  EXPECT_EQ(bitmap->count(), 200U);
  bitmap->take(63);
  bitmap->take(64);
  EXPECT_EQ(bitmap->count(), 198U);
  bitmap->replace(0, bitmap->word(0) & ~quarry::core::low_bits(10), 10);
  EXPECT_EQ(bitmap->count(), 188U);
  bitmap->put(0, 10);
  bitmap->put(63, 2);
  EXPECT_EQ(bitmap->count(), 200U);
  EXPECT_TRUE(bitmap->check_invariants());
}

TEST(SlotBitmap, ReportsAPutFromTheNoticedCountOn) {
  bitmap_of bitmap(128);
  bitmap->reset_none(128);
  bitmap->notice_at(3);
  EXPECT_FALSE(bitmap->put_one(5));
  EXPECT_FALSE(bitmap->put_one(100));
  EXPECT_TRUE(bitmap->put_one(64)) << "the third";
  bitmap->take(64);
  EXPECT_TRUE(bitmap->put(60, 8)) << "a run that passes over the count";
  bitmap->reset_none(128);
  bitmap->notice_at(9);
  EXPECT_FALSE(bitmap->put(60, 8));
}

TEST(SlotBitmap, LowBitsAreThatManyOnesFromTheBottom) {
  EXPECT_EQ(quarry::core::low_bits(1), 1U);
  EXPECT_EQ(quarry::core::low_bits(word_slots - 1), ~quarry::core::bitmap_word{0} >> 1);
  EXPECT_EQ(quarry::core::low_bits(word_slots), ~quarry::core::bitmap_word{0});
}

TEST(SlotBitmap, HasNoBitBeyondItsLastSlot) {
  for (const std::size_t slots : interesting_sizes) {
    bitmap_of bitmap(slots);
    const std::size_t last_word = bitmap->words() - 1;
    EXPECT_EQ(bitmap->word(last_word), quarry::core::low_bits(slots - last_word * word_slots)) << slots;
  }
}

TEST(SlotBitmap, KeepsToTheBytesThatItAsksFor) {
  for (const std::size_t slots : interesting_sizes) {
    const std::size_t trailing_words =
        slot_bitmap::trailing_bytes(slot_bitmap::words_for(slots)) / sizeof(quarry::core::bitmap_word);
    constexpr std::size_t own_words = sizeof(slot_bitmap) / sizeof(quarry::core::bitmap_word);
    constexpr quarry::core::bitmap_word guard = 0xFEEDFACE;
    std::vector<quarry::core::bitmap_word> memory(own_words + trailing_words + 1, guard);
    auto* const bitmap = ::new (memory.data()) slot_bitmap;
    bitmap->reset(slots);
    for (std::size_t i = 0; i < slots; ++i) bitmap->take(i);
    bitmap->put(0, slots);
    bitmap->reset_none(slots);
    EXPECT_EQ(memory.back(), guard) << slots;
  }
}

TEST(SlotBitmap, HoldsAsManySlotsAsTheTopWordReaches) {
  bitmap_of bitmap(slot_bitmap::most_slots);
  EXPECT_TRUE(bitmap->check_invariants());
  bitmap->reset_none(slot_bitmap::most_slots);
  for (const std::size_t slot : {slot_bitmap::most_slots - 1, slot_bitmap::most_slots - 4096,
                                 slot_bitmap::most_slots - 4097, std::size_t{4096}, std::size_t{4095}}) {
    bitmap->put_one(slot);
    EXPECT_EQ(lowest_slot(*bitmap), slot);
  }
  EXPECT_TRUE(bitmap->check_invariants());
}

// Most words are empty here, so that summary words and the top word change all the time.
TEST(SlotBitmap, AgreesWithAModelWhileFewSlotsAreFree) {
  for (const std::size_t slots : {63U, 64U, 65U, 4096U, 4097U, 9000U}) {
    bitmap_of bitmap(slots);
    bitmap->reset_none(slots);
    std::set<std::size_t> is_free;
    std::mt19937 random(31);
    for (int i = 0; i < 3000; ++i) {
      const std::size_t slot = random() % slots;
      if (is_free.size() > 4 || is_free.count(slot) != 0) {
        ASSERT_EQ(lowest_slot(*bitmap), *is_free.begin());
        bitmap->take(*is_free.begin());
        is_free.erase(is_free.begin());
      } else {
        bitmap->put_one(slot);
        is_free.insert(slot);
      }
      ASSERT_TRUE(bitmap->check_invariants());
      ASSERT_EQ(bitmap->count(), is_free.size());
      ASSERT_EQ(bitmap->any(), !is_free.empty());
    }
  }
}

TEST(SlotBitmap, SaysThatItDoesNotAgreeWhateverBitWasFlippedAndIsSettledFromItsWords) {
  for (const std::size_t slots : {1U, 64U, 65U, 100U, 4097U}) {
    bitmap_of bitmap(slots);
    for (std::size_t i = 0; i < slots; i += 3) bitmap->take(i);
    EXPECT_TRUE(bitmap->agrees(slots));
    const std::size_t words = bitmap->words(), free = bitmap->count();
    auto* const bytes = reinterpret_cast<unsigned char*>(&*bitmap);
    const std::size_t words_at = sizeof(slot_bitmap) * 8;
    const std::size_t summaries_at = words_at + words * word_slots;
    const std::size_t end = words_at + slot_bitmap::trailing_bytes(words) * 8;
    std::size_t seen = 0;
    for (std::size_t bit = 0; bit < end; ++bit) {
      const std::uint32_t notice = bitmap->noticed_count();
      const auto flip = [&] { bytes[bit / 8] ^= static_cast<unsigned char>(1U << bit % 8); };
      flip();
      if (bitmap->words() != words || bitmap->noticed_count() != notice || bitmap->agrees(slots)) {
        EXPECT_LT(bit, words_at) << "words and summaries";
        flip();
        continue;
      }
      ++seen;
      bitmap->settle(slots);
      EXPECT_TRUE(bitmap->agrees(slots)) << bit;
      EXPECT_TRUE(bitmap->check_invariants()) << bit;
      const bool is_slot = bit >= words_at && bit < words_at + slots;
      if (is_slot) {
        flip();
        bitmap->settle(slots);
      }
      ASSERT_EQ(bitmap->count(), free) << bit;
    }
    EXPECT_EQ(seen, word_slots + 32 + end - words_at) << "top, count, words and summaries";
    EXPECT_LT(summaries_at, end);
  }
}

TEST(SlotBitmap, DoesNotAgreeWhereABitBehindTheLastSlotMakesTheCountRight) {
  bitmap_of bitmap(100);
  auto* const words = reinterpret_cast<std::size_t*>(&*bitmap + 1);
  words[0] &= ~std::size_t{1};
  words[bitmap->words() - 1] |= ~(~std::size_t{0} >> 1);
  EXPECT_FALSE(bitmap->agrees(100));
}

TEST(SlotBitmap, SaysOfARunWhetherOneOfItIsFree) {
  constexpr std::size_t slots = 200;
  for (const std::size_t free : {0U, 63U, 64U, 130U, 199U}) {
    bitmap_of bitmap(slots);
    for (std::size_t i = 0; i < slots; ++i)
      if (i != free) bitmap->take(i);
    for (std::size_t first = 0; first < slots; ++first)
      for (std::size_t count = 1; first + count <= slots; ++count)
        ASSERT_EQ(bitmap->is_any_free(first, count), first <= free && free < first + count)
            << free << ' ' << first << ' ' << count;
  }
}

TEST(SlotBitmap, LeadsToWhatCanBeTakenWhateverBitWasFlipped) {
  for (const std::size_t slots : {65U, 100U, 4200U}) {
    bitmap_of bitmap(slots);
    for (std::size_t i = 0; i < slots; ++i)
      if (i % 7 != 0 || (i / 64 >= 10 && i / 64 < 20)) bitmap->take(i);
    const std::size_t free = bitmap->count(), words = bitmap->words();
    for (const std::size_t wanted : {std::size_t{1}, std::size_t{8}, free})
      EXPECT_TRUE(bitmap->leads_to(wanted, slots));
    EXPECT_FALSE(bitmap->leads_to(free + 1, slots));
    auto* const bytes = reinterpret_cast<unsigned char*>(&*bitmap);
    const std::size_t words_at = sizeof(slot_bitmap) * 8;
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < words_at + slot_bitmap::trailing_bytes(words) * 8; ++bit) {
      if (bit >= word_slots && bit < words_at) continue;  // count, notice and words: others look at them
      const auto flip = [&] { bytes[bit / 8] ^= static_cast<unsigned char>(1U << bit % 8); };
      flip();
      for (const std::size_t wanted : {std::size_t{1}, std::size_t{8}, free}) {
        if (!bitmap->leads_to(wanted, slots)) {
          ++refused;
          continue;
        }
        const std::vector<unsigned char> kept(
            bytes, bytes + sizeof(slot_bitmap) + slot_bitmap::trailing_bytes(words));
        std::size_t last = 0;
        for (std::size_t i = 0; i < wanted; ++i) {
          ASSERT_TRUE(bitmap->any());
          ASSERT_LT(bitmap->lowest_word(), words) << bit;
          ASSERT_NE(bitmap->word(bitmap->lowest_word()), 0U) << bit;
          const std::size_t slot = lowest_slot(*bitmap);
          ASSERT_LT(slot, slots) << bit;
          ASSERT_TRUE(i == 0 || slot > last) << bit;
          bitmap->take(last = slot);
        }
        std::copy(kept.begin(), kept.end(), bytes);
      }
      flip();
    }
    EXPECT_GT(refused, words) << "all free ones are not where a summary without one of its bits leads";
  }
}

TEST(SlotBitmap, LeadsToNothingBehindTheLastSlot) {
  bitmap_of bitmap(100);
  auto* const words = reinterpret_cast<std::size_t*>(&*bitmap + 1);
  words[0] &= ~std::size_t{1};
  words[bitmap->words() - 1] |= ~(~std::size_t{0} >> 1);
  EXPECT_TRUE(bitmap->leads_to(63, 100));
  EXPECT_FALSE(bitmap->leads_to(100, 100));
}

TEST(SlotBitmap, SaysOfEachWordWhetherItsSummaryAgrees) {
  bitmap_of bitmap(200);
  bitmap->take(70);
  auto* const words = reinterpret_cast<std::size_t*>(&*bitmap + 1);
  const std::size_t summary = bitmap->words(), kept = words[summary];
  EXPECT_TRUE(bitmap->agrees_at(70));
  words[summary] ^= std::size_t{1} << 70 / word_slots;
  EXPECT_FALSE(bitmap->agrees_at(70));
  EXPECT_TRUE(bitmap->agrees_at(0));
  words[summary] = 0;
  EXPECT_FALSE(bitmap->agrees_at(0)) << "nor is the top bit right";
  words[summary] = kept;
  EXPECT_TRUE(bitmap->agrees_at(70));
}

}  // namespace
