// The way up where slots have states: only what is a slot of its class, and neither free in its slab nor live again, goes back into a
// slab. Who freed a slot twice has let two copies of it into the caches, and who wrote to a magazine has put anything there.
//
// Layer      2. Part of engine.hpp.
#pragma once

#include <quarry/core/bins/mender.hpp>
#include <quarry/core/engine/engine.hpp>
#include <quarry/core/magazines/watched_cache.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// As flush_portion(); neighbours may be more than a portion. Slabs are remembered in `own`, or else the last one here.
template <class Supply, class Lock>
QUARRY_NOINLINE void engine<Supply, Lock>::flush_checked(watched_cache* own, shelf_type& into,
                                                         void* const* slots, std::size_t count) noexcept {
  if (!store_.remembers_slabs()) own = nullptr;
  mender_type look(into.slots, into.index, store_);
  const std::uint32_t epoch = store_.epoch();
  slab* emptied = nullptr;
  {
    const lock_holder<Lock> held(into.lock);
    slab_memo alone;
    const auto memo_of = [&](const void* slot) noexcept -> slab_memo& {
      return own != nullptr ? own->memo_of(slot) : alone;
    };
    const auto holds = [&](const slab_memo& memo, const void* slot) noexcept {
      return memo.holds(slot, epoch) && memo.reciprocal == slab_memo::reciprocal_at(key_of_class(into.index));
    };
    std::size_t done = into.slots.leading_run(slots, count);
    if (done != 0) {
      const void* const lowest = slots[0] < slots[1] ? slots[0] : slots[done - 1];
      const slab_memo& memo = memo_of(lowest);
      if (!holds(memo, lowest) || !put_run_checked(memo, lowest, done, look, emptied)) done = 0;
    }
    for (std::size_t i = done; i < count; ++i) {
      slab_memo& memo = memo_of(slots[i]);
      std::size_t slot = 0;
      if (QUARRY_UNLIKELY(!holds(memo, slots[i])) && !look_up_flushed(memo, into, slots[i], epoch)) continue;
      if (QUARRY_UNLIKELY(!memo.find(slots[i], slot))) {
        note_strays(1);
      } else if (slab& home = memo.home();
                 QUARRY_UNLIKELY(home.bitmap().is_free(slot) || states_type(memo.states).is_live(slot))) {
        copies_.fetch_add(1, std::memory_order_relaxed);  // Relaxed: a number to report.
      } else {
        emptied = look.put(home, slot, emptied);
      }
    }
    note_damages(look.mended());
    for (slab* each = emptied; each != nullptr; each = each->next) mender_type::set_in_transit(*each);
    into.note_limit();
  }
  if (QUARRY_UNLIKELY(emptied != nullptr)) store_.give_back(emptied);
}

// Puts `count` neighbours back at once, the lowest of which is `first`, in the slab of `memo`. Returns false, changing nothing, where they
// may not go back all, or are not all in that slab.
template <class Supply, class Lock>
bool engine<Supply, Lock>::put_run_checked(const slab_memo& memo, const void* first, std::size_t count,
                                           mender_type& look, slab*& emptied) noexcept {
  std::size_t slot = 0;
  if (QUARRY_UNLIKELY(!memo.find(first, slot) || slot + count > memo.slots())) return false;
  slab& home = memo.home();
  if (QUARRY_UNLIKELY(home.bitmap().is_any_free(slot, count) ||
                      states_type(memo.states).is_any_live(slot, count)))
    return false;
  emptied = look.put(home, slot, count, emptied);
  return true;
}

// Lets `memo` hold the slab of a slot that is on its way back. Returns false where it is none of the class, or damaged, which is noted.
// Requires the shelf's lock.
template <class Supply, class Lock>
bool engine<Supply, Lock>::look_up_flushed(slab_memo& memo, const shelf_type& into, void* slot,
                                           std::uint32_t epoch) noexcept {
  slab* const home = store_.slab_of(slot);
  if (QUARRY_UNLIKELY(home != nullptr && !store_.is_header(home))) {
    note_damages(1);
    return false;
  }
  if (home != nullptr && home->size_class == into.index) {
    memo.remember(*home, key_of_class(into.index), states_type::begin_of(*home), epoch);
    if (QUARRY_LIKELY(memo.holds(slot, epoch))) return true;
  }
  note_strays(1);
  return false;
}

template <class Supply, class Lock>
void engine<Supply, Lock>::mend_slabs() noexcept {
  std::uint32_t lost = 0;  // granules whose headers are none any more
  const auto look_at = [this](slab& each) {
    shelf_type* const home = shelf_of(each.size_class);
    if (home == nullptr) return true;  // the first of a class that another thread is about to open
    const lock_holder<Lock> held(home->lock);
    mender_type look(home->slots, home->index, store_);
    look.look_at_listed(each);
    note_damages(look.mended());
    return true;
  };
  directory::visit from;
  while (store_.visit_slabs(from, look_at, [&] { ++lost; })) {
  }
  // Relaxed: a number to report, once.
  if (lost > told_lost_.exchange(lost, std::memory_order_relaxed)) note_damages(1);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
