// Locks for typed caches and shared shelves: one that does nothing, and one that spins.
//
// Layer      Vocabulary of the public face; header-only and freestanding. Any BasicLockable may stand in for
//            them.
// Threads    null_lock: one thread at a time. spin_lock: any number at a time.
#pragma once

#include <atomic>
#include <quarry/export.hpp>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

#if __STDC_HOSTED__ && (defined(__unix__) || defined(__APPLE__))
#include <sched.h>  // only to let another thread run
#endif

namespace quarry {
inline namespace QUARRY_ABI {

/// A lock that does nothing, for what one thread uses at a time.
/// Complexity  Each member: O(1), no instruction.
struct QUARRY_EXPORT null_lock {
  /// What every lock has.
  constexpr void lock() const noexcept {}
  constexpr bool try_lock() const noexcept { return true; }
  constexpr void unlock() const noexcept {}
};

namespace detail {

/// Lets another thread run; without an operating system it only pauses.
inline void yield_thread() noexcept {
#if __STDC_HOSTED__ && (defined(__unix__) || defined(__APPLE__))
  sched_yield();
#else
  QUARRY_PAUSE();
#endif
}

}  // namespace detail

/// A lock for sections of a few hundred instructions: it reads until the lock looks free, with a growing
/// pause between looks, and then lets other threads run between them. It never sleeps, so it serves kernels, interrupt
/// handlers that find it free, and programs without an operating system. Where a thread of high priority may wait for one of
/// low priority on the same core, take a lock that hands the priority on (PTHREAD_PRIO_INHERIT): this one would keep the holder
/// off the core.
/// Complexity  Uncontended: one atomic exchange to lock, one store to unlock.
/// Threads     Any number at a time; not recursive; no order among waiters.
/// Source      Test-and-test-and-set with back-off: Anderson 1990.
class spin_lock {
 public:
  /// Is not locked.
  constexpr spin_lock() noexcept = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

#if defined(ATOMIC_INT_LOCK_FREE) && ATOMIC_INT_LOCK_FREE < 2
  QUARRY_REFUSED(
      "quarry: this processor has no atomic exchange, which spin_lock needs; write a lock that masks "
      "interrupts.")
  void lock() noexcept;
  bool try_lock() noexcept;
#else
  /// Waits until the lock is the calling thread's.
  void lock() noexcept {
    // Acquire: pairs with the release in unlock().
    if (QUARRY_UNLIKELY(locked_.exchange(1, std::memory_order_acquire) != 0)) lock_slow();
  }

  /// Returns whether the lock is the calling thread's now; does not wait.
  bool try_lock() noexcept {
    // Relaxed: only a look. Acquire: pairs with the release in unlock().
    return locked_.load(std::memory_order_relaxed) == 0 &&
           locked_.exchange(1, std::memory_order_acquire) == 0;
  }
#endif

  /// Requires    The calling thread holds the lock.
  void unlock() noexcept {
    // Release: pairs with the acquire in lock(), lock_slow() and try_lock().
    locked_.store(0, std::memory_order_release);
  }

 private:
  static constexpr unsigned most_pauses = 64;  // between two looks, before other threads are let run

#if !defined(ATOMIC_INT_LOCK_FREE) || ATOMIC_INT_LOCK_FREE == 2
  QUARRY_NOINLINE void lock_slow() noexcept {
    unsigned pauses = 1;
    while (!try_lock()) {
      if (pauses <= most_pauses) {
        for (unsigned i = 0; i < pauses; ++i) QUARRY_PAUSE();
        pauses *= 2;
      } else {
        detail::yield_thread();
      }
    }
  }
#endif

  // 1 while it is locked; any thread. A word: RISC-V exchanges no byte in an instruction.
  std::atomic<unsigned> locked_{0};
};

}  // namespace QUARRY_ABI
}  // namespace quarry
