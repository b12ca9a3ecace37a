// The way down: of a miss, past old slots, previous magazine, depot, bin and slab to memory; of runs, of blocks of their own, and of calls
// without a cache. Which slab a class gets next, and what is tried before memory is refused.
//
// Layer      2. Part of engine.hpp.
#pragma once

#include <quarry/core/engine/engine.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Supply, class Lock>
void* engine<Supply, Lock>::allocate_slow(cache& own, class_index index) {
  class_cache* local = own.class_cache_of(index);
  if (local != nullptr) {
    own.rejoin(index, *local);
    const std::size_t nulls = own.cursors[index].drop_nulls(local->entries());
    if (is_checked()) note_strays(nulls);  // nobody has freed them: null is no block
    if (void* const slot = own.cursors[index].pop()) return slot;
    if (local->slots_in_previous() != 0) {
      if (void* const slot = own.load_previous(index, *local)) return slot;
      return allocate_slow(own, index);  // nulls on top of what was freed
    }
  }
  shelf_type* const from = shelf_or_open(index, &own);
  if (from == nullptr) return nullptr;
  if (local == nullptr) {  // what is refused takes no part
    if (!has_free(*from) && !grow(*from, &own)) return nullptr;
    local = attach(own, index);
  }
  if (local == nullptr) return allocate_direct(index, &own);
  return refill(own, *from, *local);
}

// Exchanges the empty magazine for a full one of the depot, or fills it from depot and bin. A single magazine is
// filled to one half, so that there is as much room for frees. Inlined, with widen(): most slow calls come here.
template <class Supply, class Lock>
QUARRY_ALWAYS_INLINE void* engine<Supply, Lock>::refill(cache& own, shelf_type& from, class_cache& local) {
  cursor& loaded = own.cursors[from.index];
  widen(own, from, local);
  bool has_grown = false;
  do {
    if (local.share.magazines == 0)  // for want of memory, or the supply came back and took it away
      return allocate_direct(from.index, &own);
    if (QUARRY_UNLIKELY(loaded.count(local.entries()) != 0 || local.slots_that_are_old() != 0))
      return allocate_slow(own, from.index);  // the supply came back with slots of the class
    const std::uint32_t limit = limit_of(from, local);
    const bool exchanges = local.share.is_paired() && limit == from.magazine_slots;
    std::size_t wanted = local.share.is_paired() ? limit : (limit + 1U) / 2;
    std::size_t taken = 0;
    magazine* surplus = nullptr;
    {
      const lock_holder<Lock> held(from.lock);
      from.note_visit(visitor_of(own));
      if (magazine* const parked = exchanges ? from.parked.take(home_of(&own)) : nullptr) {
        magazine& emptied = local.loaded_magazine();
        from.parked.resting() < most_empty ? from.parked.rest(emptied) : void(surplus = &emptied);
        local.set_entries(parked->entries);
        taken = from.magazine_slots;
      } else {
        if (has_grown && wanted > first_slots_of(from)) wanted = first_slots_of(from);
        look_before_refill(from, wanted);
        taken = from.refill(local.entries() + 1, wanted, home_of(&own));
      }
      from.note_limit();
    }
    if (surplus != nullptr) rest(*surplus);
    loaded.load(local.entries(), taken, taken < limit ? limit : taken);
    if (taken != 0) {
      if (void* const slot = loaded.pop()) return slot;
      return allocate_slow(own, from.index);  // nulls on top of what was freed
    }
    has_grown = true;
  } while (grow(from, &own));
  return nullptr;
}

template <class Supply, class Lock>
void* engine<Supply, Lock>::allocate_direct(class_index index, cache* own) {
  shelf_type* const from = shelf_or_open(index, own);
  if (from == nullptr) return nullptr;
  do {
    const lock_holder<Lock> held(from->lock);
    look_before_refill(*from, 1);
    if (void* const slot = from->take_one(home_of(own))) return slot;
  } while (grow(*from, own));
  return nullptr;
}

