// Who the calling thread is.
#pragma once

#include <cerrno>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Returns an address that no other running thread has: the same in every copy of the library, and in the child of a fork.
inline const void* this_thread() noexcept {
  return &errno;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
