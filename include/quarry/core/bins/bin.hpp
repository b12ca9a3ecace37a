// A bin: all slabs of one slot size, grouped by how full they are.
//
// Layer      3. Freestanding. Owns no memory: slabs are adopted from and handed back to whoever keeps them.
// Invariant  Every slab of the bin is in exactly one group, chosen by its free slots: full, scant (less than
//            1/8 free), half (less than 1/2 free) or ample. A slab that becomes empty leaves the bin, unless
//            it is pinned. used_slots() counts the slots that are not free.
// Threads    One thread at a time, or under the owner's lock.
// Source     Emptiness groups: Berger et al. 2000 (Hoard). Refill in address order: docs/results.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include <quarry/core/slabs/slab.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class States, class Headers>
class mender;

class bin {
 public:
  explicit bin(const slab_layout& layout) noexcept : layout_(layout) {}
  bin(const bin&) = delete;
  bin& operator=(const bin&) = delete;

  const slab_layout& layout() const noexcept { return layout_; }

  /// Takes up to `count` free slots from the bin's slabs and writes them below `end`.
  /// Effects     Prefers half-full slabs, then emptier ones, then nearly full ones; in each, the lowest
  ///             addresses first.
  /// Returns     How many were written; 0 when every slab is full.
  /// Complexity  O(count); at most `most_visits` slabs are looked at.
  std::size_t refill(void** end, std::size_t count) noexcept;

  /// Takes one slot, the first that refill() would take; null when every slab is full. Complexity O(1).
  void* take_one() noexcept {
    slab* const source = next_source();
    if (source == nullptr) return nullptr;
    void* const slot = source->take_one(layout_);
    ++used_slots_;
    settle(*source);
    return slot;
  }

  /// Takes a run of at most `count` neighbours from the slab that refill() would look at first; nothing when
  /// the run has fewer than about `least`. Complexity O(count / 64).
  slot_run take_run(std::size_t least, std::size_t count) noexcept {
    slab* const source = next_source();
    if (source == nullptr) return {};
    const slot_run run = source->take_run(least, count, layout_);
    used_slots_ += run.slots;
    if (run.slots != 0) settle(*source);
    return run;
  }

  /// Puts `count` slots back, runs of neighbours at once; home(std::size_t i) is the slab of slots[i]; a slot without one is
  /// dropped.
  /// Requires    Every slot with a slab came from refill() of this bin and is not free.
  /// Returns     The slabs that became empty, chained by `next`; they have left the bin.
  /// Complexity  O(count).
  template <class Home>
  slab* flush(void* const* slots, std::size_t count, Home home) noexcept;

  /// Returns how many of the `count` slots, from the first on, were seen to follow each other in memory, upwards or downwards;
  /// 0 when they are fewer than 9. Up to 7 at the end of a run may be left out. Complexity O(count); O(1) where the first two
  /// do not follow each other.
  std::size_t leading_run(void* const* slots, std::size_t count) const noexcept {
    if (count <= steps_at_once || !may_start_run(slots)) return 0;
    const std::uintptr_t step = distance(slots);
    std::size_t run = 1;
    while (run + steps_at_once <= count && steps_are(slots + run - 1, step)) run += steps_at_once;
    if (run == 1) return 0;
    if (run < count && run + steps_at_once > count && steps_are(slots + count - 1 - steps_at_once, step))
      run = count;
    return run;
  }

  /// Puts `count` neighbours back, the lowest of which is `first`; home(void* slot) is the slab of a slot.
  /// Requires, returns and complexity as flush(), but O(slabs + count / 64).
  template <class Home>
  slab* flush_run(void* first, std::size_t count, Home home) noexcept;

  /// Returns whether any slab has a free slot.
  bool any_free() const noexcept { return next_source() != nullptr; }

  /// Adds a slab whose slots are all free.
  void adopt(slab* fresh) noexcept {
    ++slabs_;
    slots_ += fresh->slots();
    link(fresh);
  }

  /// Adds an unlisted slab, which no directory and no mask finds: find_unlisted() does. Unless it is pinned, it leaves when it is
  /// empty: then forget_unlisted() must hear of it.
  /// Requires    fresh->is_unlisted
  void adopt_unlisted(slab* fresh) noexcept {
    fresh->owner = unlisted_;
    unlisted_ = fresh;
    if (fresh->pinned) {
      pinned_bytes_ += fresh->slots() * layout_.slot_bytes;
      ++pinned_slabs_;
    }
    ++unlisted_slabs_;
    adopt(fresh);
  }

