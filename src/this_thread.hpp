// Who the calling thread is.
#pragma once

#include <cerrno>

namespace quarry::detail {

/// Returns an address that no other running thread has: the same in every copy of the library, and in the child of a fork.
inline const void* this_thread() noexcept {
  return &errno;
}

}  // namespace quarry::detail
