// A slab of a typed cache: its header lies inside, so that an object's address tells it.
//
// Layer      4. Freestanding.
// Invariant  The header lies where the slab's address and size say, whatever lives in the slab; the place varies with the
//            address so that headers spread over the cache sets.
// Source     Bonwick 1994 (colouring).
#pragma once

#include <quarry/core/slabs/slab.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Where the headers of slabs lie that have them inside.
struct slab_colours {
  std::uint16_t mask = 0;  // bytes; the colours are the multiples of 64 inside this mask
  std::uint8_t shift = 0;  // bits from the slab's number to its colour
};

/// The geometry of slabs whose header lies inside, where the slab's address and size tell.
struct typed_slab_layout : slab_layout {
  slab_colours colours;
};

/// Returns the geometry of slabs of `slab_bytes` bytes with slots of `slot_bytes` bytes.
/// Units       bytes; `slab_bytes` is a power of two.
/// Requires    As slab::layout().
constexpr typed_slab_layout make_typed_slab_layout(std::size_t slot_bytes, std::size_t slab_bytes) noexcept {
  constexpr std::size_t line_bytes = 64;
  constexpr std::size_t most_colours = 16;
  typed_slab_layout result;
  static_cast<slab_layout&>(result) = slab::layout(slot_bytes, slab_bytes);
  std::size_t colours = 1;
  while (colours < most_colours && (2 * colours - 1) * line_bytes <= slab_bytes / line_bytes) colours *= 2;
  result.colours.mask = static_cast<std::uint16_t>((colours - 1) * line_bytes);
  std::uint8_t slab_bits = 0;
  while ((std::size_t{1} << slab_bits) < slab_bytes) ++slab_bits;
  result.colours.shift = slab_bits > 6 ? static_cast<std::uint8_t>(slab_bits - 6) : std::uint8_t{0};
  return result;
}

inline void* base_of(const void* pointer, std::size_t slab_bytes) noexcept {
  return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(pointer) & ~(slab_bytes - 1));
}

/// Returns the header of the slab of `slab_bytes` bytes that holds `pointer`. Complexity O(1).
inline slab* home_of(const void* pointer, std::size_t slab_bytes, const slab_colours& colours) noexcept {
  void* const base = base_of(pointer, slab_bytes);
  const std::uintptr_t colour = (reinterpret_cast<std::uintptr_t>(base) >> colours.shift) & colours.mask;
  return reinterpret_cast<slab*>(static_cast<std::byte*>(base) + colour);
}
inline slab* home_of(const void* pointer, const typed_slab_layout& layout) noexcept {
  return home_of(pointer, layout.slab_bytes, layout.colours);
}

/// Returns the slot of `home` that has `inside` in it, exactly for slots of any size: slab::index_of() is exact for slots, and
/// inside them only as far as slab::layout() says.
template <std::size_t SlotBytes>
void* slot_around(const slab& home, const void* inside) noexcept {
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(inside) - home.begin());
  return home.begin() + offset / SlotBytes * SlotBytes;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
