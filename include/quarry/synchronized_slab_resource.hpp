// A drop-in replacement for std::pmr::synchronized_pool_resource.
//
// Layer      1 (what a container or user holds).
// Invariant  As unsynchronized_slab_resource. Each thread that uses the resource has a cache of free slots in
//            it.
// Threads    Any number at a time, but for what members say. A hit takes no lock, performs no atomic
//            read-modify-write and writes nothing that another thread reads.
// Source     std [mem.res.pool]; Bonwick & Adams 2001; docs/threads.md.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/detail/slab_host.hpp>
#include <quarry/detail/thread_caches.hpp>
#include <quarry/export.hpp>
#include <quarry/slab_options.hpp>
#include <quarry/slab_stats.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {
template <class Tag, class Resource>
class static_resource;
}

/// A memory resource that cuts slabs into slots in constant time, for any number of threads at a time.
///
/// A slot may be freed by any thread, at the cost of freeing one's own. Upstream is called by one thread at a
/// time. Before the resource ends, every thread must have made its last call; a thread may end before, after
/// and during that.
/// Errors      What upstream throws, and std::bad_alloc past max_bytes; then nothing has changed. A library that is compiled
///             without exceptions writes a sentence and aborts where it would throw; its try_allocate() returns null, as long
///             as upstream does; docs/tuning.md.
/// Complexity  Construction: O(1), allocates nothing. The end: as release().
class QUARRY_EXPORT synchronized_slab_resource final
    : public detail::slab_host<synchronized_slab_resource, detail::shared_engine> {
 public:
  /// Takes memory from std::pmr::get_default_resource(), with default options.
  synchronized_slab_resource()
      : synchronized_slab_resource(slab_options(), std::pmr::get_default_resource()) {}

  /// Requires    upstream != nullptr; it outlives the resource.
  /// Errors      std::invalid_argument when upstream is null.
  explicit synchronized_slab_resource(std::pmr::memory_resource* upstream)
      : synchronized_slab_resource(slab_options(), upstream) {}

  /// Errors      std::invalid_argument that names the option, its value and what is allowed.
  explicit synchronized_slab_resource(const slab_options& options)
      : synchronized_slab_resource(options, std::pmr::get_default_resource()) {}

  /// Requires    upstream != nullptr; it outlives the resource.
  /// Errors      std::invalid_argument that names the option, its value and what is allowed.
  /// Complexity  O(1); allocates nothing.
  synchronized_slab_resource(const slab_options& options, std::pmr::memory_resource* upstream);

  /// Takes slabs from [buffer, buffer + bytes) first, then from upstream.
  /// Units       bytes.
  /// Requires    The buffer outlives the resource; it stays the caller's.
  /// Errors      std::invalid_argument when the buffer is null and `bytes` is not 0.
  synchronized_slab_resource(const slab_options& options, void* buffer, std::size_t bytes,
                             std::pmr::memory_resource* upstream = std::pmr::get_default_resource());

  /// Gives all memory back upstream, whether or not it was deallocated.
  /// Requires    No other thread is inside a call or will make one; threads may be ending.
  /// Effects     Where calls are checked, what other threads free all the same, while this runs, is told and left alone.
  ~synchronized_slab_resource() override { this->end(); }

  /// Calls f(void* slot, std::size_t slot_bytes) for every live slot; oversize blocks are not slots.
  /// Requires    No other thread is inside a call, nor is this one: upstream does not call it. f does not use the resource. Threads
  ///             may be ending, and f may wait for them, or fork.
  /// Complexity  O(slots of all slabs). Flushes every thread's magazines first.
  template <class F>
  void for_each_live(F f) {
    caches_.flush_all();
    engine_.for_each_used(f);
  }

  /// Moves what rests in the calling thread's magazines to the slabs. Complexity O(cached slots).
  void flush_thread_cache() noexcept {
    if (core::cache* const own = opened_cache()) engine_.flush_cache(*own);
  }

 private:
  static constexpr bool is_for_one_thread = false;
  static constexpr const char* type_name = "synchronized_slab_resource";

  template <class>
  friend class detail::slab_face;
  template <class, class>
  friend class detail::static_resource;
  friend detail::slab_host<synchronized_slab_resource, detail::shared_engine>;
  friend class slab_thread_view;

  core::cache* cache_at_hand() const noexcept { return caches_.find(); }
  core::cache* cache_or_open() noexcept { return caches_.find_slow(); }
  core::cache* opened_cache() noexcept { return caches_.find_opened(); }
  template <class F>
  void for_each_cache(F f) const {
    caches_.for_each_cache(f);
  }
  void forget_caches() noexcept { caches_.drop(); }

  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

  detail::thread_caches caches_;  // any thread; last, so that it ends first
};

#if !defined(QUARRY_USERS_INSTANTIATE)
extern template class detail::slab_face<synchronized_slab_resource>;
extern template class detail::slab_host<synchronized_slab_resource, detail::shared_engine>;
#endif

}  // namespace QUARRY_ABI
}  // namespace quarry
