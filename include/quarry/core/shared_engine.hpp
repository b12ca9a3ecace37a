// The engine of a resource that many threads use: a cache per thread, and a shared shelf per size class over
// one store.
//
// Layer      2 to 5 put together. Freestanding: who asks brings its own cache.
// Invariant  A slot is in exactly one place: the user's hands, one cache, one depot or one bin.
// Threads    Any number at a time, each with a cache of its own. A hit in a cache touches nothing else.
// Source     Bonwick & Adams 2001; docs/threads.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/shared_shelf.hpp>
#include <quarry/core/shared_store.hpp>
#include <quarry/core/size_class.hpp>
#include <quarry/core/thread_cache.hpp>

namespace quarry::core {

/// ShelfLock guards one class for tens to hundreds of instructions; StoreLock is held across calls of the
/// page source.
template <class PageSource, class ShelfLock, class StoreLock>
class shared_engine {
 public:
  using shelf_type = shared_shelf<ShelfLock>;
  using store_type = shared_store<PageSource, StoreLock>;

  /// Units       bytes, as slab_engine; at most `cache_bytes` of slots rest in one cache.
  shared_engine(PageSource source, std::size_t max_bytes, std::size_t slab_bytes, std::size_t retain_bytes,
                std::size_t cache_bytes)
      : cache_bytes_(cache_bytes), store_(source, max_bytes, slab_bytes, retain_bytes) {}
  shared_engine(const shared_engine&) = delete;
  shared_engine& operator=(const shared_engine&) = delete;

  /// Returns a slot of class `index` after a miss in `cache`, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed for the user.
  /// Complexity  O(magazine slots), at most 4 calls of the page source.
  void* allocate_slow(thread_cache& cache, class_index index);

  /// Takes back a slot of class `index` that `cache` had no room for. Complexity O(magazine slots).
  void deallocate_slow(thread_cache& cache, void* slot, class_index index) noexcept;

  /// As allocate_slow, without a cache.
  void* allocate_direct(class_index index);

  /// As deallocate_slow, without a cache.
  void deallocate_direct(void* slot, class_index index) noexcept { flush(*shelf_of(index), &slot, 1); }

  /// Returns a run of at most `count` neighbours of class `index`, past the caches; an empty one when none of
  /// `least` slots is at hand or the page source returns null.
  /// Errors      What the page source throws; then nothing has changed for the user.
  slot_run allocate_run(class_index index, std::size_t least, std::size_t count);

  /// Takes back `count` neighbours of class `index`, the lowest of which is `first`, past the caches.
  void deallocate_run(class_index index, void* first, std::size_t count) noexcept {
    shelf_type& into = *shelf_of(index);
    slab* emptied = nullptr;
    {
      const lock_holder<ShelfLock> held(into.lock);
      emptied = into.slots.flush_run(first, count);
    }
    store_.give_back(emptied);
  }

  /// Moves every slot of a cache to the bins. Requires that its owner rests.
  void flush_cache(thread_cache& cache) noexcept;

  /// Takes a cache back from a thread that ends: moves every slot to the bins, and lets the next owner of the
  /// cache start small.
  void close_cache(thread_cache& cache) noexcept {
    flush_cache(cache);
    for (class_index index = 0; index < class_count; ++index) {
      local_shelf& local = cache.shelves[index];
      while (local.share.slots() > share_steps(index).first().slots()) narrow(cache, index);
    }
    store_.close_cache(cache);
  }

  /// Moves every slot of the depots to the bins.
  void flush_depots() noexcept;

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

  /// Calls f(class_index, shelf&) for each class in use.
  template <class F>
  void for_each_shelf(F f) const {
    for (class_index index = 0; index < class_count; ++index)
      if (shelf_type* const each = shelf_of(index)) f(index, *each);
  }

  store_type& store() noexcept { return store_; }
  const store_type& store() const noexcept { return store_; }

