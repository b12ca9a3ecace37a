// One slab: memory whose alignment equals its size, cut into equal slots, with its header inside.
//
//   base                                                     base + slab_bytes
//   | slot 0 | slot 1 | header + bitmap (coloured) | slot k | ... | slot n-1 | tail |
//
// Layer      4. Freestanding. The only place where addresses turn into slots and back.
// Invariant  Slot i lies at begin() + i * slot_bytes, so every slot has the alignment of slot_bytes. The
//            header lies over slots that are never handed out, or in the tail when it fits there; its offset
//            varies with the slab's address so that headers spread over the cache sets. free_slots equals the
//            set bits of the bitmap.
// Threads    One thread at a time.
// Source     Bonwick 1994 (slab, colouring); docs/design.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "slot_bitmap.hpp"

namespace quarry::core {

/// The geometry that all slabs of one bin share.
struct slab_layout {
  std::size_t slot_bytes = 0;
  std::size_t slab_bytes = 0;      // bytes; a power of two
  std::uint64_t reciprocal = 0;    // ceil(2^40 / slot_bytes): offset -> slot index without a division
  std::size_t header_offset = 0;   // bytes from the slab's base, before colouring
  std::size_t header_bytes = 0;    // header, bitmap and what the owner adds behind it
  std::size_t colour_mask = 0;     // bytes; the colours are the multiples of 64 inside this mask
  std::uint32_t colour_shift = 0;  // bits from the slab's number to its colour
  std::uint32_t total_slots = 0;   // slots between base and tail, the header's included
};

/// Slots that are neighbours in one slab, in address order.
struct slot_run {
  void* first = nullptr;       // null when there are none
  std::size_t slots = 0;       // how many
  std::size_t slot_bytes = 0;  // bytes from each to the next
};

/// A slab's header; the bitmap ends it.
class slab {
 public:
  slab* next = nullptr;      // in a list of its bin
  slab* previous = nullptr;  // in a list of its bin
  void* owner = nullptr;     // whoever took the slab from a page source

  /// Returns the geometry of slabs of `slab_bytes` bytes with slots of `slot_bytes` bytes.
  /// Units       bytes; `slab_bytes` is a power of two, `extra_header_bytes` are kept for the owner behind
  ///             the bitmap.
  /// Requires    0 < slot_bytes <= slab_bytes <= 16 MiB; slot_bytes * slab_bytes < 2^40
  /// Complexity  O(1), two divisions.
  static constexpr slab_layout layout(std::size_t slot_bytes, std::size_t slab_bytes,
                                      std::size_t extra_header_bytes = 0) noexcept;

  /// Lays a header over `base` and marks every slot free that the header leaves.
  /// Requires    `base` is aligned to layout.slab_bytes; nothing lives there.
  /// Complexity  O(total_slots / 64).
  static slab* create(void* base, const slab_layout& layout) noexcept {
    slab* const self = ::new (header_at(base, layout)) slab(static_cast<std::byte*>(base));
    self->reset(layout.total_slots, layout);
    self->reserve_header(layout);
    return self;
  }

  /// Makes a slab of `slots` slots at `begin` whose header lies elsewhere, found by range instead of by mask.
  static slab* create_apart(void* header, void* begin, std::size_t slots,
                            const slab_layout& layout) noexcept {
    slab* const self = ::new (header) slab(static_cast<std::byte*>(begin));
    self->reset(slots, layout);
    return self;
  }

  /// Returns the bytes of a header for `slots` slots.
  static constexpr std::size_t header_bytes_for(std::size_t slots) noexcept;

  /// Returns the header of the slab that holds `pointer`.
  static slab* of(const void* pointer, const slab_layout& layout) noexcept {
    return static_cast<slab*>(header_at(base_of(pointer, layout.slab_bytes), layout));
  }

  static void* base_of(const void* pointer, std::size_t slab_bytes) noexcept {
    return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(pointer) & ~(slab_bytes - 1));
  }

  /// Writes the `count` lowest free slots below `end`, so that popping from `end` yields ascending addresses.
  /// Requires    0 < count <= free_slots()
  /// Complexity  O(count).
  void take(void** end, std::size_t count, const slab_layout& layout) noexcept;

