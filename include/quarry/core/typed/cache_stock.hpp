// The stock of a typed cache, the part of its control block behind front and page source: bin, magazine and resting slabs, and how many
// handles there are.
//
// Layer      2. Freestanding. Knows slots, nothing of the objects in them, of locks or of page sources.
// Invariant  out_slots = slots in the users' hands, kept for recycling, or in the magazine, which may hold nulls
//            beside: a hit takes what it is given, and a miss drops them. Without handles the cache is orphaned: its
//            magazine takes nothing, so that every free is a miss, and the one that brings out_slots to 0 ends the cache.
// Threads    Under the cache's lock.
// Source     Bonwick & Adams 2001 (magazine); docs/design.md.
#pragma once

#include <quarry/core/bins/bin.hpp>
#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/core/typed/rest_budget.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class cache_stock : private rest_draw<> {
 public:
  /// The entries of a magazine: the bottom one, its slots, and the slot that finds it full.
  static constexpr std::size_t entries_for(std::size_t magazine_slots) noexcept { return magazine_slots + 2; }

  /// Starts with one handle and one slab.
  /// Requires    `entries` has entries_for(magazine_slots) entries; `front` is the front of the same cache.
  cache_stock(const cache_layout& layout, slab& root, void** entries, std::uint32_t magazine_slots,
              cache_front& front) noexcept
      : colours_(layout.slabs.colours),
        bin_(layout.slabs),
        entries_(entries),
        magazine_slots_(magazine_slots) {
    root.pinned = true;
    bin_.adopt(&root);
    front.loaded.load(entries_, 0, magazine_slots_);
  }

  /// Returns a slot from the magazine, refilled from the slabs when it is empty; null when every slab is
  /// full.
  /// Complexity  O(magazine slots).
  void* allocate(cache_front& front) noexcept;

  /// Takes a slot back, flushing the older half of a full magazine.
  /// Returns     Slabs that the cache no longer wants, chained by `next`.
  /// Complexity  O(magazine slots).
  slab* deallocate(cache_front& front, void* slot) noexcept {
    return front.loaded.push(slot) ? nullptr : make_room(front, slot);
  }
  /// The same where the magazine was full when it was looked at last: flushes although there may be room by now.
  slab* make_room(cache_front& front, void* slot) noexcept;

  /// Adds an extension slab whose slots are all free.
  void add(slab* fresh) noexcept {
    if (++slab_count_ > peak_slabs_) peak_slabs_ = slab_count_;
    rest(fresh);
  }

  /// Puts every slot of the magazine back into its slab. Returns slabs no longer wanted, as deallocate().
  slab* flush(cache_front& front) noexcept;

  /// Takes resting slabs out until at most `keep_slabs` remain; returns them chained by `next`.
  slab* trim(std::size_t keep_slabs) noexcept;

  /// Flushes, ends reserve(), and takes all but `keep_slabs` resting slabs out. Returns them chained by `next`.
  slab* trim_all(cache_front& front, std::size_t keep_slabs) noexcept {
    reserved_slabs_ = 0;
    empty_magazine(front);
    return trim(keep_slabs);
  }

  /// Lets at most `slabs` empty slabs rest from now on, whatever the budget. Returns slabs no longer wanted, as
  /// deallocate().
  slab* retain(std::size_t slabs) noexcept {
    leave(layout().slab_bytes);
    retain_slabs_ = slabs;
    return settle();
  }

  /// Lets slabs rest beyond those that this cache may keep as far as `budget` has room, until retain().
  void draw_on(rest_budget& budget) noexcept { join(budget); }

  /// Lets the magazine take at most an eighth of the slots in use from the next miss on; but `most` while the root slab, which
  /// stays anyway, is the only one.
  void bound_magazine(const cache_front& front, std::uint32_t most) noexcept {
    const std::size_t entries = front.loaded.count(entries_);  // nulls included
    const std::size_t eighth = out_slots_ > entries ? (out_slots_ - entries) / 8 : 0;
    if (handles_ != 0)
      magazine_slots_ = slab_count_ == 1 || eighth > most ? most : static_cast<std::uint32_t>(eighth);
  }

  /// Flushes, and lets the magazine take `slots` slots from now on; with 0 every call is a miss. Returns slabs no longer wanted.
  slab* resize_magazine(cache_front& front, std::uint32_t slots) noexcept {
    magazine_slots_ = slots;
    return flush(front);
  }

  /// Lets every slab rest that the cache has now, and one more, until trim_all().
  void begin_reserve() noexcept { reserved_slabs_ = slab_count_ + 1; }
  /// flush() finds the slabs that are no longer wanted.
  void end_reserve() noexcept { reserved_slabs_ = 0; }

  /// Puts every slot of the magazine back and lets all slabs stay until end_visit(), even when slots are freed. Returns what
  /// end_visit() wants to know.
  std::size_t begin_visit(cache_front& front) noexcept {
    const std::size_t reserved = reserved_slabs_;
    begin_reserve();
    empty_magazine(front);
    return reserved;
  }
  /// flush() finds the slabs that are no longer wanted.
  void end_visit(std::size_t reserved) noexcept { reserved_slabs_ = reserved; }

  void add_handle() noexcept { ++handles_; }
  bool last_handle() const noexcept { return handles_ == 1; }
  bool orphaned() const noexcept { return handles_ == 0; }

  /// Drops a handle; the last one orphans the cache. Returns slabs no longer wanted, as deallocate().
  slab* drop_handle(cache_front& front) noexcept;

  /// Returns whether neither handle nor slot is left, so that the root slab can go back.
  bool ended() const noexcept { return handles_ == 0 && out_slots_ == 0; }

  /// Returns the root slab, the only one left in the bin, before the chain `surplus`. Requires ended().
  slab* end(slab* surplus) const noexcept {
    slab* const root = bin_.any_ample();
    root->next = surplus;
    return root;
  }

  /// Keeps the object in `slot` constructed. Requires slabs that mark kept objects. Complexity O(1).
  void keep(void* slot) noexcept { kept_.keep(*home_of(slot), slot, layout()); }
  /// Returns the slot of a kept object, no longer kept, or null when none is. Complexity O(1).
  void* take_kept() noexcept { return kept_.take(layout()); }
  std::size_t kept_slots() const noexcept { return kept_.count(); }

  const bin& slabs() const noexcept { return bin_; }
  /// Returns the slab that the next slot comes from, or null when there is none.
  const slab* next_source() const noexcept {
    const slab* const source = bin_.next_source();
    return source != nullptr ? source : resting_;
  }
  const slab_layout& layout() const noexcept { return bin_.layout(); }
  slab* home_of(const void* slot) const noexcept {
    return core::home_of(slot, layout().slab_bytes, colours_);
  }
  std::size_t slab_count() const noexcept { return slab_count_; }  // the resting ones included
  std::size_t peak_slabs() const noexcept { return peak_slabs_; }
  std::size_t resting_slabs() const noexcept { return resting_slabs_; }
  std::size_t out_slots() const noexcept { return out_slots_; }
  /// Complexity  O(magazine slots).
  std::size_t cached_slots(const cache_front& front) const noexcept;
  bool is_cached(const cache_front& front, const void* slot) const noexcept;
  bool is_kept(const slab& home, std::size_t index) const noexcept { return kept_.has(home, index); }

  /// Returns the slab that has `pointer` in one of its slots, or null. Reads no memory but the cache's own.
  /// Complexity  O(slabs).
  const slab* find(const void* pointer) const noexcept;

  /// Calls f(slab&) for every slab, the resting ones included.
  template <class F>
  void for_each_slab(F f) const {
    bin_.for_each_slab(f);
    for (slab* each = resting_; each != nullptr;) {
      slab* const next = each->next;
      f(*each);
      each = next;
    }
  }

  /// Writes the slabs with the lowest addresses from `from` on into `few`, in their order, at most `most`; returns how many.
  /// Complexity  O(slabs * most), O(slabs) where they are in order.
  std::size_t slabs_from(std::uintptr_t from, slab** few, std::size_t most) const noexcept {
    std::size_t count = 0;
    for_each_slab([&](slab& each) {
      if (reinterpret_cast<std::uintptr_t>(&each) < from) return;
      if (count == most && &each > few[most - 1]) return;
      std::size_t place = count < most ? count++ : most - 1;
      for (; place != 0 && few[place - 1] > &each; --place) few[place] = few[place - 1];
      few[place] = &each;
    });
    return count;
  }

  /// Gives `home` the smallest number that no slab of the cache has.
  /// Complexity  O(1), or O(slabs) when a slab with a number has left.
  void give_number(slab& home) noexcept;

  bool check_invariants(const cache_front& front) const noexcept;

 private:
  void rest(slab* empty) noexcept {
    empty->next = resting_;
    resting_ = empty;
    ++resting_slabs_;
  }
  // Takes a slab from those that rest. Requires that there is one.
  slab* wake() noexcept {
    slab* const woken = resting_;
    resting_ = woken->next;
    --resting_slabs_;
    return woken;
  }
  std::size_t allowed_to_rest() const noexcept {
    return retain_slabs_ > reserved_slabs_ ? retain_slabs_ : reserved_slabs_;
  }
  // Covers what rests beyond that by the budget. Returns how many slabs may rest.
  std::size_t cover_resting() noexcept {
    const std::size_t allowed = allowed_to_rest();
    return allowed + cover(resting_slabs_ > allowed ? resting_slabs_ - allowed : 0, layout().slab_bytes);
  }
  slab* settle() noexcept { return trim(cover_resting()); }
  // Returns a slot of the slabs, or null when every one is full.
  void* take_one() noexcept {
    for (;;) {
      if (void* const slot = bin_.take_one()) {
        ++out_slots_;
        return slot;
      }
      if (resting_ == nullptr) return nullptr;
      bin_.adopt(wake());
      cover_resting();
    }
  }
  void put_back(void* const* slots, std::size_t count) noexcept;
  void empty_magazine(cache_front& front) noexcept {
    put_back(entries_ + 1, front.loaded.count(entries_));
    front.loaded.load(entries_, 0, magazine_slots_);
  }

  slab_colours colours_;
  bin bin_;
  void** entries_;                // the magazine
  std::uint32_t magazine_slots_;  // that it takes from the next miss on
  std::uint32_t handles_ = 1;
  slab* resting_ = nullptr;        // empty extension slabs, chained by next
  std::size_t resting_slabs_ = 0;  // how many
  std::size_t retain_slabs_ = 1;   // how many may rest without a budget
  std::size_t reserved_slabs_ = 0;
  std::size_t slab_count_ = 1;            // root, extensions, resting
  std::uint32_t lowest_free_number_ = 0;  // every smaller number is a slab's
  std::uint32_t next_number_ = 0;         // no slab has had this one or a larger one
  std::size_t peak_slabs_ = 1;
  std::size_t out_slots_ = 0;
  kept_objects kept_;
};

