// What both slab resources are beside their caches: options, an engine, and the verbs that look after memory.
//
// Layer      1, behind the public face.
// Threads    As the derived class.
#pragma once

#include <atomic>
#include <cstddef>
#include <iosfwd>
#include <memory_resource>
#include <quarry/core/engine/engine.hpp>
#include <quarry/detail/resource_setup.hpp>
#include <quarry/detail/resource_supply.hpp>
#include <quarry/detail/slab_face.hpp>
#include <quarry/export.hpp>
#include <quarry/slab_options.hpp>
#include <quarry/slab_stats.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

class slab_thread_view;
struct survey;

namespace detail {

struct owner_facts;  // what messages say of a resource; src/checked_owners.hpp

/// Derived has, beside what slab_face asks for: core::cache* opened_cache() noexcept, the caller's if it has one;
/// for_each_cache(f) const, which calls f(const core::cache&) for each; void forget_caches() noexcept.
template <class Derived, class Engine>
class QUARRY_EXPORT slab_host : public slab_face<Derived> {
 public:
  slab_host(const slab_host&) = delete;
  slab_host& operator=(const slab_host&) = delete;

  /// Gives all memory back upstream, whether or not it was deallocated, but at most `keep_bytes` bytes that the next requests are
  /// served from. The resource stays usable.
  /// Requires    No other thread is inside a call, nor is this one: upstream does not call it, but within another release. Threads may
  ///             be ending.
  /// Effects     Whole extents are kept (from 64 KiB on, soon 2 MiB), and with them a block of the resource's own records; where
  ///             these do not fit into keep_bytes, nothing is kept.
  /// Complexity  O(extents + oversize blocks + threads).
  void release(std::size_t keep_bytes = 0) noexcept;

  /// Gives free memory back upstream until at most `keep_bytes` bytes of it are held.
  /// Effects     Flushes the depots and the calling thread's magazines first; other threads keep theirs. When nothing is
  ///             live and keep_bytes is 0, an unsynchronized resource holds nothing afterwards. A
  ///             std::pmr::monotonic_buffer_resource gets nothing back: it would be lost there.
  /// Returns     Bytes given back or discarded.
  /// Complexity  O(cached slots + slabs).
  std::size_t trim(std::size_t keep_bytes = 0) noexcept;

  /// Takes memory for `bytes` bytes of slots now, and touches its pages when `prefault` says so.
  /// Returns     Whether it was to be had.
  /// Complexity  O(bytes).
  bool reserve(std::size_t bytes, bool prefault = false) noexcept {
    return engine_.memory().reserve(bytes, prefault);
  }

  /// Returns the options in force; none of them is 0 but max_bytes without a limit. Complexity O(1).
  slab_options options() const noexcept { return setup_.options(); }

  /// Returns the upstream that was given. Complexity O(1).
  std::pmr::memory_resource* upstream_resource() const noexcept {
    return engine_.memory().supply().upstream();
  }

  /// Returns whether `pointer` lies in a slab of this resource, or in a block that is too large for one: one that was not freed, or
  /// was and rests in a cache.
  /// Complexity  O(1) expected in a slab that the directory knows, else O(classes), whatever is held.
  bool owns(const void* pointer) const noexcept { return engine_.owns(pointer); }

  /// Returns a snapshot: exact while no other thread is inside a call, else each row as of its own moment.
  /// Complexity  O(classes * caches).
  slab_stats stats() const;

  /// Writes the snapshot as a table, one row per size class, in the style of /proc/slabinfo. Complexity as stats().
  void report(std::ostream& out) const;

  /// Writes the snapshot as one JSON object. Complexity as stats().
  void report_json(std::ostream& out) const;

  /// Writes a picture as an SVG document: every slab a row, every slot a cell that is live, cached or free; beyond 200 slabs a bar
  /// for each step of fullness. Then the granules of the extents, the discarded ones too, and the oversize blocks.
  /// Threads     As stats(). Slots that another thread moves meanwhile may be seen in two states or none.
  /// Complexity  O(slots); takes memory for some bits a slot. At most 64 slabs are looked at under a lock.
  void report_svg(std::ostream& out) const;

  /// Writes what lives now: for each class its slots, bytes and the first few addresses, then the oversize blocks.
  /// Complexity  As report_svg().
  /// Threads     As report_svg().
  void report_live(std::ostream& out) const;

 protected:
  slab_host(const slab_options& options, std::pmr::memory_resource* upstream, std::uint32_t growth_log2);
  slab_host(const slab_options& options, void* buffer, std::size_t bytes, std::pmr::memory_resource* upstream,
            std::uint32_t growth_log2);
  ~slab_host() override = default;

  /// Of Derived's destructor: where calls are checked, the resource ends here, while it still is one whole, so that what others
  /// free meanwhile is told.
  void end() noexcept {
    if (setup_.is_checked()) end_checked();
  }

  resource_setup setup_;  // never changes
  Engine engine_;

 private:
  template <class>
  friend class watched_calls;
  template <class>
  friend class watched_slots;
  friend class slab_face<Derived>;
  friend class quarry::slab_thread_view;
  friend Derived;
  template <class>
  friend class slab_face;

  survey take_survey() const;

  // What is held from upstream, less what was discarded of it.
  std::size_t resident_bytes() const noexcept {
    return engine_.memory().held_bytes() - engine_.memory().inspect().discarded_bytes;
  }

  void begin_checks();
  void end_checked() noexcept;
  void close(const char* what) noexcept;
  bool is_closed() const noexcept {
    return is_closed_.load(std::memory_order_relaxed);  // Relaxed: a look at what may change at any time.
  }
  owner_facts owner() const noexcept;

  const resource_setup& setup() const noexcept { return setup_; }
  Engine& engine() noexcept { return engine_; }
  const Engine& engine() const noexcept { return engine_; }
  slab_host& host() noexcept { return *this; }
  const slab_host& host() const noexcept { return *this; }

  std::atomic<bool> is_closed_{false};  // a checked resource ends or is released; any thread
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
