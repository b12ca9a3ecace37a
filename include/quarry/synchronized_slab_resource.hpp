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
#include <iosfwd>
#include <memory_resource>
#include <mutex>
#include <quarry/core/oversize_list.hpp>
#include <quarry/core/size_class.hpp>
#include <quarry/detail/resource_setup.hpp>
#include <quarry/detail/thread_caches.hpp>
#include <quarry/page_sources.hpp>
#include <quarry/slab_options.hpp>
#include <quarry/slab_stats.hpp>

namespace quarry {

extern template class core::shared_shelves<resource_page_source, spin_lock, std::mutex>;
extern template class core::shared_engine<resource_page_source, spin_lock, std::mutex>;

/// A memory resource that cuts slabs into slots in constant time, for any number of threads at a time.
///
/// A slot may be freed by any thread, at the cost of freeing one's own. Upstream is called by one thread at a
/// time. Before the resource ends, every thread must have made its last call; a thread may end before, after
/// and during that.
class synchronized_slab_resource final : public std::pmr::memory_resource {
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

  synchronized_slab_resource(const synchronized_slab_resource&) = delete;
  synchronized_slab_resource& operator=(const synchronized_slab_resource&) = delete;

  /// Gives all memory back upstream, whether or not it was deallocated.
  /// Requires    No other thread is inside a call or will make one; threads may be ending.
  ~synchronized_slab_resource() override { end(); }

  /// Gives all memory back upstream, whether or not it was deallocated. The resource stays usable.
  /// Requires    No other thread is inside a call; threads may be ending. No slab_thread_view is in use.
  /// Complexity  O(extents + oversize blocks + threads).
  void release() noexcept;

  /// Gives empty slabs back upstream until at most `keep_bytes` bytes of them are held.
  /// Effects     Flushes the depots and the calling thread's magazines first; other threads keep theirs.
  /// Returns     Bytes given back.
  /// Complexity  O(cached slots + slabs).
  std::size_t trim(std::size_t keep_bytes = 0) noexcept;

  /// Returns the options in force; none of them is 0 but max_bytes without a limit.
  slab_options options() const noexcept { return setup_.options(); }

  std::pmr::memory_resource* upstream_resource() const noexcept {
    return engine_.store().source().below().upstream();
  }

  // The pmr face without its virtual call, for callers that know this class.
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
    return synchronized_slab_resource::do_allocate(bytes, alignment);
  }
  void deallocate(void* pointer, std::size_t bytes,
                  std::size_t alignment = alignof(std::max_align_t)) noexcept {
    synchronized_slab_resource::do_deallocate(pointer, bytes, alignment);
  }

  /// Returns memory as allocate() does, or null where that throws.
  void* try_allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) noexcept;

  /// Returns whether `pointer` lies in memory that this resource holds. Complexity O(extents + oversize
  /// blocks).
  bool owns(const void* pointer) const noexcept;

  /// Returns the bytes that a request really gets, all of them usable.
  /// Units       bytes; `alignment` is a power of two.
  std::size_t good_size(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) const noexcept {
    return setup_.good_size(bytes, alignment);
  }

  // The typed face, as that of unsynchronized_slab_resource.

  /// Returns memory as allocate(Bytes, Alignment) does; the size class is a constant.
  template <std::size_t Bytes, std::size_t Alignment>
  [[nodiscard]] void* allocate_fixed() {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      if (core::thread_cache* const cache = caches_.find())
        if (void* const slot = cache->cursors[core::class_of(Bytes, Alignment)].pop()) return slot;
    return allocate_slow(Bytes, Alignment);
  }

  template <std::size_t Bytes, std::size_t Alignment>
  void deallocate_fixed(void* pointer) noexcept {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      if (core::thread_cache* const cache = caches_.find())
        if (cache->cursors[core::class_of(Bytes, Alignment)].push(pointer)) return;
    deallocate_slow(pointer, Bytes, Alignment);
  }

  /// Calls f(void*) with at most `count` blocks as allocate_fixed() returns them, out of the loaded magazine.
  /// Returns     How many there were; 0 when allocate_fixed() would not hit.
  /// Complexity  O(count).
  template <std::size_t Bytes, std::size_t Alignment, class F>
  std::size_t allocate_hits(std::size_t count, F f) {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      if (core::thread_cache* const cache = caches_.find())
        return core::pop_each(cache->cursors[core::class_of(Bytes, Alignment)], count, f);
    return 0;
  }

  /// Frees the highest of `count` blocks that are good_size(Bytes, Alignment) bytes apart, of which `first` is the
  /// lowest: as many as the loaded magazine has room for.
  /// Returns     How many those were.
  /// Complexity  O(count).
  template <std::size_t Bytes, std::size_t Alignment>
  std::size_t deallocate_hits(void* first, std::size_t count) noexcept {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::table_bytes)
      if (core::thread_cache* const cache = caches_.find())
        return core::push_run(cache->cursors[core::class_of(Bytes, Alignment)], first, count,
                              core::slot_bytes_of(core::class_of(Bytes, Alignment)));
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
  /// Requires    No other thread is inside a call (threads may be ending); f does not use the resource.
  /// Complexity  O(slots of all slabs). Flushes every thread's magazines first.
  template <class F>
  void for_each_live(F f) {
    caches_.while_flushed([&] {
      engine_.for_each_shelf([&](core::class_index, detail::shared_slab_engine::shelf_type& each) {
        const core::slab_layout& layout = each.slots.layout();
        each.slots.for_each_slab([&](const core::slab& one) {
          one.for_each_used(layout, [&](void* slot) { f(slot, layout.slot_bytes); });
        });
      });
    });
  }

  /// Returns a snapshot: exact while no other thread is inside a call, else each row as of its own moment.
  /// Complexity O(slabs + classes * threads).
  slab_stats stats() const;

  /// Writes the snapshot as a table, one row per size class, in the style of /proc/slabinfo.
  void report(std::ostream& out) const;

  /// Writes the snapshot as one JSON object.
  void report_json(std::ostream& out) const;

 private:
  friend class slab_thread_view;

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    if (__builtin_expect(last_byte < core::table_bytes, 1))
      if (core::thread_cache* const cache = caches_.find())
        if (void* const slot = cache->cursor_at(core::class_keys[last_byte]).pop()) return slot;
    return allocate_slow(bytes, alignment);
  }

  void do_deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    if (__builtin_expect(last_byte < core::table_bytes, 1))
      if (core::thread_cache* const cache = caches_.find())
        if (cache->cursor_at(core::class_keys[last_byte]).push(pointer)) return;
    deallocate_slow(pointer, bytes, alignment);
  }

  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  // No virtual function is defined outside this class, so a hit is compiled in its user's code, where finding
  // a thread_local needs no call.
  __attribute__((noinline)) void* allocate_slow(std::size_t bytes, std::size_t alignment);
  __attribute__((noinline)) void deallocate_slow(void* pointer, std::size_t bytes,
                                                 std::size_t alignment) noexcept;
  void end() noexcept;
  void* allocate_in(core::thread_cache* cache, std::size_t bytes, std::size_t alignment);
  void deallocate_in(core::thread_cache* cache, void* pointer, std::size_t bytes,
                     std::size_t alignment) noexcept;

  detail::resource_setup setup_;       // never changes
  detail::shared_slab_engine engine_;  // any thread
  core::oversize_list oversize_;       // under the engine's store lock
  detail::thread_caches caches_;       // any thread; last, so that it ends first
};

}  // namespace quarry
