// A thread cache: the magazines of one thread in one resource, two per size class, behind one cursor each.
//
// Layer      2. Freestanding. Owns no memory: magazines come from and go back to the shared engine.
// Invariant  A class has a loaded magazine exactly when its cursor is loaded; a previous magazine is empty or
//            holds previous_slots slots. Every magazine is aligned to its size, so an address tells the
//            count.
// Threads    One thread at a time; any thread may read cached_slots(), which is exact while the owner rests.
// Source     Bonwick & Adams 2001, section 3.1: with two magazines, one magazine's worth of operations lies
//            between two visits to the depot.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/class_share.hpp>
#include <quarry/core/magazine.hpp>
#include <quarry/core/size_class.hpp>

namespace quarry::core {

/// The loaded magazine of one class as two addresses, as `cursor`, with a count that other threads may read.
class thread_cursor {
 public:
  /// Starts both empty and full: the first push and the first pop take the slow path.
  constexpr thread_cursor() noexcept = default;

  /// Returns the newest slot, or null when the magazine is empty.
  void* pop() noexcept {
    void** const top = top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
    void* const slot = *top;
    if (__builtin_expect(slot != nullptr, 1)) top_.store(top - 1, std::memory_order_relaxed);
    return slot;
  }

  /// Takes a slot; returns false, changing nothing, when the magazine is full.
  bool push(void* slot) noexcept {
    void** const top = top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
    if (__builtin_expect(top == limit_, 0)) return false;
    top[1] = slot;
    top_.store(top + 1, std::memory_order_relaxed);  // Relaxed: count() asks for no slots.
    return true;
  }

  /// Loads `loaded`, which holds `count` slots and takes `limit`.
  /// Requires    count <= limit <= magazine::capacity; `loaded` is aligned to its size.
  void load(magazine& loaded, std::size_t count, std::size_t limit) noexcept {
    loaded.entries[0] = nullptr;
    top_.store(loaded.entries + count, std::memory_order_relaxed);  // Relaxed: as in push().
    limit_ = loaded.entries + limit;
  }

  /// Returns the slots in the loaded magazine. Threads: any.
  std::size_t count() const noexcept {
    // Relaxed: a number for a report; pairs with the stores of the owner.
    const auto top = reinterpret_cast<std::uintptr_t>(top_.load(std::memory_order_relaxed));
    return static_cast<std::size_t>(top % sizeof(magazine)) / sizeof(void*);
  }

 private:
  alignas(sizeof(magazine)) static inline void* nothing_ = nullptr;  // never written: empty and full at once

  std::atomic<void**> top_{&nothing_};  // entry of the newest slot; written by the owner, read by any thread
  void** limit_ = &nothing_;            // entry whose slot makes the magazine full; the owner's
};

static_assert(
    (sizeof(magazine) & (sizeof(magazine) - 1)) == 0,
    "A magazine's size must be a power of two, so that an address in it tells how many slots it holds.");

/// What a thread keeps of one class beside the cursor.
struct local_shelf {
  magazine* loaded = nullptr;    // under the cursor; the owner's
  magazine* previous = nullptr;  // the one loaded before, when the share has two; the owner's
  std::atomic<std::uint32_t> previous_slots{
      0};                          // slots in `previous`; written by the owner, read by any thread
  class_share share;               // what the class may hold here; the owner's
  std::uint8_t slots_at_look = 0;  // under the cursor when another class last asked for room; the owner's
  std::uint8_t quiet_looks = 0;    // such looks in a row that found nothing changed; the owner's

  std::uint32_t slots_in_previous() const noexcept {
    return previous_slots.load(std::memory_order_relaxed);  // Relaxed: the owner's own store, or a report.
  }
  void set_slots_in_previous(std::size_t slots) noexcept {
    previous_slots.store(static_cast<std::uint32_t>(slots), std::memory_order_relaxed);  // Relaxed: as above.
  }
};

struct alignas(64) thread_cache {
  thread_cursor cursors[class_count];  // by class; what a hit uses
  local_shelf shelves[class_count];    // by class; what a miss uses
  std::size_t share_bytes = 0;         // bytes of slots that all classes together may hold now
  class_index next_to_look_at = 0;     // where the search for a class that yields goes on
  thread_cache* next = nullptr;        // in the engine's list of caches at rest; under its lock

  /// Returns the cursor of the class of `key`. Complexity O(1).
  thread_cursor& cursor_at(class_key key) noexcept {
    return *reinterpret_cast<thread_cursor*>(reinterpret_cast<std::byte*>(cursors) +
                                             key * (sizeof(thread_cursor) / 2));
  }

  /// Exchanges the loaded magazine of a class, which is empty, for the previous one, which is not.
  /// Returns     A slot.
  void* load_previous(class_index index) noexcept {
    local_shelf& local = shelves[index];
    magazine& previous = *local.previous;
    local.previous = local.loaded;
    local.loaded = &previous;
    cursors[index].load(previous, local.slots_in_previous(), local.share.magazine_slots);
    local.set_slots_in_previous(0);
    return cursors[index].pop();
  }

  /// Looks at one class in turn for room that class `index` wants.
  /// Returns     A class that yields: one that two rounds of looks found unused, or whose share is much larger;
  ///             no_class when the one looked at does not.
  /// Complexity  O(1).
  class_index find_yielding(class_index index) noexcept {
    class_index looked_at = no_class;
    for (int skips = 0; skips < most_skips && looked_at == no_class; ++skips) {
      if (shelves[next_to_look_at].loaded != nullptr && next_to_look_at != index) looked_at = next_to_look_at;
      next_to_look_at = next_to_look_at + 1 < class_count ? next_to_look_at + 1 : 0;
    }
    if (looked_at == no_class) return no_class;
    local_shelf& other = shelves[looked_at];
    const auto slots = static_cast<std::uint8_t>(cursors[looked_at].count());
    other.quiet_looks = slots != other.slots_at_look ? std::uint8_t{0}
                        : other.quiet_looks < quiet_looks_of_unused
                            ? static_cast<std::uint8_t>(other.quiet_looks + 1)
                            : other.quiet_looks;
    other.slots_at_look = slots;
    const bool is_unused = other.quiet_looks == quiet_looks_of_unused;
    return is_unused || other.share.slots() >= much_larger * shelves[index].share.slots() ? looked_at
                                                                                          : no_class;
  }

  /// Returns the slots of class `index` that rest here. Threads: any.
  std::size_t cached_slots(class_index index) const noexcept {
    return cursors[index].count() + shelves[index].slots_in_previous();
  }

 private:
  static constexpr int most_skips = 16;  // classes without a magazine passed over in a look
  static constexpr std::uint8_t quiet_looks_of_unused = 2;  // then a class counts as unused
  // Times another's share. Who yields half of it to a share a quarter as large does not at once ask for it back.
  static constexpr std::size_t much_larger = 4;
};

}  // namespace quarry::core
