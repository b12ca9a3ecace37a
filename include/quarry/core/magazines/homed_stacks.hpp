// Magazines at rest, each with the home of the cache that put it there: threads that take and put in turn get their own back,
// whose slots no other thread has written since.
//
// Layer      2. Freestanding.
// Threads    One thread at a time.
// Source     docs/threads.md: what slots that change threads cost.
#pragma once

#include <cstddef>
#include <quarry/core/magazines/magazine.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// A stack of magazines for each of `Homes` homes.
template <std::size_t Homes>
class homed_stacks {
 public:
  constexpr homed_stacks() noexcept = default;

  /// Requires home < Homes.
  void push(magazine& resting, std::size_t home) noexcept {
    stacks_[home].push(resting);
    ++size_;
  }

  /// Returns the newest magazine of `home`, or where it has none of the next home that has one; null when there is none.
  /// Requires home < Homes. Complexity O(Homes).
  magazine* pop(std::size_t home) noexcept {
    for (std::size_t asked = 0; size_ != 0 && asked < Homes; ++asked)
      if (magazine* const taken = stacks_[(home + asked) % Homes].pop()) {
        --size_;
        return taken;
      }
    return nullptr;
  }

  /// Calls f(const magazine&) for each, home by home, the newest of each first.
  template <class F>
  void for_each(F f) const {
    for (const magazine_stack& each : stacks_) each.for_each(f);
  }

  std::size_t size() const noexcept { return size_; }

 private:
  magazine_stack stacks_[Homes];
  std::size_t size_ = 0;  // magazines of all homes
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