 private:
  static constexpr std::size_t full_caches = 8;  // caches that may be full at a time, together
  static constexpr std::size_t most_empty = 4;   // magazines without slots that a shelf keeps

  void* refill(thread_cache& cache, shelf_type& from, class_index index);
  bool add_slab(shelf_type& to);
  shelf_type* open_shelf(class_index index);
  bool attach(thread_cache& cache, class_index index);
  bool try_attach(thread_cache& cache, class_index index) noexcept;
  bool widen(thread_cache& cache, class_index index) noexcept;
  void narrow(thread_cache& cache, class_index index) noexcept;
  magazine* second_magazine(local_shelf& local) noexcept {
    if (!local.share.is_paired() || local.previous != nullptr) return local.previous;
    return store_.try_take_magazine();
  }
  void put_older(thread_cache& cache, class_index index, std::size_t count) noexcept;
  std::size_t most_parked(const shelf_type& of) const noexcept {
    return std::size_t{of.parked_per_cache} * store_.open_caches() * of.magazine_slots;
  }
  magazine& hand_in(shelf_type& into, magazine& surplus, std::size_t count) noexcept;
  void park(shelf_type& into, void* const* slots, std::size_t count) noexcept;
  void flush(shelf_type& into, void* const* slots, std::size_t count) noexcept;
  void flush_class(thread_cache& cache, class_index index, shelf_type& into) noexcept;

  // What one cache may hold: its own bound, and its share of what all may hold together.
  std::size_t cache_bound_bytes() const noexcept {
    const std::size_t caches = store_.open_caches();
    return caches <= full_caches ? cache_bytes_ : cache_bytes_ / caches * full_caches;
  }

