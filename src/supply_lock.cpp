#include "quarry/detail/supply_lock.hpp"

#include "fork_gate.hpp"
#include "this_thread.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

void supply_lock::lock() noexcept {
  fork_gate::enter();
  if (!is_mine()) lock_.lock();
  owner_.store(this_thread(), std::memory_order_relaxed);  // Relaxed: only the owner finds itself there.
  ++depth_;
}

bool supply_lock::try_lock() noexcept {
  if (!is_mine() && !lock_.try_lock()) return false;
  fork_gate::enter();
  owner_.store(this_thread(), std::memory_order_relaxed);  // Relaxed: as above.
  ++depth_;
  return true;
}

void supply_lock::unlock() noexcept {
  if (--depth_ == 0) {
    owner_.store(nullptr, std::memory_order_relaxed);  // Relaxed: as above.
    lock_.unlock();
  }
  fork_gate::leave();
}

bool supply_lock::is_mine() const noexcept {
  return owner_.load(std::memory_order_relaxed) == this_thread();  // Relaxed: as above.
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
