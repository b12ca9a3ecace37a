// What the allocators over a resource with the typed face have in common: the standard's verbs and Boost.Container's.
//
// Layer      1, behind the public face.
// Invariant  The size class of T is a constant, so a container that rebinds an allocator to its node type chooses the
//            class when it is compiled.
// Threads    As the resource.
// Source     std [allocator.requirements]; boost/container "extended allocators", version 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/export.hpp>
#include <quarry/multiallocation_chain.hpp>
#include <type_traits>
#include <utility>

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

/// Stands in for a resource without the typed face, so that the compiler says nothing of it but the allocator's static_assert.
struct no_typed_face {
  void* allocate(std::size_t, std::size_t);
  void* try_allocate(std::size_t, std::size_t) noexcept;
  void deallocate(void*, std::size_t, std::size_t) noexcept;
  std::size_t good_size(std::size_t, std::size_t) const noexcept;
  std::size_t block_bytes(const void*) const noexcept;
  core::slot_run allocate_run(std::size_t, std::size_t, std::size_t);
  void deallocate_run(void*, std::size_t, std::size_t, std::size_t) noexcept;
  template <std::size_t, std::size_t>
  void* allocate_fixed();
  template <std::size_t, std::size_t>
  void deallocate_fixed(void*) noexcept;
  template <std::size_t, std::size_t, class F>
  std::size_t allocate_hits(std::size_t, F) {
    return 0;
  }
  template <std::size_t, std::size_t>
  std::size_t deallocate_hits(void*, std::size_t) noexcept;
};

/// Derived has: Resource& used() const, what it allocates from; and fixed() const, what has the same allocate_fixed() and
/// deallocate_fixed().
/// Complexity  Each member, where it says nothing else: one call of the resource for each array, or O(1).
template <class Derived, class T, class Resource>
class allocator_face {
 public:
  /// The names that the standard asks for.
  using value_type = T;
  using pointer = T*;
  using const_pointer = const T*;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using resource_type = Resource;

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

  /// Returns memory for `count` objects: one slot when they fit one.
  /// Errors      std::bad_array_new_length when the bytes cannot be counted; else what the resource throws.
  /// Complexity  One object of at most 32 KiB: a hit is O(1), about 8 instructions.
  [[nodiscard]] T* allocate(size_type count) {
    if (count == 1) return allocate_one();
    return static_cast<T*>(used().allocate(bytes_of(count), alignof(T)));
  }

  /// Frees what allocate() returned for the same count, or any member that allocated such an array.
  void deallocate(T* place, size_type count) noexcept {
    if (count == 1) return deallocate_one(place);
    used().deallocate(place, count * sizeof(T), alignof(T));
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
    return static_cast<T*>(fixed().template allocate_fixed<sizeof(T), alignof(T)>());
  }

  /// Frees what allocate_one() returned, or any member that allocated one object.
  void deallocate_one(T* place) noexcept {
    fixed().template deallocate_fixed<sizeof(T), alignof(T)>(place);
  }

  /// Appends memory for `count` objects, each freed on its own, to `chain`: runs of neighbours of one slab, or what
  /// the magazine holds where a run would be shorter than 16 slots.
  /// Errors      As allocate() for all of them at once; then nothing has changed.
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
  /// Errors      As allocate() for all of them at once; then nothing has changed.
  QUARRY_EXCEPTION_MODE void allocate_many(size_type length, size_type count, multiallocation_chain& chain);

  /// Appends `count` arrays to `chain`, the first of lengths[0] objects, and so on.
  /// Errors      What the resource throws; then nothing has changed.
  QUARRY_EXCEPTION_MODE void allocate_many(const size_type* lengths, size_type count,
                                           multiallocation_chain& chain);

  /// Frees every array of `chain`, whichever its length, and leaves it empty.
  /// Complexity  As size() for each array: prefer deallocate() where the length is known.
  void deallocate_many(multiallocation_chain& chain) noexcept;

  /// Returns how many objects the memory at `place` holds. Complexity O(1) expected.
  size_type size(const T* place) const noexcept {
    return used().block_bytes(place) / sizeof(T);
  }

  /// Returns the most objects that allocate() may be asked for.
  constexpr size_type max_size() const noexcept {
    return PTRDIFF_MAX / sizeof(T);
  }

