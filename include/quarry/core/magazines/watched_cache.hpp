// The cache of an owner whose calls are watched: it stands behind one that is never loaded, so that every call takes the slow way.
//
// Layer      2. Freestanding.
// Threads    As cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/magazines/cache.hpp>
#include <quarry/core/magazines/quarantine.hpp>
#include <quarry/core/slabs/slot_states.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// A slab that was looked at, so that the next look need not find it again.
struct slab_memo {
  std::byte* begin = nullptr;
  std::size_t bytes = 0;         // of slots; 0: no slab
  std::uint64_t reciprocal = 0;  // as in slab_layout
  std::size_t slot_bytes = 0;
  slot_states states;
  slab* home = nullptr;
  std::uint32_t epoch = 0;  // of the store when it was looked at
};

struct watched_cache : cache {
  slab_memo memos[class_count];   // of the slab that was looked at last; by class
  quarantine* delayed = nullptr;  // null where freed slots may be handed out at once
};

/// Returns the slots of class `index` that rest in a cache, or in the one behind it. Threads: any.
inline std::size_t slots_resting_in(const cache& own, class_index index) noexcept {
  if (own.behind == nullptr) return own.cached_slots(index);
  const quarantine* const delayed = own.behind->delayed;
  return own.behind->cached_slots(index) + (delayed != nullptr ? delayed->slots_of(index) : 0);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
