// What a typed cache is locked with: the user's lock, but where detail/visited_lock.hpp says more.
//
// Layer      5. Freestanding.
// Threads    As the lock's.
#pragma once

#include <quarry/version.hpp>

#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Lock is a BasicLockable.
template <class Lock, class = void>
struct cache_lock {
  using type = Lock;
};

/// Takes a lock for a visit. Returns what end_visit() wants to know: the visit around this one, if any.
template <class Lock>
std::uintptr_t begin_visit(Lock& lock) {
  lock.lock();
  return 0;
}
template <class Lock>
void end_visit(Lock& lock, std::uintptr_t) {
  lock.unlock();
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