  std::atomic<shelf_type*> shelves_[class_count] = {};  // by class; written under the store's lock, once
  const std::size_t cache_bytes_;                       // bytes of slots that one cache may hold
  store_type store_;
};

template <class PageSource, class ShelfLock, class StoreLock>
void* shared_engine<PageSource, ShelfLock, StoreLock>::allocate_slow(thread_cache& cache, class_index index) {
  local_shelf& local = cache.shelves[index];
  if (local.slots_in_previous() != 0) return cache.load_previous(index);
  shelf_type* from = shelf_of(index);
  if (from == nullptr && (from = open_shelf(index)) == nullptr) return nullptr;
  if (local.loaded == nullptr && !attach(cache, index)) return allocate_direct(index);
  return refill(cache, *from, index);
}

// Exchanges the empty magazine for a full one of the depot, or fills it from depot and bin. A single magazine is
// filled to one half, so that there is as much room for frees.
template <class PageSource, class ShelfLock, class StoreLock>
void* shared_engine<PageSource, ShelfLock, StoreLock>::refill(thread_cache& cache, shelf_type& from,
                                                              class_index index) {
  thread_cursor& cursor = cache.cursors[index];
  local_shelf& local = cache.shelves[index];
  widen(cache, index);
  const class_share share = local.share;
  const std::size_t wanted = share.is_paired() ? share.magazine_slots : (share.magazine_slots + 1U) / 2;
  do {
    std::size_t taken = 0;
    magazine* surplus = nullptr;
    {
      const lock_holder<ShelfLock> held(from.lock);
      magazine* const parked = share.is_paired() ? from.parked.take() : nullptr;
      if (parked != nullptr) {
        from.parked.resting() < most_empty ? from.parked.rest(*local.loaded) : void(surplus = local.loaded);
        local.loaded = parked;
        taken = from.magazine_slots;
      } else {
        taken = from.refill(local.loaded->entries + 1, wanted);
      }
    }
    if (surplus != nullptr) store_.give_back(*surplus);
    cursor.load(*local.loaded, taken, share.magazine_slots);
    if (taken != 0) return cursor.pop();
  } while (add_slab(from));
  return nullptr;
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::deallocate_slow(thread_cache& cache, void* slot,
                                                                      class_index index) noexcept {
  thread_cursor& cursor = cache.cursors[index];
  local_shelf& local = cache.shelves[index];
  shelf_type& into = *shelf_of(index);
  const std::size_t count = cursor.count();
  if (local.loaded == nullptr) {
    if (!try_attach(cache, index)) return flush(into, &slot, 1);
  } else if (widen(cache, index) && count < local.share.magazine_slots) {
    cursor.load(*local.loaded, count, local.share.magazine_slots);
  } else if (magazine* next = second_magazine(local)) {
    // The loaded magazine is full: it becomes the previous one, and that one, emptied, takes its place.
    if (local.slots_in_previous() != 0) next = &hand_in(into, *next, local.slots_in_previous());
    local.previous = local.loaded;
    local.set_slots_in_previous(count);
    local.loaded = next;
    cursor.load(*next, 0, local.share.magazine_slots);
  } else {  // the older half goes; the newer is warm
    put_older(cache, index, (count + 1) / 2);
  }
  cursor.push(slot);
}

// Parks a full magazine whole, or flushes it. Returns an empty magazine in its place.
template <class PageSource, class ShelfLock, class StoreLock>
magazine& shared_engine<PageSource, ShelfLock, StoreLock>::hand_in(shelf_type& into, magazine& surplus,
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

// Parks slots as far as the depot has room, and flushes the others.
template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::park(shelf_type& into, void* const* slots,
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

// Moves the `count` oldest slots of the loaded magazine to the depot.
template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::put_older(thread_cache& cache, class_index index,
                                                                std::size_t count) noexcept {
  magazine& loaded = *cache.shelves[index].loaded;
  const std::size_t left = cache.cursors[index].count() - count;
  if (count != 0) park(*shelf_of(index), loaded.entries + 1, count);
  for (std::size_t i = 1; i <= left; ++i) loaded.entries[i] = loaded.entries[i + count];
  cache.cursors[index].load(loaded, left, cache.shelves[index].share.magazine_slots);
}

template <class PageSource, class ShelfLock, class StoreLock>
void* shared_engine<PageSource, ShelfLock, StoreLock>::allocate_direct(class_index index) {
  shelf_type* from = shelf_of(index);
  if (from == nullptr && (from = open_shelf(index)) == nullptr) return nullptr;
  do {
    const lock_holder<ShelfLock> held(from->lock);
    if (void* const slot = from->take_one()) return slot;
  } while (add_slab(*from));
  return nullptr;
}

template <class PageSource, class ShelfLock, class StoreLock>
slot_run shared_engine<PageSource, ShelfLock, StoreLock>::allocate_run(class_index index, std::size_t least,
                                                                       std::size_t count) {
  shelf_type* from = shelf_of(index);
  if (from == nullptr && (from = open_shelf(index)) == nullptr) return {};
  do {
    const lock_holder<ShelfLock> held(from->lock);
    if (from->slots.any_free()) return from->slots.take_run(least, count);
    if (from->parked.slots() != 0) return {};  // single slots are at hand
  } while (add_slab(*from));
  return {};
}

// Returns false when the page source returns null.
template <class PageSource, class ShelfLock, class StoreLock>
bool shared_engine<PageSource, ShelfLock, StoreLock>::add_slab(shelf_type& to) {
  slab* const fresh = store_.take_slab(to.slots.layout());
  if (fresh == nullptr) return false;
  const lock_holder<ShelfLock> held(to.lock);
  to.slots.adopt(fresh);
  return true;
}

template <class PageSource, class ShelfLock, class StoreLock>
auto shared_engine<PageSource, ShelfLock, StoreLock>::open_shelf(class_index index) -> shelf_type* {
  const lock_holder<StoreLock> held(store_.lock());
  shelf_type* opened = shelf_of(index);
  if (opened != nullptr) return opened;  // another thread came first
  opened = store_.template make_shelf<shelf_type>(slot_bytes_of(index));
  shelves_[index].store(opened, std::memory_order_release);  // Release: pairs with shelf_of().
  return opened;
}

// Gives a class its first magazine in a cache. Returns false when that would pass the cache's bound.
template <class PageSource, class ShelfLock, class StoreLock>
bool shared_engine<PageSource, ShelfLock, StoreLock>::attach(thread_cache& cache, class_index index) {
  local_shelf& local = cache.shelves[index];
  if (local.share.magazines == 0 && !widen(cache, index)) return false;
  magazine* const first = store_.take_magazine();
  if (first == nullptr) return false;
  local.loaded = first;
  cache.cursors[index].load(*first, 0, local.share.magazine_slots);
  return true;
}

template <class PageSource, class ShelfLock, class StoreLock>
bool shared_engine<PageSource, ShelfLock, StoreLock>::try_attach(thread_cache& cache,
                                                                 class_index index) noexcept {
#if defined(__cpp_exceptions)
  try {
    return attach(cache, index);
  } catch (...) {
    return false;
  }
#else
  return attach(cache, index);
#endif
}

// Gives a class its next larger share, when the cache's bound allows it or another class yields. Returns whether
// the share has grown.
template <class PageSource, class ShelfLock, class StoreLock>
bool shared_engine<PageSource, ShelfLock, StoreLock>::widen(thread_cache& cache, class_index index) noexcept {
  class_share& share = cache.shelves[index].share;
  const share_steps steps(index);
  const class_share wider = steps.grown(share);
  const std::size_t more_bytes = steps.bytes_of(wider) - steps.bytes_of(share);
  if (more_bytes == 0) return false;
  const std::size_t bound_bytes = cache_bound_bytes();
  if (cache.share_bytes + more_bytes > bound_bytes) {
    if (steps.bytes_of(wider) > bound_bytes) return false;
    const class_index yielding = cache.find_yielding(index);
    if (yielding == no_class) return false;
    narrow(cache, yielding);
    if (cache.share_bytes + more_bytes > bound_bytes) return false;
  }
  cache.share_bytes += more_bytes;
  share = wider;
  return true;
}

// Gives a class its next smaller share; what no longer fits is parked.
template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::narrow(thread_cache& cache,
                                                             class_index index) noexcept {
  local_shelf& local = cache.shelves[index];
  const share_steps steps(index);
  const class_share narrower = steps.shrunk(local.share);
  cache.share_bytes -= steps.bytes_of(local.share) - steps.bytes_of(narrower);
  const bool was_paired = local.share.is_paired();
  local.share = narrower;
  if (was_paired) {
    if (local.previous == nullptr) return;
    magazine* spare = local.previous;
    if (local.slots_in_previous() != 0) spare = &hand_in(*shelf_of(index), *spare, local.slots_in_previous());
    local.set_slots_in_previous(0);
    local.previous = nullptr;
    store_.give_back(*spare);
  } else {
    const std::size_t count = cache.cursors[index].count();
    const std::size_t surplus = count > narrower.magazine_slots ? count - narrower.magazine_slots : 0;
    put_older(cache, index, surplus);
  }
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::flush(shelf_type& into, void* const* slots,
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
void shared_engine<PageSource, ShelfLock, StoreLock>::flush_class(thread_cache& cache, class_index index,
                                                                  shelf_type& into) noexcept {
  local_shelf& local = cache.shelves[index];
  flush(into, local.loaded->entries + 1, cache.cursors[index].count());
  cache.cursors[index].load(*local.loaded, 0, local.share.magazine_slots);
  if (local.slots_in_previous() == 0) return;
  flush(into, local.previous->entries + 1, local.slots_in_previous());
  local.set_slots_in_previous(0);
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::flush_cache(thread_cache& cache) noexcept {
  for (class_index index = 0; index < class_count; ++index)
    if (cache.shelves[index].loaded != nullptr) flush_class(cache, index, *shelf_of(index));
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::flush_depots() noexcept {
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

}  // namespace quarry::core