  /// Takes the lowest free slot. Requires that there is one. Complexity O(1).
  void* take_one(const slab_layout& layout) noexcept {
    const std::size_t index = bitmap_.lowest_word();
    const bitmap_word word = bitmap_.word(index);
    bitmap_.replace(index, word & (word - 1), 1);
    return slot_at(index * word_slots + lowest_bit(word), layout);
  }

  /// Takes the lowest run of free slots, at most `count` of them; nothing when fewer than `least` lie in
  /// its first word and no word's end cuts them.
  /// Requires    0 < least <= count; free_slots() > 0
  /// Complexity  O(count / 64).
  slot_run take_run(std::size_t least, std::size_t count, const slab_layout& layout) noexcept;

  /// Gives the run of slots [first, first + count) back. Returns whether free_slots() has reached notice_at().
  bool put(std::size_t first, std::size_t count) noexcept { return bitmap_.put(first, count); }

  /// Gives one slot back. Requires that it is not free. Returns as put().
  bool put_one(std::size_t slot) noexcept { return bitmap_.put_one(slot); }

  std::size_t index_of(const void* pointer, const slab_layout& layout) const noexcept {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - begin_);
    // Where a word has 32 bits, a division is less code than a multiplication to 64 bits.
    if constexpr (prefers_small_code && sizeof(offset) < 8) return offset / layout.slot_bytes;
    return static_cast<std::size_t>(offset * layout.reciprocal >> 40);
  }
  void* slot_at(std::size_t index, const slab_layout& layout) const noexcept {
    return begin_ + index * layout.slot_bytes;
  }

  /// Calls f(void*) for every slot that is not free, in address order. Complexity O(total slots).
  template <class F>
  void for_each_used(const slab_layout& layout, F f) const {
    for (std::size_t i = 0; i < extent_slots_; ++i)
      if (!bitmap_.is_free(i) && !is_reserved(i, layout)) f(slot_at(i, layout));
  }

  bool is_reserved(std::size_t index, const slab_layout& layout) const noexcept {
    const auto header = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(this) - begin_);
    const std::size_t slot = index * layout.slot_bytes;
    return slots_ != extent_slots_ && slot + layout.slot_bytes > header &&
           slot < header + layout.header_bytes;
  }

  std::byte* begin() const noexcept { return begin_; }                 // address of slot 0
  std::size_t slots() const noexcept { return slots_; }                // slots that can be handed out
  std::size_t extent_slots() const noexcept { return extent_slots_; }  // slots(), and those under the header
  std::size_t free_slots() const noexcept { return bitmap_.count(); }
  bool empty() const noexcept { return free_slots() == slots_; }  // nothing is handed out
  slot_bitmap& bitmap() noexcept { return bitmap_; }
  const slot_bitmap& bitmap() const noexcept { return bitmap_; }

  std::uint16_t group = 0;            // which of its bin's lists it is in
  bool pinned = false;                // never leaves its bin when it becomes empty
  std::uint32_t number = UINT32_MAX;  // which of its owner's slabs this is; none yet

 private:
  explicit slab(std::byte* begin) noexcept : begin_(begin) {}

  static void* header_at(void* base, const slab_layout& layout) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(base);
    return static_cast<std::byte*>(base) + layout.header_offset +
           ((address >> layout.colour_shift) & layout.colour_mask);
  }

  void reset(std::size_t slots, const slab_layout&) noexcept {
    bitmap_.reset(slots);
    slots_ = extent_slots_ = static_cast<std::uint32_t>(slots);
  }

  void reserve_header(const slab_layout& layout) noexcept {
    const auto offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(this) - begin_);
    const std::size_t first = offset / layout.slot_bytes;
    const std::size_t last = (offset + layout.header_bytes - 1) / layout.slot_bytes;
    for (std::size_t i = first; i <= last && i < extent_slots_; ++i) {
      bitmap_.take(i);
      --slots_;
    }
  }

  std::byte* begin_;                // address of slot 0
  std::uint32_t slots_ = 0;         // slots that can be handed out
  std::uint32_t extent_slots_ = 0;  // slots between begin and tail
  slot_bitmap bitmap_;              // last: its words follow
};

constexpr std::size_t slab::header_bytes_for(std::size_t slots) noexcept {
  return sizeof(slab) + slot_bitmap::trailing_bytes(slot_bitmap::words_for(slots));
}

