// object_access: how a cache destroys an object, so that a class with a private destructor can name it as its friend.
//
// Layer      Vocabulary of the public face; freestanding.
#pragma once

#include <quarry/version.hpp>

#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {

/// Destroys objects of typed caches. A class whose destructor is private writes `friend quarry::object_access;`, and then only
/// owners and caches end its objects.
/// Complexity  As the destructor.
/// Threads     As the destructor.
class object_access {
  template <class T>
  static auto end_of(T* object) -> std::bool_constant<noexcept(object->~T())>;
  template <class T>
  static std::false_type end_of(const volatile void*);

 public:
  /// Whether T has a destructor that may be called here and does not throw.
  template <class T>
  static constexpr bool can_destroy = decltype(end_of<T>(static_cast<T*>(nullptr)))::value;

  /// Destroys *object.
  template <class T>
  static void destroy(T* object) noexcept {
    object->~T();
  }
};

}  // namespace QUARRY_ABI
}  // namespace quarry
