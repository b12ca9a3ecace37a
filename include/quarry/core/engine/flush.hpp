// The way up: of a free that finds no room, past previous magazine and depot, a portion a call, to the slabs; of runs; and of all that rests
// in a cache or the depots. How a cache is closed.
//
// Layer      2. Part of engine.hpp.
#pragma once

#include <quarry/core/engine/engine.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Supply, class Lock>
void engine<Supply, Lock>::deallocate_slow(cache& own, void* slot, class_index index) noexcept {
  if (slot == nullptr) return;
  class_cache* local = own.class_cache_of(index);
  if (QUARRY_LIKELY(local != nullptr && local->slots_that_are_old() != 0))
    return drain_old(own, *shelf_of(index), *local, slot);
  shelf_type* const opened = shelf_of(index);
  if (QUARRY_UNLIKELY(opened == nullptr))
    return;  // of before release(): nothing that is held now is its slab
  shelf_type& into = *opened;
  if (local == nullptr) local = attach(own, index);
  if (local == nullptr) return flush_portion(&own, into, &slot, 1);
  widen(own, into, *local);
  cursor& loaded = own.cursors[index];
  const std::size_t count = loaded.count(local->entries());
  const std::uint32_t limit = limit_of(into, *local);
  if (count < limit) {
    loaded.limit_to(local->entries(), limit);
    loaded.push(slot);
  } else if (exchange(own, into, *local, count) || park_older(own, into, *local)) {
    loaded.push(slot);
  } else if (local->slots_that_are_old() != 0) {  // the supply came back
    drain_old(own, into, *local, slot);
  } else {
    drain(own, into, *local, slot);
  }
}

// Here and below: the supply may come back into the resource, so who has called it looks at the cache anew, and what goes to
// the slabs has left the cache before.
//
// Lets the full magazine become the previous one, whose slots, if it has any, are parked whole. Returns whether the
// loaded one is empty now.
template <class Supply, class Lock>
bool engine<Supply, Lock>::exchange(cache& own, shelf_type& into, class_cache& local,
                                    std::size_t count) noexcept {
  // Relaxed: pairs with note_limit(); a number that steers.
  if (!local.share.is_paired() || count < into.magazine_slots ||
      into.is_tight.load(std::memory_order_relaxed))
    return false;
  if (local.previous == nullptr) {
    magazine* const fresh = take_magazine();
    if (local.previous == nullptr) {
      local.previous = fresh;
    } else if (fresh != nullptr) {
      rest(*fresh);
    }
  } else if (local.slots_in_previous() != 0) {
    hand_in(own, into, local);
  }
  if (local.previous == nullptr || local.slots_in_previous() != 0 ||
      own.cursors[into.index].count(local.entries()) != count)
    return false;
  own.exchange(into.index, local, count, into.magazine_slots);
  return true;
}

// Parks the previous magazine whole when it is full and the depot has room, and puts an empty one in its place.
template <class Supply, class Lock>
void engine<Supply, Lock>::hand_in(const cache& own, shelf_type& into, class_cache& local) noexcept {
  magazine* fresh = nullptr;
  for (bool again = true; again;) {
    {
      const lock_holder<Lock> held(into.lock);
      into.note_visit(visitor_of(own));
      const std::size_t count = local.slots_in_previous();
      const bool has_room = count == into.magazine_slots && into.may_park(count, open_caches());
      if (has_room && fresh == nullptr) fresh = into.parked.take_empty();
      if (has_room && fresh != nullptr) {
        into.parked.park(*local.previous, home_of(&own));
        local.previous = fresh;
        return local.set_slots_in_previous(0);
      }
      again = has_room;
    }
    if (again) fresh = take_magazine();
    if (fresh == nullptr) return;
  }
  if (fresh != nullptr) rest(*fresh);
}

// Moves the older half of a single magazine to the depot when that has room and an empty magazine at hand. Returns whether
// it moved any.
template <class Supply, class Lock>
bool engine<Supply, Lock>::park_older(cache& own, shelf_type& into, class_cache& local) noexcept {
  const std::size_t count = own.cursors[into.index].count(local.entries());
  const std::size_t older = (count + 1) / 2;
  if (local.share.is_paired() || count != local.share.magazine_slots || older == 0) return false;
  for (magazine* fresh = nullptr;;) {
    std::size_t parked = 0;
    {
      const lock_holder<Lock> held(into.lock);
      into.note_visit(visitor_of(own));
      if (fresh != nullptr) into.parked.rest(*fresh);
      if (!into.may_park(older, open_caches())) return false;
      parked = into.parked.park_slots(local.entries() + 1, older, home_of(&own));
    }
    if (parked != 0) drop_older(own, into.index, local, count, parked);
    if (parked != 0 || fresh != nullptr) return parked != 0;
    fresh = take_magazine();
    if (fresh == nullptr) return false;
    if (own.cursors[into.index].count(local.entries()) != count) {
      rest(*fresh);
      return false;
    }
  }
}

