// A handle to a cache of raw slots: what slab_cache does that needs no object type.
//
// Layer      2. Freestanding.
// Invariant  A handle that was closed reads as unopened, also where its destructor has ended: a static one may be used later.
// Threads    As the Lock.
#pragma once

#include <quarry/core/lock_holder.hpp>
#include <quarry/core/memory/page_source.hpp>
#include <quarry/core/typed/attached_source.hpp>
#include <quarry/core/typed/cache_control.hpp>
#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/core/typed/check_hooks.hpp>
#include <quarry/core/typed/checked_calls.hpp>
#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/core/typed/find_fault.hpp>
#include <quarry/core/typed/slot_fault.hpp>
#include <quarry/core/typed/slot_numbers.hpp>
#include <quarry/core/typed/visits.hpp>
#include <quarry/portability.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// LateKind::type is a Kind, which is not asked for before a member is used: objects may have their own cache as a member.
/// A Kind has: static constexpr cache_layout layout; static constexpr std::uint32_t magazine_slots; static constexpr bool
/// marks_kept; static constexpr bool has_destructor; static void destroy_object(void* slot) noexcept, which destroys an object
/// in place; and static void begin_checks(control&) noexcept, called with each new cache where a tool may watch.
template <class LateKind, class Lock, bool Shared, class PageSource>
class QUARRY_EXCEPTION_MODE slot_cache : private attached_source<PageSource> {
  using attached = attached_source<PageSource>;
  template <class Late>
  using kind_of = typename Late::type;
  template <class Late>
  using control_of =
      cache_control<Lock, PageSource, kind_of<Late>::magazine_slots, kind_of<Late>::marks_kept>;
  template <class Late>
  using visits_of = visits<kind_of<Late>, control_of<Late>>;

 public:
  using front = locked_front<Lock>;

  constexpr slot_cache() = default;
  explicit constexpr slot_cache(attachable<PageSource> source) : attached(source) {}
  slot_cache(const slot_cache& other) : attached(other) { front_.store(other.share()); }
  slot_cache(slot_cache&& other) noexcept : attached(other) {
    front_.store(other.front_.load());
    other.front_.store(nullptr);
  }
  slot_cache& operator=(const slot_cache&) = delete;

  /// Drops what the handle shares; then it is unopened. A slot_cache that is never closed has no destructor, and its cache
  /// never ends.
  QUARRY_NOINLINE void close() noexcept;

  void swap(slot_cache& other) noexcept;
  bool is_open() const noexcept { return front_.is_open(); }
  bool shares_with(const slot_cache& other) const noexcept {
    return this == &other || (is_open() && front_.load() == other.front_.load());
  }

  /// Takes the first slab if there is none. Returns false when the page source returns null. Errors: what it
  /// throws.
  QUARRY_NOINLINE bool open();
  bool try_open() noexcept {
    return without_throwing([&] { return open(); });
  }

  /// Returns a slot when the magazine has one, which enters `mine` if that is given, else null. Complexity O(1).
  template <class... Transit>
  void* try_hit(Transit&... mine) noexcept {
    return front_.pop(mine...);
  }
  /// Returns a slot, or null when the page source returns null. Errors: what it throws.
  template <class... Transit>
  void* allocate_slow(Transit&... mine) {
    return open() ? opened().allocate(kind_of<LateKind>::layout, mine...) : nullptr;
  }
  /// Returns a slot, or null when there is no memory.
  template <class... Transit>
  QUARRY_NOINLINE void* try_allocate_slow(Transit&... mine) noexcept {
    return without_throwing([&] { return allocate_slow(mine...); });
  }

  /// Takes a slot back; null is dropped.
  void deallocate(void* slot) noexcept {
    if (Shared && slot == nullptr) return;  // beside a lock this costs nothing
    push(front_.opened(), slot);
  }
  /// Frees a slot, which leaves `mine` if that is given.
  template <class... Transit>
  static void push(front& into, void* slot, const Transit&... mine) noexcept {
    control_of<LateKind>::push(into, slot, mine...);
  }
  slot_fault try_deallocate(const void* slot, std::size_t alignment) noexcept;

