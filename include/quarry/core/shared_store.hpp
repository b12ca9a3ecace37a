// The shared store: what many threads take their memory from, each call under one lock.
//
// Layer      2 to 5: slabs, and the shelves, magazines and caches that lie in its arena. Freestanding.
// Invariant  Nobody waits for this lock while holding a shelf's lock.
// Threads    Any number at a time. The lock is held across calls of the page source, so that one is called by
//            one thread at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/arena.hpp>
#include <quarry/core/depot.hpp>
#include <quarry/core/first_slab.hpp>
#include <quarry/core/page_source.hpp>
#include <quarry/core/slab.hpp>
#include <quarry/core/slab_store.hpp>
#include <quarry/core/thread_cache.hpp>

namespace quarry::core {

/// Holds `lock` until the end of a block.
template <class Lock>
class [[nodiscard]] lock_holder {
 public:
  explicit lock_holder(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~lock_holder() { lock_.unlock(); }
  lock_holder(const lock_holder&) = delete;
  lock_holder& operator=(const lock_holder&) = delete;

 private:
  Lock& lock_;
};

template <class PageSource, class Lock>
class shared_store {
 public:
  /// Units       bytes, as slab_engine.
  shared_store(PageSource source, std::size_t max_bytes, std::size_t slab_bytes, std::size_t retain_bytes)
      : source_(source, max_bytes), slabs_(slab_bytes, retain_bytes) {}
  ~shared_store() { release(); }
  shared_store(const shared_store&) = delete;
  shared_store& operator=(const shared_store&) = delete;

  /// Returns a slab of free slots, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed.
  slab* take_slab(const slab_layout& layout) {
    extent* home = nullptr;
    void* base = nullptr;
    {
      const lock_holder<Lock> held(lock_);
      base = slabs_.acquire(home, parts_, source_);
    }
    if (base == nullptr) return nullptr;
    slab* const fresh = slab::create(base, layout);
    fresh->owner = home;
    return fresh;
  }

  /// Takes back the slabs of a chain linked by `next`; all their slots are free.
  void give_back(slab* emptied) noexcept {
    if (emptied == nullptr) return;
    const lock_holder<Lock> held(lock_);
    while (emptied != nullptr) {
      slab* const next = emptied->next;
      slabs_.give_back(emptied->begin(), *static_cast<extent*>(emptied->owner), source_);
      emptied = next;
    }
  }

  /// Returns a magazine without slots, aligned to its size, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed.
  magazine* take_magazine() {
    const lock_holder<Lock> held(lock_);
    if (magazine* const rested = magazines_.pop()) return rested;
    void* const place = parts_.allocate(magazines_at_once * sizeof(magazine), sizeof(magazine), source_);
    if (place == nullptr) return nullptr;
    auto* const taken = static_cast<magazine*>(place);
    for (std::size_t i = 1; i < magazines_at_once; ++i) magazines_.push(*::new (taken + i) magazine);
    return ::new (taken) magazine;
  }

  /// As take_magazine(), but returns null where that throws.
  magazine* try_take_magazine() noexcept {
#if defined(__cpp_exceptions)
    try {
      return take_magazine();
    } catch (...) {
      return nullptr;
    }
#else
    return take_magazine();
#endif
  }

  void give_back(magazine& rested) noexcept {
    const lock_holder<Lock> held(lock_);
    magazines_.push(rested);
  }

  /// Returns a cache whose magazines are empty, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed.
  thread_cache* open_cache() {
    const lock_holder<Lock> held(lock_);
    thread_cache* opened = caches_;
    if (opened != nullptr) {
      caches_ = opened->next;
    } else {
      void* const place = parts_.allocate(sizeof(thread_cache), alignof(thread_cache), source_);
      if (place == nullptr) return nullptr;
      opened = ::new (place) thread_cache;
    }
    open_caches_.fetch_add(1, std::memory_order_relaxed);  // Relaxed: pairs with open_caches().
    return opened;
  }

  /// Takes back a cache whose magazines are empty; they stay with it for the next thread.
  void close_cache(thread_cache& cache) noexcept {
    const lock_holder<Lock> held(lock_);
    open_caches_.fetch_sub(1, std::memory_order_relaxed);  // Relaxed: pairs with open_caches().
    cache.next = caches_;
    caches_ = &cache;
  }

  std::uint32_t open_caches() const noexcept {
    return open_caches_.load(std::memory_order_relaxed);  // Relaxed: a number that steers.
  }

  /// Returns a Shelf for slots of `slot_bytes`, with a small first slab where the arena has room for one;
  /// null when the page source returns null. Requires that lock() is held.
  /// Errors      What the page source throws; then nothing has changed.
  template <class Shelf>
  Shelf* make_shelf(std::size_t slot_bytes) {
    void* const place = parts_.allocate(sizeof(Shelf), alignof(Shelf), source_);
    if (place == nullptr) return nullptr;
    Shelf* const opened = ::new (place) Shelf(slab::layout(slot_bytes, slabs_.slab_bytes()));
    adopt_first_slab(opened->slots, parts_);
    return opened;
  }

  /// Gives idle memory back until at most `keep_bytes` bytes of it are held.
  void trim(std::size_t keep_bytes) noexcept {
    const lock_holder<Lock> held(lock_);
    slabs_.trim(keep_bytes, source_);
  }

  /// Gives all memory back to the page source: slabs, magazines, caches and shelves are gone.
  void release() noexcept {
    const lock_holder<Lock> held(lock_);
    slabs_.release(source_);
    parts_.release(source_);
    open_caches_.store(0, std::memory_order_relaxed);  // Relaxed: under the lock.
    magazines_ = magazine_stack();
    caches_ = nullptr;
  }

  /// Guards what follows.
  Lock& lock() const noexcept {
    return lock_;
  }
  metered_source<PageSource>& source() noexcept {
    return source_;
  }
  const metered_source<PageSource>& source() const noexcept {
    return source_;
  }
  bool owns(const void* pointer) const noexcept {
    return slabs_.owns(pointer) || parts_.owns(pointer);
  }

 private:
  static constexpr std::size_t magazines_at_once = 4;  // taken from the arena together

  mutable Lock lock_;                          // guards all below
  std::atomic<std::uint32_t> open_caches_{0};  // written under the lock, read by any thread
  arena parts_;                                // shelves, magazines, caches, first slabs, extents' records
  magazine_stack magazines_;                   // without slots
  thread_cache* caches_ = nullptr;             // closed ones
  metered_source<PageSource> source_;
  slab_store slabs_;
};

}  // namespace quarry::core
