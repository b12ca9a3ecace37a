// How a typed cache that is not checked finds out why a pointer cannot be given back.
//
// Layer      2. Freestanding. Reads no memory but the cache's own, whatever the pointer is.
// Threads    Under the cache's lock.
#pragma once

#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/cache_stock.hpp>
#include <quarry/core/typed/slot_fault.hpp>

#include <cstddef>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Returns what is wrong with giving `slot` back to the cache of `stock` and `front`: it is none of its slots, it is
/// free, resting in the magazine or kept, or the header of its slab was overwritten.
/// Complexity  O(slabs + magazine slots).
inline slot_fault find_fault(const cache_stock& stock, const cache_front& front, const void* slot) noexcept {
  const slab* const home = stock.find(slot);
  if (home == nullptr) return slot_fault::foreign;
  if (home->owner != &front) return slot_fault::damaged;
  const std::size_t index = home->index_of(slot, stock.layout());
  if (home->slot_at(index, stock.layout()) != slot) return slot_fault::foreign;
  const bool free =
      home->bitmap().is_free(index) || stock.is_cached(front, slot) || stock.is_kept(*home, index);
  return free ? slot_fault::free : slot_fault::none;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
