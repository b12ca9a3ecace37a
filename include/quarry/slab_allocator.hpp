// An allocator for std:: and Boost.Container containers over a slab resource, without a virtual call.
//
// Layer      1 (what a container or user holds).
// Invariant  One word: the resource. The size class of T is a constant, so a container that rebinds the
//            allocator to its node type chooses the class when it is compiled.
// Threads    As the resource.
// Source     std [allocator.requirements]; boost/container "extended allocators", version 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/export.hpp>
#include <quarry/multiallocation_chain.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {
[[noreturn]] QUARRY_EXPORT void throw_bad_array_new_length();

template <class Resource, class = void>
inline constexpr bool has_typed_face = false;
template <class Resource>
inline constexpr bool has_typed_face<
    Resource, std::void_t<decltype(std::declval<Resource&>().template allocate_fixed<1, 1>()),
                          decltype(std::declval<Resource&>().template deallocate_fixed<1, 1>(nullptr))>> =
    true;
}  // namespace detail

/// Allocates objects of type T from a resource with the typed face: either slab resource, or a slab_thread_view.
///
/// Every member that allocates goes with every member that frees, and with the resource's own allocate and
/// deallocate. A moved or swapped container takes its resource along; a copied one stays with its own, and a
/// new copy starts with the resource of its original. Allocators are equal when they use the same resource.
template <class T, class Resource = unsynchronized_slab_resource>
class slab_allocator {
  static_assert(std::is_same_v<T, std::remove_cv_t<T>> && !std::is_reference_v<T>,
                "slab_allocator<T> needs a T that is neither const nor volatile nor a reference.");

 public:
  using value_type = T;
  using pointer = T*;
  using const_pointer = const T*;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using resource_type = Resource;
  template <class U>
  struct rebind {
    using other = slab_allocator<U, Resource>;
  };

  using propagate_on_container_copy_assignment = std::false_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;

  using version = std::integral_constant<unsigned, 2>;  // Boost.Container: the members below exist
  using multiallocation_chain = quarry::multiallocation_chain<T>;

  /// The bits of allocation_command's first argument.
  enum command : unsigned {
    allocate_new = 0x01,
    expand_fwd = 0x02,
    expand_bwd = 0x04,
    shrink_in_place = 0x08,
    nothrow_allocation = 0x10,
    zero_memory = 0x20,
    try_shrink_in_place = 0x40
  };

  /// Requires    resource != nullptr; it outlives every container that uses it.
  slab_allocator(Resource* resource) noexcept : resource_(resource) {  // NOLINT(google-explicit-constructor)
    static_assert(detail::has_typed_face<Resource>,
                  "slab_allocator needs a Resource with the typed face: unsynchronized_slab_resource, "
                  "synchronized_slab_resource or slab_thread_view. Over another memory_resource take "
                  "std::pmr::polymorphic_allocator.");
  }
  slab_allocator(Resource& resource) noexcept
      : slab_allocator(&resource) {}  // NOLINT(google-explicit-constructor)
  template <class U>
  slab_allocator(const slab_allocator<U, Resource>& other) noexcept  // NOLINT(google-explicit-constructor)
      : resource_(other.resource()) {}

  /// Returns memory for `count` objects: one slot when they fit one.
  /// Errors      std::bad_array_new_length when the bytes cannot be counted; else what the resource throws.
  /// Complexity  One object of at most 1 KiB: a hit is O(1), about 8 instructions.
  [[nodiscard]] T* allocate(size_type count) {
    if (count == 1) return allocate_one();
    return static_cast<T*>(resource_->allocate(bytes_of(count), alignof(T)));
  }

  void deallocate(T* place, size_type count) noexcept {
    if (count == 1) return deallocate_one(place);
    resource_->deallocate(place, count * sizeof(T), alignof(T));
  }

#if defined(__cpp_lib_allocate_at_least)
  /// Returns memory for `count` objects or more: as many as the size class holds.
  [[nodiscard]] std::allocation_result<T*> allocate_at_least(size_type count) {
    const size_type received = good_count(count);
    return {allocate(received), received};
  }
#endif

  /// Returns memory for one object.
  /// Errors      What the resource throws; then nothing has changed.
  [[nodiscard]] T* allocate_one() {
    return static_cast<T*>(resource_->template allocate_fixed<sizeof(T), alignof(T)>());
  }

