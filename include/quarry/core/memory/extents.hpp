// Extents: memory of several slabs from one call of the supply, lent and taken back in granules.
//
//   base | granule 0 | granule 1 | ... | granule n-1 |      n <= 64: one word says which are free
//
// Layer      5. Freestanding. Knows granules, nothing of slots; calls no supply: who holds it does.
// Invariant  Every extent with memory is in the group that its granules ask for. idle_bytes() counts the free granules
//            that may hold touched pages; a blank granule is free and holds none: never used, or discarded.
// Threads    One thread at a time, or under the owner's lock.
// Source     Bonwick & Adams 2001 (vmem's spans); fullest first: Hoard, and docs/results.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/bits.hpp>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

using granule_mask = std::uint64_t;

/// Memory of several granules that came from the supply in one call; its record lies elsewhere.
struct extent {
  extent* next = nullptr;      // in its group's list; among the spare records without memory
  extent* previous = nullptr;  // in its group's list
  std::byte* base = nullptr;   // aligned to a granule
  granule_mask free = 0;       // granules that are not lent
  granule_mask blank = 0;      // free granules that hold no touched page
  granule_mask discarded = 0;  // blank granules that were used before
  std::uint8_t granules = 0;   // in the extent
  std::uint8_t lent = 0;       // of them that are not free
  std::uint8_t group = 0;      // which list it is in
  bool is_fixed = false;       // the user's buffer: never given to the supply
};

/// Neighbouring granules of one extent.
struct granule_run {
  extent* home = nullptr;  // null when there are none
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

class extents {
 public:
  static constexpr std::uint32_t most_granules = 64;  // of an extent

  /// Units       bytes; `granule_bytes` is a power of two.
  explicit constexpr extents(std::size_t granule_bytes) noexcept : granule_bytes_(granule_bytes) {}
  extents(const extents&) = delete;
  extents& operator=(const extents&) = delete;

  std::size_t granule_bytes() const noexcept { return granule_bytes_; }
  std::byte* address_of(const granule_run& run) const noexcept {
    return run.home->base + run.first * granule_bytes_;
  }
  std::size_t bytes_of(const granule_run& run) const noexcept { return run.count * granule_bytes_; }

  /// Makes take() prefer extents with touched granules, idle ones among them, to those without, at the price that fewer extents
  /// are idle: for who discards, so that a page is not faulted in where another rests, and whose address space is not limited.
  void lend_touched_first() noexcept { order_ = touched_first; }

  /// Lends `count` neighbouring granules, the first aligned to `alignment` bytes, of a fixed extent, else one of the fullest that
  /// have them (after lend_touched_first() one with touched ones before the others), and in that touched ones before
  /// blank ones; none when none has.
  /// Complexity  O(1): at most `most_visits` extents of each group are looked at.
  granule_run take(std::uint32_t count, std::size_t alignment = 1) noexcept {
    const granule_run run = look(count, alignment);
    return run.home != nullptr ? take(run) : run;
  }
  /// Returns the run that take() would take. Complexity as take().
  granule_run look(std::uint32_t count, std::size_t alignment = 1) const noexcept;
  /// Takes a run that look() has returned last.
  granule_run take(const granule_run& seen) noexcept { return lend(*seen.home, seen.first, seen.count); }

  /// Returns whether any granule is free. Complexity O(1).
  bool has_free() const noexcept {
    for (std::uint8_t which = 0; which != full_group; ++which)
      if (groups_[which] != nullptr) return true;
    return false;
  }

  /// Takes lent granules back; `is_blank` tells that their pages were discarded.
  /// Returns     Whether the extent is idle now and may go back to the supply: none of its granules is lent, and it is not fixed.
  /// Complexity  O(1).
  bool put(const granule_run& run, bool is_blank) noexcept;

  /// Returns whether putting `run` back makes its extent idle.
  static bool would_idle(const granule_run& run) noexcept {
    const granule_mask all = run.home->free | mask_of(run.first, run.count);
    return all == mask_of(0, run.home->granules);
  }

  /// Returns the run of `granules` granules that begin at `begin` in `home`.
  granule_run run_at(extent& home, const void* begin, std::uint32_t granules) const noexcept {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(begin) - home.base);
    return {&home, static_cast<std::uint32_t>(offset / granule_bytes_), granules};
  }

