// How the store takes slabs, whole, apart or loose, and extents for them; what is reserved.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// What a slab needs of the parts: a header and entries in the directory. Rather than that the supply is asked for more, a
// header takes the room of a larger one.
template <class Supply, class Lock>
auto store<Supply, Lock>::missing_parts_of(const slab_layout& layout, std::size_t siblings) noexcept
    -> missing_parts {
  missing_parts result;
  if (has_directory_) result.entry_bytes = directory_.missing_bytes(granules_of(layout));
  result.bytes = result.entry_bytes;
  if (!headers_.has(layout.header_bytes)) {
    const std::size_t rooms_bytes =
        headers_for(siblings) * headers_.room_for(layout.header_bytes) + headers_.unit_bytes();
    result.has_headers =
        !headers_.has_larger(layout.header_bytes) || parts_.has_room(result.bytes + rooms_bytes);
    if (result.has_headers) result.bytes += rooms_bytes;
  }
  return result;
}

// As bring_parts().
template <class Supply, class Lock>
void store<Supply, Lock>::bring_record() noexcept {
  if (record_bytes() != 0)
    extents_.bring_spare(*::new (parts_.try_allocate(sizeof(extent), alignof(extent))) extent);
}

// Requires room for what is missing in the parts.
template <class Supply, class Lock>
void store<Supply, Lock>::bring_parts(const slab_layout& layout, std::size_t siblings,
                                      const missing_parts& missing) noexcept {
  if (missing.has_headers) {
    const std::size_t count = headers_for(siblings);
    const std::size_t bytes = count * headers_.room_for(layout.header_bytes);
    headers_.bring(parts_.try_allocate(bytes, headers_.unit_bytes()), count, layout.header_bytes);
  }
  if (missing.entry_bytes != 0)
    directory_.bring(parts_.try_allocate(missing.entry_bytes, sizeof(void*)), missing.entry_bytes);
}

// A supply of unknown size may hand out its memory in a row: then what is asked for between two extents costs the second one the
// rest of a granule. So a block for the parts of some slabs comes before the first extent. Returns its bytes; 0: none is missing.
template <class Supply, class Lock>
std::size_t store<Supply, Lock>::part_bytes_ahead(const slab_layout& layout) const noexcept {
  constexpr std::size_t slabs_ahead = 12;
  if (is_ample() || slab_granules_ != 1 || extents_.held_granules() != 0) return 0;
  const std::size_t bytes = slabs_ahead * headers_.room_for(layout.header_bytes) + 2 * sizeof(oversize_block);
  return parts_.has_room(bytes) ? 0 : parts_.wished_block_bytes(bytes, headers_.unit_bytes());
}

// What lies before the first extent of a supply that hands out its memory in a row, up to a granule, would be lost.
template <class Supply, class Lock>
std::size_t store<Supply, Lock>::gap_before_extent(const slab_layout& layout) noexcept {
  constexpr std::size_t least_bytes = 4096;
  std::size_t ahead = 0;
  {
    const lock_holder<Lock> held(lock_);
    if (slab_granules_ != 1 || extents_.held_granules() != 0) return 0;
    ahead = part_bytes_ahead(layout);
  }
  if (ahead != 0) add_block(ahead, ahead);
  const lock_holder supplied(supply_lock_);
  const std::size_t gap = row_.gap_before(extent_alignment());
  const std::size_t other = slab::header_bytes_for(gap / layout.slot_bytes) +
                            alignment_of(layout.slot_bytes) + arena::block_alignment;
  return gap >= other + least_bytes ? gap - other : 0;
}

template <class Supply, class Lock>
slab* store<Supply, Lock>::take_slab(const slab_layout& layout, class_index index,
                                     std::size_t siblings) noexcept {
  const std::size_t granules = granules_of(layout);
  for (;;) {
    std::size_t part_bytes = 0, wished = 0, ahead = 0;
    bool has_run = false;
    {
      const lock_holder<Lock> held(lock_);
      const granule_run run =
          extents_.look(static_cast<std::uint32_t>(granules), alignment_of(layout.slot_bytes));
      const missing_parts missing = missing_parts_of(layout, siblings);
      if (run.home != nullptr && has_room_for(missing.bytes)) {  // a header is of use to its class alone
        if (missing.bytes != 0) bring_parts(layout, siblings, missing);
        return make_slab(extents_.take(run), layout, index);
      }
      has_run = run.home != nullptr;
      part_bytes = missing.bytes + (has_run ? 0 : record_bytes());
      if (run.home == nullptr && has_room_for(part_bytes)) {
        bring_record();
        part_bytes = 0;
        ahead = part_bytes_ahead(layout);
      } else if (!extents_.has_free() && !may_charge(granules * granule_bytes() + part_bytes)) {
        return nullptr;  // nor are parts taken for it
      } else {
        wished = parts_.wished_block_bytes(part_bytes, headers_.unit_bytes());
      }
    }
    if (ahead != 0) add_block(ahead, ahead);
    const std::size_t least = arena::least_block_bytes(part_bytes, headers_.unit_bytes());
    if (!may_charge(wished + (has_run ? 0 : granules * granule_bytes()))) wished = least;
    const bool has_more = part_bytes == 0 ? grow(layout) : add_block(wished, least);
    if (!has_more && !(has_run && add_rest_of_blocks(least))) return nullptr;
  }
}

