// A memory resource over a synchronized_slab_resource for one task, fiber or kernel thread.
//
// Layer      1 (what a container or user holds).
// Threads    One thread at a time; the view may move from thread to thread. Each view has a cache of its own,
//            so any number of views of one resource may be used at the same time.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/export.hpp>
#include <quarry/synchronized_slab_resource.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// A handle on a synchronized_slab_resource with a cache that belongs to the handle instead of the thread.
/// Looks up no thread_local, so it costs less than the resource itself, and it flushes when it ends, not when
/// the thread does. What it allocates the resource and its other views may free, and the other way round.
/// They are equal, so a container moves between them without a copy. In a build without RTTI equality is identity, but for a view
/// that is asked about its own resource: there a container may copy.
/// When the resource is released, the view's cache goes too, and the view opens another at its next call.
/// Complexity  Each member of its own, where it says nothing else: O(1), the end as flush().
class QUARRY_EXPORT slab_thread_view final : public detail::slab_face<slab_thread_view> {
 public:
  /// Requires    The resource outlives the last allocation and deallocation through this view.
  /// Errors      std::bad_alloc; then nothing has changed.
  explicit slab_thread_view(synchronized_slab_resource& resource);
  slab_thread_view(const slab_thread_view&) = delete;
  slab_thread_view& operator=(const slab_thread_view&) = delete;

  /// Flushes the cache; does nothing when the resource has ended before.
  ~slab_thread_view() override;

  /// Returns the resource that was given.
  synchronized_slab_resource& resource() const noexcept { return *resource_; }

  /// Moves all free slots that rest here to the resource. Complexity O(cached slots).
  void flush() noexcept;

 private:
  template <class>
  friend class detail::slab_face;

  static constexpr bool is_for_one_thread = false;

  core::cache* cache_at_hand() const noexcept { return resource_->caches_.find_in(tie_.entry); }
  core::cache* cache_or_open() noexcept { return resource_->caches_.find_slow(tie_); }
  auto& host() noexcept { return resource_->host(); }
  const auto& host() const noexcept {
    return static_cast<const synchronized_slab_resource&>(*resource_).host();
  }

  /// Equal to every view of the same resource, and to the resource: what one allocates the other may free.
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

  synchronized_slab_resource* resource_;
  detail::view_tie tie_;  // the user's thread
};

#if !defined(QUARRY_USERS_INSTANTIATE)
extern template class detail::slab_face<slab_thread_view>;
#endif

}  // namespace QUARRY_ABI
}  // namespace quarry