  /// Returns the unlisted slab that holds `pointer`, or null. Complexity O(unlisted_slabs()): few, or all where no directory is.
  slab* find_unlisted(const void* pointer) const noexcept {
    slab* each = unlisted_;
    while (each != nullptr && !each->holds(pointer, layout_)) each = static_cast<slab*>(each->owner);
    return each;
  }
  /// Calls f(const slab&) for each unlisted slab. Complexity as find_unlisted().
  template <class F>
  void for_each_unlisted(F f) const {
    for (const slab* each = unlisted_; each != nullptr; each = static_cast<const slab*>(each->owner))
      f(*each);
  }
  /// Sets each of the homes that is null to the unlisted slab of its slot.
  QUARRY_NOINLINE void find_missing(void* const* slots, std::size_t count, slab** homes) const noexcept {
    for (std::size_t i = 0; i < count; ++i)
      if (homes[i] == nullptr) homes[i] = find_unlisted(slots[i]);
  }
  /// Forgets an unlisted slab that has left the bin. Complexity as find_unlisted().
  void forget_unlisted(slab& each) noexcept {
    --unlisted_slabs_;
    if (unlisted_ == &each) {
      unlisted_ = static_cast<slab*>(each.owner);
      return;
    }
    slab* before = unlisted_;
    while (before->owner != &each) before = static_cast<slab*>(before->owner);
    before->owner = each.owner;
  }
  std::size_t unlisted_slabs() const noexcept { return unlisted_slabs_; }
  std::size_t slabs_that_leave() const noexcept { return slabs_ - pinned_slabs_; }  // when they are empty
  std::size_t pinned_bytes() const noexcept {
    return pinned_bytes_;
  }  // of the slots of unlisted ones that are pinned

  /// Calls f(slab&) for every slab of the bin, the emptiest group first: f may put slots of the slabs back that it was called
  /// with, because these only move to groups that are behind. Complexity O(slabs).
  template <class F>
  void for_each_slab(F f) const {
    for (std::size_t i = group_count; i-- > 0;)
      for (slab* each = groups_[i]; each != nullptr;) {
        slab* const next = each->next;
        f(*each);
        each = next;
      }
  }

  /// Returns the slab that refill() would look at first; null when every slab is full.
  slab* next_source() const noexcept {
    return groups_[half] != nullptr    ? groups_[half]
           : groups_[ample] != nullptr ? groups_[ample]
                                       : groups_[scant];
  }
  slab* any_ample() const noexcept {
    return groups_[ample];
  }  // a slab at least half of which is free, or null
  std::size_t slabs() const noexcept { return slabs_; }
  std::size_t slabs_in_use() const noexcept { return used_slots_ == 0 ? 0 : slabs_; }
  std::size_t slots() const noexcept { return slots_; }            // of all slabs
  std::size_t used_slots() const noexcept { return used_slots_; }  // that are not free

  bool check_invariants() const noexcept;

 private:
  template <class States, class Headers>
  friend class mender;

  enum group : std::uint8_t { full, scant, half, ample, group_count };
  static constexpr std::size_t most_visits = 8;
  static constexpr std::size_t steps_at_once = 8;

  static group group_of(const slab& each) noexcept {
    const std::size_t free = each.free_slots();
    if (free == 0) return full;
    return free * 8 < each.slots() ? scant : free * 2 < each.slots() ? half : ample;
  }

  static std::uint32_t regroup_at(const slab& each, group current) noexcept {
    const auto slots = static_cast<std::uint32_t>(each.slots());
    if (current == full) return 1;
    if (current == scant) return (slots + 7) / 8;
    if (current == half) return (slots + 1) / 2;
    return each.pinned ? UINT32_MAX : slots;
  }

  void link(slab* each) noexcept {
    const group target = group_of(*each);
    each->group = target;
    each->bitmap().notice_at(regroup_at(*each, target));
    each->previous = nullptr;
    each->next = groups_[target];
    if (each->next != nullptr) each->next->previous = each;
    groups_[target] = each;
  }

  void unlink(slab* each) noexcept {
    (each->previous != nullptr ? each->previous->next : groups_[each->group]) = each->next;
    if (each->next != nullptr) each->next->previous = each->previous;
  }

  // Moves a slab from which slots were taken to the group that it belongs to now. Requires that it is not empty.
  void settle(slab& each) noexcept {
    if constexpr (prefers_small_code) {
      regroup(&each, nullptr);
    } else if (group_of(each) != each.group) {
      unlink(&each);
      link(&each);
    }
  }

  // Returns the bytes from a slot to the one that stands behind it.
  static std::uintptr_t distance(void* const* slots) noexcept {
    return reinterpret_cast<std::uintptr_t>(slots[1]) - reinterpret_cast<std::uintptr_t>(slots[0]);
  }
  bool may_start_run(void* const* slots) const noexcept {
    const std::uintptr_t step = distance(slots);
    return step == layout_.slot_bytes || step + layout_.slot_bytes == 0;
  }
  // Returns whether the next few steps from `slots` on are all `step`.
  static bool steps_are(void* const* slots, std::uintptr_t step) noexcept {
    std::uintptr_t differences = 0;
    for (std::size_t i = 0; i < steps_at_once; ++i) differences |= distance(slots + i) - step;
    return differences == 0;
  }
  bool is_run(void* const* slots, std::size_t count) const noexcept;
  template <class Home>
  slab* put_run(const void* first, std::size_t count, Home home) noexcept;
  slab* regroup(slab* each, slab* emptied) noexcept;

