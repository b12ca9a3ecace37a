// The front of a typed cache's control block: what a hit touches, its lock, and a handle's pointer to it.
//
// Layer      2. Freestanding.
// Invariant  A handle that has no cache yet says so by its own contents: no other object stands for that.
// Threads    As the Lock.
#pragma once

#include <quarry/core/lock_holder.hpp>
#include <quarry/core/magazines/magazine.hpp>
#include <quarry/core/slabs/slot_bitmap.hpp>
#include <quarry/core/typed/cache_lock.hpp>
#include <quarry/portability.hpp>

#include <atomic>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What a hit touches.
struct hit_front {
  cursor loaded;
};

/// A slot in use whose object is being constructed or destroyed, so that nothing lives in it. Who does that has it on the stack.
struct transit {
  void* slot;
  transit* next;
};

struct check_hooks;

/// The hit's part, what tells the cache of a slot whose type is not known, and which slots are in transit.
struct cache_front : hit_front {
  void (*destroy)(void* slot) noexcept = nullptr;  // destroys the object in a slot and frees the slot
  transit* transits = nullptr;                     // under the lock
  check_hooks* checks = nullptr;                   // null: neither checked nor watched

  void enter(transit& mine, void* slot) noexcept {
    mine = {slot, transits};
    transits = &mine;
  }
  /// Complexity  O(transits that began later).
  void leave(const transit& mine) noexcept {
    if (QUARRY_LIKELY(transits == &mine)) {
      transits = mine.next;
    } else {
      leave_slow(mine);
    }
  }
  /// Complexity  O(transits): one for each thread and each level of nesting.
  bool is_in_transit(const void* slot) const noexcept {
    const transit* each = transits;
    while (each != nullptr && each->slot != slot) each = each->next;
    return each != nullptr;
  }

 private:
  // By the slot: in a child of a fork a copy may stand for `mine`, or nothing.
  QUARRY_NOINLINE void leave_slow(const transit& mine) noexcept {
    transit** at = &transits;
    while (*at != nullptr && (*at)->slot != mine.slot) at = &(*at)->next;
    if (*at != nullptr) *at = (*at)->next;
  }
};

/// The front together with the lock that guards the whole block.
template <class Lock>
struct locked_front : cache_front {
  typename cache_lock<Lock>::type lock{};
};

/// A handle's pointer to its cache, null at first; Shared when several threads may use one handle.
template <class Lock, bool Shared>
class front_pointer {
 public:
  constexpr front_pointer() noexcept : front_(&unopened_) {}
  front_pointer(const front_pointer&) = delete;
  front_pointer& operator=(const front_pointer&) = delete;

  bool is_open() const noexcept { return front_ != &unopened_; }
  locked_front<Lock>* load() const noexcept { return is_open() ? &opened() : nullptr; }
  void store(locked_front<Lock>* front) noexcept { front_ = front != nullptr ? front : &unopened_; }

  /// Stores `front` unless one is stored by now. Returns whether it did. Where small code is preferred no page source comes back.
  bool open(locked_front<Lock>* front) noexcept {
    if (!prefers_small_code && is_open()) return false;
    front_ = front;
    return true;
  }

  /// Requires    is_open()
  locked_front<Lock>& opened() const noexcept { return *static_cast<locked_front<Lock>*>(front_); }

  /// Returns a slot of the magazine, which enters `mine` if that is given, or null when it is empty or there is no cache.
  /// Complexity  O(1).
  template <class... Transit>
  void* pop(Transit&... mine) const noexcept {
    void* const slot = front_->loaded.pop();
    if (sizeof...(mine) != 0 && QUARRY_LIKELY(slot != nullptr)) (opened().enter(mine, slot), ...);
    return slot;
  }

 private:
  hit_front* front_;
  void* nothing_ = nullptr;
  hit_front unopened_{cursor(nothing_)};  // empty and full at once, so that the first use is a miss
};

template <class Lock>
class front_pointer<Lock, true> {
 public:
  bool is_open() const noexcept { return load() != nullptr; }
  // Acquire: pairs with the release in store() and open(), so that the control block is seen constructed.
  locked_front<Lock>* load() const noexcept { return front_.load(std::memory_order_acquire); }
  // Release: pairs with the acquire in load().
  void store(locked_front<Lock>* front) noexcept { front_.store(front, std::memory_order_release); }

  /// Where the processor has no compare-and-swap, no interrupt may open the same handle meanwhile.
  bool open(locked_front<Lock>* front) noexcept {
    if constexpr (!std::atomic<locked_front<Lock>*>::is_always_lock_free) {
      if (is_open()) return false;
      store(front);
      return true;
    } else {
      locked_front<Lock>* none = nullptr;
      // Release: pairs with the acquire in load(). Relaxed: what another thread stored is not used here.
      return front_.compare_exchange_strong(none, front, std::memory_order_release,
                                            std::memory_order_relaxed);
    }
  }

  locked_front<Lock>& opened() const noexcept { return *load(); }

  template <class... Transit>
  void* pop(Transit&... mine) const {
    locked_front<Lock>* const from = load();
    if (QUARRY_UNLIKELY(from == nullptr)) return nullptr;
    const lock_holder guard(from->lock);
    void* const slot = from->loaded.pop();
    if (sizeof...(mine) != 0 && QUARRY_LIKELY(slot != nullptr)) (from->enter(mine, slot), ...);
    return slot;
  }

 private:
  std::atomic<locked_front<Lock>*> front_{nullptr};  // any thread
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
