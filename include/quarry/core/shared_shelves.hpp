// The shared shelves: a depot and a bin for each size class over one store, used by many threads, with or without
// caches in front.
//
// Layer      2 to 5 put together. Freestanding.
// Invariant  A slot is in exactly one place: the hands of who took it, one depot or one bin. Nobody holds two
//            locks at a time.
// Threads    Any number at a time.
// Source     Bonwick & Adams 2001; docs/threads.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <quarry/core/shared_shelf.hpp>
#include <quarry/core/shared_store.hpp>
#include <quarry/core/size_class.hpp>

namespace quarry::core {

/// ShelfLock guards one class for tens to hundreds of instructions; StoreLock is held across calls of the
/// page source.
template <class PageSource, class ShelfLock, class StoreLock>
class shared_shelves {
 public:
  using shelf_type = shared_shelf<ShelfLock>;
  using store_type = shared_store<PageSource, StoreLock>;

  /// Units       bytes, as slab_engine.
  shared_shelves(PageSource source, std::size_t max_bytes, std::size_t slab_bytes, std::size_t retain_bytes)
      : store_(source, max_bytes, slab_bytes, retain_bytes) {}
  shared_shelves(const shared_shelves&) = delete;
  shared_shelves& operator=(const shared_shelves&) = delete;

  /// Returns a slot of class `index`, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed for the user.
  /// Complexity  O(1), at most 4 calls of the page source.
  void* allocate_direct(class_index index);

  /// Takes back a slot of class `index`. Complexity O(1).
  void deallocate_direct(void* slot, class_index index) noexcept { flush(*shelf_of(index), &slot, 1); }

  /// Returns a run of at most `count` neighbours of class `index`; an empty one when none of `least` slots is at
  /// hand or the page source returns null.
  /// Errors      What the page source throws; then nothing has changed for the user.
  slot_run allocate_run(class_index index, std::size_t least, std::size_t count);

  /// Takes back `count` neighbours of class `index`, the lowest of which is `first`.
  void deallocate_run(class_index index, void* first, std::size_t count) noexcept {
    shelf_type& into = *shelf_of(index);
    slab* emptied = nullptr;
    {
      const lock_holder<ShelfLock> held(into.lock);
      emptied = into.slots.flush_run(first, count);
    }
    store_.give_back(emptied);
  }

  /// Parks a magazine of `count` slots whole when it is full and the depot has room, else flushes it.
  /// Returns     An empty magazine in its place.
  magazine& hand_in(shelf_type& into, magazine& surplus, std::size_t count) noexcept;

  /// Parks slots when the depot has room, and flushes them otherwise.
  void park(shelf_type& into, void* const* slots, std::size_t count) noexcept;

  /// Moves slots to the bin.
  void flush(shelf_type& into, void* const* slots, std::size_t count) noexcept;

  /// Moves every slot of the depots to the bins.
  void flush_depots() noexcept;

  /// Adds a slab to a bin. Returns false when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed.
  bool add_slab(shelf_type& to);

  /// Gives all memory back to the page source: every slot and every cache is gone.
  /// Requires    No other thread is inside a call.
  void release() noexcept {
    for (std::atomic<shelf_type*>& each : shelves_) each.store(nullptr, std::memory_order_relaxed);  // alone
    store_.release();
  }

  /// Returns the shelf of class `index`, or null when the class was never used.
  shelf_type* shelf_of(class_index index) const noexcept {
    return shelves_[index].load(std::memory_order_acquire);  // Acquire: pairs with open_shelf().
  }

  /// Returns the shelf of class `index`, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed.
  shelf_type* opened_shelf_of(class_index index) {
    shelf_type* const opened = shelf_of(index);
    return opened != nullptr ? opened : open_shelf(index);
  }

  /// Calls f(class_index, shelf&) for each class in use.
  template <class F>
  void for_each_shelf(F f) const {
    for (class_index index = 0; index < class_count; ++index)
      if (shelf_type* const each = shelf_of(index)) f(index, *each);
  }

  store_type& store() noexcept { return store_; }
  const store_type& store() const noexcept { return store_; }

 private:
  __attribute__((noinline)) shelf_type* open_shelf(class_index index);
  std::size_t most_parked(const shelf_type& of) const noexcept {
    return std::size_t{of.parked_per_cache} * store_.open_caches() * of.magazine_slots;
  }