template <class Supply, class Lock>
slot_run engine<Supply, Lock>::allocate_run(class_index index, std::size_t least,
                                            std::size_t count) noexcept {
  shelf_type* from = shelf_of(index);
  if (from == nullptr) {
    unopened_shelf opening(*this, index);
    slab* const first = opening.shelf != nullptr ? next_slab(*opening.shelf) : nullptr;
    if (first == nullptr) return {};
    from = &open_shelf(opening, *first);
  }
  for (;;) {
    {
      const lock_holder<Lock> held(from->lock);
      if (from->slots.any_free()) {
        const slot_run run = from->slots.take_run(least, count);
        from->note_limit();
        return run;
      }
      if (from->parked.slots() != 0) return {};  // single slots are at hand
    }
    slab* const fresh = next_slab(*from);
    if (fresh == nullptr) return {};
    adopt(*from, *fresh);
  }
}

template <class Supply, class Lock>
void* engine<Supply, Lock>::allocate_oversize(cache* own, std::size_t bytes, std::size_t alignment) {
  const std::size_t home = home_of(own);
  if (!store_type::is_possible(bytes, alignment))  // so nothing is moved for it
    return store_.take_oversize(bytes, alignment, home, insist());
  if (own != nullptr)
    if (void* const kept = reuse_oversize(*own, bytes, alignment)) return kept;
  void* block = without_throwing([&] { return store_.take_oversize(bytes, alignment, home); });
  if (block == nullptr) {
    reclaim(own);
    block = store_.take_oversize(bytes, alignment, home, insist());
  }
  if (own != nullptr && block != nullptr && may_rest(*own, bytes)) own->last.hand_out(block, bytes);
  return block;
}

// Adds a slab to a bin whose slots are all taken. Returns whether there is a free slot now.
template <class Supply, class Lock>
bool engine<Supply, Lock>::grow(shelf_type& to, cache* own) {
  slab* fresh = next_slab(to);
  if (fresh == nullptr) {
    reclaim(own);
    if (has_free(to)) return true;
    fresh = last_slab(to);
    if (fresh == nullptr) return false;
  }
  adopt(to, *fresh);
  return true;
}

template <class Supply, class Lock>
bool engine<Supply, Lock>::has_free(shelf_type& of) const noexcept {
  const lock_holder<Lock> held(of.lock);
  return of.slots.any_free() || of.parked.slots() != 0;
}

template <class Supply, class Lock>
void engine<Supply, Lock>::adopt(shelf_type& to, slab& fresh) noexcept {
  const lock_holder<Lock> held(to.lock);
  fresh.is_unlisted ? to.slots.adopt_unlisted(&fresh) : to.slots.adopt(&fresh);
  to.note_limit();
}

// The slabs of a class start small, so that a resource of a few objects stays small: apart, and as long as there is room in
// an initial buffer each half as large as all before; or, where memory is short, in fewer granules.
template <class Supply, class Lock>
slab* engine<Supply, Lock>::next_slab(shelf_type& to) noexcept {
  const slab_layout& layout = to.slots.layout();
  const std::size_t slot_bytes = layout.slot_bytes;
  std::size_t apart_bytes = 0, slabs = 0, held_bytes = 0;
  {
    const lock_holder<Lock> held(to.lock);
    apart_bytes = to.slots.pinned_bytes();
    slabs = to.slots.slabs();
    held_bytes = to.slots.slots() * slot_bytes;
  }
  if (store_.slab_granules() > 1) {
    const std::size_t granule_bytes = store_.granule_bytes();
    std::size_t granules = granules_for(slot_bytes, granule_bytes, store_.slab_granules() / 4);
    while (granules * granule_bytes < held_bytes && granules * 2 <= store_.granules_of(layout)) granules *= 2;
    return store_.take_slab(store_.layout_of(slot_bytes, granules * granule_bytes), to.index, slabs);
  }
  if (store_.detail() != slot_detail::none) return store_.take_slab(layout, to.index, slabs);
  std::size_t bytes = next_apart_bytes(slot_bytes, apart_bytes);
  if (const std::size_t room = store_.room_in_buffer(slot_bytes)) {
    if (bytes < apart_bytes / 2) bytes = apart_bytes / 2;
    if (bytes < slot_bytes) bytes = slot_bytes;
    if (bytes > room) bytes = room;
  }
  const bool wants_apart = bytes >= slot_bytes && bytes * 2 <= layout.slab_bytes;
  if (wants_apart)
    if (slab* const fresh = store_.take_slab_apart(layout, to.index, bytes)) return fresh;
  if (!store_.is_ample() && !store_.has_idle(layout.slab_bytes)) {
    if (wants_apart) return nullptr;  // nor would more be had: no parts are taken for it
    bytes = next_loose_bytes(held_bytes);
    const bool is_piece = bytes >= slot_bytes && bytes * 2 <= layout.slab_bytes;
    if (!is_piece) bytes = store_.gap_before_extent(layout);
    if (bytes >= slot_bytes)
      if (slab* const fresh = store_.take_slab_loose(layout, to.index, bytes)) return fresh;
    if (is_piece) return nullptr;  // nor would a whole slab be had: as above
  }
  return store_.take_slab(layout, to.index, slabs);
}