// Returns how large an extent should be: larger the more is held.
template <class Supply, class Lock>
std::size_t store<Supply, Lock>::wished_granules(std::size_t least) const noexcept {
  constexpr std::size_t largest_extent_bytes = std::size_t{2} << 20;
  constexpr std::size_t most_without_discarding = 4;
  std::size_t most = supply_.can_discard() ? largest_extent_bytes / granule_bytes() : most_without_discarding;
  if (most > extents::most_granules) most = extents::most_granules;
  std::size_t wished = 1;
  while (wished * 4 <= extents_.held_granules() && wished * 2 <= most) wished *= 2;
  while (wished < least && wished < extents::most_granules) wished *= 2;
  return wished;
}

// Adds an extent in which a slab of `layout` fits; near a limit it is as small as can be.
template <class Supply, class Lock>
template <class... Insist>
bool store<Supply, Lock>::grow(const slab_layout& layout, Insist...) {
  const std::size_t least = granules_of(layout);
  if constexpr (sizeof...(Insist) == 0) {
    if (!supply_.has_memory()) return false;
  }
  const lock_holder supplied(supply_lock_);
  std::size_t granules = least;
  {
    const lock_holder<Lock> held(lock_);
    if (record_bytes() != 0)
      return true;  // another thread took it: its extent may do, or the caller comes again
    granules = wished_granules(least);
  }
  for (;; granules = granules / 2 > least ? granules / 2 : least) {
    const std::size_t bytes = granules * granule_bytes();
    const auto ask = [&] { return supply_.allocate_extent(bytes, extent_alignment()); };
    void* const base = charge(bytes, [&] {
      if constexpr (sizeof...(Insist) != 0) {
        if (granules == least) return ask();
      }
      return without_throwing(ask);
    });
    if (base != nullptr) {
      const lock_holder<Lock> held(lock_);
      extents_.add(base, static_cast<std::uint32_t>(granules), false);
      return true;
    }
    if (granules == least) return false;
  }
}

template <class Supply, class Lock>
bool store<Supply, Lock>::insist_on_slab(const slab_layout& layout) {
  std::size_t part_bytes = 0;
  {
    const lock_holder<Lock> held(lock_);
    part_bytes = missing_parts_of(layout, 1).bytes + record_bytes();
    if (has_room_for(part_bytes)) {
      bring_record();
      part_bytes = 0;
    }
  }
  if (!may_charge(granules_of(layout) * granule_bytes() + part_bytes)) return false;
  if (part_bytes != 0) insist_on_part(part_bytes, headers_.unit_bytes());
  return grow(layout, insist());
}

template <class Supply, class Lock>
slab* store<Supply, Lock>::make_slab(const granule_run& run, const slab_layout& layout,
                                     class_index index) noexcept {
  std::byte* const begin = extents_.address_of(run);
  std::uint8_t room = 0;
  void* const header = headers_.take(layout.header_bytes, &room);
  slab* const fresh = slab::create(header, begin, layout.total_slots);
  fresh->room = room;
  fresh->size_class = static_cast<std::uint8_t>(index);
  fresh->granules = static_cast<std::uint8_t>(run.count);
  fresh->owner = run.home;
  fresh->is_unlisted = !has_directory_;
  tell_resting(begin, extents_.bytes_of(run));
  if (detail() != slot_detail::none) {
    states_type(*fresh).start(*fresh, detail());
    mender_type::set_in_transit(*fresh);
  }
  if (has_directory_) directory_.insert(begin, run.count, fresh);
  return fresh;
}

