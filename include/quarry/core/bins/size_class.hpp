// Size classes: which slot size serves a request.
//
// Layer      3 (bytes -> class). Freestanding.
// Invariant  Classes step by 8 bytes up to 128, then by 16 classes a doubling up to 1 KiB and by 8 up to 32
//            KiB. Rounding a size up to a multiple of its alignment always lands in a class whose slot_bytes is
//            a multiple of that alignment; slots start at multiples of it from the slab's base, so they are
//            aligned too.
// Source     16 classes a doubling where most sizes lie: measured in docs/results.md against 8.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <quarry/core/bits.hpp>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

using class_index = std::uint32_t;

inline constexpr std::size_t smallest_slot_bytes = 8;
inline constexpr std::size_t largest_slot_bytes = 32768;  // bytes; the largest class
inline constexpr std::size_t table_bytes = 1024;          // requests up to here are one table look-up
inline constexpr class_index class_count = 104;           // 16 linear, 3 doublings of 16, 5 doublings of 8
inline constexpr class_index no_class = class_count;      // what a request beyond the largest class maps to

namespace detail {
inline constexpr class_index linear_classes = 16;                     // of 8 bytes to 128 bytes
inline constexpr class_index fine_classes = linear_classes + 3 * 16;  // those up to 1 KiB
}  // namespace detail

/// Returns the size of the slots of class `index`.
/// Units       bytes.
/// Requires    index < class_count
/// Complexity  O(1).
constexpr std::size_t slot_bytes_of(class_index index) noexcept {
  if (index < detail::linear_classes) return (std::size_t{index} + 1) * 8;
  if (index < detail::fine_classes) {
    const class_index above = index - detail::linear_classes;
    return (std::size_t{128} << (above / 16)) + (std::size_t{8} << (above / 16)) * (above % 16 + 1);
  }
  const class_index above = index - detail::fine_classes;
  return (std::size_t{1024} << (above / 8)) + (std::size_t{128} << (above / 8)) * (above % 8 + 1);
}

/// Returns the smallest class whose slots hold `bytes`, or `no_class`.
/// Units       bytes.
/// Complexity  O(1).
constexpr class_index class_of_bytes(std::size_t bytes) noexcept {
  if (bytes <= 128) return bytes == 0 ? 0 : static_cast<class_index>((bytes - 1) / 8);
  if (bytes > largest_slot_bytes) return no_class;
  const class_index doubling = bit_width((bytes - 1) >> 8);
  const std::size_t beyond = bytes - 1 - (std::size_t{128} << doubling);
  if (doubling < 3)
    return detail::linear_classes + doubling * 16 + static_cast<class_index>(beyond >> (3 + doubling));
  return detail::fine_classes + (doubling - 3) * 8 + static_cast<class_index>(beyond >> (4 + doubling));
}

/// Twice a class: the form in which a hit path keeps it, so that a row of two words is found by one scaled index.
using class_key = std::size_t;

namespace detail {
constexpr std::array<std::uint8_t, table_bytes> make_class_keys() noexcept {
  std::array<std::uint8_t, table_bytes> keys{};
  for (std::size_t last_byte = 0; last_byte < table_bytes; ++last_byte)
    keys[last_byte] = static_cast<std::uint8_t>(2 * class_of_bytes(last_byte + 1));
  return keys;
}
}  // namespace detail

/// Indexed by `last_byte_of(bytes, alignment)` below table_bytes.
inline constexpr std::array<std::uint8_t, table_bytes> class_keys = detail::make_class_keys();

namespace detail {
inline constexpr std::uint32_t coarse_shift = 7;  // classes above table_bytes are multiples of 128 bytes
constexpr std::array<std::uint8_t, (largest_slot_bytes >> coarse_shift)> make_coarse_keys() noexcept {
  std::array<std::uint8_t, (largest_slot_bytes >> coarse_shift)> keys{};
  for (std::size_t i = 0; i < keys.size(); ++i)
    keys[i] = static_cast<std::uint8_t>(2 * class_of_bytes((i + 1) << coarse_shift));
  return keys;
}
}  // namespace detail

