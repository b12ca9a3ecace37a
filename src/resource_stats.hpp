// How both slab resources count what they hold.
#pragma once

#include <cstddef>

#include "quarry/core/bin.hpp"
#include "quarry/core/oversize_list.hpp"
#include "quarry/slab_stats.hpp"

namespace quarry {

/// Adds the row of a class to `result`; `cached_slots` of it rest outside the bin.
inline void add_class(slab_stats& result, const core::bin& slots, std::size_t cached_slots) {
  slab_class_stats& row = result.classes[result.class_rows++];
  row.slot_bytes = slots.layout().slot_bytes;
  row.cached_slots = cached_slots;
  std::size_t all_slots = 0;
  slots.for_each_slab([&](const core::slab& each) {
    all_slots += each.slots();
    row.free_slots += each.free_slots();
    ++row.slab_count;
  });
  // Slots that another thread moves meanwhile may be seen twice.
  const std::size_t known_slots = row.free_slots + row.cached_slots;
  row.live_slots = all_slots > known_slots ? all_slots - known_slots : 0;
  result.live_slots += row.live_slots;
  result.live_bytes += row.live_slots * row.slot_bytes;
  result.cached_slots += row.cached_slots;
  result.slab_count += row.slab_count;
}

/// Adds what is no slot: oversize blocks, and the bytes held from upstream.
template <class MeteredSource>
void add_upstream(slab_stats& result, const core::oversize_list& oversize, const MeteredSource& source) {
  result.oversize_blocks = oversize.blocks();
  result.oversize_bytes = oversize.bytes();
  result.live_bytes += result.oversize_bytes;
  result.upstream_bytes = source.held_bytes();
  result.upstream_peak_bytes = source.peak_bytes();
}

}  // namespace quarry
