// A drop-in replacement for std::pmr::unsynchronized_pool_resource.
//
// Layer      1 (what a container or user holds).
// Invariant  A request up to largest_required_pool_block is served from a slab; a larger one is a block of
//            its own.
// Threads    One thread at a time.
// Source     std [mem.res.pool]; docs/design.md.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/detail/slab_host.hpp>
#include <quarry/export.hpp>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <quarry/slab_options.hpp>
#include <quarry/slab_stats.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {
using lone_engine = core::engine<resource_supply, null_lock>;
}

/// A memory resource that cuts slabs into slots in constant time, for one thread at a time.
/// Good for containers, strings and trees that allocate often; constructing it allocates nothing.
/// Errors      What upstream throws, and std::bad_alloc past max_bytes; then nothing has changed. A library that is compiled
///             without exceptions writes a sentence and aborts where it would throw; its try_allocate() returns null, as long
///             as upstream does; docs/tuning.md.
/// Complexity  Construction: O(1), allocates nothing. The end: as release().
class QUARRY_EXPORT unsynchronized_slab_resource final
    : public detail::slab_host<unsynchronized_slab_resource, detail::lone_engine> {
 public:
  /// Takes memory from std::pmr::get_default_resource(), with default options.
  unsynchronized_slab_resource()
      : unsynchronized_slab_resource(slab_options(), std::pmr::get_default_resource()) {}

  /// Requires    upstream != nullptr; it outlives the resource.
  /// Errors      std::invalid_argument when upstream is null.
  explicit unsynchronized_slab_resource(std::pmr::memory_resource* upstream)
      : unsynchronized_slab_resource(slab_options(), upstream) {}

  /// Errors      std::invalid_argument that names the option, its value and what is allowed.
  explicit unsynchronized_slab_resource(const slab_options& options)
      : unsynchronized_slab_resource(options, std::pmr::get_default_resource()) {}

  /// Requires    upstream != nullptr; it outlives the resource.
  /// Errors      std::invalid_argument that names the option, its value and what is allowed.
  /// Complexity  O(1); allocates nothing.
  unsynchronized_slab_resource(const slab_options& options, std::pmr::memory_resource* upstream);

  /// Takes slabs from [buffer, buffer + bytes) first, then from upstream.
  /// Units       bytes.
  /// Requires    The buffer outlives the resource; it stays the caller's.
  /// Errors      std::invalid_argument when the buffer is null and `bytes` is not 0.
  unsynchronized_slab_resource(void* buffer, std::size_t bytes,
                               std::pmr::memory_resource* upstream = std::pmr::get_default_resource())
      : unsynchronized_slab_resource(slab_options(), buffer, bytes, upstream) {}
  unsynchronized_slab_resource(const slab_options& options, void* buffer, std::size_t bytes,
                               std::pmr::memory_resource* upstream = std::pmr::get_default_resource());

  /// Gives all memory back upstream, whether or not it was deallocated.
  ~unsynchronized_slab_resource() override { this->end(); }

  /// Calls f(void* slot, std::size_t slot_bytes) for every live slot; oversize blocks are not slots.
  /// Requires    f does not use the resource.
  /// Complexity  O(slots of all slabs). Flushes every magazine first.
  template <class F>
  void for_each_live(F f) {
    engine_.flush_cache(cache_);
    engine_.flush_depots();
    engine_.for_each_used(f);
  }

 private:
  static constexpr bool is_for_one_thread = true;
  static constexpr const char* type_name = "unsynchronized_slab_resource";

  template <class>
  friend class detail::slab_face;
  friend detail::slab_host<unsynchronized_slab_resource, detail::lone_engine>;

  core::cache* cache_at_hand() const noexcept { return &cache_; }
  core::cache* cache_or_open() noexcept {
    if (setup_.is_checked() && cache_.behind == nullptr) open_watched();
    return &cache_;
  }
  core::cache* opened_cache() const noexcept { return &cache_; }
  template <class F>
  void for_each_cache(F f) const {
    f(cache_);
  }
  void forget_caches() noexcept { cache_.reset(); }

  // Puts a cache behind the one that is at hand, if there is memory for it.
  void open_watched() noexcept;

  // Not inline: the library has the one virtual table.
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

  mutable core::cache cache_;
};

#if !defined(QUARRY_USERS_INSTANTIATE)
extern template class core::store<detail::resource_supply, null_lock>;
extern template class core::engine<detail::resource_supply, null_lock>;
extern template class detail::slab_face<unsynchronized_slab_resource>;
extern template class detail::slab_host<unsynchronized_slab_resource, detail::lone_engine>;
#endif

}  // namespace QUARRY_ABI
}  // namespace quarry