  /// The object in `slot` is destroyed from now on, until push(); or it is constructed now.
  static void begin_transit(front& of, transit& mine, void* slot) noexcept {
    const lock_holder guard(of.lock);
    of.enter(mine, slot);
  }
  static void end_transit(front& of, const transit& mine) noexcept {
    const lock_holder guard(of.lock);
    of.leave(mine);
  }

  /// Returns the front of the cache that `inside` came from. Requires a slab of this Kind's size.
  static front* front_of(const void* inside) noexcept {
    return static_cast<front*>(
        static_cast<cache_front*>(home_of(inside, kind_of<LateKind>::layout.slabs)->owner));
  }
  /// Destroys the object of this Kind that has the address `inside` in it, and gives its slot back.
  static void destroy_inside(void* inside) noexcept {
    const slab& home = *home_of(inside, kind_of<LateKind>::layout.slabs);
    void* const slot = slot_around<kind_of<LateKind>::layout.slabs.slot_bytes>(home, inside);
    front& of = *static_cast<front*>(static_cast<cache_front*>(home.owner));
    if constexpr (kind_of<LateKind>::has_destructor) {
      transit mine;
      begin_transit(of, mine, slot);
      kind_of<LateKind>::destroy_object(slot);
      push(of, slot, mine);
    } else {
      push(of, slot);
    }
  }

  /// Destroys the object of an owner that names this Kind, where that object may be of another, or its cache checked.
  static void destroy_owned(front& of, void* inside) noexcept {
    if (of.checks != nullptr) return of.checks->destroy_owned(of, inside, &destroy_inside);
    of.destroy(inside);
  }

  /// Checks as deep as `depth` says from now on, and tells `teller` and `handler` of what is wrong.
  /// Requires    Nobody else uses the cache meanwhile.
  /// Returns     False when the page source gives no memory.
  bool set_checks(check_depth depth, fault_report::teller teller, void (*handler)()) noexcept;

  bool is_mine(const void* slot) const noexcept { return front_of(slot) == front_.load(); }
  /// Returns whether the object in `slot` of this cache lives, as far as the checks know, and tells if not.
  bool may_keep(const void* slot) const noexcept;
  /// Keeps the object in `slot` constructed, in the cache that it came from. Returns false where that has no handle that would
  /// destroy it.
  static bool keep(void* slot) noexcept {
    auto& block = control_of<LateKind>::of(*front_of(slot));
    const lock_holder guard(block.lock);
    if (block.stock.orphaned()) return false;
    block.stock.keep(slot);
    return true;
  }
  void* take_kept() noexcept;

  bool reserve(std::size_t slots) noexcept;
  std::size_t trim(std::size_t keep_slabs) noexcept;
  bool retain(std::size_t slabs) noexcept;
  bool owns(const void* pointer) const noexcept;

  /// Returns number of slab * slots of an extension slab + slot. Requires a slot of this cache.
  std::uint32_t index_of(const void* slot) noexcept {
    const lock_holder guard(opened().lock);
    return number_of_slot(opened().stock, kind_of<LateKind>::layout, slot);
  }
  /// Returns the slot that index_of() gives `index` for, or null when there is none.
  void* at(std::uint32_t index) noexcept;

  /// visits::for_each_live() of the cache; nothing where there is none.
  template <class F>
  void for_each_live(F f) {
    if (is_open()) visits_of<LateKind>::for_each_live(opened(), f);
  }
  /// visits::erase_if() of the cache; 0 where there is none.
  template <class P>
  std::size_t erase_if(P p) {
    return is_open() ? visits_of<LateKind>::erase_if(opened(), p, &destroy_inside) : 0;
  }

