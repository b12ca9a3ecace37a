// One slab: memory cut into equal slots, and the header that says which of them are free.
//
//   slots     | slot 0 | slot 1 | slot 2 | ...                | slot n-1 | tail |     at begin()
//   header    | lists | begin | bitmap: count, top | words | summary words |         wherever the owner keeps it
//
// Layer      4. Freestanding. The only place where addresses turn into slots and back.
// Invariant  Slot i lies at begin() + i * slot_bytes. Where the header lies is the owner's affair: beside the slabs in a
//            resource, in the slab in a typed cache. free_slots() equals the set bits of the bitmap.
// Threads    One thread at a time.
// Source     Bonwick 1994 (slab); headers apart from what they describe: docs/results.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "slot_bitmap.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// The geometry that all slabs of one bin share.
struct slab_layout {
  std::size_t slot_bytes = 0;
  std::size_t slab_bytes = 0;     // bytes; of the memory that slots are cut from
  std::uint64_t reciprocal = 0;   // ceil(2^40 / slot_bytes): offset -> slot index without a division
  std::size_t header_bytes = 0;   // header and bitmap of a slab of total_slots slots
  std::uint32_t total_slots = 0;  // slots of a whole slab
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
  void* owner =
      nullptr;  // a listed slab's extent; the next unlisted slab of its bin; in a typed cache the front

  static constexpr std::size_t largest_product = std::size_t{1} << (sizeof(std::size_t) > 4 ? 40 : 31);

  /// Returns 2^40 / slot_bytes, rounded up.
  static constexpr std::uint64_t reciprocal_of(std::size_t slot_bytes) noexcept {
    return ((std::uint64_t{1} << 40) + slot_bytes - 1) / slot_bytes;
  }

  /// Returns the geometry of slabs of `slab_bytes` bytes with slots of `slot_bytes` bytes.
  /// Units       bytes.
  /// Requires    0 < slot_bytes <= slab_bytes; slot_bytes * slab_bytes < 2^40
  /// Complexity  O(1), two divisions.
  static constexpr slab_layout layout(std::size_t slot_bytes, std::size_t slab_bytes) noexcept {
    slab_layout result;
    result.slot_bytes = slot_bytes;
    result.slab_bytes = slab_bytes;
    result.reciprocal = reciprocal_of(slot_bytes);
    const std::size_t slots = slab_bytes / slot_bytes;
    result.total_slots =
        static_cast<std::uint32_t>(slots < slot_bitmap::most_slots ? slots : slot_bitmap::most_slots);
    result.header_bytes = header_bytes_for(result.total_slots);
    return result;
  }

  /// Makes the header of a slab of `slots` slots at `begin`, all of them free; the slots are not touched.
  /// Requires    `header` has header_bytes_for(slots) bytes, aligned for a slab.
  /// Complexity  O(slots / 64).
  static slab* create(void* header, void* begin, std::size_t slots) noexcept {
    slab* const self = ::new (header) slab(static_cast<std::byte*>(begin));
    self->bitmap_.reset(slots);
    self->slots_ = static_cast<std::uint32_t>(slots);
    return self;
  }

  /// Returns the bytes of a header for `slots` slots.
  static constexpr std::size_t header_bytes_for(std::size_t slots) noexcept;

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

  /// Returns whether `pointer` lies in one of the slots. Complexity O(1).
  bool holds(const void* pointer, const slab_layout& layout) const noexcept {
    const auto offset = reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(begin_);
    return offset < slots_ * layout.slot_bytes;
  }

  /// Calls f(void*) for every slot that is not free, in address order. Complexity O(slots).
  template <class F>
  void for_each_used(const slab_layout& layout, F f) const {
    for (std::size_t i = 0; i < slots_; ++i)
      if (!bitmap_.is_free(i)) f(slot_at(i, layout));
  }

  std::byte* begin() const noexcept { return begin_; }   // address of slot 0
  std::size_t slots() const noexcept { return slots_; }  // slots in all
  std::size_t free_slots() const noexcept { return bitmap_.count(); }
  bool empty() const noexcept { return free_slots() == slots_; }  // nothing is handed out
  slot_bitmap& bitmap() noexcept { return bitmap_; }
  const slot_bitmap& bitmap() const noexcept { return bitmap_; }

  std::uint8_t group = 0;       // which of its bin's lists it is in
  std::uint8_t size_class = 0;  // of its bin, in a resource
  std::uint8_t granules = 0;    // that it covers, in a resource; 0: it lies in a block or part
  bool pinned = false;          // never leaves its bin when it becomes empty
  bool is_unlisted = false;     // no directory and no mask finds it: its bin does
  std::uint8_t room = 0;        // what spare_headers::take() has said of this header's
  std::uint32_t number =
      UINT32_MAX;  // which of its typed cache's slabs this is, none yet; the seal in a checked resource

 private:
  explicit slab(std::byte* begin) noexcept : begin_(begin) {}

  std::uint32_t slots_ = 0;  // slots in all
  std::byte* begin_;         // address of slot 0
  slot_bitmap bitmap_;       // last: its words follow
};

constexpr std::size_t slab::header_bytes_for(std::size_t slots) noexcept {
  return sizeof(slab) + slot_bitmap::trailing_bytes(slot_bitmap::words_for(slots));
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
      QUARRY_UNROLL(4)
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

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