// Makes a slab whose slots lie behind its header, at the alignment of their size.
template <class Supply, class Lock>
QUARRY_ALWAYS_INLINE slab* store<Supply, Lock>::make_unlisted(void* header, std::size_t header_bytes,
                                                              std::size_t slots, const slab_layout& layout,
                                                              class_index index) noexcept {
  const std::size_t alignment = alignment_of(layout.slot_bytes);
  const std::uintptr_t behind = reinterpret_cast<std::uintptr_t>(header) + header_bytes;
  const std::uintptr_t begin = (behind + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
  slab* const fresh = slab::create(header, reinterpret_cast<void*>(begin), slots);
  fresh->size_class = static_cast<std::uint8_t>(index);
  fresh->is_unlisted = true;
  tell_resting(fresh->begin(), slots * layout.slot_bytes);
  return fresh;
}

template <class Supply, class Lock>
slab* store<Supply, Lock>::take_slab_apart(const slab_layout& layout, class_index index,
                                           std::size_t bytes) noexcept {
  std::size_t slots = bytes / layout.slot_bytes;
  if (slots > slot_bitmap::most_slots) slots = slot_bitmap::most_slots;
  if (slots == 0) return nullptr;
  const std::size_t alignment = alignment_of(layout.slot_bytes);
  const std::size_t header_bytes = slab::header_bytes_for(slots);
  void* const header =
      take_part(header_bytes + alignment - sizeof(void*) + slots * layout.slot_bytes, sizeof(void*));
  if (header == nullptr) return nullptr;
  slab* const fresh = make_unlisted(header, header_bytes, slots, layout, index);
  fresh->pinned = true;
  return fresh;
}

template <class Supply, class Lock>
slab* store<Supply, Lock>::take_slab_loose(const slab_layout& layout, class_index index, std::size_t bytes,
                                           bool may_ask, std::size_t times_larger) noexcept {
  const std::size_t alignment = alignment_of(layout.slot_bytes);
  std::size_t slots = bytes / layout.slot_bytes;
  if (slots == 0 || slots > slot_bitmap::most_slots || !supply_.has_memory()) return nullptr;
  std::size_t header_bytes = slab::header_bytes_for(slots);
  const std::size_t block_bytes = header_bytes + alignment + slots * layout.slot_bytes;
  std::size_t room_bytes = block_bytes;
  void* header = supply_.takes_back()
                     ? nullptr
                     : reuse_oversize(block_bytes, alignof(slab), 0, block_bytes * times_larger);
  if (header == nullptr && may_ask)
    header = without_throwing([&] { return take_oversize(block_bytes, alignof(slab)); });
  if (header == nullptr) return nullptr;
  oversize_.until(0, [&](shard& each) {
    const lock_holder<Lock> held(each.lock);
    oversize_block* const block = each.blocks.find_start(header, block_bytes);
    if (block == nullptr) return false;
    each.blocks.set_slab(*block);
    room_bytes = block->held_bytes;
    return true;
  });
  if (room_bytes > block_bytes) {
    header_bytes = slab::header_bytes_for(room_bytes / layout.slot_bytes);
    slots = (room_bytes - header_bytes - alignment) / layout.slot_bytes;
    if (slots > slot_bitmap::most_slots) slots = slot_bitmap::most_slots;
  }
  return make_unlisted(header, header_bytes, slots, layout, index);
}

template <class Supply, class Lock>
bool store<Supply, Lock>::reserve(std::size_t bytes, bool prefault) noexcept {
  if (bytes > most_bytes) return false;
  std::size_t reserved = 0;
  while (reserved < bytes) {
    const std::size_t extent_bytes = reserve_extent(bytes - reserved, prefault);
    if (extent_bytes == 0) break;
    reserved += extent_bytes;
  }
  if (reserved < bytes) trim(SIZE_MAX);  // what was not touched goes back
  return reserved >= bytes;
}

// Adds an extent of at most `bytes` bytes. Returns its bytes; 0 when it is not to be had.
template <class Supply, class Lock>
std::size_t store<Supply, Lock>::reserve_extent(std::size_t bytes, bool prefault) noexcept {
  constexpr std::size_t page_bytes = 4096;
  std::size_t granules = (bytes + granule_bytes() - 1) / granule_bytes();
  if (granules > extents::most_granules) granules = extents::most_granules;
  const std::size_t extent_bytes = granules * granule_bytes();
  void* const record = take_part(sizeof(extent), alignof(extent));
  if (record == nullptr) return 0;
  std::byte* base = nullptr;
  {
    const lock_holder supplied(supply_lock_);
    base = static_cast<std::byte*>(charge(extent_bytes, [&] {
      return without_throwing([&] { return supply_.allocate_extent(extent_bytes, extent_alignment()); });
    }));
  }
  for (std::size_t at = 0; base != nullptr && prefault && at < extent_bytes; at += page_bytes)
    *static_cast<volatile std::byte*>(base + at) = std::byte{0};
  const lock_holder<Lock> held(lock_);
  extents_.bring_spare(*::new (record) extent);
  if (base == nullptr) return 0;
  extent& fresh = extents_.add(base, static_cast<std::uint32_t>(granules), false);
  if (prefault) extents_.touch(fresh);
  return extent_bytes;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