  /// Returns the extent that `pointer` lies in, or null. Complexity O(extents): for reports, and where there is no
  /// directory.
  extent* find(const void* pointer) const noexcept {
    for (extent* head : groups_)
      for (extent* each = head; each != nullptr; each = each->next)
        if (reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each->base) <
            each->granules * granule_bytes_)
          return each;
    return nullptr;
  }

  /// Adds memory. Requires a spare record, an aligned base, and 0 < granules <= most_granules.
  extent& add(void* base, std::uint32_t granules, bool is_fixed) noexcept;

  /// Notes that every granule of `fresh` was touched. Requires that none is lent or fixed.
  void touch(extent& fresh) noexcept {
    fresh.blank = 0;
    idle_bytes_ += fresh.granules * granule_bytes_;
    regroup(fresh);
  }

  /// Takes an idle extent out; its record becomes spare. Requires !is_fixed.
  void remove(extent& idle) noexcept;

  /// Returns an idle extent that may go back to the supply, one without a touched page if there is one, or null. Complexity O(1).
  extent* idle() noexcept {
    return groups_[idle_group] != nullptr ? groups_[idle_group] : groups_[touched_idle_group];
  }

  /// Returns whether no granule of `each` is both free and touched.
  static bool is_blank(const extent& each) noexcept { return each.blank == each.free; }

  /// Takes a run of touched, free granules of an extent that is neither idle nor fixed out, to be discarded and put back; none
  /// when there is none.
  /// Complexity  O(1).
  granule_run take_touched() noexcept;

  /// Forgets every extent: f(extent&) gets each that is not fixed, lent or not, and may link it by next.
  template <class F>
  void release(F f) noexcept {
    for (extent*& head : groups_)
      while (extent* const each = head) {
        head = each->next;
        if (!each->is_fixed) f(*each);
      }
    spare_ = nullptr;
    held_granules_ = 0;
    idle_bytes_ = discarded_bytes_ = 0;
  }

  /// Whether a record for add() is at hand; and brings one.
  bool has_spare() const noexcept { return spare_ != nullptr; }
  void bring_spare(extent& record) noexcept {
    record.next = spare_;
    spare_ = &record;
  }

  /// Calls f(const extent&) for each extent with memory.
  template <class F>
  void for_each(F f) const {
    for (const extent* head : groups_)
      for (const extent* each = head; each != nullptr; each = each->next) f(*each);
  }

  std::size_t held_granules() const noexcept {
    return held_granules_;
  }                                                                // in all extents, the fixed ones included
  std::size_t idle_bytes() const noexcept { return idle_bytes_; }  // free and touched, in extents not fixed
  std::size_t discarded_bytes() const noexcept {
    return discarded_bytes_;
  }  // free, touched once, discarded since

  bool check_invariants() const noexcept;

 private:
  // Fixed extents have groups of their own. Of the others: touched, if a touched granule is free; idle, if none is lent.
  enum group : std::uint8_t {
    fixed_busy_group,
    fixed_half_group,
    touched_busy_group,
    busy_group,
    touched_half_group,
    half_group,
    touched_idle_group,
    idle_group,
    full_group,
    group_count
  };
  // The orders of take(): the user's buffer comes first in both.
  using lending_order = group[full_group];
  static constexpr lending_order fullest_first = {fixed_busy_group,   fixed_half_group,   touched_busy_group,
                                                  busy_group,         touched_half_group, half_group,
                                                  touched_idle_group, idle_group};
  static constexpr lending_order touched_first = {fixed_busy_group,   fixed_half_group,   touched_busy_group,
                                                  touched_half_group, touched_idle_group, busy_group,
                                                  half_group,         idle_group};
  static constexpr int most_visits = 8;

  static granule_mask mask_of(std::uint32_t first, std::uint32_t count) noexcept {
    return (~granule_mask{0} >> (most_granules - count)) << first;
  }
  // Mostly nothing is set.
  static std::uint32_t count_of(granule_mask mask) noexcept { return mask == 0 ? 0 : count_bits(mask); }

  // Returns the granules of `each` that are aligned to `alignment` bytes.
  granule_mask aligned_in(const extent& each, std::size_t alignment) const noexcept {
    if (QUARRY_LIKELY(alignment <= granule_bytes_)) return ~granule_mask{0};
    granule_mask result = 0;
    for (std::uint32_t i = 0; i < each.granules; ++i)
      if (((reinterpret_cast<std::uintptr_t>(each.base) + i * granule_bytes_) & (alignment - 1)) == 0)
        result |= granule_mask{1} << i;
    return result;
  }

  // Returns the lowest bit of `starts` at which `count` neighbouring bits of `mask` are set, or most_granules.
  static std::uint32_t find_run(granule_mask mask, std::uint32_t count, granule_mask starts) noexcept {
    std::uint32_t width = 1;  // bit i of mask: bits [i, i + width) were set
    while (width < count && mask != 0) {
      const std::uint32_t step = width < count - width ? width : count - width;
      mask &= mask >> step;
      width += step;
    }
    mask &= starts;
    return mask == 0 ? most_granules : static_cast<std::uint32_t>(lowest_bit(mask));
  }

  static group group_of(const extent& each) noexcept {
    if (each.lent == each.granules) return full_group;
    const bool is_half = each.lent * 2U < each.granules;
    if (each.is_fixed) return is_half ? fixed_half_group : fixed_busy_group;
    const bool is_touched = !is_blank(each);
    if (each.lent == 0) return is_touched ? touched_idle_group : idle_group;
    if (is_half) return is_touched ? touched_half_group : half_group;
    return is_touched ? touched_busy_group : busy_group;
  }

  void link(extent& each) noexcept {
    const group target = group_of(each);
    each.group = target;
    each.previous = nullptr;
    each.next = groups_[target];
    if (each.next != nullptr) each.next->previous = &each;
    groups_[target] = &each;
  }
  void unlink(extent& each) noexcept {
    (each.previous != nullptr ? each.previous->next : groups_[each.group]) = each.next;
    if (each.next != nullptr) each.next->previous = each.previous;
  }
  void regroup(extent& each) noexcept {
    if (group_of(each) == each.group) return;
    unlink(each);
    link(each);
  }

  granule_run lend(extent& from, std::uint32_t first, std::uint32_t count) noexcept;

  std::size_t granule_bytes_;
  const group* order_ = fullest_first;
  extent* groups_[group_count] = {};  // heads of the lists
  extent* spare_ = nullptr;           // records without memory, linked by next
  std::size_t held_granules_ = 0;
  std::size_t idle_bytes_ = 0;
  std::size_t discarded_bytes_ = 0;
};

