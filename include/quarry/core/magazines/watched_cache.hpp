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
  std::uint32_t bytes = 0;       // of slots; 0: no slab
  std::uint32_t epoch = 0;       // of the store when it was looked at
  std::uint64_t reciprocal = 0;  // as in slab_layout
  slot_states states;

  /// Returns whether `pointer` lies in the slab's slots, and no slab has gone back since.
  bool holds(const void* pointer, std::uint32_t epoch_now) const noexcept {
    const auto offset = reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(begin);
    return offset < bytes && epoch == epoch_now;
  }

  /// Returns the number of the slot that `pointer` lies in.
  std::size_t slot_of(const void* pointer) const noexcept {
    return static_cast<std::size_t>(
        static_cast<std::uint64_t>(static_cast<const std::byte*>(pointer) - begin) * reciprocal >> 40);
  }

  /// Sets `slot` to the number of the slot that `pointer` lies in. Returns whether that is its begin.
  bool find(const void* pointer, std::size_t& slot) const noexcept {
    // What is left of the product is less than the reciprocal exactly where the offset is a multiple of the slots' size.
    const std::uint64_t product =
        static_cast<std::uint64_t>(static_cast<const std::byte*>(pointer) - begin) * reciprocal;
    slot = static_cast<std::size_t>(product >> 40);
    return (product << 24) < (reciprocal << 24);
  }
};

struct watched_cache : cache {
  slab_memo memos[class_count];            // of the slab that was looked at last; by class
  std::uint64_t reciprocals[class_count];  // as in slab_layout; by class
  quarantine* delayed = nullptr;           // null where freed slots may be handed out at once

  /// Returns the memo of the class of `key`. Complexity O(1).
  slab_memo& memo_at(class_key key) noexcept {
    return *reinterpret_cast<slab_memo*>(reinterpret_cast<std::byte*>(memos) + key * (sizeof(slab_memo) / 2));
  }

  watched_cache() noexcept {
    for (class_index i = 0; i < class_count; ++i) reciprocals[i] = slab::reciprocal_of(slot_bytes_of(i));
  }
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
