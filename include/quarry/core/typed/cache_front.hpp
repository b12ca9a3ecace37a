// The front of a typed cache's control block: what a hit touches, its lock, and a handle's pointer to it.
//
// Layer      2. Freestanding.
// Invariant  A handle points to the front of its cache, or to the front that all unopened handles of one lock
//            type share, whose magazine is empty and full at once, so that every first use is a miss.
// Threads    As the Lock.
#pragma once

#include <quarry/core/magazines/magazine.hpp>

#include <atomic>

namespace quarry::core {

/// What a hit touches, and what tells the cache of a slot whose type is not known.
struct cache_front {
  void* nothing = nullptr;  // what `loaded` points to without a magazine; never written
  cursor loaded{nothing};
  void (*destroy)(void* slot) noexcept = nullptr;  // destroys the object in a slot and frees the slot
};

/// The front together with the lock that guards the whole block.
template <class Lock>
struct locked_front : cache_front {
  Lock lock{};
};

/// Where every handle starts that has no slab yet.
template <class Lock>
inline locked_front<Lock> unopened_front{};

/// Holds a BasicLockable as long as it lives.
template <class Lock>
class holding {
 public:
  explicit holding(Lock& lock) : lock_(lock) { lock_.lock(); }
  ~holding() { lock_.unlock(); }
  holding(const holding&) = delete;
  holding& operator=(const holding&) = delete;

 private:
  Lock& lock_;
};

/// A handle's pointer to its cache; Shared when several threads may use one handle.
template <class Lock, bool Shared>
class front_pointer {
 public:
  locked_front<Lock>* load() const noexcept { return front_; }
  void store(locked_front<Lock>* front) noexcept { front_ = front; }

 private:
  locked_front<Lock>* front_ = &unopened_front<Lock>;
};

template <class Lock>
class front_pointer<Lock, true> {
 public:
  // Acquire: pairs with the release in store(), so that the control block is seen constructed.
  locked_front<Lock>* load() const noexcept { return front_.load(std::memory_order_acquire); }
  // Release: pairs with the acquire in load().
  void store(locked_front<Lock>* front) noexcept { front_.store(front, std::memory_order_release); }

 private:
  std::atomic<locked_front<Lock>*> front_{&unopened_front<Lock>};  // any thread
};

}  // namespace quarry::core
