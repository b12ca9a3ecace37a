// slab_cache: makes objects of one type in slabs of its own.
//
// Layer      1 (what a user holds). Freestanding; without exceptions use the members that start with try_, with a
//            page source that does not throw.
// Threads    As the Lock: with null_lock one thread at a time for all handles and owners of one cache
//            together, with any other lock any number. The lock is never held while the page source is called
//            or an object is constructed or destroyed; during for_each_live it is. A fork waits until nobody holds a
//            lock that has a try_lock(); docs/threads.md.
// Source     Bonwick 1994 (slabs, object caching); docs/design.md.
#pragma once

#include <quarry/core/typed/attached_source.hpp>
#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/detail/cache_verbs.hpp>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <quarry/slab_errc.hpp>
#include <quarry/slab_ptr.hpp>

#include <cstddef>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {

/// A handle to a cache of objects of type T. Copies share the same slabs; the slabs live until the last handle
/// and the last object are gone, in any order, on any thread. Constructing a handle takes no memory: the
/// first use takes the first slab, and when that fails, the next use tries again. Pages that are not aligned as asked for are
/// no pages: they go back. A page source may use the cache that asks it for another slab, but not while it brings the first.
/// Complexity  Each member, where it says nothing else: O(1).
template <class T, class Lock, std::size_t SlabBytes, class PageSource>
class slab_cache : public detail::cache_verbs<T, Lock, SlabBytes, PageSource> {
  using verbs = detail::cache_verbs<T, Lock, SlabBytes, PageSource>;

 public:
  /// Takes its slabs from the one page source of its type that needs no telling.
  constexpr slab_cache() = default;

  /// Takes its slabs from `source`, which is copied, or, when it cannot be, has to outlive the last slab.
  explicit constexpr slab_cache(core::attachable<PageSource> source) : verbs(source) {}

  /// Shares the slabs of `other`, which is opened first.
  /// Errors      As allocate(); where the page source returns null, and no slab was there, the copy starts a
  ///             cache of its own.
  QUARRY_EXCEPTION_MODE slab_cache(const slab_cache& other) = default;
  slab_cache(slab_cache&& other) noexcept = default;
  ~slab_cache() { this->close(); }
  QUARRY_EXCEPTION_MODE slab_cache& operator=(const slab_cache& other) {
    slab_cache(other).swap(*this);
    return *this;
  }
  slab_cache& operator=(slab_cache&& other) noexcept {
    slab_cache(std::move(other)).swap(*this);
    return *this;
  }

  /// Returns a cache that has its first slab, or an unopened one and out_of_memory in `error`; never throws.
  QUARRY_EXCEPTION_MODE static slab_cache try_create(slab_errc& error) noexcept {
    slab_cache result;
    error = result.try_open();
    return result;
  }

  /// Exchanges what two handles refer to.
  void swap(slab_cache& other) noexcept { verbs::swap(other); }

  /// Returns whether both handles share one cache; unopened handles share nothing.
  friend bool operator==(const slab_cache& left, const slab_cache& right) noexcept {
    return left.shares_with(right);
  }
  friend bool operator!=(const slab_cache& left, const slab_cache& right) noexcept {
    return !(left == right);
  }
};

/// A cache that the program keeps for good: as a slab_cache, with a trivial destructor, so that no exit handler is registered for
/// a static one and nothing is linked for that. What it holds at the end of the program is not given back, recycled objects
/// are not destroyed.
/// Complexity  As slab_cache.
template <class T, class Lock = null_lock, std::size_t SlabBytes = slab_bytes_by_size,
          class PageSource = default_page_source>
class static_slab_cache : public detail::cache_verbs<T, Lock, SlabBytes, PageSource> {
  using verbs = detail::cache_verbs<T, Lock, SlabBytes, PageSource>;

 public:
  /// As slab_cache's.
  constexpr static_slab_cache() = default;
  explicit constexpr static_slab_cache(core::attachable<PageSource> source) : verbs(source) {}
  static_slab_cache(const static_slab_cache&) = delete;
  static_slab_cache& operator=(const static_slab_cache&) = delete;
};

}  // namespace QUARRY_ABI
}  // namespace quarry
