// A memory resource over a synchronized_slab_resource for one task, fiber or kernel thread.
//
// Layer      1 (what a container or user holds).
// Threads    One thread at a time; the view may move from thread to thread. Each view has a cache of its own,
//            so any number of views of one resource may be used at the same time.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/synchronized_slab_resource.hpp>

namespace quarry {

/// A handle on a synchronized_slab_resource with a cache that belongs to the handle instead of the thread.
/// Looks up no thread_local, so it costs less than the resource itself, and it flushes when it ends, not when
/// the thread does. What it allocates the resource and its other views may free, and the other way round.
class slab_thread_view final : public std::pmr::memory_resource {
 public:
  /// Requires    The resource outlives the last allocation and deallocation through this view.
  /// Errors      What upstream throws, or std::bad_alloc; then nothing has changed.
  explicit slab_thread_view(synchronized_slab_resource& resource);
  slab_thread_view(const slab_thread_view&) = delete;
  slab_thread_view& operator=(const slab_thread_view&) = delete;

  /// Flushes the cache; does nothing when the resource has ended before.
  ~slab_thread_view() override;

  synchronized_slab_resource& resource() const noexcept { return *resource_; }

  /// Returns memory as allocate() does, or null where that throws.
  void* try_allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) noexcept;

  /// Moves all free slots that rest here to the resource. Complexity O(cached slots).
  void flush() noexcept;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    if (__builtin_expect(last_byte < core::table_bytes, 1))
      if (void* const slot = cache_->cursor_at(core::class_keys[last_byte]).pop()) return slot;
    return resource_->allocate_in(cache_, bytes, alignment);
  }

  void do_deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    if (__builtin_expect(last_byte < core::table_bytes, 1))
      if (cache_->cursor_at(core::class_keys[last_byte]).push(pointer)) return;
    resource_->deallocate_in(cache_, pointer, bytes, alignment);
  }

  /// Equal to every view of the same resource: what one allocates the other may free.
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

  synchronized_slab_resource* resource_;
  detail::cache_node* node_;   // ties this view to the resource
  core::thread_cache* cache_;  // node_'s
};

}  // namespace quarry
