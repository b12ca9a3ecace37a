// How an object is prepared for its next use when it returns to its cache without being destroyed.
//
// Layer      Vocabulary of the public face; freestanding.
// Source     Bonwick 1994 (object caching).
#pragma once

#include <quarry/version.hpp>
#include <type_traits>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {
// So that the name is looked up where the argument's type lives. Not deleted: then g++ 11 looks no further.
void clear();

template <class T, class = void>
inline constexpr bool has_adl_clear = false;
template <class T>
inline constexpr bool has_adl_clear<T, std::void_t<decltype(clear(std::declval<T&>()))>> = true;

template <class T, class = void>
inline constexpr bool has_member_clear = false;
template <class T>
inline constexpr bool has_member_clear<T, std::void_t<decltype(std::declval<T&>().clear())>> = true;

template <class T>
void clear_by_adl(T& object) {
  clear(object);
}
}  // namespace detail

/// What slab_cache<T>::recycle does to the object. By default: a function clear(T&) in T's namespace, else the
/// member function clear(), else nothing. Specialise it to do something else. Where the object has handles to its own cache,
/// clear() has to drop them, or the object keeps its cache for good.
/// Complexity  As the function that is called.
/// Threads     As the cache: one at a time for each object.
template <class T>
struct recycle_policy {
  /// Whether clear() has nothing to call, and what it does.
  static constexpr bool does_nothing = !detail::has_adl_clear<T> && !detail::has_member_clear<T>;
  static void clear(T& object) {
    if constexpr (detail::has_adl_clear<T>) {
      detail::clear_by_adl(object);
    } else if constexpr (detail::has_member_clear<T>) {
      object.clear();
    }
  }
};

namespace detail {
template <class T, class = void>
inline constexpr bool recycling_does_nothing = false;  // a specialisation need not say what it does
template <class T>
inline constexpr bool recycling_does_nothing<T, std::void_t<decltype(recycle_policy<T>::does_nothing)>> =
    recycle_policy<T>::does_nothing;
}  // namespace detail

/// Whether a cache keeps recycled objects of type T. One that needs no destructor and that nothing clears has nothing worth
/// keeping: its slot is freed instead.
template <class T>
inline constexpr bool keeps_recycled =
    !(std::is_trivially_destructible_v<T> && detail::recycling_does_nothing<T>);

}  // namespace QUARRY_ABI
}  // namespace quarry
