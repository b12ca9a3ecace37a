// The gate in front of what a fork waits for: calls of an upstream, and flushes of caches at an end or for a visit. It keeps
// nobody out for good, and does not tell a fork when to begin: src/fork_handlers.cpp does.
//
// Threads    Any number at a time. Upstreams may be busy all the time, so a thread that
//            is not inside yet lets a fork that waits go first. It does so for a while only: what the fork waits for may in
//            turn wait for that thread.
#pragma once

#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail::fork_gate {

/// Enters; waits for a fork under way, but at most some 20 ms, and not at all when the thread is inside already.
void enter() noexcept;
void leave() noexcept;

/// Returns whether the calling thread is inside.
bool is_inside() noexcept;

/// A fork begins to wait; and is over, in the parent and in the child.
void close() noexcept;
void open_in_parent() noexcept;
void open_in_child() noexcept;

/// Sleeps for a moment.
void nap() noexcept;

/// Is inside until the end of a block.
class [[nodiscard]] passage {
 public:
  passage() noexcept { enter(); }
  ~passage() { leave(); }
  passage(const passage&) = delete;
  passage& operator=(const passage&) = delete;
};

}  // namespace detail::fork_gate
}  // namespace QUARRY_ABI
}  // namespace quarry
