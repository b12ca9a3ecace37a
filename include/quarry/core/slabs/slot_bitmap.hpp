// The set of free slots of one slab: one bit per slot, a summary bit per word, a top bit per summary word.
//
// Layer      4. Freestanding. The words lie directly behind the object, in memory that the slab provides.
// Invariant  Summary bit w is set exactly when word w is not zero; top bit s exactly when summary word s is
//            not zero.
// Threads    The slab's: one thread at a time.
// Source     Bitmaps as in TLSF (Masmano et al. 2004), with one level more: finding a slot is a fixed number of bit
//            scans.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/bits.hpp>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

using bitmap_word = std::size_t;
inline constexpr std::size_t word_slots = sizeof(bitmap_word) * 8;

/// Whether this translation unit asks for small code: then runs of slots are taken and put one by one.
#if defined(__OPTIMIZE_SIZE__)
inline constexpr bool prefers_small_code = true;
#else
inline constexpr bool prefers_small_code = false;
#endif

/// Returns a word whose lowest `count` bits are set. Requires 0 < count <= word_slots.
constexpr bitmap_word low_bits(std::size_t count) noexcept {
  return ~bitmap_word{0} >> (word_slots - count);
}

class slot_bitmap {
 public:
  static constexpr std::size_t most_slots = word_slots * word_slots * word_slots;

  static constexpr std::size_t words_for(std::size_t slots) noexcept {
    return (slots + word_slots - 1) / word_slots;
  }

  /// Returns the bytes that must follow the object for a bitmap of `words` words.
  static constexpr std::size_t trailing_bytes(std::size_t words) noexcept {
    return (words + words_for(words)) * sizeof(bitmap_word);
  }

  /// Marks slots [0, slots) free. Complexity O(slots / word_slots).
  void reset(std::size_t slots) noexcept {
    words_ = static_cast<std::uint32_t>(words_for(slots));
    fill(data(), slots);
    fill(data() + words_, words_);
    top_ = low_bits(words_for(words_));
    count_ = static_cast<std::uint32_t>(slots);
  }

  std::size_t count() const noexcept { return count_; }  // free slots

  /// Makes put() and put_one() report when count() reaches `count`.
  void notice_at(std::uint32_t count) noexcept { notice_at_ = count; }

  /// Marks slots [0, slots) used. Complexity O(slots / word_slots).
  void reset_none(std::size_t slots) noexcept {
    words_ = static_cast<std::uint32_t>(words_for(slots));
    for (std::size_t i = 0; i < words_ + words_for(words_); ++i) data()[i] = 0;
    top_ = 0;
    count_ = 0;
  }

  bool is_free(std::size_t slot) const noexcept {
    return (data()[slot / word_slots] >> (slot % word_slots) & 1) != 0;
  }

  /// Returns whether one of the run [first, first + count) is free. Complexity O(1 + count / word_slots).
  bool is_any_free(std::size_t first, std::size_t count) const noexcept {
    return for_words_of(first, count, [this](std::size_t index, bitmap_word bits) noexcept {
      return (data()[index] & bits) != 0;
    });
  }

  /// Marks the run [first, first + count) free. Requires that the whole run was in use.
  /// Returns     Whether count() has reached what notice_at() set.
  /// Complexity  O(1 + count / word_slots).
  bool put(std::size_t first, std::size_t count) noexcept {
    count_ += static_cast<std::uint32_t>(count);
    for_words_of(first, count, [this](std::size_t index, bitmap_word bits) noexcept {
      put_in_word(index, bits);
      return false;
    });
    return count_ >= notice_at_;
  }

  /// Marks one slot free. Requires that it was in use. Returns as put(). Complexity O(1).
  bool put_one(std::size_t slot) noexcept {
    put_in_word(slot / word_slots, bitmap_word{1} << (slot % word_slots));
    return ++count_ >= notice_at_;
  }

  /// Marks one slot used. Requires is_free(slot).
  void take(std::size_t slot) noexcept {
    replace(slot / word_slots, word(slot / word_slots) & ~(bitmap_word{1} << (slot % word_slots)), 1);
  }

  /// Returns the index of the lowest word that has a free slot. Requires any().
  std::size_t lowest_word() const noexcept {
    const std::size_t group = lowest_bit(top_);
    return group * word_slots + lowest_bit(data()[words_ + group]);
  }

  bool any() const noexcept { return top_ != 0; }
  std::size_t words() const noexcept { return words_; }
  bitmap_word word(std::size_t index) const noexcept { return data()[index]; }

  /// Replaces word `index` by itself without `taken` of its bits. Complexity O(1).
  void replace(std::size_t index, bitmap_word value, std::size_t taken) noexcept {
    count_ -= static_cast<std::uint32_t>(taken);
    data()[index] = value;
    if (value != 0) return;
    bitmap_word& group = data()[words_ + index / word_slots];
    group &= ~(bitmap_word{1} << (index % word_slots));
    if (group == 0) top_ &= ~(bitmap_word{1} << (index / word_slots));
  }

  /// Returns the free slots at which put() reports.
  std::uint32_t noticed_count() const noexcept { return notice_at_; }

  /// Returns whether the summary of the word of `slot` agrees with it. Complexity O(1).
  bool agrees_at(std::size_t slot) const noexcept {
    const std::size_t index = slot / word_slots;
    const bitmap_word group = data()[words_ + index / word_slots];
    return (data()[index] != 0) == ((group >> index % word_slots & 1) != 0) &&
           (group != 0) == ((top_ >> index / word_slots & 1) != 0);
  }