/// Indexed by `last_byte_of(bytes, alignment) >> 7` below largest_slot_bytes, for what lies beyond class_keys.
inline constexpr std::array<std::uint8_t, (largest_slot_bytes >> detail::coarse_shift)> coarse_class_keys =
    detail::make_coarse_keys();

/// Returns the offset of the last byte of a request rounded up to its alignment; the index of `class_keys`.
/// Units       bytes; `alignment` is a power of two. A size of 0 wraps to SIZE_MAX and so leaves the table.
constexpr std::size_t last_byte_of(std::size_t bytes, std::size_t alignment) noexcept {
  return (bytes - 1) | (alignment - 1);
}

constexpr class_key key_of_class(class_index index) noexcept {
  return class_key{index} * 2;
}
constexpr class_index class_of_key(class_key key) noexcept {
  return static_cast<class_index>(key / 2);
}

/// Returns the key of the class of a request. Requires last_byte < largest_slot_bytes. Complexity O(1).
constexpr class_key key_of(std::size_t last_byte) noexcept {
  if (QUARRY_LIKELY(last_byte < table_bytes)) return class_keys[last_byte];
  return coarse_class_keys[last_byte >> detail::coarse_shift];
}

/// Sets `key` to that of the class of a request. Returns false when the request is beyond the largest class. Small requests
/// pay one comparison. Complexity O(1).
constexpr bool find_key(std::size_t last_byte, class_key& key) noexcept {
  if (QUARRY_LIKELY(last_byte < table_bytes)) {
    key = class_keys[last_byte];
    return true;
  }
  if (last_byte >= largest_slot_bytes) return false;
  key = coarse_class_keys[last_byte >> detail::coarse_shift];
  return true;
}

/// Returns the class that serves any request, or `no_class` when it is beyond the largest one.
/// Units       bytes; `alignment` is a power of two.
/// Complexity  O(1).
constexpr class_index class_of(std::size_t bytes, std::size_t alignment) noexcept {
  const std::size_t last_byte = last_byte_of(bytes == 0 ? 1 : bytes, alignment);
  return last_byte < largest_slot_bytes ? static_cast<class_index>(key_of(last_byte) / 2) : no_class;
}

/// Returns how many granules make a slab of a class: the smallest power of two, `least` or more, that leaves at most 1/8
/// over; where none does, the smallest such number at all; where there is none, what one slot needs, or `least`; 0 where an
/// extent has too few.
/// Units       bytes; 0 < slot_bytes.
/// Requires    `least` is a power of two.
/// Complexity  O(1): at most a few steps more than an extent has granules.
constexpr std::size_t granules_for(std::size_t slot_bytes, std::size_t granule_bytes,
                                   std::size_t least = 1) noexcept {
  constexpr std::size_t most = 64;  // of an extent
  const auto is_tight = [&](std::size_t granules) {
    const std::size_t bytes = granules * granule_bytes;
    return bytes >= slot_bytes && bytes % slot_bytes * 8 <= bytes;
  };
  for (std::size_t granules = least; granules <= most; granules *= 2)
    if (is_tight(granules)) return granules;
  for (std::size_t granules = least; granules <= most; ++granules)
    if (is_tight(granules)) return granules;
  const std::size_t fewest = (slot_bytes + granule_bytes - 1) / granule_bytes;
  return fewest > most ? 0 : fewest > least ? fewest : least;
}

static_assert(slot_bytes_of(class_count - 1) == largest_slot_bytes,
              "The last class must be the largest slot size.");
static_assert(2 * class_count <= 256, "A key fits the byte that the tables have for it.");
static_assert(class_of_bytes(65) == 8 && slot_bytes_of(8) == 72,
              "The first class above 64 bytes must hold 72 bytes.");
static_assert(slot_bytes_of(class_of(24, 16)) % 16 == 0,
              "A class must keep the alignment that it is chosen for.");

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
