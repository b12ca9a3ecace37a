// Where a resource's memory comes from: slabs from the page pool, the operating system or upstream; the rest from upstream.
//
// Layer      1, behind the public face. core/memory/page_source.hpp states what a supply is.
// Threads    One thread at a time: the engine holds a lock across each call.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/export.hpp>
#include <quarry/slab_options.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class page_pool;

class QUARRY_EXPORT resource_supply {
 public:
  /// Effects     Extents come from the page pool when `upstream` is std::pmr::new_delete_resource() or pooled_page_resource(),
  ///             from the operating system when it is os_page_resource(), else, or with upstream_only, from `upstream`.
  ///             Granules of less than a page come from `upstream` too.
  /// Requires    upstream != nullptr; it outlives every copy of this supply.
  resource_supply(std::pmr::memory_resource* upstream, const slab_options& options,
                  std::size_t granule_bytes) noexcept;

  /// Returns     Null where the budget refuses.
  /// Errors      What upstream throws; a std::bad_alloc that names upstream and the values where it returns null or less
  ///             aligned memory, which goes back to it, or comes back into the resource for more.
  void* allocate_pages(std::size_t bytes, std::size_t alignment);
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept;

  void* allocate_extent(std::size_t bytes, std::size_t alignment);
  void deallocate_extent(void* pages, std::size_t bytes, std::size_t alignment) noexcept;
  void keep_extent(void* pages, std::size_t bytes, std::size_t alignment) noexcept;

  bool can_discard() const noexcept { return kind_ != kind::upstream; }
  bool discard_pages(void* pages, std::size_t bytes) noexcept;
  void expect_holes(void* pages, std::size_t bytes) noexcept;

  bool keeps_blocks() const noexcept { return keeps_blocks_; }
  bool blocks_are_lazy() const noexcept { return blocks_are_lazy_; }
  bool is_limited() const noexcept { return budget_ != nullptr; }

  /// False where upstream is std::pmr::null_memory_resource().
  bool has_memory() const noexcept { return has_memory_; }

  /// False where upstream is a std::pmr::monotonic_buffer_resource: what is given back there is lost, and counts as held.
  bool takes_back() const noexcept { return takes_back_; }

  std::pmr::memory_resource* upstream() const noexcept { return upstream_; }

 private:
  enum class kind : unsigned char { upstream, pool, system };

  void* ask_for_pages(std::size_t bytes, std::size_t alignment);
  void* ask_for_extent(std::size_t bytes, std::size_t alignment);
  void hand_back(void* pages, std::size_t bytes, std::size_t alignment) noexcept;

  // Returns what `ask` returns, counted in the budget; null, without asking, where that refuses.
  template <class Ask>
  void* charge(std::size_t bytes, Ask ask);
  void discharge(std::size_t bytes) noexcept;

  std::pmr::memory_resource* upstream_;
  memory_budget* budget_;      // null: none
  page_pool* pool_ = nullptr;  // of the module that made the resource; null unless extents come from it
  kind kind_ = kind::upstream;
  bool is_new_delete_ = false;  // upstream
  bool keeps_blocks_ = false;
  bool blocks_are_lazy_ = false;
  bool has_memory_ = true;
  bool takes_back_ = true;
  bool is_asking_ = false;  // upstream, for memory
  bool huge_pages_ = true;
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