// Puts a portion back into the slabs, of a depot that holds too much or else the oldest that rest here, and takes the slot.
// A portion's worth of hits lies between two such calls.
template <class Supply, class Lock>
void engine<Supply, Lock>::drain(cache& own, shelf_type& into, class_cache& local, void* slot) noexcept {
  if (const std::size_t older = local.slots_in_previous())
    own.exchange(into.index, local, own.cursors[into.index].count(local.entries()), older);
  own.age(into.index, local);
  if (local.slots_that_are_old() == 0) return flush_portion(&own, into, &slot, 1);
  drain_old(own, into, local, slot);
}

// The same where there are old slots. Most calls come here; portions of one length keep the branches of their loops
// predictable. But neighbours, as a container gives back what it took in a row, go together: they cost no more than a few.
template <class Supply, class Lock>
void engine<Supply, Lock>::drain_old(cache& own, shelf_type& into, class_cache& local, void* slot) noexcept {
  const bool is_tight = into.is_tight.load(std::memory_order_relaxed);  // Relaxed: pairs with note_limit().
  if (QUARRY_UNLIKELY(is_tight) && drain_depot(own, into, slot)) return;
  const std::size_t old = local.slots_that_are_old();
  void** const oldest = local.oldest();
  const std::size_t run = into.slots.leading_run(oldest, old);
  if (run != 0) {
    local.set_slots_that_are_old(old - run);  // first: the supply may come back
    if (is_checked()) {
      flush_checked(static_cast<watched_cache*>(&own), into, oldest, run);
    } else {
      deallocate_run(into.index, oldest[0] < oldest[1] ? oldest[0] : oldest[run - 1], run);
    }
  } else {
    const std::size_t portion = old < portion_slots ? old : portion_slots;
    local.set_slots_that_are_old(old - portion);  // first: as above
    flush_portion(&own, into, oldest, portion);
  }
  cursor& loaded = own.cursors[into.index];
  const std::size_t newer = loaded.count(local.entries());
  const auto limit = static_cast<std::size_t>(local.oldest() - 1 - local.entries());
  if (newer < limit) loaded.limit_to(local.entries(), is_tight ? newer + 1 : limit);
  if (!loaded.push(slot)) deallocate_slow(own, slot, into.index);
}

// Puts a portion of a depot that holds too much back, and the slot with it. Returns false when it does not.
template <class Supply, class Lock>
bool engine<Supply, Lock>::drain_depot(cache& own, shelf_type& into, void* slot) noexcept {
  void* portion[portion_slots];
  std::size_t count = 0;
  {
    const lock_holder<Lock> held(into.lock);
    if (into.pins_too_much(0)) count = into.parked.take_slots(portion, portion_slots - 1, home_of(&own));
  }
  if (count == 0) return false;
  portion[count] = slot;
  flush_portion(&own, into, portion, count + 1);
  return true;
}

// Takes the `older` oldest of the `count` slots out of the loaded magazine; where they went is the caller's affair.
template <class Supply, class Lock>
void engine<Supply, Lock>::drop_older(cache& own, class_index index, class_cache& local, std::size_t count,
                                      std::size_t older) noexcept {
  void** const entries = local.entries();
  const std::size_t left = count - older;
  for (std::size_t i = 1; i <= left; ++i) entries[i] = entries[i + older];
  const std::uint32_t limit = limit_of(*shelf_of(index), local);
  own.cursors[index].load(entries, left, left + 1 < limit ? limit : left + 1);
}