inline void* cache_stock::allocate(cache_front& front) noexcept {
  front.loaded.drop_nulls(entries_);
  if (void* const slot = front.loaded.pop()) return slot;  // another thread may have refilled it meanwhile
  if constexpr (prefers_small_code && sizeof(void*) < 8) return take_one();
  void** const bottom = entries_ + 1;
  const std::size_t half = magazine_slots_ / 2;  // room for as many frees stays
  const std::size_t wanted = half != 0 ? half : 1;
  std::size_t taken;
  while ((taken = bin_.refill(bottom + wanted, wanted)) == 0) {
    if (resting_ == nullptr) return nullptr;
    bin_.adopt(wake());
    cover_resting();
  }
  if (taken < wanted)
    for (std::size_t i = 0; i < taken; ++i) bottom[i] = bottom[i + wanted - taken];
  out_slots_ += taken;
  front.loaded.load(entries_, taken - 1, magazine_slots_);
  return bottom[taken - 1];
}

inline slab* cache_stock::make_room(cache_front& front, void* slot) noexcept {
  void** const oldest = entries_ + 1;
  const std::size_t cached = front.loaded.count(entries_);
  oldest[cached] = slot;
  std::size_t stay = (magazine_slots_ + 1) / 2;
  if (stay > cached) stay = cached + 1;
  const std::size_t older = cached + 1 - stay;
  put_back(oldest, older);
  for (std::size_t i = 0; i < stay; ++i) oldest[i] = oldest[i + older];
  front.loaded.load(entries_, stay, magazine_slots_);
  return settle();
}

