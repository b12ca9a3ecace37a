// The engine of a resource that many threads use: the shared shelves, and how a cache per thread fills and
// empties its magazines there.
//
// Layer      2 to 5 put together. Freestanding: who asks brings its own cache.
// Invariant  A slot is in exactly one place: the user's hands, one cache, one depot or one bin.
// Threads    Any number at a time, each with a cache of its own. A hit in a cache touches nothing else.
// Source     Bonwick & Adams 2001; docs/threads.md.
#pragma once

#include <cstddef>
#include <quarry/core/class_share.hpp>
#include <quarry/core/shared_shelves.hpp>
#include <quarry/core/size_class.hpp>
#include <quarry/core/thread_cache.hpp>

namespace quarry::core {

/// ShelfLock guards one class for tens to hundreds of instructions; StoreLock is held across calls of the
/// page source.
template <class PageSource, class ShelfLock, class StoreLock>
class shared_engine : public shared_shelves<PageSource, ShelfLock, StoreLock> {
 public:
  using shelves = shared_shelves<PageSource, ShelfLock, StoreLock>;
  using typename shelves::shelf_type;

  /// Units       bytes, as slab_engine; at most `cache_bytes` of slots rest in one cache.
  shared_engine(PageSource source, std::size_t max_bytes, std::size_t slab_bytes, std::size_t retain_bytes,
                std::size_t cache_bytes)
      : shelves(source, max_bytes, slab_bytes, retain_bytes), cache_bytes_(cache_bytes) {}

  /// Returns a slot of class `index` after a miss in `cache`, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed for the user.
  /// Complexity  O(magazine slots), at most 4 calls of the page source.
  void* allocate_slow(thread_cache& cache, class_index index);

  /// Takes back a slot of class `index` that `cache` had no room for. Complexity O(magazine slots).
  void deallocate_slow(thread_cache& cache, void* slot, class_index index) noexcept;

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
    this->store().close_cache(cache);
  }

 private:
  static constexpr std::size_t most_empty = 4;  // magazines without slots that a shelf keeps

  void* refill(thread_cache& cache, shelf_type& from, class_index index);
  bool attach(thread_cache& cache, class_index index);
  bool try_attach(thread_cache& cache, class_index index) noexcept;
  bool widen(thread_cache& cache, class_index index) noexcept;
  void narrow(thread_cache& cache, class_index index) noexcept;
  magazine* second_magazine(local_shelf& local) noexcept {
    if (!local.share.is_paired() || local.previous != nullptr) return local.previous;
    return this->store().try_take_magazine();
  }
  void put_older(thread_cache& cache, class_index index, std::size_t count) noexcept;
  void flush_class(thread_cache& cache, class_index index, shelf_type& into) noexcept;

  const std::size_t cache_bytes_;  // bytes of slots that one cache may hold
};

template <class PageSource, class ShelfLock, class StoreLock>
void* shared_engine<PageSource, ShelfLock, StoreLock>::allocate_slow(thread_cache& cache, class_index index) {
  local_shelf& local = cache.shelves[index];
  if (local.slots_in_previous() != 0) return cache.load_previous(index);
  shelf_type* const from = this->opened_shelf_of(index);
  if (from == nullptr) return nullptr;
  if (local.loaded == nullptr && !attach(cache, index)) return this->allocate_direct(index);
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
    if (surplus != nullptr) this->store().give_back(*surplus);
    cursor.load(*local.loaded, taken, share.magazine_slots);
    if (taken != 0) return cursor.pop();
  } while (this->add_slab(from));
  return nullptr;
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::deallocate_slow(thread_cache& cache, void* slot,
                                                                      class_index index) noexcept {
  thread_cursor& cursor = cache.cursors[index];
  local_shelf& local = cache.shelves[index];
  shelf_type& into = *this->shelf_of(index);
  const std::size_t count = cursor.count();
  if (local.loaded == nullptr) {
    if (!try_attach(cache, index)) return this->flush(into, &slot, 1);
  } else if (widen(cache, index) && count < local.share.magazine_slots) {
    cursor.load(*local.loaded, count, local.share.magazine_slots);
  } else if (magazine* next = second_magazine(local)) {
    // The loaded magazine is full: it becomes the previous one, and that one, emptied, takes its place.
    if (local.slots_in_previous() != 0) next = &this->hand_in(into, *next, local.slots_in_previous());
    local.previous = local.loaded;
    local.set_slots_in_previous(count);
    local.loaded = next;
    cursor.load(*next, 0, local.share.magazine_slots);
  } else {  // the older half goes; the newer is warm
    put_older(cache, index, (count + 1) / 2);
  }
  cursor.push(slot);
}

// Moves the `count` oldest slots of the loaded magazine to the depot.
template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::put_older(thread_cache& cache, class_index index,
                                                                std::size_t count) noexcept {
  magazine& loaded = *cache.shelves[index].loaded;
  const std::size_t left = cache.cursors[index].count() - count;
  if (count != 0) this->park(*this->shelf_of(index), loaded.entries + 1, count);
  for (std::size_t i = 1; i <= left; ++i) loaded.entries[i] = loaded.entries[i + count];
  cache.cursors[index].load(loaded, left, cache.shelves[index].share.magazine_slots);
}

// Gives a class its first magazine in a cache. Returns false when that would pass the cache's bound.
template <class PageSource, class ShelfLock, class StoreLock>
bool shared_engine<PageSource, ShelfLock, StoreLock>::attach(thread_cache& cache, class_index index) {
  local_shelf& local = cache.shelves[index];
  if (local.share.magazines == 0 && !widen(cache, index)) return false;
  magazine* const first = this->store().take_magazine();
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
  const std::size_t bound_bytes = cache_bound_bytes(cache_bytes_, this->store().open_caches());
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
    if (local.slots_in_previous() != 0)
      spare = &this->hand_in(*this->shelf_of(index), *spare, local.slots_in_previous());
    local.set_slots_in_previous(0);
    local.previous = nullptr;
    this->store().give_back(*spare);
  } else {
    const std::size_t count = cache.cursors[index].count();
    const std::size_t surplus = count > narrower.magazine_slots ? count - narrower.magazine_slots : 0;
    put_older(cache, index, surplus);
  }
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::flush_class(thread_cache& cache, class_index index,
                                                                  shelf_type& into) noexcept {
  local_shelf& local = cache.shelves[index];
  this->flush(into, local.loaded->entries + 1, cache.cursors[index].count());
  cache.cursors[index].load(*local.loaded, 0, local.share.magazine_slots);
  if (local.slots_in_previous() == 0) return;
  this->flush(into, local.previous->entries + 1, local.slots_in_previous());
  local.set_slots_in_previous(0);
}

template <class PageSource, class ShelfLock, class StoreLock>
void shared_engine<PageSource, ShelfLock, StoreLock>::flush_cache(thread_cache& cache) noexcept {
  for (class_index index = 0; index < class_count; ++index)
    if (cache.shelves[index].loaded != nullptr) flush_class(cache, index, *this->shelf_of(index));
}

}  // namespace quarry::core
