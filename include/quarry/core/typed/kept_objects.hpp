// Objects that a typed cache keeps constructed for their next use: one mark a slot, beside the bitmap.
//
// Layer      4. Freestanding.
// Invariant  The slot of a kept object counts as used in its slab; a slab is chained exactly while it has marks.
// Threads    Under the cache's lock.
// Source     Bonwick 1994 (object caching).
#pragma once

#include <quarry/core/slabs/slab.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What lies behind the bitmap in a slab that marks kept objects.
struct kept_marks {
  slab* next = nullptr;  // the next slab with kept objects
  slot_bitmap bits;      // last: its words follow; a set bit is a kept object
};

constexpr std::size_t kept_bytes_for(std::size_t slots) noexcept {
  return sizeof(kept_marks) + slot_bitmap::trailing_bytes(slot_bitmap::words_for(slots));
}

inline kept_marks& kept_of(slab& each) noexcept {
  return *reinterpret_cast<kept_marks*>(reinterpret_cast<std::byte*>(&each) +
                                        slab::header_bytes_for(each.slots()));
}

/// Makes room for marks in a slab that has `kept_bytes_for` its slots behind its header; nothing is kept.
inline void clear_marks(slab& fresh) noexcept {
  kept_marks* const marks = ::new (static_cast<void*>(&kept_of(fresh))) kept_marks;
  marks->bits.reset_none(fresh.slots());
}

class kept_objects {
 public:
  std::size_t count() const noexcept { return count_; }

  /// Marks the object in `slot` of `home` as kept. Requires a slab with marks. Complexity O(1).
  void keep(slab& home, void* slot, const slab_layout& layout) noexcept {
    kept_marks& marks = kept_of(home);
    if (!marks.bits.any()) {
      marks.next = first_;
      first_ = &home;
    }
    marks.bits.put_one(home.index_of(slot, layout));
    ++count_;
  }

  /// Returns the slot of a kept object, no longer marked, or null when none is kept. Complexity O(1).
  void* take(const slab_layout& layout) noexcept {
    if (first_ == nullptr) return nullptr;
    slab& home = *first_;
    kept_marks& marks = kept_of(home);
    const std::size_t word = marks.bits.lowest_word();
    const std::size_t index = word * word_slots + lowest_bit(marks.bits.word(word));
    marks.bits.take(index);
    if (!marks.bits.any()) first_ = marks.next;
    --count_;
    return home.slot_at(index, layout);
  }

  /// Whether slot `index` of `home` holds a kept object. Complexity O(1).
  bool has(const slab& home, std::size_t index) const noexcept {
    return count_ != 0 && kept_of(const_cast<slab&>(home)).bits.is_free(index);
  }

 private:
  slab* first_ = nullptr;  // slabs with kept objects, chained by their marks
  std::size_t count_ = 0;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
