// Asking a memory resource of the user's without believing what its type promises.
//
// Layer      Vocabulary of the public face; hosted builds only.
// Threads    As the resource.
// Source     Both GNU and LLVM declare memory_resource::allocate to return an aligned address that is not null, so a compiler that
//            sees the call may leave out what checks either. UndefinedBehaviorSanitizer looks at null inside allocate() itself, and
//            still ends the program there.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Returns what `resource.allocate(bytes, alignment)` returns, of which the compiler knows nothing.
/// Errors      What the resource throws.
/// Complexity  As the resource.
inline void* ask_resource(std::pmr::memory_resource& resource, std::size_t bytes, std::size_t alignment) {
  // Read at run time: of a function that is not known no promise is either.
  void* (std::pmr::memory_resource::*volatile const allocate)(std::size_t, std::size_t) =
      &std::pmr::memory_resource::allocate;
  return (resource.*allocate)(bytes, alignment);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
