// The control block of a typed cache: what its root slab holds beside slots.
//
// Layer      2. Freestanding. Knows slots, nothing of the objects in them, of locks or of page sources.
// Invariant  out_slots = slots in the users' hands, kept for recycling, or in the magazine. The magazine is
//            loaded exactly while there are handles; without handles the cache is orphaned: every free is a
//            miss, and the one that brings out_slots to 0 ends the cache.
// Threads    Under the cache's lock.
// Source     Bonwick & Adams 2001 (magazine); docs/design.md.
#pragma once

#include <quarry/core/bins/bin.hpp>
#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/cache_layout.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry::core {

class cache_root {
 public:
  /// Starts with one handle and one slab.
  /// Requires    `entries` has `magazine_slots` + 1 entries; `front` is the front of the same cache.
  cache_root(const cache_layout& layout, slab& root, void** entries, std::uint32_t magazine_slots,
             cache_front& front) noexcept
      : colours_(layout.slabs.colours),
        bin_(layout.slabs),
        entries_(entries),
        magazine_slots_(magazine_slots),
        retain_slabs_(layout.retain_slabs) {
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
  slab* deallocate(cache_front& front, void* slot) noexcept;

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
    const std::size_t usual = retain_slabs_;
    reserved_slabs_ = 0;
    retain_slabs_ = keep_slabs;
    slab* const surplus = flush(front);
    retain_slabs_ = usual;
    return surplus != nullptr ? surplus : trim(keep_slabs);
  }

  /// Lets at most `slabs` empty slabs rest from now on. Returns slabs no longer wanted, as deallocate().
  slab* retain(std::size_t slabs) noexcept {
    retain_slabs_ = slabs;
    return trim(allowed_to_rest());
  }

  /// Lets every slab rest that the cache has now, and one more, until trim_all().
  void begin_reserve() noexcept { reserved_slabs_ = slab_count_ + 1; }

  void add_handle() noexcept { ++handles_; }
  bool last_handle() const noexcept { return handles_ == 1; }

  /// Drops a handle; the last one orphans the cache. Returns slabs no longer wanted, as deallocate().
  slab* drop_handle(cache_front& front) noexcept;

  /// Returns whether neither handle nor slot is left, so that the root slab can go back.
  bool ended() const noexcept { return handles_ == 0 && out_slots_ == 0; }

  /// Returns the root slab, which has the front in it, before the chain `surplus`. Requires ended().
  slab* end(const cache_front& front, slab* surplus) const noexcept {
    slab* const root = home_of(&front);
    root->next = surplus;
    return root;
  }

  /// Keeps the object in `slot` constructed. Requires slabs that mark kept objects. Complexity O(1).
  void keep(void* slot) noexcept { kept_.keep(*home_of(slot), slot, layout()); }
  /// Returns the slot of a kept object, no longer kept, or null when none is. Complexity O(1).
  void* take_kept() noexcept { return kept_.take(layout()); }
  std::size_t kept_slots() const noexcept { return kept_.count(); }

  const bin& slabs() const noexcept { return bin_; }
  const slab_layout& layout() const noexcept { return bin_.layout(); }
  slab* home_of(const void* slot) const noexcept {
    return core::home_of(slot, layout().slab_bytes, colours_);
  }
  std::size_t slab_count() const noexcept { return slab_count_; }  // the resting ones included
  std::size_t peak_slabs() const noexcept { return peak_slabs_; }
  std::size_t resting_slabs() const noexcept { return resting_slabs_; }
  std::size_t out_slots() const noexcept { return out_slots_; }
  std::size_t cached_slots(const cache_front& front) const noexcept {
    return handles_ == 0 ? 0 : front.loaded.count(entries_);
  }
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
  std::size_t allowed_to_rest() const noexcept {
    return retain_slabs_ > reserved_slabs_ ? retain_slabs_ : reserved_slabs_;
  }
  slab* keep_retained(slab* emptied) noexcept;
  slab* put_back(void* const* slots, std::size_t count) noexcept {
    return bin_.flush(slots, count, [&](std::size_t i) noexcept { return home_of(slots[i]); });
  }

  slab_colours colours_;
  bin bin_;
  void** entries_;                // the magazine
  std::uint32_t magazine_slots_;  // its capacity
  std::uint32_t handles_ = 1;
  slab* resting_ = nullptr;        // empty extension slabs, chained by next
  std::size_t resting_slabs_ = 0;  // how many
  std::size_t retain_slabs_;       // how many may rest
  std::size_t reserved_slabs_ = 0;
  std::size_t slab_count_ = 1;            // root, extensions, resting
  std::uint32_t lowest_free_number_ = 0;  // every smaller number is a slab's
  std::uint32_t next_number_ = 0;         // no slab has had this one or a larger one
  std::size_t peak_slabs_ = 1;
  std::size_t out_slots_ = 0;
  kept_objects kept_;
};

