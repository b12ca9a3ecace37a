// An allocator for std:: and Boost.Container containers over a slab resource, without a virtual call.
//
// Layer      1 (what a container or user holds).
// Invariant  One word: the resource.
// Threads    As the resource.
// Source     std [allocator.requirements]; the verbs: detail/allocator_face.hpp.
#pragma once

#include <quarry/detail/allocator_face.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <type_traits>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {

/// Allocates objects of type T from a resource with the typed face: either slab resource, or a slab_thread_view.
///
/// Every member that allocates goes with every member that frees, and with the resource's own allocate and
/// deallocate. A moved or swapped container takes its resource along; a copied one stays with its own, and a
/// new copy starts with the resource of its original. Allocators are equal when they use the same resource.
/// boost::container::slist (as of Boost 1.81) puts a range in reverse with every allocator of version 2, so with this one as with
/// Boost's own: insert into one element by element, or take boost::container::list.
/// Complexity  Each member of its own: O(1).
template <class T, class Resource = unsynchronized_slab_resource>
class slab_allocator : public detail::allocator_face<slab_allocator<T, Resource>, T, Resource> {
  static_assert(std::is_same_v<T, std::remove_cv_t<T>> && !std::is_reference_v<T>,
                "slab_allocator<T> needs a T that is neither const nor volatile nor a reference.");

 public:
  /// The same allocator for objects of another type.
  template <class U>
  struct rebind {
    /// Its type.
    using other = slab_allocator<U, Resource>;
  };

  /// What a container does with its allocator.
  using propagate_on_container_copy_assignment = std::false_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;

  /// Requires    resource != nullptr; it outlives every container that uses it.
  constexpr slab_allocator(Resource* resource) noexcept  // NOLINT(google-explicit-constructor)
      : resource_(resource) {
    static_assert(detail::has_typed_face<Resource>,
                  "slab_allocator needs a Resource with the typed face: unsynchronized_slab_resource, "
                  "synchronized_slab_resource or slab_thread_view. Over another memory_resource take "
                  "std::pmr::polymorphic_allocator.");
  }
  constexpr slab_allocator(Resource& resource) noexcept  // NOLINT(google-explicit-constructor)
      : slab_allocator(&resource) {}
  template <class U>
  constexpr slab_allocator(  // NOLINT(google-explicit-constructor)
      const slab_allocator<U, Resource>& other) noexcept
      : resource_(other.resource()) {}

  /// Returns the allocator of a copy: this one.
  constexpr slab_allocator select_on_container_copy_construction() const noexcept { return *this; }
  /// Returns the resource that was given.
  constexpr Resource* resource() const noexcept { return resource_; }

  /// Exchanges the resources.
  friend void swap(slab_allocator& a, slab_allocator& b) noexcept { std::swap(a.resource_, b.resource_); }

 private:
  friend detail::allocator_face<slab_allocator, T, Resource>;
  Resource& used() const noexcept { return *resource_; }
  Resource& fixed() const noexcept { return *resource_; }

  Resource* resource_;
};

/// Equal when they use the same resource. Complexity O(1).
template <class T, class U, class Resource>
constexpr bool operator==(const slab_allocator<T, Resource>& a,
                          const slab_allocator<U, Resource>& b) noexcept {
  return a.resource() == b.resource();
}
template <class T, class U, class Resource>
constexpr bool operator!=(const slab_allocator<T, Resource>& a,
                          const slab_allocator<U, Resource>& b) noexcept {
  return a.resource() != b.resource();
}

}  // namespace QUARRY_ABI
}  // namespace quarry