// Puts at most portion_slots slots back into their slabs. Their headers are found before the lock is taken. `own` is the cache that they
// come from, or null.
template <class Supply, class Lock>
void engine<Supply, Lock>::flush_portion(cache* own, shelf_type& into, void* const* slots,
                                         std::size_t count) noexcept {
  if (is_checked()) return flush_checked(static_cast<watched_cache*>(own), into, slots, count);
  slab* homes[portion_slots];
  const bool are_all_found = store_.slabs_of(slots, count, homes);
  slab* emptied = nullptr;
  {
    const lock_holder<Lock> held(into.lock);
    if (own != nullptr) into.note_home(visitor_of(*own));
    if (QUARRY_UNLIKELY(!are_all_found)) into.slots.find_missing(slots, count, homes);
    emptied =
        into.slots.flush(slots, count, [found = &homes[0]](std::size_t i) noexcept { return found[i]; });
    if (QUARRY_UNLIKELY(emptied != nullptr)) into.note_emptied(emptied);
    into.note_limit();
  }
  if (QUARRY_UNLIKELY(emptied != nullptr)) store_.give_back(emptied);
}

// Puts what is in quarantine back into the slabs.
template <class Supply, class Lock>
void engine<Supply, Lock>::end_quarantine(watched_cache& own) noexcept {
  while (own.delayed != nullptr && !own.delayed->empty()) {
    const quarantine::resting oldest = own.delayed->take();
    flush_portion(&own, *shelf_of(oldest.index), &oldest.slot, 1);
  }
}

template <class Supply, class Lock>
void engine<Supply, Lock>::deallocate_run(class_index index, void* first, std::size_t count) noexcept {
  shelf_type& into = *shelf_of(index);
  slab* const home_of_first = store_.slab_of(first);
  slab* emptied = nullptr;
  {
    const lock_holder<Lock> held(into.lock);
    emptied = into.slots.flush_run(first, count, [&](const void* slot) noexcept {
      slab* const home = slot == first ? home_of_first : store_.slab_of(slot);
      return home != nullptr ? home : into.slots.find_unlisted(slot);
    });
    if (QUARRY_UNLIKELY(emptied != nullptr)) into.note_emptied(emptied);
    into.note_limit();
  }
  if (QUARRY_UNLIKELY(emptied != nullptr)) store_.give_back(emptied);
}

template <class Supply, class Lock>
void engine<Supply, Lock>::flush_class(cache& own, shelf_type& into, class_cache& local) noexcept {
  own.rejoin(into.index, local);
  cursor& loaded = own.cursors[into.index];
  while (const std::size_t count = loaded.count(local.entries())) {
    const std::size_t portion = count < portion_slots ? count : portion_slots;
    void** const newest = local.entries() + 1 + count - portion;
    loaded.load(local.entries(), count - portion, count - portion);
    flush_portion(&own, into, newest, portion);
  }
  while (const std::size_t previous = local.slots_in_previous()) flush_previous(own, into, local, previous);
}

// Puts a portion of the previous magazine's `count` slots back.
template <class Supply, class Lock>
void engine<Supply, Lock>::flush_previous(cache& own, shelf_type& into, class_cache& local,
                                          std::size_t count) noexcept {
  const std::size_t portion = count < portion_slots ? count : portion_slots;
  local.set_slots_in_previous(count - portion);
  flush_portion(&own, into, local.previous->entries + 1 + count - portion, portion);
}

template <class Supply, class Lock>
void engine<Supply, Lock>::flush_cache(cache& given) noexcept {
  if (given.behind != nullptr) end_quarantine(*given.behind);
  cache& own = used_of(given);
  for (class_index index = 0; index < class_count; ++index)
    if (class_cache* const local = own.class_cache_of(index)) flush_class(own, *shelf_of(index), *local);
  end_last(own);
}

template <class Supply, class Lock>
void engine<Supply, Lock>::flush_depots() noexcept {
  for_each_shelf([this](shelf_type& each) {
    void* taken[portion_slots];
    for (;;) {
      std::size_t count = 0;
      magazine* spare = nullptr;
      {
        const lock_holder<Lock> held(each.lock);
        count = each.parked.take_slots(taken, portion_slots, 0);
        spare = each.parked.take_empty();
      }
      if (count != 0) flush_portion(nullptr, each, taken, count);
      if (spare != nullptr) rest(*spare);
      if (count == 0 && spare == nullptr) return;
    }
  });
}

template <class Supply, class Lock>
void engine<Supply, Lock>::close_cache(cache& own) noexcept {
  flush_cache(own);
  cache& used = used_of(own);
  for (class_index index = 0; index < class_count; ++index)
    if (class_cache* const local = used.class_cache_of(index)) drop_share(used, *shelf_of(index), *local);
  const lock_holder<Lock> held(cache_lock_);
  open_caches_.fetch_sub(1, std::memory_order_relaxed);  // Relaxed: pairs with open_caches().
  own.next = caches_;
  caches_ = &own;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