  /// Returns whether top and summary lead to the lowest `wanted` free slots, all of them below `slots`: then they can be taken.
  /// Requires    0 < wanted
  /// Complexity  O(words that have them).
  bool leads_to(std::size_t wanted, std::size_t slots) const noexcept {
    const std::size_t last = slots % word_slots;
    for (bitmap_word top = top_; top != 0; top &= top - 1) {
      const std::size_t group = lowest_bit(top);
      if (group >= words_for(words_)) return false;
      bitmap_word summary = data()[words_ + group];
      if (summary == 0) return false;
      for (; summary != 0; summary &= summary - 1) {
        const std::size_t index = group * word_slots + lowest_bit(summary);
        if (index >= words_) return false;
        const bitmap_word word = data()[index];
        if (word == 0 || (last != 0 && index == words_ - 1 && (word & ~low_bits(last)) != 0)) return false;
        const std::size_t here = count_bits(word);
        if (here >= wanted) return true;
        wanted -= here;
      }
    }
    return false;
  }

  /// Returns whether count, summary and top are what settle() would make them, and no bit behind `slots` is set.
  /// Complexity O(words()).
  bool agrees(std::size_t slots) const noexcept {
    const tally all = count_all();
    const std::size_t last = slots % word_slots;
    return all.is_summed && all.top == top_ && all.bits == count_ &&
           (last == 0 || (data()[words_ - 1] & ~low_bits(last)) == 0);
  }

  /// Makes a bitmap of `slots` slots out of the words alone, whatever count, summary and top say. Complexity O(words()).
  void settle(std::size_t slots) noexcept {
    if (const std::size_t last = slots % word_slots) data()[words_ - 1] &= low_bits(last);
    for (std::size_t s = 0; s < words_for(words_); ++s) data()[words_ + s] = summary_of(s);
    const tally all = count_all();
    top_ = all.top;
    count_ = static_cast<std::uint32_t>(all.bits);
  }

  /// Returns true when count, summary and top agree with the words. Complexity O(words() * word_slots).
  bool check_invariants() const noexcept {
    std::size_t bits = 0;
    for (std::size_t i = 0; i < words_; ++i)
      for (bitmap_word word = data()[i]; word != 0; word &= word - 1) ++bits;
    if (bits != count_) return false;
    for (std::size_t i = 0; i < words_; ++i)
      if ((data()[i] != 0) != ((data()[words_ + i / word_slots] >> (i % word_slots) & 1) != 0)) return false;
    for (std::size_t s = 0; s < words_for(words_); ++s)
      if ((data()[words_ + s] != 0) != ((top_ >> s & 1) != 0)) return false;
    return true;
  }

 private:
  bitmap_word* data() noexcept { return reinterpret_cast<bitmap_word*>(this + 1); }
  const bitmap_word* data() const noexcept { return reinterpret_cast<const bitmap_word*>(this + 1); }

  // What the words say.
  struct tally {
    std::size_t bits = 0;
    bitmap_word top = 0;
    bool is_summed = true;  // each summary word is right
  };
  bitmap_word summary_of(std::size_t group) const noexcept {
    bitmap_word result = 0;
    for (std::size_t i = group * word_slots; i < words_ && i < (group + 1) * word_slots; ++i)
      result |= bitmap_word{data()[i] != 0} << (i % word_slots);
    return result;
  }
  tally count_all() const noexcept {
    tally result;
    for (std::size_t i = 0; i < words_; ++i) result.bits += count_bits(data()[i]);
    for (std::size_t s = 0; s < words_for(words_); ++s) {
      const bitmap_word summary = summary_of(s);
      result.is_summed = result.is_summed && summary == data()[words_ + s];
      result.top |= bitmap_word{summary != 0} << s;
    }
    return result;
  }

  // Calls f(std::size_t index, bitmap_word bits) for each word of the run [first, first + count), until it says true. Returns whether
  // it did. Requires 0 < count.
  template <class F>
  static bool for_words_of(std::size_t first, std::size_t count, F f) noexcept {
    do {
      const std::size_t bit = first % word_slots;
      const std::size_t here = count < word_slots - bit ? count : word_slots - bit;
      if (f(first / word_slots, low_bits(here) << bit)) return true;
      first += here;
      count -= here;
    } while (count != 0);
    return false;
  }

  static void fill(bitmap_word* words, std::size_t bits) noexcept {
    for (; bits > word_slots; bits -= word_slots) *words++ = ~bitmap_word{0};
    *words = low_bits(bits);
  }

  void put_in_word(std::size_t index, bitmap_word bits) noexcept {
    bitmap_word& word = data()[index];
    if (QUARRY_UNLIKELY(word == 0)) {
      data()[words_ + index / word_slots] |= bitmap_word{1} << (index % word_slots);
      top_ |= bitmap_word{1} << (index / word_slots);
    }
    word |= bits;
  }

  bitmap_word top_;                       // bit s: summary word s is not zero
  std::uint32_t count_;                   // free slots
  std::uint32_t notice_at_ = UINT32_MAX;  // free slots at which putting back is reported
  std::uint32_t words_;                   // words of slots; the summary words follow them
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
