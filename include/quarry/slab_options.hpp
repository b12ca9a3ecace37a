// The options of a slab resource.
//
// Layer      Vocabulary of the public face. Every quantity is in bytes unless its name says otherwise; 0
//            means default.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/check_level.hpp>
#include <quarry/export.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// Options of a slab resource: a superset of std::pmr::pool_options and implicitly convertible from it.
/// Threads     A value; no sharing.
/// Source      std [mem.res.pool.options]; docs/tuning.md tells the effect of each.
struct slab_options {
  std::size_t max_blocks_per_chunk = 0;         // slots; accepted for conversion: slab_bytes decides
  std::size_t largest_required_pool_block = 0;  // bytes: larger requests go upstream; 0: slab_bytes / 2
  std::size_t slab_bytes = 0;                   // bytes, a power of two; 0: 65536
  std::size_t max_bytes = 0;                    // bytes held from upstream at most; 0: no limit
  std::size_t retain_bytes = 0;                 // bytes of free memory kept; 0: 32 MiB
  std::size_t thread_cache_bytes = 0;           // bytes of free slots that one thread keeps at most; 0: 4 MiB
  bool upstream_only = false;  // every byte comes from the named upstream, the page pool gives none
  bool huge_pages = true;      // extents of 2 MiB ask the system for huge pages
  check_level checks =
      check_level::off;  // raised, never lowered, by QUARRY_CHECKS=pointers|full in the environment
  leak_action leaks = leak_action::by_level;
  const char* name = nullptr;  // stands in messages; outlives the resource; null: none

  slab_options() = default;
  slab_options(std::size_t max_blocks, std::size_t largest_block) noexcept
      : max_blocks_per_chunk(max_blocks), largest_required_pool_block(largest_block) {}
  slab_options(const std::pmr::pool_options& options) noexcept  // NOLINT(google-explicit-constructor)
      : slab_options(options.max_blocks_per_chunk, options.largest_required_pool_block) {}

  /// Returns these options as std::pmr::pool_options, without what that type does not know.
  operator std::pmr::pool_options() const noexcept {  // NOLINT(google-explicit-constructor)
    std::pmr::pool_options result;
    result.max_blocks_per_chunk = max_blocks_per_chunk;
    result.largest_required_pool_block = largest_required_pool_block;
    return result;
  }

  /// Returns the options with every 0 replaced by its default.
  /// Errors      std::invalid_argument that names the field, its value and what is allowed.
  /// Complexity  O(1).
  QUARRY_EXPORT slab_options resolved() const;
};

}  // namespace QUARRY_ABI
}  // namespace quarry