  void deallocate_one(T* place) noexcept {
    resource_->template deallocate_fixed<sizeof(T), alignof(T)>(place);
  }

  /// Appends memory for `count` objects, each freed on its own, to `chain`: runs of neighbours of one slab, or what
  /// the magazine holds where a run would be shorter than 16 slots.
  /// Errors      What the resource throws; then nothing has changed.
  /// Complexity  O(count), one call of the resource for each run.
  QUARRY_EXCEPTION_MODE void allocate_individual(size_type count, multiallocation_chain& chain);

  /// Frees every slot of `chain`, which may be empty, and leaves it empty; runs of at least 16 neighbours at once.
  /// Complexity  O(count), one call of the resource for each run.
  void deallocate_individual(multiallocation_chain& chain) noexcept;

  /// Allocates an array, or tries to resize one in place, as the bits of `commands` say.
  /// Units       objects; `limit` is the least that is acceptable (for a shrink: the capacity now), `size` is
  ///             what is wished and then what was received: all that the size class holds.
  /// Effects     With allocate_new, sets `reuse` to null. An array is never expanded: it already received all
  ///             of its slot. A shrink succeeds when the array is in the class of the wished size already.
  /// Returns     The array, or null when nothing was done.
  /// Errors      What the resource throws when allocate_new is set and nothrow_allocation is not.
  T* allocation_command(unsigned commands, size_type limit, size_type& size, T*& reuse);

  /// Appends `count` arrays of `length` objects each to `chain`.
  /// Errors      What the resource throws; then nothing has changed.
  QUARRY_EXCEPTION_MODE void allocate_many(size_type length, size_type count, multiallocation_chain& chain);

  /// Appends `count` arrays to `chain`, the first of lengths[0] objects, and so on.
  /// Errors      What the resource throws; then nothing has changed.
  QUARRY_EXCEPTION_MODE void allocate_many(const size_type* lengths, size_type count,
                                           multiallocation_chain& chain);

  /// Frees every array of `chain`, whichever its length, and leaves it empty.
  /// Complexity  As size() for each array: prefer deallocate() where the length is known.
  void deallocate_many(multiallocation_chain& chain) noexcept;

  /// Returns how many objects the memory at `place` holds. Complexity O(slabs + oversize blocks).
  size_type size(const T* place) const noexcept {
    return resource_->block_bytes(place) / sizeof(T);
  }

  size_type max_size() const noexcept {
    return PTRDIFF_MAX / sizeof(T);
  }
  slab_allocator select_on_container_copy_construction() const noexcept {
    return *this;
  }
  Resource* resource() const noexcept {
    return resource_;
  }

  friend void swap(slab_allocator& a, slab_allocator& b) noexcept {
    std::swap(a.resource_, b.resource_);
  }

 private:
  static constexpr size_type shortest_run = 16;  // slots; fewer come and go through the magazine

  // Frees what a burst has appended to a chain so far, unless it succeeds.
  struct rollback {
    slab_allocator& allocator;
    multiallocation_chain& chain;
    bool arrays = false;
    typename multiallocation_chain::iterator before = chain.last();
    size_type size_before = chain.size();
    bool succeeded = false;

    ~rollback() {
      if (succeeded) return;
      multiallocation_chain burst;
      burst.splice_after(burst.before_begin(), chain, before, chain.last(), chain.size() - size_before);
      arrays ? allocator.deallocate_many(burst) : allocator.deallocate_individual(burst);
    }
  };

  void allocate_singly(size_type count, multiallocation_chain& chain);

  static size_type bytes_of(size_type count) {
    if (count > PTRDIFF_MAX / sizeof(T)) detail::throw_bad_array_new_length();
    return count * sizeof(T);
  }

  size_type good_count(size_type count) const {
    return resource_->good_size(bytes_of(count), alignof(T)) / sizeof(T);
  }

  T* try_allocate(size_type count) noexcept {
    if (count > max_size()) return nullptr;
    return static_cast<T*>(resource_->try_allocate(count * sizeof(T), alignof(T)));
  }

  Resource* resource_;
};

template <class T, class U, class Resource>
bool operator==(const slab_allocator<T, Resource>& a, const slab_allocator<U, Resource>& b) noexcept {
  return a.resource() == b.resource();
}
template <class T, class U, class Resource>
bool operator!=(const slab_allocator<T, Resource>& a, const slab_allocator<U, Resource>& b) noexcept {
  return a.resource() != b.resource();
}