inline void* cache_root::allocate(cache_front& front) noexcept {
  if (void* const slot = front.loaded.pop()) return slot;  // another thread may have refilled it meanwhile
  void** const bottom = entries_ + 1;
  const std::size_t wanted = (magazine_slots_ + 1) / 2;  // room for as many frees stays
  std::size_t taken;
  while ((taken = bin_.refill(bottom + wanted, wanted)) == 0) {
    if (resting_ == nullptr) return nullptr;
    slab* const fresh = resting_;
    resting_ = fresh->next;
    --resting_slabs_;
    bin_.adopt(fresh);
  }
  if (taken < wanted)
    for (std::size_t i = 0; i < taken; ++i) bottom[i] = bottom[i + wanted - taken];
  out_slots_ += taken;
  front.loaded.load(entries_, taken, magazine_slots_);
  return front.loaded.pop();
}

inline slab* cache_root::deallocate(cache_front& front, void* slot) noexcept {
  if (front.loaded.push(slot)) return nullptr;  // another thread may have made room meanwhile
  void** const oldest = entries_ + 1;
  std::size_t older = (magazine_slots_ + 1) / 2;
  if (handles_ == 0) {  // the magazine is not in use: it holds just this slot
    *oldest = slot;
    older = 1;
  }
  slab* const emptied = put_back(oldest, older);
  out_slots_ -= older;
  if (handles_ != 0) {
    const std::size_t left = magazine_slots_ - older;
    for (std::size_t i = 0; i < left; ++i) oldest[i] = oldest[i + older];
    oldest[left] = slot;
    front.loaded.load(entries_, left + 1, magazine_slots_);
  }
  return keep_retained(emptied);
}

inline slab* cache_root::flush(cache_front& front) noexcept {
  const std::size_t count = cached_slots(front);
  if (count == 0) return nullptr;
  slab* const emptied = put_back(entries_ + 1, count);
  out_slots_ -= count;
  front.loaded.load(entries_, 0, magazine_slots_);
  return keep_retained(emptied);
}

inline slab* cache_root::trim(std::size_t keep_slabs) noexcept {
  slab* surplus = nullptr;
  while (resting_slabs_ > keep_slabs) {
    slab* const each = resting_;
    resting_ = each->next;
    --resting_slabs_;
    --slab_count_;
    if (each->number < lowest_free_number_) lowest_free_number_ = each->number;
    each->next = surplus;
    surplus = each;
  }
  return surplus;
}

inline slab* cache_root::keep_retained(slab* emptied) noexcept {
  while (emptied != nullptr) {
    slab* const next = emptied->next;
    rest(emptied);
    emptied = next;
  }
  return trim(allowed_to_rest());
}

inline slab* cache_root::drop_handle(cache_front& front) noexcept {
  if (handles_ != 1) {
    --handles_;
    return nullptr;
  }
  retain_slabs_ = reserved_slabs_ = 0;
  slab* surplus = flush(front);
  if (surplus == nullptr) surplus = trim(0);
  handles_ = 0;
  front.loaded.unload(front.nothing);
  return surplus;
}

inline bool cache_root::is_cached(const cache_front& front, const void* slot) const noexcept {
  const std::size_t count = cached_slots(front);
  for (std::size_t i = 1; i <= count; ++i)
    if (entries_[i] == slot) return true;
  return false;
}

inline const slab* cache_root::find(const void* pointer) const noexcept {
  const slab* found = nullptr;
  for_each_slab([&](const slab& each) {
    const auto offset =
        reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each.begin());
    if (offset < each.slots() * layout().slot_bytes) found = &each;
  });
  return found;
}

inline void cache_root::give_number(slab& home) noexcept {
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

inline bool cache_root::check_invariants(const cache_front& front) const noexcept {
  std::size_t resting = 0, seen = 0;
  for (const slab* each = resting_; each != nullptr; each = each->next) ++resting;
  for_each_slab([&](const slab&) { ++seen; });
  return bin_.check_invariants() && bin_.used_slots() == out_slots_ && resting == resting_slabs_ &&
         seen == slab_count_ && cached_slots(front) + kept_.count() <= out_slots_;
}

}  // namespace quarry::core
