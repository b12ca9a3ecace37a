// What a typed cache asks of the type of its objects, and how it makes and destroys one in a slot.
//
// Layer      1. Freestanding.
#pragma once

#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/core/typed/checked_calls.hpp>
#include <quarry/detail/check_report.hpp>
#include <quarry/detail/environment_checks.hpp>
#include <quarry/detail/fork_part.hpp>
#include <quarry/detail/visited_lock.hpp>
#include <quarry/object_access.hpp>
#include <quarry/slab_ptr.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Returns true, or is a sentence of the compiler's about what no cache holds. T may be incomplete.
template <class T>
constexpr bool check_cached_type() {
  static_assert(!std::is_array_v<T>,
                "quarry: a cache makes single objects, not arrays; write a struct or std::array that holds "
                "the elements.");
  static_assert(std::is_object_v<T>,
                "quarry: a cache makes objects; T must not be a reference, a function or void.");
  return true;
}

/// Returns true, or is a sentence of the compiler's about what is wrong with the arguments of a slab_cache.
template <class T, class Lock, std::size_t SlabBytes>
constexpr bool check_cache_arguments() {
  static_assert(
      core::is_power_of_two(SlabBytes),
      "quarry: SlabBytes must be a power of two, because a slab is found from an address by a mask; "
      "write for example 65536, or leave it out.");
  static_assert(
      SlabBytes < core::slab::largest_product,
      "quarry: SlabBytes is too large for the arithmetic that turns addresses into slots; write for example "
      "16777216, or leave it out.");
  static_assert(
      sizeof(T) <= SlabBytes / 2,
      "quarry: T takes more than half of SlabBytes; write a larger power of two as the third argument of "
      "slab_cache, or leave it out.");
  static_assert(
      alignof(T) <= SlabBytes / 2,
      "quarry: T is aligned to more than half of SlabBytes; write a larger power of two as the third "
      "argument of slab_cache, or leave it out.");
  static_assert(
      sizeof(Lock) <= 64,
      "quarry: this Lock is larger than 64 bytes, and every cache holds one in its first slab; write a "
      "lock of at most 64 bytes, for instance one that points to the larger one.");
  return true;
}

/// The largest slab that a page source always lends as often as it has room for; a member largest_slab_bytes says so.
template <class PageSource, class = void>
inline constexpr std::size_t largest_slab_bytes_of = SIZE_MAX;
template <class PageSource>
inline constexpr std::size_t
    largest_slab_bytes_of<PageSource, std::void_t<decltype(PageSource::largest_slab_bytes)>> =
        PageSource::largest_slab_bytes;

constexpr core::check_depth depth_of(check_level level) noexcept {
  return level == check_level::full       ? core::check_depth::full
         : level == check_level::pointers ? core::check_depth::pointers
                                          : core::check_depth::none;
}

/// What core::slot_cache has to know about the objects of one cache.
template <class Object, class Control, std::size_t SlabBytes>
struct object_kind {
  static constexpr std::uint32_t magazine_slots = Control::magazine_slots;
  static constexpr bool marks_kept = Control::marks_kept;
  static constexpr bool has_destructor = !std::is_trivially_destructible_v<Object>;
  static constexpr core::cache_layout layout =
      core::make_cache_layout({sizeof(Object), alignof(Object), Control::bytes, marks_kept}, SlabBytes);
  static_assert(
      layout.root.slots != 0,
      "quarry: SlabBytes leaves no room for an object behind the header; write a larger power of two as "
      "the third argument of slab_cache, or leave it out.");
  static void destroy_object(void* slot) noexcept { object_access::destroy(static_cast<Object*>(slot)); }
  /// Checks a new cache as the environment asks, if there is memory for it.
  static void begin_checks(Control& fresh) noexcept {
    const asked_checks asked = checks_asked_for();
    if (asked.level == check_level::off) return;
    core::fault_report target;
    target.owner = static_cast<typename Control::front*>(&fresh);
    target.tell = &tell_fault<Object>;
    target.handler = reinterpret_cast<void (*)()>(asked.handler);
    (void)core::checked_calls<object_kind, Control>::set(fresh, depth_of(asked.level), target, true,
                                                         fresh.destroy);
  }
};

/// Constructs an object of type T, an aggregate also from its members. Errors: what the constructor throws.
template <class T, class... Args>
T* construct_object(void* slot, Args&&... args) {
  static_assert(
      !std::is_abstract_v<T>,
      "quarry: an abstract class has no objects; make one of a derived class and let a slab_ptr to the base "
      "own it.");
  static_assert(object_access::can_destroy<T>,
                "quarry: the destructor of T must be accessible and must not throw, because it runs where no "
                "exception can be passed on.");
  if constexpr (std::is_constructible_v<T, Args...>) {
    return ::new (slot) T(std::forward<Args>(args)...);
  } else {
    return ::new (slot) T{std::forward<Args>(args)...};
  }
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
