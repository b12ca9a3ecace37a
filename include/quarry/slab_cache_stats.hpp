// What a typed cache reports about itself.
//
// Layer      Vocabulary of the public face; freestanding.
#pragma once

#include <cstddef>
#include <quarry/version.hpp>
#include <type_traits>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {

/// A snapshot of one cache, with the fields of slab_stats; on hosted builds it converts to one.
/// Invariant   live + kept + cached + free slots = slots of the slabs.
/// Threads     A value; no sharing.
struct slab_cache_stats {
  std::size_t live_bytes = 0;           // live slots times the object's size
  std::size_t live_slots = 0;           // in the user's hands
  std::size_t cached_slots = 0;         // resting in the magazine
  std::size_t kept_slots = 0;           // with a recycled object
  std::size_t free_slots = 0;           // free in slabs
  std::size_t slab_count = 0;           // empty slabs included
  std::size_t empty_slab_count = 0;     // extension slabs held without an object
  std::size_t upstream_bytes = 0;       // held from the page source now
  std::size_t upstream_peak_bytes = 0;  // held from the page source at most
  std::size_t oversize_bytes = 0;       // always 0: a cache has one size
  std::size_t oversize_blocks = 0;      // always 0

  /// Returns the same as slab_stats, without what a cache alone has. Complexity O(1).
  template <class Stats, class = decltype(std::declval<Stats&>().class_rows)>
  operator Stats() const {
    Stats result;
    result.live_bytes = live_bytes;
    result.live_slots = live_slots;
    result.cached_slots = cached_slots;
    result.slab_count = slab_count;
    result.upstream_bytes = upstream_bytes;
    result.upstream_peak_bytes = upstream_peak_bytes;
    return result;
  }
};

}  // namespace QUARRY_ABI
}  // namespace quarry
