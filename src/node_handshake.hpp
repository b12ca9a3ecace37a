// The tie between one thread and one resource, which may end in either order or at the same time.
//
//   live --(thread ends)--> flushing --(flushed)--> thread_gone     the resource recycles the node
//   live --(resource ends)--> resource_gone                         the thread recycles the node
//   live --(resource flushes the cache)--> visited --(flushed)--> live
//   live, flushing --(fork; in a child that does not have the thread)--> vanished     the resource recycles the node at its end
//
// Invariant  Whoever comes second recycles; neither side touches the node after that. While the state is
//            flushing the resource stays, because its end waits for thread_gone; while it is visited the thread stays,
//            because its end waits for live.
//            A flush begins under `forks`, a lock that a fork holds when it looks at the ties, so that none is under way
//            in its child; nobody waits with it.
// Threads    The thread's verbs: the thread. The resource's verbs: whoever ends the resource.
// Source     docs/threads.md; test/node_handshake_test.cpp runs this code through all interleavings.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

enum class node_state : std::uint32_t { live, flushing, visited, thread_gone, resource_gone, vanished };

/// AtomicState is std::atomic<node_state>, or what a test puts in its place.
template <class AtomicState>
class basic_node_handshake {
 public:
  /// Starts a tie. Requires that no other thread knows the node yet.
  void start() noexcept {
    state_.store(node_state::live, std::memory_order_relaxed);  // Relaxed: the list's lock publishes it.
  }

  /// Thread: keeps the resource from ending until end_flush(); calls wait() while the resource visits the cache.
  /// Returns     False when the resource has ended; then the caller recycles the node.
  template <class Lock, class Wait>
  bool begin_flush(Lock& forks, Wait wait) noexcept(noexcept(wait())) {
    for (;;) {
      // Acquire: pairs with the releases in end_visit() and leave(), so that what follows comes after the resource's last
      // access.
      const node_state seen = exchange_live(forks, node_state::flushing);
      if (seen == node_state::live) return true;
      if (seen == node_state::resource_gone) return false;
      wait();
    }
  }

  /// Thread: its last access to node and resource.
  void end_flush() noexcept {
    // Release: pairs with the acquires in leave() and thread_is_gone().
    state_.store(node_state::thread_gone, std::memory_order_release);
  }

  /// Thread: returns whether the resource has ended; then the caller recycles the node.
  bool resource_is_gone() const noexcept {
    // Acquire: pairs with the release in leave().
    return state_.load(std::memory_order_acquire) == node_state::resource_gone;
  }

  /// Resource: returns whether the thread has ended; then the caller recycles the node.
  bool thread_is_gone() const noexcept {
    // Acquire: pairs with the release in end_flush().
    return state_.load(std::memory_order_acquire) == node_state::thread_gone;
  }

  /// Returns whether slots may rest in the cache. A look, for reports.
  bool may_hold_slots() const noexcept {
    const node_state seen = state_.load(std::memory_order_relaxed);  // Relaxed: only a look.
    return seen == node_state::live || seen == node_state::visited || seen == node_state::vanished;
  }

  /// Returns whether somebody flushes the cache now.
  bool is_flushed() const noexcept {
    const node_state seen =
        state_.load(std::memory_order_acquire);  // Acquire: pairs with both ends of a flush.
    return seen == node_state::flushing || seen == node_state::visited;
  }

  /// Resource: keeps the thread from ending until end_visit(); calls wait() while the thread flushes.
  /// Requires    The thread makes no call of the resource meanwhile.
  /// Returns     False when the thread has ended.
  template <class Lock, class Wait>
  bool begin_visit(Lock& forks, Wait wait) noexcept(noexcept(wait())) {
    for (;;) {
      // Acquire: pairs with the release in end_flush().
      const node_state seen = exchange_live(forks, node_state::visited);
      if (seen == node_state::live) return true;
      if (seen == node_state::thread_gone || seen == node_state::vanished) return false;
      wait();
    }
  }

  /// Resource: its last access to the cache.
  void end_visit() noexcept {
    state_.store(node_state::live, std::memory_order_release);  // Release: pairs with begin_flush().
  }

  /// Resource: ends the tie; calls wait() while the thread flushes.
  /// Returns     True when the thread has ended before; then the caller recycles the node.
  template <class Wait>
  bool leave(Wait wait) noexcept(noexcept(wait())) {
    node_state seen = node_state::live;
    // Release: pairs with the acquires in begin_flush() and resource_is_gone().
    // Acquire: pairs with the release in end_flush().
    if (state_.compare_exchange_strong(seen, node_state::resource_gone, std::memory_order_acq_rel,
                                       std::memory_order_acquire))
      return false;
    while (seen == node_state::flushing) {
      wait();
      seen = state_.load(std::memory_order_acquire);  // Acquire: pairs with the release in end_flush().
    }
    return true;
  }

  /// Child of a fork: the thread does not exist here.
  /// Returns     False when it ended before the fork.
  bool forget_thread() noexcept {
    const node_state seen =
        state_.load(std::memory_order_relaxed);  // Relaxed, both: the child has one thread.
    if (seen != node_state::live && seen != node_state::flushing) return false;
    state_.store(node_state::vanished, std::memory_order_relaxed);
    return true;
  }

 private:
  // Returns the state before; only `live` becomes `next`.
  template <class Lock>
  node_state exchange_live(Lock& forks, node_state next) {
    const std::lock_guard<Lock> held(forks);
    node_state seen = node_state::live;
    state_.compare_exchange_strong(seen, next, std::memory_order_acquire, std::memory_order_acquire);
    return seen;
  }

  AtomicState state_{node_state::live};
};

using node_handshake = basic_node_handshake<std::atomic<node_state>>;

/// The thread's end of a tie: flushes into the resource if that still exists.
/// Effects     Calls flush() while the resource is kept from ending, or recycle(); wait() while it is visited.
template <class Handshake, class Lock, class Wait, class Flush, class Recycle>
void part_as_thread(Handshake& tie, Lock& forks, Wait wait, Flush flush,
                    Recycle recycle) noexcept(noexcept(wait())) {
  if (!tie.begin_flush(forks, wait)) return recycle();
  flush();
  tie.end_flush();
}

/// The resource flushes the cache of a thread that makes no call, and may be ending.
/// Effects     Calls flush() while the thread is kept from ending; wait() while it ends just now.
template <class Handshake, class Lock, class Wait, class Flush>
void visit_as_resource(Handshake& tie, Lock& forks, Wait wait, Flush flush) noexcept(noexcept(wait())) {
  if (!tie.begin_visit(forks, wait)) return;
  flush();
  tie.end_visit();
}

/// The resource's end of a tie: afterwards the thread does not touch the resource.
template <class Handshake, class Wait, class Recycle>
void part_as_resource(Handshake& tie, Wait wait, Recycle recycle) noexcept(noexcept(wait())) {
  if (tie.leave(wait)) recycle();
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