// Where no slab of the usual size is to be had: fewer granules, as large a piece as the supply gives, or what is left of the
// parts. Where nobody takes memory back a small piece is one of the parts: it has no record, and keeps its class.
template <class Supply, class Lock>
slab* engine<Supply, Lock>::smallest_slab(shelf_type& to) noexcept {
  constexpr std::size_t most_apart = 64;
  const slab_layout& layout = to.slots.layout();
  const std::size_t slot_bytes = layout.slot_bytes;
  const std::size_t granule_bytes = store_.granule_bytes();
  for (std::size_t granules = store_.granules_of(layout) / 2; granules * granule_bytes >= slot_bytes;
       granules /= 2)
    if (slab* const fresh =
            store_.take_slab(store_.layout_of(slot_bytes, granules * granule_bytes), to.index, 1))
      return fresh;
  if (store_.detail() != slot_detail::none) return nullptr;
  std::size_t most_bytes = 32768;  // no more than the class has, or 1 KiB: others want a piece too
  {
    const lock_holder<Lock> held(to.lock);
    if (to.slots.unlisted_slabs() >= most_apart) return nullptr;
    const std::size_t held_bytes = to.slots.slots() * slot_bytes;
    while (most_bytes > 1024 && most_bytes > held_bytes && most_bytes / 2 >= slot_bytes) most_bytes /= 2;
  }
  const bool takes_back = store_.supply().takes_back();
  const std::size_t least_asked_bytes = takes_back ? 256 : 8192;
  for (std::size_t bytes = most_bytes; bytes >= slot_bytes && bytes >= 256; bytes /= 2)
    if (slab* const fresh = store_.take_slab_loose(layout, to.index, bytes, bytes >= least_asked_bytes))
      return fresh;
  const std::size_t room = store_.room_apart(slot_bytes);
  if (room >= slot_bytes)
    return store_.take_slab_apart(layout, to.index, room < most_bytes ? room : most_bytes);
  if (takes_back) return nullptr;
  std::size_t bytes = most_bytes < least_asked_bytes ? most_bytes : least_asked_bytes / 2;
  for (; bytes >= slot_bytes && bytes >= 128; bytes /= 2)
    if (slab* const fresh = store_.take_slab_apart(layout, to.index, bytes)) return fresh;
  constexpr std::size_t any_times = std::size_t{1} << 20;
  return store_.take_slab_loose(layout, to.index, slot_bytes, false, any_times);
}

// What is tried for a slab after everything that rests has gone back. Errors: what the supply throws.
template <class Supply, class Lock>
slab* engine<Supply, Lock>::last_slab(shelf_type& to) {
  slab* fresh = next_slab(to);
  if (fresh == nullptr) fresh = smallest_slab(to);
  if (fresh == nullptr && store_.insist_on_slab(to.slots.layout())) fresh = next_slab(to);
  return fresh;
}

// Gives back what rests, so that it can be had again in another form.
template <class Supply, class Lock>
void engine<Supply, Lock>::reclaim(cache* own) noexcept {
  if (own != nullptr) {
    if (is_watched_) end_quarantine(static_cast<watched_cache&>(*own));
    flush_cache(*own);
  }
  flush_depots();
  store_.trim(0);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