constexpr slab_layout slab::layout(std::size_t slot_bytes, std::size_t slab_bytes,
                                   std::size_t extra_header_bytes) noexcept {
  constexpr std::size_t line_bytes = 64;
  constexpr std::size_t most_colours = 16;
  slab_layout result;
  result.slot_bytes = slot_bytes;
  result.slab_bytes = slab_bytes;
  result.reciprocal = ((std::uint64_t{1} << 40) + slot_bytes - 1) / slot_bytes;
  std::size_t total = slab_bytes / slot_bytes;
  if (total > slot_bitmap::most_slots) total = slot_bitmap::most_slots;
  result.total_slots = static_cast<std::uint32_t>(total);
  constexpr std::size_t word_mask = sizeof(void*) - 1;
  result.header_bytes = (header_bytes_for(total) + extra_header_bytes + word_mask) & ~word_mask;

  // A header in the tail costs no slot; a large slot spares room for the colours inside the slot that it
  // costs.
  const std::size_t tail_offset = (total * slot_bytes + word_mask) & ~word_mask;
  std::size_t slack = slab_bytes / line_bytes;
  const bool few_large_slots = slot_bytes >= 8 * line_bytes || total < 8;
  if (few_large_slots && tail_offset + result.header_bytes <= slab_bytes) {
    result.header_offset = tail_offset;
    slack = slab_bytes - tail_offset - result.header_bytes;
  } else if (slot_bytes > result.header_bytes && slot_bytes - result.header_bytes < slack) {
    slack = slot_bytes - result.header_bytes;
  }
  std::size_t colours = 1;
  while (colours < most_colours && (2 * colours - 1) * line_bytes <= slack) colours *= 2;
  result.colour_mask = (colours - 1) * line_bytes;
  std::uint32_t slab_bits = 0;
  while ((std::size_t{1} << slab_bits) < slab_bytes) ++slab_bits;
  result.colour_shift = slab_bits > 6 ? slab_bits - 6 : 0;
  return result;
}

inline slot_run slab::take_run(std::size_t least, std::size_t count, const slab_layout& layout) noexcept {
  std::size_t index = bitmap_.lowest_word();
  bitmap_word word = bitmap_.word(index);
  std::size_t bit = lowest_bit(word);
  const std::size_t first = index * word_slots + bit;
  std::size_t run = 0;
  for (;;) {  // once for each word that the run touches
    const bitmap_word gap = ~(word >> bit);
    std::size_t here = gap == 0 ? word_slots : lowest_bit(gap);
    if (here > count - run) here = count - run;
    const bool ends_inside = bit + here < word_slots;
    if (ends_inside && run == 0 && here < least) return {};
    bitmap_.replace(index, word & ~(low_bits(here) << bit), here);
    run += here;
    if (ends_inside || run == count || ++index == bitmap_.words()) break;
    word = bitmap_.word(index);
    bit = 0;
    if ((word & 1) == 0) break;
  }
  return {slot_at(first, layout), run, layout.slot_bytes};
}

inline void slab::take(void** end, std::size_t count, const slab_layout& layout) noexcept {
  const std::size_t slot_bytes = layout.slot_bytes;
  do {
    const std::size_t index = bitmap_.lowest_word();
    bitmap_word word = bitmap_.word(index);
    std::byte* const first = begin_ + index * word_slots * slot_bytes;
    const std::size_t left = count;
    const std::size_t bit = lowest_bit(word);
    const bitmap_word rest = word >> bit;
    if ((rest & (rest + 1)) == 0) {  // one run up to the word's end, as in a fresh slab
      const std::size_t run = rest == ~bitmap_word{0} ? word_slots : lowest_bit(~rest);
      const std::size_t taken = run < count ? run : count;
      std::byte* slot = first + bit * slot_bytes;
      for (std::size_t i = 0; i < taken; ++i, slot += slot_bytes) *--end = slot;
      word &= ~(low_bits(taken) << bit);
      count -= taken;
    } else {
      do {
        *--end = first + lowest_bit(word) * slot_bytes;
        word &= word - 1;
        --count;
      } while (word != 0 && count != 0);
    }
    bitmap_.replace(index, word, left - count);
  } while (count != 0);
}

}  // namespace quarry::core