  /// Calls f(const cache_stock&, std::size_t cached_slots), with what waits in quarantine among them, under the lock, unless there is no slab yet.
  template <class F>
  void inspect(F f) const {
    if (!is_open()) return;
    const lock_holder guard(opened().lock);
    const check_hooks* const checks = opened().checks;
    const std::size_t waiting = checks != nullptr && checks->state != nullptr ? checks->state->waiting() : 0;
    f(static_cast<const cache_stock&>(opened().stock), opened().stock.cached_slots(opened()) + waiting);
  }

 private:
  auto& opened() const noexcept { return control_of<LateKind>::of(front_.opened()); }
  front* share() const;
  void destroy_kept() noexcept;

  mutable front_pointer<Lock, Shared> front_;
};

template <class LateKind, class Lock, bool Shared, class PageSource>
void slot_cache<LateKind, Lock, Shared, PageSource>::swap(slot_cache& other) noexcept {
  const attached mine(static_cast<const attached&>(*this));
  static_cast<attached&>(*this) = static_cast<const attached&>(other);
  static_cast<attached&>(other) = mine;
  front* const my_front = front_.load();
  front_.store(other.front_.load());
  other.front_.store(my_front);
}

template <class LateKind, class Lock, bool Shared, class PageSource>
bool slot_cache<LateKind, Lock, Shared, PageSource>::open() {
  if (is_open()) return true;
  control_of<LateKind>* const fresh =
      control_of<LateKind>::open(*this, kind_of<LateKind>::layout, &destroy_inside);
  if (fresh == nullptr) return is_open();
  if constexpr (QUARRY_MAY_BE_WATCHED) {
    if (is_watched()) checked_calls<kind_of<LateKind>, control_of<LateKind>>::watch(*fresh);
    kind_of<LateKind>::begin_checks(*fresh);
  }
  if (!front_.open(fresh)) fresh->drop_handle();  // another thread was faster, or the source came back
  return true;
}

template <class LateKind, class Lock, bool Shared, class PageSource>
typename slot_cache<LateKind, Lock, Shared, PageSource>::front*
slot_cache<LateKind, Lock, Shared, PageSource>::share() const {
  if (!const_cast<slot_cache*>(this)->open()) return nullptr;
  opened().add_handle();
  return front_.load();
}

template <class LateKind, class Lock, bool Shared, class PageSource>
void slot_cache<LateKind, Lock, Shared, PageSource>::close() noexcept {
  if (!is_open()) return;
  void* kept;
  fault_report late;
  do {
    kept = nullptr;
    // Whether this is the last handle is asked where it is dropped, so that of several one finds the kept objects.
    opened().finish([&] {
      if (kind_of<LateKind>::marks_kept && opened().stock.last_handle()) kept = opened().stock.take_kept();
      return kept == nullptr ? opened().drop_handle(late) : nullptr;
    });
    if (kept != nullptr) destroy_inside(kept);
  } while (kept != nullptr);
  front_.store(nullptr);
  late.send();
}

template <class LateKind, class Lock, bool Shared, class PageSource>
bool slot_cache<LateKind, Lock, Shared, PageSource>::set_checks(check_depth depth,
                                                                fault_report::teller teller,
                                                                void (*handler)()) noexcept {
  const bool fresh = !is_open();
  if (!try_open()) return false;
  fault_report target;
  target.owner = front_.load();
  target.tell = teller;
  target.handler = handler;
  return checked_calls<kind_of<LateKind>, control_of<LateKind>>::set(opened(), depth, target, fresh,
                                                                     &destroy_inside);
}

template <class LateKind, class Lock, bool Shared, class PageSource>
bool slot_cache<LateKind, Lock, Shared, PageSource>::may_keep(const void* slot) const noexcept {
  if (opened().checks == nullptr) return true;
  fault_report wrong;
  {
    const lock_holder guard(opened().lock);
    opened().checks->look_at(opened(), slot, wrong);
  }
  wrong.send();
  return wrong.found.fault == slot_fault::none;
}

template <class LateKind, class Lock, bool Shared, class PageSource>
void* slot_cache<LateKind, Lock, Shared, PageSource>::take_kept() noexcept {
  if (!is_open()) return nullptr;
  const lock_holder guard(opened().lock);
  return opened().stock.take_kept();
}

