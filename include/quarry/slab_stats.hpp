// What a slab resource holds, as numbers.
//
// Layer      Vocabulary of the public face.
#pragma once

#include <array>
#include <cstddef>

#include "core/bins/size_class.hpp"

namespace quarry {
inline namespace QUARRY_ABI {

/// One row of slab_stats: one size class.
/// Threads     A value; no sharing.
struct slab_class_stats {
  std::size_t slot_bytes = 0;    // of each of its slots
  std::size_t live_slots = 0;    // in the user's hands
  std::size_t cached_slots = 0;  // resting in magazines
  std::size_t free_slots = 0;    // free in slabs
  std::size_t slab_count = 0;
};

/// A snapshot of one resource.
/// Threads     A value; no sharing.
/// Invariant   Per class: live + cached + free slots = slots of its slabs.
struct slab_stats {
  std::size_t live_bytes = 0;      // live slots times their slot_bytes, and oversize_bytes
  std::size_t live_slots = 0;      // in the user's hands
  std::size_t cached_slots = 0;    // resting in magazines
  std::size_t slab_count = 0;      // slabs in use by a class
  std::size_t upstream_bytes = 0;  // held from upstream now
  std::size_t discarded_bytes =
      0;  // part of upstream_bytes whose pages were discarded: addresses without memory
  std::size_t upstream_peak_bytes = 0;  // held from upstream at most, since construction
  std::size_t oversize_bytes = 0;       // live bytes of blocks that went straight upstream
  std::size_t oversize_blocks = 0;      // live blocks that went straight upstream

  std::size_t class_rows = 0;  // rows of `classes` in use
  std::array<slab_class_stats, core::class_count>
      classes{};  // ascending slot_bytes; classes never used have no row
};

}  // namespace QUARRY_ABI
}  // namespace quarry
