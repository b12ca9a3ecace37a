// How many homes the caches have that lately came to one place: about how many threads share it, those that are idle not counted.
//
// Layer      2. Freestanding.
// Threads    One thread at a time, or under the owner's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/bits.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <std::size_t Homes>
class recent_homes {
  static_assert(Homes <= 8, "a bit each");

 public:
  static constexpr std::uint32_t period = 64;  // visits that are counted together

  /// Notes a visit. Returns whether a period ends with it. Requires home < Homes.
  bool note(std::size_t home) noexcept {
    if constexpr (Homes == 1) return false;
    seen_ = static_cast<std::uint8_t>(seen_ | 1U << home);
    if (++visits_ < period) return false;
    const std::uint32_t count = count_bits(seen_);
    forget();
    count_ = static_cast<std::uint8_t>(count);
    return true;
  }

  /// Returns how many homes the visits of the last whole period had; 1 before there was one.
  std::uint32_t count() const noexcept { return count_; }

  void forget() noexcept { *this = recent_homes(); }

 private:
  std::uint8_t seen_ = 0;    // in this period; a bit each
  std::uint8_t visits_ = 0;  // of this period
  std::uint8_t count_ = 1;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
