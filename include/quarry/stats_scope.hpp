// What a piece of code changed in a resource: the difference of two snapshots.
//
// Layer      Vocabulary of the public face.
#pragma once

#include <array>
#include <cstddef>
#include <quarry/slab_stats.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// One row of stats_change: one size class.
/// Threads     A value; no sharing.
struct class_change {
  std::size_t slot_bytes = 0;     // of the class
  std::ptrdiff_t live_slots = 0;  // more than before; fewer when negative, as every number here
  std::ptrdiff_t slab_count = 0;
};

/// How a later snapshot of one resource differs from an earlier one: more than before, or, negative, fewer.
/// Threads     A value; no sharing.
struct stats_change {
  std::ptrdiff_t live_bytes = 0;       // each as in slab_stats
  std::ptrdiff_t live_slots = 0;       // as in slab_stats
  std::ptrdiff_t oversize_bytes = 0;   // as in slab_stats
  std::ptrdiff_t oversize_blocks = 0;  // as in slab_stats
  std::ptrdiff_t slab_count = 0;       // as in slab_stats
  std::ptrdiff_t upstream_bytes = 0;   // as in slab_stats

  std::size_t class_rows = 0;  // rows of `classes` in use
  std::array<class_change, core::class_count>
      classes{};  // ascending slot_bytes; those in which something differs
};

namespace detail {

constexpr std::ptrdiff_t change_of(std::size_t before, std::size_t after) noexcept {
  return static_cast<std::ptrdiff_t>(after - before);
}

}  // namespace detail

/// Returns what `after` has more than `before`. Requires that a class in `before` is in `after` too, or that the resource was
/// released between them. Complexity O(classes).
inline stats_change change_between(const slab_stats& before, const slab_stats& after) noexcept {
  using detail::change_of;
  stats_change result;
  result.live_bytes = change_of(before.live_bytes, after.live_bytes);
  result.live_slots = change_of(before.live_slots, after.live_slots);
  result.oversize_bytes = change_of(before.oversize_bytes, after.oversize_bytes);
  result.oversize_blocks = change_of(before.oversize_blocks, after.oversize_blocks);
  result.slab_count = change_of(before.slab_count, after.slab_count);
  result.upstream_bytes = change_of(before.upstream_bytes, after.upstream_bytes);
  constexpr slab_class_stats none;
  for (std::size_t i = 0, j = 0; i < before.class_rows || j < after.class_rows;) {
    const bool has_before =
        i < before.class_rows &&
        (j >= after.class_rows || before.classes[i].slot_bytes <= after.classes[j].slot_bytes);
    const bool has_after =
        j < after.class_rows &&
        (i >= before.class_rows || after.classes[j].slot_bytes <= before.classes[i].slot_bytes);
    const slab_class_stats& old = has_before ? before.classes[i++] : none;
    const slab_class_stats& fresh = has_after ? after.classes[j++] : none;
    const class_change row{has_after ? fresh.slot_bytes : old.slot_bytes,
                           change_of(old.live_slots, fresh.live_slots),
                           change_of(old.slab_count, fresh.slab_count)};
    if (row.live_slots != 0 || row.slab_count != 0) result.classes[result.class_rows++] = row;
  }
  return result;
}

/// Tells what has changed in a resource since the scope began: what the code in between allocated and did not free. A hit knows
/// nothing of it, so what was allocated and freed again is not seen.
/// Requires    The resource outlives the scope.
/// Threads     As Resource::stats(): exact while no other thread is inside a call.
template <class Resource>
class stats_scope {
 public:
  /// Begins. Complexity As Resource::stats().
  explicit stats_scope(const Resource& resource) : resource_(resource), before_(resource.stats()) {}
  stats_scope(const stats_scope&) = delete;
  stats_scope& operator=(const stats_scope&) = delete;

  /// Complexity  As Resource::stats().
  stats_change change() const { return change_between(before_, resource_.stats()); }

  /// Begins anew. Complexity As Resource::stats().
  void restart() { before_ = resource_.stats(); }

 private:
  const Resource& resource_;
  slab_stats before_;
};

}  // namespace QUARRY_ABI
}  // namespace quarry
