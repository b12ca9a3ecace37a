// The supply lock: what a store holds while it calls its supply. Where nothing locks, a count of these calls stands in its place.
//
// Layer      2. Freestanding.
// Threads    As the lock's.
#pragma once

#include <cstddef>
#include <quarry/version.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Where nothing locks, counts calls of the supply that are under way: it may come back into the store that calls it.
class call_depth {
 public:
  void lock() noexcept { ++depth_; }
  bool try_lock() noexcept {
    lock();
    return true;
  }
  void unlock() noexcept { --depth_; }
  bool is_locked() const noexcept { return depth_ != 0; }

 private:
  std::size_t depth_ = 0;
};

/// What is locked across calls of the supply: the lock that Lock names for it, else another Lock.
template <class Lock, class = void>
struct supply_lock_of {
  using type = std::conditional_t<std::is_empty_v<Lock>, call_depth, Lock>;
};
template <class Lock>
struct supply_lock_of<Lock, std::void_t<typename Lock::across_calls>> {
  using type = typename Lock::across_calls;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
