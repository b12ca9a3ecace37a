// Dense numbers for the slots of a typed cache: the slab's number times the slots of an extension slab, plus the
// slot's index in its slab.
//
// Layer      2. Freestanding.
// Invariant  No two slabs of one cache have the same number. A slab gets its number, the smallest that is free,
//            when a slot of it is first asked for.
// Threads    Under the cache's lock.
#pragma once

#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/core/typed/cache_stock.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Returns the number of `slot`. Requires a slot of this cache.
/// Complexity  O(1), for the first slot of each slab as cache_stock::give_number().
inline std::uint32_t number_of_slot(cache_stock& stock, const cache_layout& layout,
                                    const void* slot) noexcept {
  slab& home = *home_of(slot, layout.slabs);
  if (home.number == UINT32_MAX) stock.give_number(home);
  return static_cast<std::uint32_t>(home.number * layout.extension.slots + home.index_of(slot, layout.slabs));
}

/// Returns the slot that has `number`, or null when none has. Complexity O(slabs).
inline void* slot_of_number(const cache_stock& stock, const cache_layout& layout,
                            std::uint32_t number) noexcept {
  void* found = nullptr;
  stock.for_each_slab([&](const slab& each) {
    const std::size_t index = number % layout.extension.slots;
    if (each.number == number / layout.extension.slots && index < each.slots())
      found = each.slot_at(index, layout.slabs);
  });
  return found;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
