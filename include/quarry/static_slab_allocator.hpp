// An allocator without state: for containers and libraries that make their allocators out of nothing.
//
// Layer      1 (what a container or user holds).
// Invariant  Empty. Which resource it uses is part of its type.
// Threads    As the resource.
// Source     std [allocator.requirements]; the verbs: detail/allocator_face.hpp.
#pragma once

#include <memory_resource>
#include <quarry/detail/allocator_face.hpp>
#include <quarry/detail/static_resource.hpp>
#include <quarry/slab_options.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {
/// Says once for all types that are allocated from a Resource what is wrong with it.
template <class Resource>
struct can_be_made {
  static_assert(has_typed_face<Resource> &&
                    std::is_constructible_v<Resource, const slab_options&, std::pmr::memory_resource*>,
                "static_slab_allocator needs a Resource that it can make: synchronized_slab_resource, or "
                "unsynchronized_slab_resource where one thread alone uses the tag.");
};
}  // namespace detail

/// Allocates objects of type T from the one resource of `Tag`, any type, which need not be complete. That is made at its
/// first use and never destroyed, so containers may be used before main() begins and until the last static object is gone.
/// Good for what cannot be given an allocator: nlohmann::basic_json, plf::hive, tsl::robin_map, a thread_local container.
///
/// There is one resource for each Tag and module. A module is the program with the libraries that share its symbols; a
/// library that hides its own (-fvisibility=hidden) has a resource of its own. Two of them are equal for the compiler all the
/// same: to move, swap or splice a container from one such module to another is an error that nothing tells.
/// Complexity  Each member of its own: O(1).
template <class T, class Tag = void, class Resource = synchronized_slab_resource>
class static_slab_allocator
    : public detail::allocator_face<static_slab_allocator<T, Tag, Resource>, T, Resource> {
  static_assert(std::is_same_v<T, std::remove_cv_t<T>> && !std::is_reference_v<T>,
                "static_slab_allocator<T> needs a T that is neither const nor volatile nor a reference.");
  static_assert(sizeof(detail::can_be_made<Resource>) != 0);

 public:
  /// The same allocator for objects of another type.
  template <class U>
  struct rebind {
    /// Its type.
    using other = static_slab_allocator<U, Tag, Resource>;
  };

  /// What a container does with its allocator.
  using propagate_on_container_copy_assignment = std::false_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::true_type;

  /// Made of nothing, or of the allocator of another type.
  constexpr static_slab_allocator() noexcept = default;
  template <class U>
  constexpr static_slab_allocator(  // NOLINT(google-explicit-constructor)
      const static_slab_allocator<U, Tag, Resource>&) noexcept {}

  /// Returns the resource of the tag; makes it with default options over std::pmr::new_delete_resource() when nobody has.
  /// Errors      std::bad_alloc when the system refuses a page for it; then nothing has changed.
  /// Complexity  O(1): a load and a test.
  /// Threads     Any number at a time.
  static Resource& resource() { return detail::static_resource<Tag, Resource>::get(); }

  /// Makes the resource of the tag.
  /// Requires    upstream is null, for std::pmr::new_delete_resource(), or never ends.
  /// Returns     False when the tag was used or configured before; then nothing has changed.
  /// Errors      std::invalid_argument that names the option, its value and what is allowed; as resource().
  /// Threads     Any number at a time.
  static bool configure(const slab_options& options, std::pmr::memory_resource* upstream = nullptr) {
    return detail::static_resource<Tag, Resource>::make(options, upstream);
  }

 private:
  friend detail::allocator_face<static_slab_allocator, T, Resource>;
  static Resource& used() { return resource(); }
  static detail::static_resource<Tag, Resource> fixed() noexcept { return {}; }
};

/// All allocators of a tag are equal. Complexity O(1).
template <class T, class U, class Tag, class Resource>
constexpr bool operator==(const static_slab_allocator<T, Tag, Resource>&,
                          const static_slab_allocator<U, Tag, Resource>&) noexcept {
  return true;
}
template <class T, class U, class Tag, class Resource>
constexpr bool operator!=(const static_slab_allocator<T, Tag, Resource>&,
                          const static_slab_allocator<U, Tag, Resource>&) noexcept {
  return false;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