 protected:
  constexpr allocator_face() noexcept = default;

 private:
  static constexpr size_type shortest_run = 16;  // slots; fewer come and go through the magazine

  // Frees what a burst has appended to a chain so far, unless it succeeds.
  struct rollback {
    allocator_face& allocator;
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

  decltype(auto) used() const {
    if constexpr (has_typed_face<Resource>)
      return static_cast<const Derived&>(*this).used();
    else
      return no_typed_face();
  }
  decltype(auto) fixed() const {
    if constexpr (has_typed_face<Resource>)
      return static_cast<const Derived&>(*this).fixed();
    else
      return no_typed_face();
  }

  void allocate_singly(size_type count, multiallocation_chain& chain);

  static size_type bytes_of(size_type count) {
    if (count > PTRDIFF_MAX / sizeof(T)) throw_bad_array_new_length();
    return count * sizeof(T);
  }

  size_type good_count(size_type count) const {
    return used().good_size(bytes_of(count), alignof(T)) / sizeof(T);
  }

  T* try_allocate(size_type count) noexcept {
    if (count > max_size()) return nullptr;
    return static_cast<T*>(used().try_allocate(count * sizeof(T), alignof(T)));
  }
};

template <class Derived, class T, class Resource>
void allocator_face<Derived, T, Resource>::allocate_individual(size_type count,
                                                               multiallocation_chain& chain) {
  bytes_of(count);
  rollback burst{*this, chain};
  size_type left = count;
  while (left >= shortest_run) {
    const core::slot_run run = used().allocate_run(left, sizeof(T), alignof(T));
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
template <class Derived, class T, class Resource>
void allocator_face<Derived, T, Resource>::allocate_singly(size_type count, multiallocation_chain& chain) {
  const auto append = [&chain](void* slot) { chain.push_back(static_cast<T*>(slot)); };
  while (count != 0) {
    count -= used().template allocate_hits<sizeof(T), alignof(T)>(count, append);
    if (count == 0) return;
    append(allocate_one());
    --count;
  }
}

template <class Derived, class T, class Resource>
void allocator_face<Derived, T, Resource>::deallocate_individual(multiallocation_chain& chain) noexcept {
  // What the resource says, not the class: blocks that are not pooled may lie at a class's distance by chance.
  const size_type step_bytes = used().good_size(sizeof(T), alignof(T));
  while (!chain.empty()) {
    const auto [first, slots] = chain.pop_front_run(step_bytes);
    if (slots >= shortest_run) {
      used().deallocate_run(first, slots, sizeof(T), alignof(T));
      continue;
    }
    for (size_type left = slots; left != 0;) {
      left -= used().template deallocate_hits<sizeof(T), alignof(T)>(first, left);
      if (left == 0) break;
      --left;
      deallocate_one(reinterpret_cast<T*>(static_cast<std::byte*>(first) + left * step_bytes));
    }
  }
}

template <class Derived, class T, class Resource>
T* allocator_face<Derived, T, Resource>::allocation_command(unsigned commands, size_type limit,
                                                            size_type& size, T*& reuse) {
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

template <class Derived, class T, class Resource>
void allocator_face<Derived, T, Resource>::allocate_many(size_type length, size_type count,
                                                         multiallocation_chain& chain) {
  if (length != 0 && count > max_size() / length) throw_bad_array_new_length();
  rollback burst{*this, chain, true};
  for (size_type i = 0; i < count; ++i) chain.push_back(allocate(length));
  burst.succeeded = true;
}

template <class Derived, class T, class Resource>
void allocator_face<Derived, T, Resource>::allocate_many(const size_type* lengths, size_type count,
                                                         multiallocation_chain& chain) {
  rollback burst{*this, chain, true};
  for (size_type i = 0; i < count; ++i) chain.push_back(allocate(lengths[i]));
  burst.succeeded = true;
}

template <class Derived, class T, class Resource>
void allocator_face<Derived, T, Resource>::deallocate_many(multiallocation_chain& chain) noexcept {
  while (!chain.empty()) {
    T* const place = chain.pop_front();
    used().deallocate(place, used().block_bytes(place), alignof(T));
  }
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
