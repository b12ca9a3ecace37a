// Positions and numbers of bits in a word.
//
// Layer      5. Freestanding.
// Threads    Values; no sharing.
// Source     The portable ones: Warren, Hacker's Delight, chapter 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// In the words of C++ alone, for compilers that tell no other and for constants.
namespace portable {

constexpr std::uint32_t count_bits(std::uint64_t word) noexcept {
  word -= (word >> 1) & 0x5555555555555555;
  word = (word & 0x3333333333333333) + ((word >> 2) & 0x3333333333333333);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
  return static_cast<std::uint32_t>((word * 0x0101010101010101) >> 56);
}

constexpr std::uint32_t lowest_bit(std::uint64_t word) noexcept {
  return count_bits(~word & (word - 1));
}

constexpr std::uint32_t bit_width(std::uint64_t word) noexcept {
  for (std::uint32_t step = 1; step < 64; step *= 2) word |= word >> step;
  return count_bits(word);
}

constexpr std::uint64_t multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& high) noexcept {
  constexpr std::uint64_t low_half = 0xFFFFFFFF;
  const std::uint64_t low = (a & low_half) * (b & low_half);
  const std::uint64_t first = (a >> 32) * (b & low_half) + (low >> 32);
  const std::uint64_t second = (a & low_half) * (b >> 32) + (first & low_half);
  high = (a >> 32) * (b >> 32) + (first >> 32) + (second >> 32);
  return second << 32 | (low & low_half);
}

}  // namespace portable

/// Returns the lower 64 bits of a product, and sets `high` to the upper ones.
constexpr std::uint64_t multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& high) noexcept {
#if defined(__SIZEOF_INT128__)
  __extension__ using wide = unsigned __int128;
  const wide product = wide{a} * b;
  high = static_cast<std::uint64_t>(product >> 64);
  return static_cast<std::uint64_t>(product);
#else
  return portable::multiply(a, b, high);
#endif
}

#if defined(__GNUC__) || defined(__clang__)

/// Returns the number of set bits.
constexpr std::uint32_t count_bits(std::uint64_t word) noexcept {
#if defined(__x86_64__) && !defined(__POPCNT__)
  return portable::count_bits(word);  // the compiler's own is a call there
#else
  return static_cast<std::uint32_t>(__builtin_popcountll(word));
#endif
}

/// Returns the index of the lowest set bit. Requires word != 0, an unsigned one.
template <class Word>
constexpr std::size_t lowest_bit(Word word) noexcept {
  if constexpr (sizeof(word) == sizeof(unsigned long long)) {
    return static_cast<std::size_t>(__builtin_ctzll(word));
  } else {
    return static_cast<std::size_t>(__builtin_ctz(word));
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

#else

constexpr std::uint32_t count_bits(std::uint64_t word) noexcept {
  return portable::count_bits(word);
}

template <class Word>
constexpr std::size_t lowest_bit(Word word) noexcept {
#if defined(_MSC_VER) && defined(_WIN64)
  unsigned long index = 0;
  if (!__builtin_is_constant_evaluated()) return _BitScanForward64(&index, word), index;
#endif
  return portable::lowest_bit(word);
}

constexpr std::uint32_t bit_width(std::size_t word) noexcept {
#if defined(_MSC_VER) && defined(_WIN64)
  unsigned long index = 0;
  if (!__builtin_is_constant_evaluated()) return _BitScanReverse64(&index, word) ? index + 1 : 0;
#endif
  return portable::bit_width(word);
}

#endif

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