  std::atomic<shelf_type*> shelves_[class_count] = {};  // by class; written under the store's lock, once
  store_type store_;
};

template <class PageSource, class ShelfLock, class StoreLock>
void* shared_shelves<PageSource, ShelfLock, StoreLock>::allocate_direct(class_index index) {
  shelf_type* const from = opened_shelf_of(index);
  if (from == nullptr) return nullptr;
  do {
    const lock_holder<ShelfLock> held(from->lock);
    if (void* const slot = from->take_one()) return slot;
  } while (add_slab(*from));
  return nullptr;
}

template <class PageSource, class ShelfLock, class StoreLock>
slot_run shared_shelves<PageSource, ShelfLock, StoreLock>::allocate_run(class_index index, std::size_t least,
                                                                        std::size_t count) {
  shelf_type* const from = opened_shelf_of(index);
  if (from == nullptr) return {};
  do {
    const lock_holder<ShelfLock> held(from->lock);
    if (from->slots.any_free()) return from->slots.take_run(least, count);
    if (from->parked.slots() != 0) return {};  // single slots are at hand
  } while (add_slab(*from));
  return {};
}

template <class PageSource, class ShelfLock, class StoreLock>
magazine& shared_shelves<PageSource, ShelfLock, StoreLock>::hand_in(shelf_type& into, magazine& surplus,
                                                                    std::size_t count) noexcept {
  magazine* fresh = nullptr;
  const std::size_t most = most_parked(into);
  bool parked = false;
  bool has_room = count == into.magazine_slots;
  while (has_room && !parked) {
    {
      const lock_holder<ShelfLock> held(into.lock);
      has_room = into.parked.slots() + count <= most;
      if (has_room && fresh == nullptr) fresh = into.parked.take_empty();
      parked = has_room && fresh != nullptr;
      if (parked) into.parked.park(surplus);
    }
    if (parked || !has_room) break;
    fresh = store_.try_take_magazine();
    has_room = fresh != nullptr;
  }
  if (parked) return *fresh;
  if (fresh != nullptr) store_.give_back(*fresh);
  flush(into, surplus.entries + 1, count);
  return surplus;
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_shelves<PageSource, ShelfLock, StoreLock>::park(shelf_type& into, void* const* slots,
                                                            std::size_t count) noexcept {
  const std::size_t most = most_parked(into);
  magazine* fresh = nullptr;
  slab* emptied = nullptr;
  bool wants_magazine = false;
  do {
    if (wants_magazine) fresh = store_.try_take_magazine();
    const lock_holder<ShelfLock> held(into.lock);
    if (fresh != nullptr) into.parked.rest(*fresh);
    if (into.parked.slots() + count <= most) {
      const std::size_t parked = into.parked.park_slots(slots, count);
      slots += parked;
      count -= parked;
      wants_magazine = count != 0 && (!wants_magazine || fresh != nullptr);
    } else {
      wants_magazine = false;
    }
    if (count != 0 && !wants_magazine) emptied = into.slots.flush(slots, count);
  } while (wants_magazine);
  store_.give_back(emptied);
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_shelves<PageSource, ShelfLock, StoreLock>::flush(shelf_type& into, void* const* slots,
                                                             std::size_t count) noexcept {
  if (count == 0) return;
  slab* emptied = nullptr;
  {
    const lock_holder<ShelfLock> held(into.lock);
    emptied = into.slots.flush(slots, count);
  }
  store_.give_back(emptied);
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_shelves<PageSource, ShelfLock, StoreLock>::flush_depots() noexcept {
  for_each_shelf([this](class_index, shelf_type& each) {
    void* taken[magazine::capacity];
    for (;;) {
      slab* emptied = nullptr;
      magazine* spare = nullptr;
      {
        const lock_holder<ShelfLock> held(each.lock);
        const std::size_t count = each.parked.take_slots(taken, magazine::capacity);
        if (count != 0) emptied = each.slots.flush(taken, count);
        spare = each.parked.take_empty();
        if (count == 0 && spare == nullptr) return;
      }
      store_.give_back(emptied);
      if (spare != nullptr) store_.give_back(*spare);
    }
  });
}

template <class PageSource, class ShelfLock, class StoreLock>
bool shared_shelves<PageSource, ShelfLock, StoreLock>::add_slab(shelf_type& to) {
  slab* const fresh = store_.take_slab(to.slots.layout());
  if (fresh == nullptr) return false;
  const lock_holder<ShelfLock> held(to.lock);
  to.slots.adopt(fresh);
  return true;
}

template <class PageSource, class ShelfLock, class StoreLock>
auto shared_shelves<PageSource, ShelfLock, StoreLock>::open_shelf(class_index index) -> shelf_type* {
  const lock_holder<StoreLock> held(store_.lock());
  shelf_type* opened = shelf_of(index);
  if (opened != nullptr) return opened;  // another thread came first
  opened = store_.template make_shelf<shelf_type>(slot_bytes_of(index));
  shelves_[index].store(opened, std::memory_order_release);  // Release: pairs with shelf_of().
  return opened;
}

}  // namespace quarry::core
