// The first slab of a class: small, and in the resource's arena, so that a resource of a few objects stays small.
//
// Layer      3 to 5. Freestanding.
// Threads    Those of the bin and the arena.
#pragma once

#include <cstddef>
#include <quarry/core/arena.hpp>
#include <quarry/core/bin.hpp>
#include <quarry/core/slab.hpp>

namespace quarry::core {

inline constexpr std::size_t first_slab_bytes = 1024;         // of slots
inline constexpr std::size_t largest_first_slot_bytes = 256;  // larger slots get no such slab

/// Gives `fresh`, which has no slab yet, a first one when its slots are small and the newest block of `parts` has
/// room. Complexity O(first_slab_bytes / slot_bytes / 64).
inline void adopt_first_slab(bin& fresh, arena& parts) noexcept {
  const std::size_t slot_bytes = fresh.layout().slot_bytes;
  if (slot_bytes > largest_first_slot_bytes) return;
  const std::size_t slots = first_slab_bytes / slot_bytes;
  const std::size_t alignment = slot_bytes & (~slot_bytes + 1);
  void* const header = parts.try_allocate(slab::header_bytes_for(slots), alignof(slab));
  void* const first = header == nullptr ? nullptr : parts.try_allocate(slots * slot_bytes, alignment);
  if (first != nullptr) fresh.adopt_first(slab::create_apart(header, first, slots, fresh.layout()));
}

}  // namespace quarry::core
