// What each class of a cache may hold: it grows with misses, yields to others, and goes to nothing when unused.
//
// Layer      2. Part of engine.hpp.
#pragma once

#include <quarry/core/engine/engine.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// Gives a class that missed its next larger share, when the cache's bound allows it. Each call also looks at one other
// class, and takes a step of it back when that is unused, or when its share is much larger and the room is wanted.
template <class Supply, class Lock>
QUARRY_ALWAYS_INLINE void engine<Supply, Lock>::widen(cache& own, const shelf_type& of,
                                                      class_cache& local) noexcept {
  // Who yields half of its share to one a quarter as large does not at once ask for it back.
  constexpr std::size_t much_larger = 4;
  constexpr std::uint32_t visits_a_look = 4;  // where there is room
  constexpr std::size_t least_bound_of_magazines =
      8 * sizeof(magazine);  // below, they would cost more than they hold
  const bool is_turn = ++own.visits % visits_a_look == 0;
  if (local.share.is_paired() && !is_turn) return;
  const share_steps steps = steps_of(of);
  const class_share now = local.share;
  const class_share wider = steps.grown(now);
  const std::size_t more_bytes = steps.bytes_of(wider) - steps.bytes_of(now);
  const std::size_t bound_bytes = cache_bound_bytes(cache_bytes_, open_caches());
  const bool wants_room = own.share_bytes + more_bytes > bound_bytes && steps.bytes_of(wider) <= bound_bytes;
  if (is_turn || wants_room) {
    bool is_unused = false;
    const class_index other = own.look(of.index, is_unused);
    const bool is_larger =
        other != no_class && own.class_cache_of(other)->share.slots() >= much_larger * local.share.slots();
    if (is_unused || (wants_room && is_larger)) shrink(own, other, is_unused);
  }
  if (more_bytes == 0 || own.share_bytes + more_bytes > bound_bytes) return;
  const bool wants_magazine = wider.is_paired() || wider.magazine_slots > share_steps::first_slots;
  if (wants_magazine && bound_bytes < least_bound_of_magazines) return;
  if (wants_magazine && local.has_first() && !affords_magazine(of)) return;
  if (wants_magazine && local.has_first() && !load_magazine(own, of.index, local)) return;
  if (local.share.slots() != now.slots()) return;  // the supply came back
  own.share_bytes += more_bytes;
  local.share = wider;
}

// Returns whether a class has so much that a magazine is little; always where a supply takes memory back.
template <class Supply, class Lock>
bool engine<Supply, Lock>::affords_magazine(const shelf_type& of) const noexcept {
  constexpr std::size_t least_bytes = 32 * sizeof(magazine);
  if (store_.supply().takes_back()) return true;
  const lock_holder<Lock> held(of.lock);
  return of.slots.slots() * of.slots.layout().slot_bytes >= least_bytes;
}

// Exchanges the small first magazine of a class for a real one. Returns false when there is no memory.
template <class Supply, class Lock>
bool engine<Supply, Lock>::load_magazine(cache& own, class_index index, class_cache& local) noexcept {
  magazine* const fresh = take_magazine();
  if (fresh == nullptr) return false;
  if (!local.has_first()) {  // the supply came back for slots of the class
    rest(*fresh);
    return false;
  }
  const std::size_t count = own.cursors[index].count(local.entries());
  for (std::size_t i = 1; i <= count; ++i) fresh->entries[i] = local.first[i];
  local.set_entries(fresh->entries);
  own.cursors[index].load(fresh->entries, count, count);
  return true;
}

// Takes a step of a class's share back: what rests there goes first, a portion a call, then the share. An unused class goes
// on to nothing, and then its depot does.
template <class Supply, class Lock>
void engine<Supply, Lock>::shrink(cache& own, class_index index, bool is_unused) noexcept {
  class_cache& local = *own.class_cache_of(index);
  shelf_type& into = *shelf_of(index);
  own.rejoin(index, local);
  if (const std::size_t previous = local.slots_in_previous())
    return flush_previous(own, into, local, previous);
  const std::size_t count = own.cursors[index].count(local.entries());
  const class_share smaller =
      is_unused && !local.share.is_paired() ? class_share() : steps_of(into).shrunk(local.share);
  if (count > smaller.magazine_slots) {
    const std::size_t older =
        count - smaller.magazine_slots < portion_slots ? count - smaller.magazine_slots : portion_slots;
    void* portion[portion_slots];
    for (std::size_t i = 0; i < older; ++i) portion[i] = local.entries()[i + 1];
    drop_older(own, index, local, count, older);
    local.slots_at_look = static_cast<std::uint8_t>(count - older);
    return flush_portion(&own, into, portion, older);
  }
  if (is_unused && smaller.magazines == 0) {
    drop_share(own, into, local);
    return age_depot(into);
  }
  own.share_bytes -= steps_of(into).bytes_of(local.share) - steps_of(into).bytes_of(smaller);
  if (local.share.is_paired() && local.previous != nullptr) {
    rest(*local.previous);
    local.previous = nullptr;
  }
  local.share = smaller;
  own.cursors[index].limit_to(local.entries(), smaller.magazine_slots);
}

// Takes the whole share of a class back. Requires that nothing rests there.
template <class Supply, class Lock>
void engine<Supply, Lock>::drop_share(cache& own, const shelf_type& of, class_cache& local) noexcept {
  own.share_bytes -= steps_of(of).bytes_of(local.share);
  local.share = class_share();
  if (local.previous != nullptr) rest(*local.previous);
  local.previous = nullptr;
  if (!local.has_first()) rest(local.loaded_magazine());
  local.set_entries(local.first);
  own.cursors[of.index].load(local.first, 0, 0);
}

// Puts a portion of a depot back that nobody visited since it was last looked at.
template <class Supply, class Lock>
void engine<Supply, Lock>::age_depot(shelf_type& of) noexcept {
  void* taken[portion_slots];
  std::size_t count = 0;
  {
    const lock_holder<Lock> held(of.lock);
    if (of.visits == 0) {
      of.forget_homes();
      count = of.parked.take_slots(taken, portion_slots, 0);
    }
    of.visits = 0;
  }
  if (count != 0) flush_portion(nullptr, of, taken, count);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
