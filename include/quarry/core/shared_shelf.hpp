// A shared shelf: the depot and the bin of one size class that many threads use, with a lock beside them.
//
// Layer      2 and 3 together. Freestanding.
// Invariant  Every magazine in the depot holds exactly magazine_slots slots, so that two threads exchange
//            them whole. Nothing here is used without the lock, but for what never changes.
// Threads    Under `lock`.
// Source     Bonwick & Adams 2001, section 3.2 (the depot's two lists).
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/bin.hpp>
#include <quarry/core/depot.hpp>
#include <quarry/core/shelf.hpp>

namespace quarry::core {

template <class Lock>
struct alignas(64) shared_shelf {
  static constexpr std::size_t depot_bytes_per_cache = 131072;  // bytes of slots in the depot, for each cache
  static constexpr std::size_t most_parked_per_cache = 32;      // magazines in the depot, for each cache

  explicit shared_shelf(const slab_layout& layout) noexcept
      : magazine_slots(static_cast<std::uint32_t>(shelf::slots_for(layout.slot_bytes))),
        parked_per_cache(parked_for(layout.slot_bytes)),
        slots(layout),
        full(SIZE_MAX) {}

  static constexpr std::uint32_t parked_for(std::size_t slot_bytes) noexcept {
    const std::size_t wanted = depot_bytes_per_cache / (shelf::slots_for(slot_bytes) * slot_bytes);
    return static_cast<std::uint32_t>(wanted < most_parked_per_cache ? wanted : most_parked_per_cache);
  }

  /// Writes up to `count` free slots below `end`, in the order of bin::refill.
  /// Effects     When the bin has none, a magazine of the depot is flushed first.
  /// Returns     How many were written; 0 when bin and depot are empty.
  std::size_t take(void** end, std::size_t count) noexcept {
    const std::size_t taken = slots.refill(end, count);
    return taken != 0 || full.size() == 0 ? taken : take_slow(end, count);
  }

  /// As take(), from `begin` on: the slot to hand out first is the last one written.
  std::size_t refill(void** begin, std::size_t count) noexcept {
    const std::size_t taken = take(begin + count, count);
    if (taken < count)
      for (std::size_t i = 0; i < taken; ++i) begin[i] = begin[i + count - taken];
    return taken;
  }

  Lock lock;
  const std::uint32_t magazine_slots;    // slots that make a magazine of this class full
  const std::uint32_t parked_per_cache;  // magazines that the depot parks, for each cache
  bin slots;
  depot full;
  magazine_stack empty;  // magazines without slots

 private:
  __attribute__((noinline)) std::size_t take_slow(void** end, std::size_t count) noexcept {
    magazine* const parked = full.take();
    slab* emptied = slots.flush(parked->entries + 1, magazine_slots);
    while (emptied != nullptr) {  // wanted at once: it stays
      slab* const next = emptied->next;
      slots.adopt(emptied);
      emptied = next;
    }
    empty.push(*parked);
    return slots.refill(end, count);
  }
};

}  // namespace quarry::core
