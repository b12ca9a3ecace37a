// The front of a typed cache's control block: what a hit touches, its lock, and a handle's pointer to it.
//
// Layer      2. Freestanding.
// Invariant  A handle that has no cache yet says so by its own contents: no other object stands for that.
// Threads    As the Lock.
#pragma once

#include <quarry/core/lock_holder.hpp>
#include <quarry/core/magazines/magazine.hpp>
#include <quarry/portability.hpp>

#include <atomic>
#include <cstddef>

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

struct cache_front;
class slab;
class slot_checks;

/// Why a pointer cannot be given back, or what else is wrong with a slot or slab.
enum class slot_fault {
  none,
  foreign,     // no slot of this cache
  interior,    // inside a slot, not at its begin
  misaligned,  // aligned as no slot is
  free,        // free already, resting, kept or being destroyed
  never_out,   // free, and never handed out yet
  damaged,     // the slab's header was overwritten
  written      // the slot was written while it was free
};

/// A fault and where it was found.
struct found_fault {
  slot_fault fault = slot_fault::none;
  const void* pointer = nullptr;  // that was passed, or the slot that was written
  const void* slab = nullptr;     // where the slab's memory begins; null when no slab is meant
  const void* begin = nullptr;    // of the slot; null when no slot is meant
  std::size_t slot = 0;           // its index in its slab
  std::size_t byte = 0;           // of the slot: that the pointer leads to, or that was written first
  std::size_t slot_bytes = 0;
};

/// A fault on its way to who is told of it, outside the lock, when the cache may have ended.
struct fault_report {
  using teller = void (*)(const found_fault& found, const void* owner, void (*handler)());

  found_fault found;
  const void* owner = nullptr;
  teller tell = nullptr;
  void (*handler)() = nullptr;  // for `tell`, which knows its type

  /// Errors      What the handler throws.
  void send() const {
    if (found.fault != slot_fault::none) tell(found, owner, handler);
  }
};

/// What slow paths do in a checked or watched cache. Those that may take pages or tell of a fault take the lock; where the
/// others are called, it is held. What they find goes into `into`, unless something is there already.
struct check_hooks {
  void* (*allocate)(cache_front& of, transit* mine);
  void (*deallocate)(cache_front& of, void* slot, const transit* mine) noexcept;
  slot_fault (*try_deallocate)(cache_front& of, void* slot) noexcept;  // tells by its result
  bool (*grow)(cache_front& of) noexcept;
  /// Destroys an owner's object. `named` is cache_front::destroy of unchecked caches of the type that the owner names.
  void (*destroy_owned)(cache_front& of, void* inside, void (*named)(void*) noexcept) noexcept;
  /// Looks at slabs that are about to go back. Returns what goes back in their place.
  slab* (*leave)(cache_front& of, slab* surplus, fault_report& into) noexcept;
  /// Puts slots that wait in quarantine back; slabs rest meanwhile, as in cache_root::begin_reserve().
  void (*end_quarantine)(cache_front& of, fault_report& into) noexcept;
  void (*look_at)(const cache_front& of, const void* slot, fault_report& into) noexcept;
  slot_checks* state;  // null: only watched
};

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
  Lock lock{};
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

  /// Stores `front` unless one is stored by now. Returns whether it did.
  bool open(locked_front<Lock>* front) noexcept {
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
    const lock_holder<Lock> guard(from->lock);
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
