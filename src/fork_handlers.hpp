// What happens to thread caches at a fork: it waits until no thread is inside a call of an upstream or a flush, with none of
// the locks in hand: these nest as the program's resources and upstreams do, in an order that nobody knows here. All other
// locks are held for a few instructions by threads that wait for nothing.
//
// Threads    The one that forks.
// Source     docs/threads.md
#pragma once

#include <quarry/detail/thread_caches.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

struct fork_handlers {
  /// Registers what follows with the system, which then calls it.
  static void install() noexcept;

  /// What the list of typed caches calls when it takes their locks.
  static bool try_hold() noexcept;
  static void let_go() noexcept;

 private:
  static void before() noexcept;
  static void after_in_parent() noexcept;
  static void after_in_child() noexcept;

  static void begin() noexcept;
  static bool try_lock_all() noexcept;
  static bool is_a_cache_flushed() noexcept;
  static void unlock_all() noexcept;
  static void unlock_until(const thread_caches* end) noexcept;
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
