// The geometry of a typed cache's slabs, all of it known at compile time.
//
//   base            + colour(base)                                              base + slab_bytes
//   | colour gap    | header + bitmap | kept marks | control block | slot 0 | slot 1 | ... | tail |
//                                       (some T)     (root slab only)
//
// Layer      4. Freestanding. For typed caches.
// Invariant  Where the header lies depends on the slab's address and size alone, not on T; so the header of a
//            slot is found without knowing what lives in it.
// Source     Bonwick 1994: at least 8 objects in a slab, at most 1/8 of it wasted.
#pragma once

#include <quarry/core/typed/kept_objects.hpp>
#include <quarry/core/typed/typed_slab.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

constexpr std::size_t round_up(std::size_t value, std::size_t alignment) noexcept {
  return (value + alignment - 1) / alignment * alignment;
}

constexpr bool is_power_of_two(std::size_t value) noexcept {
  return value != 0 && (value & (value - 1)) == 0;
}

/// What a cache puts into a slab besides slots.
struct cache_parts {
  std::size_t slot_bytes = 0;
  std::size_t slot_alignment = 1;
  std::size_t control_bytes = 0;  // in the root slab
  bool marks_kept = false;        // whether every slab has room to mark objects kept for recycling
};

/// What one slab of a cache holds.
struct slab_contents {
  std::size_t slots = 0;
  std::size_t behind_bytes = 0;  // from the header to where slots may begin: header, marks and control block
};

struct cache_layout {
  typed_slab_layout slabs;  // what root and extension slabs have in common
  slab_contents root;       // the slab with the control block
  slab_contents extension;  // every other slab
  std::size_t slot_alignment = 1;
};

/// Returns the bytes between a header of a slab of `slots` slots and what follows header and marks.
constexpr std::size_t behind_header(std::size_t slots, bool marks_kept) noexcept {
  return slab::header_bytes_for(slots) + (marks_kept ? kept_bytes_for(slots) : 0);
}

/// Returns what a slab holds behind its header and `control_bytes` more.
/// Complexity  O(1) steps but for rounding.
constexpr slab_contents contents_behind(const cache_parts& parts, std::size_t slab_bytes,
                                        std::size_t colour_bytes, std::size_t control_bytes) noexcept {
  const std::size_t fixed = colour_bytes + behind_header(0, parts.marks_kept) + control_bytes;
  if (fixed >= slab_bytes) return {};
  const std::size_t bits_per_slot = parts.slot_bytes * 8 + (parts.marks_kept ? 2 : 1);
  std::size_t slots = (slab_bytes - fixed) * 8 / bits_per_slot;
  if (slots > slot_bitmap::most_slots) slots = slot_bitmap::most_slots;
  while (slots != 0 && round_up(colour_bytes + behind_header(slots, parts.marks_kept) + control_bytes,
                                parts.slot_alignment) +
                               slots * parts.slot_bytes >
                           slab_bytes)
    --slots;
  return {slots, behind_header(slots, parts.marks_kept) + control_bytes};
}

/// Returns the geometry of a cache's slabs.
/// Requires    A slot_alignment of at most half of `slab_bytes`; both are powers of two.
constexpr cache_layout make_cache_layout(const cache_parts& parts, std::size_t slab_bytes) noexcept {
  cache_layout result;
  result.slabs = make_typed_slab_layout(parts.slot_bytes, slab_bytes);
  const std::size_t colour_bytes = result.slabs.colours.mask;
  result.root = contents_behind(parts, slab_bytes, colour_bytes, parts.control_bytes);
  result.extension = contents_behind(parts, slab_bytes, colour_bytes, 0);
  result.slabs.total_slots = static_cast<std::uint32_t>(result.extension.slots);
  result.slot_alignment = parts.slot_alignment;
  return result;
}

/// Returns the smallest power of two, from `smallest_bytes` on, that makes slabs of at least 8 slots and at
/// most 1/8 waste; what marks the slots is no waste.
constexpr std::size_t choose_slab_bytes(const cache_parts& parts, std::size_t smallest_bytes) noexcept {
  constexpr std::size_t fewest_slots = 8;
  constexpr std::size_t largest_bytes = std::size_t{1} << 24;
  std::size_t slab_bytes = smallest_bytes;
  while (slab_bytes < largest_bytes) {
    const cache_layout layout = make_cache_layout(parts, slab_bytes);
    const std::size_t used = layout.extension.slots * parts.slot_bytes + layout.extension.behind_bytes;
    if (layout.extension.slots >= fewest_slots && (slab_bytes - used) * 8 <= slab_bytes) break;
    slab_bytes *= 2;
  }
  return slab_bytes;
}

/// Returns the capacity of the magazine of a cache whose slabs have about `slots` slots: a quarter of a slab, and
/// no more than keeps the slowest call short, which moves half of it.
constexpr std::uint32_t magazine_slots_for(std::size_t slots) noexcept {
  constexpr std::uint32_t fewest = 4;
  constexpr std::uint32_t most = 31;
  if (slots / 4 < fewest) return fewest;
  return slots / 4 < most ? static_cast<std::uint32_t>(slots / 4) : most;
}

/// Returns where the slots begin of a slab that holds `contents`.
inline std::byte* begin_of(const slab& header, const cache_layout& layout,
                           const slab_contents& contents) noexcept {
  const std::uintptr_t behind = reinterpret_cast<std::uintptr_t>(&header) + contents.behind_bytes;
  return reinterpret_cast<std::byte*>((behind + layout.slot_alignment - 1) & ~(layout.slot_alignment - 1));
}

/// Lays a slab that holds `contents` over `base`.
/// Requires    `base` is aligned to the slab's size.
inline slab* create_cache_slab(void* base, const cache_layout& layout,
                               const slab_contents& contents) noexcept {
  slab* const header = home_of(base, layout.slabs);
  return slab::create(header, begin_of(*header, layout, contents), contents.slots);
}

/// Returns where the room of `control_bytes` bytes begins that a root slab spares, at the alignment of a word.
inline void* control_of(slab& root, const cache_layout& layout, std::size_t control_bytes) noexcept {
  return reinterpret_cast<std::byte*>(&root) + (layout.root.behind_bytes - control_bytes);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