// One by one and outside the lock, because destroying an object may free others to the same cache.
template <class LateKind, class Lock, bool Shared, class PageSource>
void slot_cache<LateKind, Lock, Shared, PageSource>::destroy_kept() noexcept {
  while (void* const slot = take_kept()) destroy_inside(slot);
}

template <class LateKind, class Lock, bool Shared, class PageSource>
bool slot_cache<LateKind, Lock, Shared, PageSource>::reserve(std::size_t slots) noexcept {
  if (slots > SIZE_MAX / 2 / kind_of<LateKind>::layout.slabs.slot_bytes)
    return false;  // no memory is as large
  for (;;) {
    if (!try_open()) return false;
    {
      const lock_holder guard(opened().lock);
      cache_stock& stock = opened().stock;
      const std::size_t all = kind_of<LateKind>::layout.root.slots +
                              (stock.slab_count() - 1) * kind_of<LateKind>::layout.extension.slots;
      if (all - stock.out_slots() + stock.cached_slots(opened()) >= slots) {
        stock.begin_reserve();
        return true;
      }
      stock.begin_reserve();
    }
    check_hooks* const checks = opened().checks;
    if (checks != nullptr ? !checks->grow(opened()) : !opened().try_grow(kind_of<LateKind>::layout))
      return false;
  }
}

template <class LateKind, class Lock, bool Shared, class PageSource>
std::size_t slot_cache<LateKind, Lock, Shared, PageSource>::trim(std::size_t keep_slabs) noexcept {
  if (!is_open()) return 0;
  if (kind_of<LateKind>::marks_kept) {
    {
      const lock_holder guard(opened().lock);
      opened().stock.begin_reserve();  // until trim_all(), so that all that goes back is counted
    }
    destroy_kept();
  }
  fault_report late;
  const std::size_t slabs = opened().finish([&] {
    if (opened().checks != nullptr) opened().checks->end_quarantine(opened(), late);
    return opened().leave_checked(opened().stock.trim_all(opened(), keep_slabs), late);
  });
  late.send();
  return slabs * kind_of<LateKind>::layout.slabs.slab_bytes;
}

template <class LateKind, class Lock, bool Shared, class PageSource>
bool slot_cache<LateKind, Lock, Shared, PageSource>::retain(std::size_t slabs) noexcept {
  if (!try_open()) return false;
  fault_report late;
  opened().finish([&] { return opened().leave_checked(opened().stock.retain(slabs), late); });
  late.send();
  return true;
}

template <class LateKind, class Lock, bool Shared, class PageSource>
bool slot_cache<LateKind, Lock, Shared, PageSource>::owns(const void* pointer) const noexcept {
  bool found = false;
  inspect([&](const cache_stock& stock, std::size_t) { found = stock.find(pointer) != nullptr; });
  return found;
}

template <class LateKind, class Lock, bool Shared, class PageSource>
void* slot_cache<LateKind, Lock, Shared, PageSource>::at(std::uint32_t index) noexcept {
  if (!is_open()) return nullptr;
  const lock_holder guard(opened().lock);
  return slot_of_number(opened().stock, kind_of<LateKind>::layout, index);
}

template <class LateKind, class Lock, bool Shared, class PageSource>
slot_fault slot_cache<LateKind, Lock, Shared, PageSource>::try_deallocate(const void* slot,
                                                                          std::size_t alignment) noexcept {
  if (reinterpret_cast<std::uintptr_t>(slot) % alignment != 0) return slot_fault::misaligned;
  if (!is_open()) return slot_fault::foreign;
  if (opened().checks != nullptr) return opened().checks->try_deallocate(opened(), const_cast<void*>(slot));
  slot_fault fault = slot_fault::none;
  opened().finish([&]() -> slab* {
    fault = find_fault(opened().stock, opened(), slot);
    return fault == slot_fault::none ? opened().put_back(const_cast<void*>(slot)) : nullptr;
  });
  return fault;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