template <class T, class Resource>
void slab_allocator<T, Resource>::allocate_individual(size_type count, multiallocation_chain& chain) {
  rollback burst{*this, chain};
  size_type left = count;
  while (left >= shortest_run) {
    const core::slot_run run = resource_->allocate_run(left, sizeof(T), alignof(T));
    chain.push_back_run(run.first, run.slots, run.slot_bytes);
    left -= run.slots;
    if (run.slots != 1) continue;
    // No run of neighbours is at hand: single slots, for a while.
    const size_type some = left < shortest_run ? left : shortest_run;
    allocate_singly(some, chain);
    left -= some;
  }
  allocate_singly(left, chain);
  burst.succeeded = true;
}

// Appends slots out of the magazine; a miss fills it.
template <class T, class Resource>
void slab_allocator<T, Resource>::allocate_singly(size_type count, multiallocation_chain& chain) {
  const auto append = [&chain](void* slot) { chain.push_back(static_cast<T*>(slot)); };
  while (count != 0) {
    count -= resource_->template allocate_hits<sizeof(T), alignof(T)>(count, append);
    if (count == 0) return;
    append(allocate_one());
    --count;
  }
}

template <class T, class Resource>
void slab_allocator<T, Resource>::deallocate_individual(multiallocation_chain& chain) noexcept {
  // What the resource says, not the class: blocks that are not pooled may lie at a class's distance by chance.
  const size_type step_bytes = resource_->good_size(sizeof(T), alignof(T));
  while (!chain.empty()) {
    const auto [first, slots] = chain.pop_front_run(step_bytes);
    if (slots >= shortest_run) {
      resource_->deallocate_run(first, slots, sizeof(T), alignof(T));
      continue;
    }
    for (size_type left = slots; left != 0;) {
      left -= resource_->template deallocate_hits<sizeof(T), alignof(T)>(first, left);
      if (left == 0) break;
      --left;
      deallocate_one(reinterpret_cast<T*>(static_cast<std::byte*>(first) + left * step_bytes));
    }
  }
}

template <class T, class Resource>
T* slab_allocator<T, Resource>::allocation_command(unsigned commands, size_type limit, size_type& size,
                                                   T*& reuse) {
  if ((commands & (shrink_in_place | try_shrink_in_place)) != 0) {
    if (limit > max_size() || size > limit || good_count(size) < limit) return nullptr;
    size = limit;
    return reuse;
  }
  if ((commands & allocate_new) == 0) return nullptr;
  const size_type wished = size < limit ? limit : size;
  size_type received = wished > max_size() ? wished : good_count(wished);
  const bool may_throw = (commands & nothrow_allocation) == 0;
  T* fresh = may_throw && limit == wished ? allocate(received) : try_allocate(received);
  if (fresh == nullptr && limit < wished) {
    received = limit;
    fresh = may_throw ? allocate(received) : try_allocate(received);
  }
  if (fresh == nullptr) return nullptr;
  if ((commands & zero_memory) != 0) std::memset(static_cast<void*>(fresh), 0, received * sizeof(T));
  size = received;
  reuse = nullptr;
  return fresh;
}

template <class T, class Resource>
void slab_allocator<T, Resource>::allocate_many(size_type length, size_type count,
                                                multiallocation_chain& chain) {
  rollback burst{*this, chain, true};
  for (size_type i = 0; i < count; ++i) chain.push_back(allocate(length));
  burst.succeeded = true;
}

template <class T, class Resource>
void slab_allocator<T, Resource>::allocate_many(const size_type* lengths, size_type count,
                                                multiallocation_chain& chain) {
  rollback burst{*this, chain, true};
  for (size_type i = 0; i < count; ++i) chain.push_back(allocate(lengths[i]));
  burst.succeeded = true;
}

template <class T, class Resource>
void slab_allocator<T, Resource>::deallocate_many(multiallocation_chain& chain) noexcept {
  while (!chain.empty()) {
    T* const place = chain.pop_front();
    resource_->deallocate(place, resource_->block_bytes(place), alignof(T));
  }
}

}  // namespace QUARRY_ABI
}  // namespace quarry
