// The lock that a synchronized resource holds across calls of its upstream.
//
// Layer      1, behind the public face.
// Invariant  Recursive: an upstream may come back into the resource that calls it. Who wants the lock lets a fork that waits
//            for upstreams go first.
// Threads    Any number at a time; no order among waiters.
#pragma once

#include <atomic>
#include <cstddef>
#include <quarry/detail/sleeping_lock.hpp>
#include <quarry/export.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class QUARRY_EXPORT supply_lock {
 public:
  constexpr supply_lock() noexcept = default;
  supply_lock(const supply_lock&) = delete;
  supply_lock& operator=(const supply_lock&) = delete;

  void lock() noexcept;

  /// Takes the lock when no other thread has it; waits for nothing.
  bool try_lock() noexcept;

  /// Requires    The calling thread holds the lock.
  void unlock() noexcept;

 private:
  bool is_mine() const noexcept;

  sleeping_lock lock_;
  std::atomic<const void*> owner_{nullptr};  // the thread that holds the lock; written by it
  std::size_t depth_ = 0;                    // how often it holds it; the owner's
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