  slab_layout layout_;
  slab* groups_[group_count] = {};  // heads of the lists
  std::size_t slabs_ = 0;
  std::size_t slots_ = 0;         // of all slabs
  std::size_t used_slots_ = 0;    // not free
  slab* unlisted_ = nullptr;      // linked by owner
  std::size_t pinned_bytes_ = 0;  // of the slots of pinned ones of these
  std::uint32_t unlisted_slabs_ = 0;
  std::uint32_t pinned_slabs_ = 0;  // of unlisted ones
};

inline std::size_t bin::refill(void** end, std::size_t count) noexcept {
  std::size_t taken = 0;
  if constexpr (prefers_small_code) {
    for (std::size_t visit = 0; visit < most_visits && taken * 2 < count; ++visit) {
      slab* const source = next_source();
      if (source == nullptr) break;
      do {
        *--end = source->take_one(layout_);
      } while (++taken != count && source->bitmap().any());
      settle(*source);
    }
    used_slots_ += taken;
    return taken;
  }
  for (std::size_t visit = 0; visit < most_visits; ++visit) {
    slab* const source = next_source();
    if (source == nullptr) break;
    const std::size_t wanted = count - taken;
    const std::size_t available = source->free_slots() < wanted ? source->free_slots() : wanted;
    source->take(end - taken, available, layout_);
    taken += available;
    settle(*source);
    if (taken * 2 >= count) break;
  }
  used_slots_ += taken;
  return taken;
}

// A portion mostly is either one run of neighbours, as a container gives back what it took in a row, or it is not: then each
// slot goes its own short way.
template <class Home>
slab* bin::flush(void* const* slots, std::size_t count, Home home) noexcept {
  used_slots_ -= count;
  if (!prefers_small_code && QUARRY_UNLIKELY(is_run(slots, count))) {
    const bool ascends = slots[0] < slots[1];
    return put_run(slots[ascends ? 0 : count - 1], count,
                   [=](std::size_t done) noexcept { return home(ascends ? done : count - 1 - done); });
  }
  slab* emptied = nullptr;
  for (std::size_t i = 0; i != count; ++i) {
    slab* const target = home(i);
    if (QUARRY_UNLIKELY(target == nullptr)) {
      ++used_slots_;
    } else if (QUARRY_UNLIKELY(target->put_one(target->index_of(slots[i], layout_)))) {
      emptied = regroup(target, emptied);
    }
  }
  return emptied;
}

template <class Home>
slab* bin::flush_run(void* first, std::size_t count, Home home) noexcept {
  used_slots_ -= count;
  return put_run(first, count, [&](std::size_t done) noexcept {
    return home(static_cast<std::byte*>(first) + done * layout_.slot_bytes);
  });
}

// Puts neighbours back; home(std::size_t i) is the slab of the i-th. The slots of the next slab in memory may begin where one's
// end.
template <class Home>
slab* bin::put_run(const void* first, std::size_t count, Home home) noexcept {
  slab* emptied = nullptr;
  for (std::size_t done = 0; done != count;) {
    slab* const target = home(done);
    const std::size_t index =
        target->index_of(static_cast<const std::byte*>(first) + done * layout_.slot_bytes, layout_);
    const std::size_t room = target->slots() - index;
    const std::size_t here = count - done < room ? count - done : room;
    if (target->put(index, here)) emptied = regroup(target, emptied);
    done += here;
  }
  return emptied;
}

// Returns whether the `count` slots follow each other in memory, upwards or downwards.
inline bool bin::is_run(void* const* slots, std::size_t count) const noexcept {
  if (count < 2 || QUARRY_LIKELY(!may_start_run(slots))) return false;
  const std::uintptr_t step = distance(slots);
  std::uintptr_t differences = 0;
  for (std::size_t i = 2; i < count; ++i) differences |= distance(slots + i - 1) - step;
  return differences == 0;
}

// Moves a slab to the group that its free slots ask for, or, when it became empty, out of the bin onto
// `emptied`.
QUARRY_NOINLINE inline slab* bin::regroup(slab* each, slab* emptied) noexcept {
  unlink(each);
  if (!each->empty() || each->pinned) {
    link(each);
    return emptied;
  }
  --slabs_;
  slots_ -= each->slots();
  each->next = emptied;
  return each;
}

inline bool bin::check_invariants() const noexcept {
  std::size_t slabs = 0, slots = 0, used = 0;
  for_each_slab([&](const slab& each) {
    ++slabs;
    slots += each.slots();
    used += each.slots() - each.free_slots();
  });
  bool good = slabs == slabs_ && slots == slots_ && used == used_slots_;
  for (std::uint8_t i = 0; i < group_count; ++i)
    for (const slab* each = groups_[i]; each != nullptr; each = each->next)
      good = good && each->group == i && group_of(*each) == i && each->bitmap().check_invariants() &&
             (each->previous == nullptr ? groups_[i] == each : each->previous->next == each);
  return good;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