inline granule_run extents::lend(extent& from, std::uint32_t first, std::uint32_t count) noexcept {
  const granule_mask mask = mask_of(first, count);
  if (!from.is_fixed) idle_bytes_ -= count_of(mask & ~from.blank) * granule_bytes_;
  discarded_bytes_ -= count_of(mask & from.discarded) * granule_bytes_;
  from.lent = static_cast<std::uint8_t>(from.lent + count);
  from.free &= ~mask;
  from.blank &= ~mask;
  from.discarded &= ~mask;
  regroup(from);
  return {&from, first, count};
}

inline granule_run extents::look(std::uint32_t count, std::size_t alignment) const noexcept {
  for (std::uint8_t place = 0; place != full_group; ++place) {
    extent* each = groups_[order_[place]];
    for (int visit = 0; each != nullptr && visit < most_visits; ++visit, each = each->next) {
      const granule_mask starts = aligned_in(*each, alignment);
      std::uint32_t first = find_run(each->free & ~each->blank, count, starts);
      if (first == most_granules) first = find_run(each->free, count, starts);
      if (first != most_granules) return {each, first, count};
    }
  }
  return {};
}

inline bool extents::put(const granule_run& run, bool is_blank) noexcept {
  extent& home = *run.home;
  const granule_mask mask = mask_of(run.first, run.count);
  home.free |= mask;
  home.lent = static_cast<std::uint8_t>(home.lent - run.count);
  if (is_blank) {
    home.blank |= mask;
    home.discarded |= mask;
    discarded_bytes_ += bytes_of(run);
  } else if (!home.is_fixed) {
    idle_bytes_ += bytes_of(run);
  }
  regroup(home);
  return home.lent == 0 && !home.is_fixed;
}

inline extent& extents::add(void* base, std::uint32_t granules, bool is_fixed) noexcept {
  extent& fresh = *spare_;
  spare_ = fresh.next;
  fresh.base = static_cast<std::byte*>(base);
  fresh.free = fresh.blank = mask_of(0, granules);
  fresh.discarded = 0;
  fresh.granules = static_cast<std::uint8_t>(granules);
  fresh.lent = 0;
  fresh.is_fixed = is_fixed;
  held_granules_ += granules;
  link(fresh);
  return fresh;
}

inline void extents::remove(extent& idle) noexcept {
  unlink(idle);
  held_granules_ -= idle.granules;
  idle_bytes_ -= count_of(idle.free & ~idle.blank) * granule_bytes_;
  discarded_bytes_ -= count_of(idle.discarded) * granule_bytes_;
  bring_spare(idle);
}

inline granule_run extents::take_touched() noexcept {
  extent* const home =
      groups_[touched_half_group] != nullptr ? groups_[touched_half_group] : groups_[touched_busy_group];
  if (home == nullptr) return {};
  const granule_mask touched = home->free & ~home->blank;
  const auto first = static_cast<std::uint32_t>(lowest_bit(touched));
  const granule_mask gap = ~(touched >> first);
  const std::uint32_t count = gap == 0 ? most_granules : static_cast<std::uint32_t>(lowest_bit(gap));
  return lend(*home, first, count);
}

inline bool extents::check_invariants() const noexcept {
  bool good = true;
  std::size_t granules = 0, idle = 0, discarded = 0;
  for (std::uint8_t which = 0; which < group_count; ++which)
    for (const extent* each = groups_[which]; each != nullptr; each = each->next) {
      good = good && each->group == which && group_of(*each) == which && (each->blank & ~each->free) == 0 &&
             each->lent + count_of(each->free) == each->granules && (each->discarded & ~each->blank) == 0 &&
             (each->previous == nullptr ? groups_[which] == each : each->previous->next == each);
      granules += each->granules;
      if (!each->is_fixed) idle += count_of(each->free & ~each->blank);
      discarded += count_of(each->discarded);
    }
  return good && granules == held_granules_ && idle * granule_bytes_ == idle_bytes_ &&
         discarded * granule_bytes_ == discarded_bytes_;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
