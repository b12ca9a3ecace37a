// Positions of bits in a word.
//
// Layer      5. Freestanding.
// Threads    Values; no sharing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Returns the index of the lowest set bit. Requires word != 0.
constexpr std::size_t lowest_bit(std::size_t word) noexcept {
  if constexpr (sizeof(word) == sizeof(unsigned long long)) {
    return static_cast<std::size_t>(__builtin_ctzll(word));
  } else {
    return static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(word)));
  }
}

/// Returns the bits that `word` needs: one more than the index of its highest set bit, 0 for 0.
constexpr std::uint32_t bit_width(std::size_t word) noexcept {
  if (word == 0) return 0;
  if constexpr (sizeof(word) == sizeof(unsigned long long)) {
    return 64 - static_cast<std::uint32_t>(__builtin_clzll(word));
  } else {
    return 32 - static_cast<std::uint32_t>(__builtin_clz(static_cast<unsigned>(word)));
  }
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
