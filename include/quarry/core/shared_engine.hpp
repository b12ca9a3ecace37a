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
    for (class_index index = 0; index < class_count; ++index)
      if (cache.shelves[index].loaded != nullptr) start_small(cache, index, *shelf_of(index));
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
  static constexpr std::size_t first_capacity_bytes =
      1024;                                                 // of slots in a magazine that a cache starts with
  static constexpr std::uint32_t least_capacity = 2;        // slots
  static constexpr std::uint32_t most_first_capacity = 8;   // slots
  static constexpr std::uint32_t refusals_per_shrink = 16;  // growths refused before another class must yield
  static constexpr std::size_t full_caches = 8;             // caches that may be full at a time, together
  static constexpr std::size_t most_empty = 4;              // magazines without slots that a shelf keeps

  void* refill(thread_cache& cache, shelf_type& from, class_index index);
  bool add_slab(shelf_type& to);
  shelf_type* open_shelf(class_index index);
  bool attach(thread_cache& cache, const shelf_type& from, class_index index);
  bool try_attach(thread_cache& cache, const shelf_type& from, class_index index) noexcept;
  bool grow(thread_cache& cache, local_shelf& local, std::uint32_t most, std::size_t slot_bytes) noexcept;
  static void start_small(thread_cache& cache, class_index index, const shelf_type& of) noexcept;
  void shrink_another(thread_cache& cache, const local_shelf& than) noexcept;
  magazine* second_magazine(const local_shelf& local, const shelf_type& of) noexcept {
    if (local.previous != nullptr) return local.previous;
    return local.capacity == of.magazine_slots ? store_.try_take_magazine()
                                               : nullptr;  // small ones do with one
  }
  magazine& hand_in(shelf_type& into, magazine& surplus, std::size_t count) noexcept;
  void flush(shelf_type& into, void* const* slots, std::size_t count) noexcept;
  void flush_class(thread_cache& cache, class_index index, shelf_type& into) noexcept;

  // What one cache may hold: its own bound, and its share of what all may hold together.
  std::size_t cache_bound_bytes() const noexcept {
    const std::size_t caches = store_.open_caches();
    return caches <= full_caches ? cache_bytes_ : cache_bytes_ / caches * full_caches;
  }

  static std::uint32_t first_capacity(const shelf_type& of) noexcept {
    const std::size_t wanted = first_capacity_bytes / of.slots.layout().slot_bytes;
    const std::size_t raised = wanted < least_capacity ? least_capacity : wanted;
    return static_cast<std::uint32_t>(raised < most_first_capacity ? raised : most_first_capacity);
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
  if (local.loaded == nullptr && !attach(cache, *from, index)) return allocate_direct(index);
  return refill(cache, *from, index);
}

// Exchanges the empty magazine for a full one of the depot, or fills it from the bin.
template <class PageSource, class ShelfLock, class StoreLock>
void* shared_engine<PageSource, ShelfLock, StoreLock>::refill(thread_cache& cache, shelf_type& from,
                                                              class_index index) {
  thread_cursor& cursor = cache.cursors[index];
  local_shelf& local = cache.shelves[index];
  if (local.capacity < from.magazine_slots)
    grow(cache, local, from.magazine_slots, from.slots.layout().slot_bytes);
  do {
    std::size_t taken = 0;
    magazine* surplus = nullptr;
    {
      const lock_holder<ShelfLock> held(from.lock);
      magazine* const parked = local.capacity == from.magazine_slots ? from.full.take() : nullptr;
      if (parked != nullptr) {
        from.empty.size() < most_empty ? from.empty.push(*local.loaded) : void(surplus = local.loaded);
        local.loaded = parked;
        taken = from.magazine_slots;
      } else {
        taken = from.refill(local.loaded->entries + 1, local.capacity);
      }
    }
    if (surplus != nullptr) store_.give_back(*surplus);
    cursor.load(*local.loaded, taken, local.capacity);
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
    if (!try_attach(cache, into, index)) return flush(into, &slot, 1);
  } else if (local.capacity < into.magazine_slots &&
             grow(cache, local, into.magazine_slots, into.slots.layout().slot_bytes)) {
    cursor.load(*local.loaded, count, local.capacity);
  } else if (magazine* next = second_magazine(local, into)) {
    // The loaded magazine is full: it becomes the previous one, and that one, emptied, takes its place.
    if (local.slots_in_previous() != 0) next = &hand_in(into, *next, local.slots_in_previous());
    local.previous = local.loaded;
    local.set_slots_in_previous(count);
    local.loaded = next;
    cursor.load(*next, 0, local.capacity);
  } else {  // the older half goes; the newer is warm
    const std::size_t older = (count + 1) / 2;
    flush(into, local.loaded->entries + 1, older);
    for (std::size_t i = 1; i <= count - older; ++i)
      local.loaded->entries[i] = local.loaded->entries[i + older];
    cursor.load(*local.loaded, count - older, local.capacity);
  }
  cursor.push(slot);
}