inline slab* cache_stock::flush(cache_front& front) noexcept {
  empty_magazine(front);
  return settle();
}

inline void cache_stock::put_back(void* const* slots, std::size_t count) noexcept {
  // A null was never out: the magazine takes one because a hit does not look.
  slab* emptied = bin_.flush(slots, count, [this, slots](std::size_t i) noexcept {
    return slots[i] != nullptr ? home_of(slots[i]) : nullptr;
  });
  out_slots_ = bin_.used_slots();
  while (emptied != nullptr) {
    slab* const next = emptied->next;
    rest(emptied);
    emptied = next;
  }
}

inline slab* cache_stock::trim(std::size_t keep_slabs) noexcept {
  slab* surplus = nullptr;
  while (resting_slabs_ > keep_slabs) {
    slab* const each = wake();
    --slab_count_;
    if (each->number < lowest_free_number_) lowest_free_number_ = each->number;
    each->next = surplus;
    surplus = each;
  }
  cover_resting();
  return surplus;
}

inline slab* cache_stock::drop_handle(cache_front& front) noexcept {
  if (--handles_ != 0) return nullptr;
  magazine_slots_ = 0;
  reserved_slabs_ = 0;
  empty_magazine(front);
  return retain(0);
}

inline std::size_t cache_stock::cached_slots(const cache_front& front) const noexcept {
  std::size_t slots = 0;
  for (std::size_t i = front.loaded.count(entries_); i != 0; --i) slots += entries_[i] != nullptr ? 1 : 0;
  return slots;
}

