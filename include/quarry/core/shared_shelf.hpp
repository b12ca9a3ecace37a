// A shared shelf: the depot and the bin of one size class that many threads use, with a lock beside them.
//
// Layer      2 and 3 together. Freestanding.
// Invariant  Nothing here is used without the lock, but for what never changes.
// Threads    Under `lock`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/bin.hpp>
#include <quarry/core/shared_depot.hpp>
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
        parked(magazine_slots) {}

  static constexpr std::uint32_t parked_for(std::size_t slot_bytes) noexcept {
    const std::size_t wanted = depot_bytes_per_cache / (shelf::slots_for(slot_bytes) * slot_bytes);
    return static_cast<std::uint32_t>(wanted < most_parked_per_cache ? wanted : most_parked_per_cache);
  }

  /// Takes one slot, of the bin before those of the depot. Returns null when both are empty.
  void* take_one() noexcept {
    void* slot = nullptr;
    if (slots.refill(&slot + 1, 1) == 0) parked.take_slots(&slot, 1);
    return slot;
  }

  /// Writes up to `count` free slots from `begin` on, the one to hand out first last: those of the depot, and
  /// when they are fewer than half, those of the bin, in the order of bin::refill.
  /// Returns     How many were written; 0 when bin and depot are empty.
  /// Complexity  O(count).
  std::size_t refill(void** begin, std::size_t count) noexcept {
    const std::size_t drawn = parked.take_slots(begin, count);
    if (drawn * 2 >= count) return drawn;
    const std::size_t wanted = count - drawn;
    const std::size_t taken = slots.refill(begin + count, wanted);
    if (taken < wanted)
      for (std::size_t i = drawn; i < drawn + taken; ++i) begin[i] = begin[i + wanted - taken];
    return drawn + taken;
  }

  Lock lock;
  const std::uint32_t magazine_slots;    // slots that make a magazine of this class full
  const std::uint32_t parked_per_cache;  // magazines' worth of slots that the depot parks, for each cache
  bin slots;
  shared_depot parked;
};

}  // namespace quarry::core
