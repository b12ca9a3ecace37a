// A shelf: what stands behind the loaded magazine of one size class, its depot and its bin.
//
// Layer      2 and 3 together. Freestanding.
// Invariant  Slots of the class are in exactly one place: the user's hands, the loaded magazine, the depot or
//            the bin.
// Threads    One thread at a time; a shared shelf is used under its owner's lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bin.hpp"
#include "depot.hpp"

namespace quarry::core {

struct shelf {
  explicit shelf(const slab_layout& layout) noexcept
      : slots(layout),
        full(depot_limit(layout.slot_bytes)),
        loaded(&first),
        magazine_slots(slots_for(layout.slot_bytes)) {}

  /// Returns the slots that a magazine of this class takes: as many as make `magazine_bytes`, within bounds.
  static constexpr std::size_t slots_for(std::size_t slot_bytes) noexcept {
    const std::size_t wanted = magazine_bytes / slot_bytes;
    return wanted < 4 ? 4 : wanted < magazine::capacity ? wanted : magazine::capacity;
  }

  /// Returns the full magazines that a depot of this class parks.
  static constexpr std::size_t depot_limit(std::size_t slot_bytes) noexcept {
    const std::size_t wanted = depot_bytes / (slots_for(slot_bytes) * slot_bytes);
    return wanted < most_parked ? wanted : most_parked;
  }

  static constexpr std::size_t magazine_bytes = 32768;  // bytes of slots in a full magazine, at most about
  static constexpr std::size_t depot_bytes = 65536;     // bytes of slots in a depot, at most
  static constexpr std::size_t most_parked = 16;        // magazines

  bin slots;
  depot full;
  magazine* loaded;            // the magazine under the cursor of this class, never null
  std::size_t magazine_slots;  // slots that make a magazine of this class full
  magazine first;              // the magazine that the class starts with
};

}  // namespace quarry::core
