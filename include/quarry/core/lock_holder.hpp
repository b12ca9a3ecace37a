// Holds a lock until the end of a block, without the standard library.
//
// Layer      5. Freestanding.
// Threads    As the lock's.
#pragma once

#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Lock is a BasicLockable.
template <class Lock>
class [[nodiscard]] lock_holder {
 public:
  explicit lock_holder(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~lock_holder() { lock_.unlock(); }
  lock_holder(const lock_holder&) = delete;
  lock_holder& operator=(const lock_holder&) = delete;

 private:
  Lock& lock_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
