#include "fork_handlers.hpp"

#include "back_off.hpp"
#include "cache_node.hpp"
#include "call_stacks.hpp"
#include "checked_owners.hpp"
#include "fork_gate.hpp"
#include "quarry/detail/fork_peer.hpp"
#include "thread_registry.hpp"
#include "waiting_rooms.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

namespace {

// Of the thread that forks; several may.
struct fork_state {
  bool has_begun = false;
  bool waits_for_ends = false;
  bool holds_all = false;
};
QUARRY_THREAD_LOCAL fork_state this_fork;
bool is_installed = false;  // before main

}  // namespace

void fork_handlers::install() noexcept {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork(before, after_in_parent, after_in_child);
  is_installed = true;
#endif
}

void fork_handlers::begin() noexcept {
  if (this_fork.has_begun) return;
  this_fork.has_begun = true;
  this_fork.waits_for_ends = !fork_gate::is_inside();  // or it would wait for itself
  fork_gate::enter();
  fork_gate::close();
}

bool fork_handlers::try_hold() noexcept {
  if (!is_installed) return true;  // nor would anyone open them
  begin();
  if (this_fork.holds_all) return true;
  if (!try_lock_all()) return false;
  if (this_fork.waits_for_ends && is_a_cache_flushed()) {
    pool_of_nodes().lock().unlock();
    unlock_until(nullptr);
    return false;
  }
  call_stacks_lock().lock();
  this_fork.holds_all = true;
  return true;
}

void fork_handlers::let_go() noexcept {
  if (this_fork.holds_all) unlock_all();
  this_fork.holds_all = false;
}

void fork_handlers::before() noexcept {
  for (back_off wait; !try_hold();) wait();
}

void fork_handlers::after_in_parent() noexcept {
  unlock_all();
  this_fork = fork_state();
  fork_gate::open_in_parent();
  fork_gate::leave();
}

void fork_handlers::after_in_child() noexcept {
  forget_waiting_threads();
  for (thread_caches* each = registry_of_this_copy().first; each != nullptr; each = each->next_)
    each->forget_other_threads();
  unlock_all();
  this_fork = fork_state();
  fork_gate::open_in_child();
  fork_gate::leave();
}

// Returns false, with no lock, when a supply is being called.
bool fork_handlers::try_lock_all() noexcept {
  checked_owners_lock().lock();
  registry_of_this_copy().lock.lock();
  for (thread_caches* each = registry_of_this_copy().first; each != nullptr; each = each->next_)
    if (!each->try_lock_all()) {
      unlock_until(each);
      return false;
    }
  pool_of_nodes().lock().lock();
  return true;
}

// Requires all locks: no flush begins any more.
bool fork_handlers::is_a_cache_flushed() noexcept {
  for (const thread_caches* each = registry_of_this_copy().first; each != nullptr; each = each->next_)
    if (each->is_flushed()) return true;
  return false;
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

const fork_peer& fork_peer_of_library() noexcept {
  static constexpr fork_peer peer = {fork_handlers::try_hold, fork_handlers::let_go};
  return peer;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
