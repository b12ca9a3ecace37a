// A drop-in replacement for std::pmr::unsynchronized_pool_resource.
//
// Layer      1 (what a container or user holds).
// Invariant  A request up to largest_required_pool_block is served from a slab; a larger one is a block of
//            its own.
// Threads    One thread at a time.
// Source     std [mem.res.pool]; docs/design.md.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <memory_resource>

#include "core/oversize_list.hpp"
#include "core/slab_engine.hpp"
#include "detail/resource_setup.hpp"
#include "page_sources.hpp"
#include "slab_options.hpp"
#include "slab_stats.hpp"

namespace quarry {

extern template class core::slab_engine<resource_page_source>;

/// A memory resource that cuts slabs into slots in constant time, for one thread at a time.
/// Good for containers, strings and trees that allocate often; constructing it allocates nothing.
class unsynchronized_slab_resource final : public std::pmr::memory_resource {
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
  unsynchronized_slab_resource(void* buffer, std::size_t bytes,
                               std::pmr::memory_resource* upstream = std::pmr::get_default_resource());

  unsynchronized_slab_resource(const unsynchronized_slab_resource&) = delete;
  unsynchronized_slab_resource& operator=(const unsynchronized_slab_resource&) = delete;

  /// Gives all memory back upstream, whether or not it was deallocated.
  ~unsynchronized_slab_resource() override { oversize_.release(engine_.source()); }

  /// Gives all memory back upstream, whether or not it was deallocated. The resource stays usable.
  /// Complexity  O(extents + oversize blocks).
  void release() noexcept;

  /// Gives empty slabs back upstream until at most `keep_bytes` bytes of them are held.
  /// Effects     Flushes every magazine first. When nothing is live and keep_bytes is 0, nothing stays held.
  /// Returns     Bytes given back.
  /// Complexity  O(cached slots + slabs).
  std::size_t trim(std::size_t keep_bytes = 0) noexcept;

  /// Returns the options in force; none of them is 0 but max_bytes without a limit.
  slab_options options() const noexcept { return setup_.options(); }

  std::pmr::memory_resource* upstream_resource() const noexcept {
    return engine_.source().below().upstream();
  }

  // The pmr face without its virtual call, for callers that know this class.
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
    return unsynchronized_slab_resource::do_allocate(bytes, alignment);
  }
  void deallocate(void* pointer, std::size_t bytes,
                  std::size_t alignment = alignof(std::max_align_t)) noexcept {
    unsynchronized_slab_resource::do_deallocate(pointer, bytes, alignment);
  }

  /// Returns memory as allocate() does, or null where that throws.
  void* try_allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) noexcept;

  /// Returns whether `pointer` lies in memory that this resource holds. Complexity O(extents + oversize
  /// blocks).
  bool owns(const void* pointer) const noexcept { return engine_.owns(pointer) || oversize_.owns(pointer); }

  /// Returns the bytes that a request really gets, all of them usable.
  /// Units       bytes; `alignment` is a power of two.
  std::size_t good_size(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) const noexcept {
    return setup_.good_size(bytes, alignment);
  }

  // The typed face of a resource: for callers that know sizes when they are compiled. slab_allocator works
  // over any resource that has it. Whatever one face allocates, every other face may free.

  /// Returns memory as allocate(Bytes, Alignment) does; the size class is a constant.
  /// Complexity  Hit: O(1), 6 instructions. Miss and requests above 1 KiB: as allocate().
  template <std::size_t Bytes, std::size_t Alignment>
  [[nodiscard]] void* allocate_fixed() {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      if (void* const slot = engine_.try_hit(core::class_keys[core::last_byte_of(Bytes, Alignment)]))
        return slot;
    return allocate_slow(Bytes, Alignment);
  }

  template <std::size_t Bytes, std::size_t Alignment>
  void deallocate_fixed(void* pointer) noexcept {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      if (engine_.try_free_hit(pointer, core::class_keys[core::last_byte_of(Bytes, Alignment)])) return;
    deallocate_slow(pointer, Bytes, Alignment);
  }

  /// Calls f(void*) with at most `count` blocks as allocate_fixed() returns them, out of the loaded magazine.
  /// Returns     How many there were; 0 when allocate_fixed() would not hit.
  /// Complexity  O(count).
  template <std::size_t Bytes, std::size_t Alignment, class F>
  std::size_t allocate_hits(std::size_t count, F f) {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      return core::pop_each(engine_.cursor_at(core::class_keys[core::last_byte_of(Bytes, Alignment)]), count,
                            f);
    return 0;
  }

  /// Frees the highest of `count` blocks that are good_size(Bytes, Alignment) bytes apart, of which `first` is the
  /// lowest: as many as the loaded magazine has room for.
  /// Returns     How many those were.
  /// Complexity  O(count).
  template <std::size_t Bytes, std::size_t Alignment>
  std::size_t deallocate_hits(void* first, std::size_t count) noexcept {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      return core::push_run(engine_.cursor_at(core::class_keys[core::last_byte_of(Bytes, Alignment)]), first,
                            count, core::slot_bytes_of(core::class_of(Bytes, Alignment)));
    return 0;
  }

  /// Returns at most `count` blocks as allocate(bytes, alignment) returns them, neighbours in one slab.
  /// Requires    count > 0
  /// Returns     At least one block; one where no run of neighbours is at hand.
  /// Errors      As allocate(); then nothing has changed.
  /// Complexity  O(count / 64).
  [[nodiscard]] core::slot_run allocate_run(std::size_t count, std::size_t bytes, std::size_t alignment);

  /// Frees `count` blocks as deallocate(block, bytes, alignment) does; they are good_size(bytes, alignment) bytes
  /// apart and the lowest is `first`.
  /// Complexity  O(slabs + count / 64).
  void deallocate_run(void* first, std::size_t count, std::size_t bytes, std::size_t alignment) noexcept;

  /// Returns the bytes of the slot or oversize block that holds `pointer`, 0 when none does; deallocate takes
  /// them for the block's size. Complexity O(slabs + oversize blocks).
  std::size_t block_bytes(const void* pointer) const noexcept;

  /// Calls f(void* slot, std::size_t slot_bytes) for every live slot; oversize blocks are not slots.
  /// Requires    f does not use the resource.
  /// Complexity  O(slots of all slabs). Flushes every magazine first.
  template <class F>
  void for_each_live(F f) {
    engine_.for_each_live(f);
  }

  /// Returns a snapshot. Complexity O(slabs).
  slab_stats stats() const;

  /// Writes the snapshot as a table, one row per size class, in the style of /proc/slabinfo.
  void report(std::ostream& out) const;

  /// Writes the snapshot as one JSON object.
  void report_json(std::ostream& out) const;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    if (__builtin_expect(last_byte < core::table_bytes, 1))
      if (void* const slot = engine_.try_hit(core::class_keys[last_byte])) return slot;
    return allocate_slow(bytes, alignment);
  }

  void do_deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    if (__builtin_expect(last_byte < core::table_bytes, 1))
      if (engine_.try_free_hit(pointer, core::class_keys[last_byte])) return;
    deallocate_slow(pointer, bytes, alignment);
  }

  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  void* allocate_slow(std::size_t bytes, std::size_t alignment);
  void deallocate_slow(void* pointer, std::size_t bytes, std::size_t alignment) noexcept;

  detail::resource_setup setup_;
  core::slab_engine<resource_page_source> engine_;
  core::oversize_list oversize_;
};

}  // namespace quarry
