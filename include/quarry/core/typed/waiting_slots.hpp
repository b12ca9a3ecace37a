// The quarantine of a checked typed cache: freed slots that wait, first in, first out, so that what is done to them too late is
// found.
//
// Layer      4. Freestanding. The slots' addresses lie in memory that is lent to it.
// Invariant  A slot that waits counts as used in its slab.
// Threads    Under the cache's lock.
#pragma once

#include <cstddef>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class waiting_slots {
 public:
  /// Has room for `capacity` slots at `places`.
  waiting_slots(void** places, std::size_t capacity) noexcept : places_(places), capacity_(capacity) {}

  std::size_t count() const noexcept { return count_; }
  std::size_t capacity() const noexcept { return capacity_; }

  /// Takes a slot. Requires count() < capacity().
  void push(void* slot) noexcept {
    places_[(first_ + count_) % capacity_] = slot;
    ++count_;
  }

  /// Returns the slot that has waited longest, which waits no longer, or null when there is none.
  void* pop() noexcept {
    if (count_ == 0) return nullptr;
    void* const oldest = places_[first_];
    first_ = (first_ + 1) % capacity_;
    --count_;
    return oldest;
  }

  /// Complexity  O(count()).
  bool holds(const void* slot) const noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      if (places_[(first_ + i) % capacity_] == slot) return true;
    return false;
  }

 private:
  void** places_;
  std::size_t capacity_;   // slots
  std::size_t first_ = 0;  // where the oldest stands
  std::size_t count_ = 0;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
