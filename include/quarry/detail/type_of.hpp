// What an object says of its type: its name, and whether it is of a given class.
//
// Layer      1, behind the public face.
// Invariant  By the type's name: where a process has several copies of the library, a type has as many descriptions. A
//            build without RTTI has none, and neither have objects of a class that was compiled without it; to ask
//            such an object is safe. Code with RTTI and without may meet in one program: so nothing here is ever called,
//            and the linker has no two of one name to choose from.
// Threads    Any number at a time.
#pragma once

#include <cstring>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>
#include <typeinfo>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Returns the name of the type of `object`, or null where nothing tells it. Requires a class with a virtual function.
template <class Base>
QUARRY_ALWAYS_INLINE const char* type_name_of([[maybe_unused]] const Base& object) noexcept {
#if defined(__cpp_rtti)
  const std::type_info* type = &typeid(object);
  QUARRY_FORGET(type);  // or the compiler finds that a reference is never null
  return type != nullptr ? type->name() : nullptr;
#else
  return nullptr;
#endif
}

/// Returns `object` as what it is, or null when it is something else, of a class that derives from it too, or when nothing tells.
template <class Final, class Base>
QUARRY_ALWAYS_INLINE const Final* as_final([[maybe_unused]] const Base& object) noexcept {
#if defined(__cpp_rtti)
  const char* const name = type_name_of(object);
  if (name == nullptr || std::strcmp(name, typeid(Final).name()) != 0) return nullptr;
  return static_cast<const Final*>(&object);
#else
  return nullptr;
#endif
}

/// The same where `known` is one: others with its virtual table are told in any build.
template <class Final, class Base>
QUARRY_ALWAYS_INLINE const Final* as_final_like(const Final& known, const Base& object) noexcept {
  const Base& known_base = known;
  if (std::memcmp(static_cast<const void*>(&known_base), static_cast<const void*>(&object), sizeof(void*)) ==
      0)
    return static_cast<const Final*>(&object);
  return as_final<Final>(object);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
