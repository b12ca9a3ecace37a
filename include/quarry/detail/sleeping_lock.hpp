// The lock of a synchronized resource: a few spins, then sleep.
//
// Layer      1, behind the public face.
// Invariant  0: free; 1: held; 2: held, and somebody may sleep.
// Threads    Any number at a time; not recursive; no order among waiters.
// Source     Drepper, "Futexes are tricky", mutex 2.
#pragma once

#include <atomic>
#include <cstdint>
#include <quarry/export.hpp>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class supply_lock;

class QUARRY_EXPORT sleeping_lock {
 public:
  using across_calls = supply_lock;  // what stands in for it across calls of a supply

  constexpr sleeping_lock() noexcept = default;
  sleeping_lock(const sleeping_lock&) = delete;
  sleeping_lock& operator=(const sleeping_lock&) = delete;

  void lock() noexcept {
    if (QUARRY_UNLIKELY(!try_lock())) lock_slow();
  }

  bool try_lock() noexcept {
    std::uint32_t expected = 0;
    // Acquire: pairs with the release in unlock().
    return state_.compare_exchange_strong(expected, 1, std::memory_order_acquire, std::memory_order_relaxed);
  }

  /// Requires    The calling thread holds the lock.
  void unlock() noexcept {
    // Release: pairs with the acquire in try_lock() and lock_slow().
    if (QUARRY_UNLIKELY(state_.exchange(0, std::memory_order_release) == 2)) wake();
  }

 private:
  QUARRY_NOINLINE void lock_slow() noexcept;
  QUARRY_NOINLINE void wake() noexcept;

  std::atomic<std::uint32_t> state_{0};  // any thread
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
