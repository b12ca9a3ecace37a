// A magazine: an array stack of free slots; the cursor through which a hit uses the loaded one; stacks of magazines.
//
// Layer      2. Freestanding.
// Invariant  entries[0] is null while the magazine is loaded, so that popping finds "empty" by what it loads;
//            while it rests in a stack of magazines, entries[0] is the link to the next one. Slots are never
//            written or read.
// Threads    One thread at a time; any thread may read a cursor's top.
// Source     Bonwick & Adams 2001 (magazines); the null at the bottom: docs/design.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Room for `capacity` free slots above the bottom entry.
struct magazine {
  static constexpr std::size_t capacity = 63;  // slots; with the bottom entry 512 bytes on 64-bit machines

  void* entries[capacity + 1];  // [0] null or link; [1..capacity] slots, the newest on top
};

/// The loaded magazine of one class, as two addresses: a hit reads and writes nothing else but the slot's
/// entry. Without a magazine it points to an entry of its owner that is null: empty and full at once, so that
/// every push and pop takes the slow path.
class cursor {
 public:
  cursor() noexcept {
  }  // NOLINT(modernize-use-equals-default): must be unloaded or loaded before its first use
  explicit constexpr cursor(void*& nothing) noexcept : top_(&nothing), limit_(&nothing) {}

  /// Returns the newest slot, or null when the magazine is empty.
  void* pop() noexcept {
    void** const top = top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
    void* const slot = *top;
    if (QUARRY_LIKELY(slot != nullptr))
      top_.store(top - 1, std::memory_order_relaxed);  // Relaxed: as in push().
    return slot;
  }

  /// Returns the slot that pop() would.
  void* peek() const noexcept {
    return *top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
  }

  /// Pops into `slot` what peek() returns, if bool f(const void*) says so of it. Returns what f does.
  template <class F>
  bool pop_if(void*& slot, F f) noexcept {
    void** const top = top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
    slot = *top;
    if (!f(slot)) return false;
    top_.store(top - 1, std::memory_order_relaxed);  // Relaxed: as in push().
    return true;
  }

  /// Wipes the entry of the slot that pop() has returned just now: so who looks for pointers in memory does not find it there.
  void wipe_popped() noexcept {
    top_.load(std::memory_order_relaxed)[1] = nullptr;  // Relaxed: the owner's own store.
  }

  /// Takes a slot; returns false, changing nothing, when the magazine is full.
  bool push(void* slot) noexcept {
    void** const top = top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
    if (QUARRY_UNLIKELY(top == limit_)) return false;
    top[1] = slot;
    top_.store(top + 1,
               std::memory_order_relaxed);  // Relaxed: who reads it asks for a number, not for slots.
    return true;
  }

  /// As push(), if bool f() says so; it is asked only where there is room.
  template <class F>
  bool push_if(void* slot, F f) noexcept {
    void** const top = top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
    if (QUARRY_UNLIKELY(top == limit_) || !f()) return false;
    top[1] = slot;
    top_.store(top + 1, std::memory_order_relaxed);  // Relaxed: as in push().
    return true;
  }

  /// Loads `entries`, which hold `count` slots above the bottom one and take `limit`. Requires count <= limit.
  void load(void** entries, std::size_t count, std::size_t limit) noexcept {
    entries[0] = nullptr;
    top_.store(entries + count, std::memory_order_relaxed);  // Relaxed: as in push().
    limit_ = entries + limit;
  }

  /// Sets how many slots the loaded `entries` take. Requires that they hold no more.
  void limit_to(void** entries, std::size_t limit) noexcept { limit_ = entries + limit; }

  /// Drops nulls that were pushed: a null on top looks like an empty magazine to pop(). `entries` are loaded. Returns how many.
  std::size_t drop_nulls(void* const* entries) noexcept {
    void** const before = top_.load(std::memory_order_relaxed);  // Relaxed: the owner's own store.
    void** top = before;
    while (top != entries && *top == nullptr) --top;
    top_.store(top, std::memory_order_relaxed);  // Relaxed: as in push().
    return static_cast<std::size_t>(before - top);
  }

  /// Returns the slots in the loaded `entries`.
  std::size_t count(void* const* entries) const noexcept {
    // Relaxed: the owner's own store, or a number for a report.
    return static_cast<std::size_t>(top_.load(std::memory_order_relaxed) - entries);
  }

 private:
  std::atomic<void**>
      top_;       // entry of the newest slot; the bottom entry when empty; the owner's, read by any thread
  void** limit_;  // entry whose slot makes the magazine full; the owner's
};

/// Pops at most `count` slots and calls f(void*) with each. Returns how many there were.
template <class F>
std::size_t pop_each(cursor& from, std::size_t count, F f) {
  for (std::size_t i = 0; i < count; ++i) {
    void* const slot = from.pop();
    if (QUARRY_UNLIKELY(slot == nullptr)) return i;
    f(slot);
  }
  return count;
}

/// Pushes the highest of the `count` slots from `first` on that are `step_bytes` bytes apart, as many as there is room
/// for, the lowest of them last. Returns how many that were.
inline std::size_t push_run(cursor& into, void* first, std::size_t count, std::size_t step_bytes) noexcept {
  std::byte* slot = static_cast<std::byte*>(first) + count * step_bytes;
  for (std::size_t i = 0; i < count; ++i)
    if (QUARRY_UNLIKELY(!into.push(slot -= step_bytes))) return i;
  return count;
}

/// Magazines at rest.
class magazine_stack {
 public:
  constexpr magazine_stack() noexcept = default;

  void push(magazine& resting) noexcept {
    resting.entries[0] = top_;
    top_ = &resting;
    ++size_;
  }

  /// Returns the newest magazine, or null when there is none.
  magazine* pop() noexcept {
    magazine* const result = top_;
    if (result == nullptr) return nullptr;
    top_ = static_cast<magazine*>(result->entries[0]);
    --size_;
    return result;
  }

  /// Calls f(const magazine&) for each, the newest first.
  template <class F>
  void for_each(F f) const {
    for (const magazine* each = top_; each != nullptr; each = static_cast<const magazine*>(each->entries[0]))
      f(*each);
  }

  std::size_t size() const noexcept { return size_; }

 private:
  magazine* top_ = nullptr;
  std::size_t size_ = 0;  // magazines
};

/// Returns the slots that a full magazine of a class takes: as many as make 32 KiB, at least 4.
constexpr std::uint32_t full_magazine_slots(std::size_t slot_bytes) noexcept {
  constexpr std::size_t most_bytes = 32768;
  const std::size_t wanted = most_bytes / slot_bytes;
  return static_cast<std::uint32_t>(wanted < 4                    ? 4
                                    : wanted < magazine::capacity ? wanted
                                                                  : magazine::capacity);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
