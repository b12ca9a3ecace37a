// What a fork takes besides the locks of typed caches: those of the compiled library, where the program has it.
//
// Layer      1, behind the public face. A program without the library, or without weak names, takes none.
// Threads    The one that forks.
#pragma once

#include <quarry/core/poison.hpp>
#include <quarry/export.hpp>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// The library's locks, as a fork takes them: a thread that holds one may wait for that of a typed cache, and the other way round.
struct fork_peer {
  bool (*try_hold)() noexcept;  // returns whether the fork holds all of them now
  void (*let_go)() noexcept;    // opens them until try_hold()
};

#if QUARRY_MAY_BE_WATCHED
/// Null where the program has no library.
QUARRY_EXPORT QUARRY_WEAK const fork_peer& fork_peer_of_library() noexcept;

inline bool try_hold_peer() noexcept {
  return fork_peer_of_library == nullptr || fork_peer_of_library().try_hold();
}
inline void let_peer_go() noexcept {
  if (fork_peer_of_library != nullptr) fork_peer_of_library().let_go();
}
#else
inline bool try_hold_peer() noexcept {
  return true;
}
inline void let_peer_go() noexcept {}
#endif

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
