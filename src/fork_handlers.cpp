#include "fork_handlers.hpp"

#include "back_off.hpp"
#include "cache_node.hpp"
#include "call_stacks.hpp"
#include "checked_owners.hpp"
#include "fork_gate.hpp"
#include "thread_registry.hpp"
#include "waiting_rooms.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

void fork_handlers::install() noexcept {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork(before, after_in_parent, after_in_child);
#endif
}

void fork_handlers::before() noexcept {
  const bool waits_for_ends = !fork_gate::is_inside();  // or it would wait for itself
  fork_gate::enter();
  fork_gate::close();
  for (back_off wait; !try_lock_all(waits_for_ends);) wait();
  pool_of_nodes().lock().lock();
  call_stacks_lock().lock();
}

void fork_handlers::after_in_parent() noexcept {
  unlock_all();
  fork_gate::open_in_parent();
  fork_gate::leave();
}

void fork_handlers::after_in_child() noexcept {
  forget_waiting_threads();
  for (thread_caches* each = registry_of_this_copy().first; each != nullptr; each = each->next_)
    each->forget_other_threads();
  unlock_all();
  fork_gate::open_in_child();
  fork_gate::leave();
}

bool fork_handlers::try_lock_all(bool waits_for_ends) noexcept {
  checked_owners_lock().lock();
  registry_of_this_copy().lock.lock();
  for (thread_caches* each = registry_of_this_copy().first; each != nullptr; each = each->next_)
    if (!each->try_lock_all(waits_for_ends)) {
      unlock_until(each);
      return false;
    }
  return true;
}

void fork_handlers::unlock_all() noexcept {
  call_stacks_lock().unlock();
  pool_of_nodes().lock().unlock();
  unlock_until(nullptr);
}

void fork_handlers::unlock_until(const thread_caches* end) noexcept {
  for (thread_caches* each = registry_of_this_copy().first; each != end; each = each->next_)
    each->unlock_all();
  registry_of_this_copy().lock.unlock();
  checked_owners_lock().unlock();
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