inline bool cache_stock::is_cached(const cache_front& front, const void* slot) const noexcept {
  const std::size_t count = front.loaded.count(entries_);
  for (std::size_t i = 1; i <= count; ++i)
    if (entries_[i] == slot) return true;
  return false;
}

inline const slab* cache_stock::find(const void* pointer) const noexcept {
  const slab* found = nullptr;
  for_each_slab([&](const slab& each) {
    const auto offset =
        reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each.begin());
    if (offset < each.slots() * layout().slot_bytes) found = &each;
  });
  return found;
}

inline void cache_stock::give_number(slab& home) noexcept {
  while (lowest_free_number_ != next_number_) {  // numbers of slabs that left may lie between
    bitmap_word taken = 0;
    for_each_slab([&](const slab& each) {
      if (each.number - lowest_free_number_ < word_slots)
        taken |= bitmap_word{1} << (each.number - lowest_free_number_);
    });
    const auto first = static_cast<std::uint32_t>(~taken == 0 ? word_slots : lowest_bit(~taken));
    const std::uint32_t left = next_number_ - lowest_free_number_;
    lowest_free_number_ += first < left ? first : left;
    if (first < left && first != word_slots) break;
  }
  home.number = lowest_free_number_++;
  if (home.number == next_number_) ++next_number_;
}

inline bool cache_stock::check_invariants(const cache_front& front) const noexcept {
  std::size_t resting = 0, seen = 0;
  for (const slab* each = resting_; each != nullptr; each = each->next) ++resting;
  for_each_slab([&](const slab&) { ++seen; });
  return bin_.check_invariants() && bin_.used_slots() == out_slots_ && resting == resting_slabs_ &&
         seen == slab_count_ && cached_slots(front) + kept_.count() <= out_slots_;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