// Parks a full magazine whole, or flushes it. Returns an empty magazine in its place.
template <class PageSource, class ShelfLock, class StoreLock>
magazine& shared_engine<PageSource, ShelfLock, StoreLock>::hand_in(shelf_type& into, magazine& surplus,
                                                                   std::size_t count) noexcept {
  magazine* fresh = nullptr;
  const std::size_t limit = std::size_t{into.parked_per_cache} * store_.open_caches();
  bool parked = false;
  bool has_room = count == into.magazine_slots;
  while (has_room && !parked) {
    {
      const lock_holder<ShelfLock> held(into.lock);
      has_room = into.full.size() < limit;
      if (has_room && fresh == nullptr) fresh = into.empty.pop();
      parked = has_room && fresh != nullptr;
      if (parked) into.full.park(surplus);
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
void* shared_engine<PageSource, ShelfLock, StoreLock>::allocate_direct(class_index index) {
  shelf_type* from = shelf_of(index);
  if (from == nullptr && (from = open_shelf(index)) == nullptr) return nullptr;
  do {
    void* slot = nullptr;
    const lock_holder<ShelfLock> held(from->lock);
    if (from->take(&slot + 1, 1) != 0) return slot;
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
    if (from->full.size() != 0) return {};  // single slots are at hand
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
bool shared_engine<PageSource, ShelfLock, StoreLock>::attach(thread_cache& cache, const shelf_type& from,
                                                             class_index index) {
  local_shelf& local = cache.shelves[index];
  if (local.capacity == 0 && !grow(cache, local, first_capacity(from), from.slots.layout().slot_bytes))
    return false;
  magazine* const first = store_.take_magazine();
  if (first == nullptr) return false;
  local.loaded = first;
  cache.cursors[index].load(*first, 0, local.capacity);
  return true;
}

template <class PageSource, class ShelfLock, class StoreLock>
bool shared_engine<PageSource, ShelfLock, StoreLock>::try_attach(thread_cache& cache, const shelf_type& from,
                                                                 class_index index) noexcept {
#if defined(__cpp_exceptions)
  try {
    return attach(cache, from, index);
  } catch (...) {
    return false;
  }
#else
  return attach(cache, from, index);
#endif
}

// Doubles the capacity of a class, up to `most` slots, when the cache's bound allows or another class yields.
template <class PageSource, class ShelfLock, class StoreLock>
bool shared_engine<PageSource, ShelfLock, StoreLock>::grow(thread_cache& cache, local_shelf& local,
                                                           std::uint32_t most,
                                                           std::size_t slot_bytes) noexcept {
  const std::uint32_t doubled = local.capacity == 0 ? most : local.capacity * 2;
  const std::uint32_t wanted = doubled < most ? doubled : most;
  const std::size_t more_bytes = std::size_t{wanted - local.capacity} * 2 * slot_bytes;  // for two magazines
  const std::size_t bound_bytes = cache_bound_bytes();
  if (cache.capacity_bytes + more_bytes > bound_bytes) {
    // Classes that all want more must not flush each other at every turn.
    if (++cache.refusals % refusals_per_shrink != 0) return false;
    shrink_another(cache, local);
    if (cache.capacity_bytes + more_bytes > bound_bytes) return false;
  }
  cache.capacity_bytes += more_bytes;
  local.capacity = wanted;
  return true;
}

// Flushes the next other class that has grown, and lets it start small again.
template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::shrink_another(thread_cache& cache,
                                                                     const local_shelf& than) noexcept {
  for (class_index tried = 0; tried < class_count; ++tried) {
    const class_index index = cache.next_to_shrink;
    cache.next_to_shrink = index + 1 < class_count ? index + 1 : 0;
    local_shelf& local = cache.shelves[index];
    if (local.loaded == nullptr || &local == &than) continue;
    shelf_type& into = *shelf_of(index);
    if (local.capacity <= first_capacity(into)) continue;
    flush_class(cache, index, into);
    start_small(cache, index, into);
    return;
  }
}

// Takes the capacity of a class back to what it started with. Requires that its magazines are empty.
template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::start_small(thread_cache& cache, class_index index,
                                                                  const shelf_type& of) noexcept {
  local_shelf& local = cache.shelves[index];
  const std::uint32_t least = first_capacity(of);
  if (local.capacity <= least) return;
  cache.capacity_bytes -= (local.capacity - least) * 2 * of.slots.layout().slot_bytes;
  local.capacity = least;
  cache.cursors[index].load(*local.loaded, 0, least);
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
  cache.cursors[index].load(*local.loaded, 0, local.capacity);
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
    for (;;) {
      magazine* parked = nullptr;
      slab* emptied = nullptr;
      {
        const lock_holder<ShelfLock> held(each.lock);
        parked = each.full.take();
        if (parked == nullptr) return;
        emptied = each.slots.flush(parked->entries + 1, each.magazine_slots);
      }
      store_.give_back(emptied);
      store_.give_back(*parked);
    }
  });
}

}  // namespace quarry::core
