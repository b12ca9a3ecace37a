// A magazine: an array stack of free slots; and the cursor through which a hit path uses the loaded one.
//
// Layer      2. Freestanding.
// Invariant  entries[0] is null while the magazine is loaded, so that popping finds "empty" by what it loads;
//            while it rests in a stack of magazines, entries[0] is the link to the next one. Slots are never
//            written or read.
// Threads    One thread at a time.
// Source     Bonwick & Adams 2001 (magazines); the null at the bottom: docs/design.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quarry::core {

/// Room for `capacity` free slots above the bottom entry.
struct magazine {
  static constexpr std::size_t capacity = 63;  // slots; with the bottom entry 512 bytes on 64-bit machines

  void* entries[capacity + 1];  // [0] null or link; [1..capacity] slots, the newest on top
};

/// Returns the capacity of the magazine of a cache whose slabs have about `slots` slots: a quarter of a slab, and
/// no more than keeps the slowest call short, which moves half of it.
constexpr std::uint32_t magazine_slots_for(std::size_t slots) noexcept {
  constexpr std::uint32_t fewest = 4;
  constexpr std::uint32_t most = 31;
  if (slots / 4 < fewest) return fewest;
  return slots / 4 < most ? static_cast<std::uint32_t>(slots / 4) : most;
}

/// The loaded magazine of one class, as two addresses: a hit reads and writes nothing else but the slot's
/// entry.
class cursor {
 public:
  /// Starts both empty and full: the first push and the first pop take the slow path.
  constexpr cursor() noexcept = default;

  /// Returns the newest slot, or null when the magazine is empty.
  void* pop() noexcept {
    void* const slot = *top_;
    if (__builtin_expect(slot != nullptr, 1)) --top_;
    return slot;
  }

  /// Takes a slot; returns false, changing nothing, when the magazine is full.
  bool push(void* slot) noexcept {
    if (__builtin_expect(top_ == limit_, 0)) return false;
    *++top_ = slot;
    return true;
  }

  /// Loads `loaded`, which holds `count` slots and takes `limit`. Requires count <= limit <=
  /// magazine::capacity.
  void load(magazine& loaded, std::size_t count, std::size_t limit) noexcept {
    load(loaded.entries, count, limit);
  }

  /// The same for a magazine of another capacity: `entries` has `limit` entries above the bottom one.
  void load(void** entries, std::size_t count, std::size_t limit) noexcept {
    entries[0] = nullptr;
    top_ = entries + count;
    limit_ = entries + limit;
  }

  /// Drops the magazine: every push and pop takes the slow path again.
  void unload() noexcept { *this = cursor(); }

  bool loaded() const noexcept { return limit_ != &nothing_; }

  /// Returns the slots in `loaded`, the magazine that was loaded.
  std::size_t count(const magazine& loaded) const noexcept { return count(loaded.entries); }
  std::size_t count(void* const* entries) const noexcept { return static_cast<std::size_t>(top_ - entries); }

 private:
  static inline void* nothing_ = nullptr;  // never written: a cursor on it is empty and full at once

  void** top_ = &nothing_;    // entry of the newest slot; the bottom entry when empty
  void** limit_ = &nothing_;  // entry whose slot makes the magazine full
};

/// Pops at most `count` slots and calls f(void*) with each. Returns how many there were.
template <class Cursor, class F>
std::size_t pop_each(Cursor& from, std::size_t count, F f) {
  for (std::size_t i = 0; i < count; ++i) {
    void* const slot = from.pop();
    if (__builtin_expect(slot == nullptr, 0)) return i;
    f(slot);
  }
  return count;
}

/// Pushes the highest of the `count` slots from `first` on that are `step_bytes` bytes apart, as many as there is room
/// for, the lowest of them last. Returns how many that were.
template <class Cursor>
std::size_t push_run(Cursor& into, void* first, std::size_t count, std::size_t step_bytes) noexcept {
  std::byte* slot = static_cast<std::byte*>(first) + count * step_bytes;
  for (std::size_t i = 0; i < count; ++i)
    if (__builtin_expect(!into.push(slot -= step_bytes), 0)) return i;
  return count;
}

}  // namespace quarry::core
