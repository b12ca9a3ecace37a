// What both slab resources make of their constructor's arguments: the options in force, and which requests are
// pooled in which class.
//
// Layer      1, behind the public face.
// Threads    Never changes after construction.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/engine/store.hpp>
#include <quarry/slab_options.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class resource_setup {
 public:
  /// Effects     Where max_bytes, the limit of a budget, or an initial buffer of `buffer_bytes` with no upstream behind it,
  ///             is small and no slab_bytes is given, slabs are cut finer: of small slots to an eighth of it or less.
  /// Errors      std::invalid_argument that names the option, its value and what is allowed.
  explicit resource_setup(const slab_options& given, std::size_t buffer_bytes = 0, bool has_upstream = true);

  /// Returns the options in force; none of them is 0 but max_bytes without a limit.
  const slab_options& options() const noexcept { return options_; }

  /// Returns the class that serves a request, or no_class when the request is a block of its own.
  /// Units       bytes; `alignment` is a power of two.
  core::class_index pooled_class(std::size_t bytes, std::size_t alignment) const noexcept {
    const core::class_index index = core::class_of(bytes, alignment);
    return index <= last_class_ ? index : core::no_class;
  }

  /// Whether slots of the class are handed out, and nothing watches the calls.
  bool pools(core::class_index index) const noexcept { return index <= last_class_ && !is_checked(); }

  /// Whether every call takes the slow way. Where there is a tool to tell, they are checked, too.
  bool is_checked() const noexcept { return options_.checks != check_level::off; }

  /// Returns the class that serves a request where every call is watched: as pooled_class(), of a slot that has room behind the
  /// request for what shows that nobody writes there.
  core::class_index watched_class(std::size_t bytes, std::size_t alignment) const noexcept {
    return pooled_class(bytes <= core::largest_slot_bytes ? bytes + red_zone_bytes_ : bytes, alignment);
  }

  /// Returns what the engine is made with.
  core::engine_limits limits() const noexcept {
    return {granule_bytes_, slab_granules_,     has_directory_, options_.max_bytes, options_.retain_bytes,
            cache_bytes_,   last_block_bytes(), is_checked(),   detail(),           tells_tools_};
  }

  /// Returns the bytes that a request really gets.
  std::size_t good_size(std::size_t bytes, std::size_t alignment) const noexcept {
    if (red_zone_bytes_ != 0) return bytes;
    const core::class_index index = pooled_class(bytes, alignment);
    return index == core::no_class ? bytes : core::slot_bytes_of(index);
  }

 private:
  core::slot_detail detail() const noexcept {
    return options_.checks == check_level::full       ? core::slot_detail::record
           : options_.checks == check_level::pointers ? core::slot_detail::state
                                                      : core::slot_detail::none;
  }

  // Of the oversize block that rests in a cache. Where what all caches hold is limited none rests: nobody could have it back.
  std::size_t last_block_bytes() const noexcept {
    if (is_checked() || options_.max_bytes != 0 || options_.budget != nullptr) return 0;
    const std::size_t of_cache = cache_bytes_ / 4, of_retained = options_.retain_bytes / 32;
    return of_cache < of_retained ? of_cache : of_retained;
  }

  slab_options options_;          // resolved
  std::size_t granule_bytes_;     // slabs are made of granules
  std::size_t slab_granules_;     // of a full-grown slab
  bool has_directory_;            // false where slabs are few
  std::size_t cache_bytes_;       // of slots that one cache may hold
  core::class_index last_class_;  // the largest class that is pooled, by size or by alignment
  bool tells_tools_;              // that watch memory
  std::size_t red_zone_bytes_;    // behind a request, at least; 0 where nothing looks at them
};

/// Returns `upstream`. Errors: std::invalid_argument when it is null.
std::pmr::memory_resource* checked_upstream(std::pmr::memory_resource* upstream);

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
