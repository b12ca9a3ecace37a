// What every cache of objects does, whether or not it ends: the verbs of slab_cache and static_slab_cache.
//
// Layer      1. Freestanding; without exceptions use the members that start with try_, with a page source that does not throw.
// Threads    As the Lock: with null_lock one thread at a time for all handles and owners of one cache
//            together, with any other lock any number. The lock is never held while the page source is called
//            or an object is constructed or destroyed; during for_each_live it is. A fork waits until nobody holds a
//            lock that has a try_lock(); docs/threads.md.
// Source     Bonwick 1994 (slabs, object caching); docs/design.md.
#pragma once

#include <quarry/check_level.hpp>
#include <quarry/core/typed/attached_source.hpp>
#include <quarry/core/typed/cache_control.hpp>
#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/core/typed/slot_cache.hpp>
#include <quarry/detail/cached_object.hpp>
#include <quarry/detail/check_report.hpp>
#include <quarry/object_access.hpp>
#include <quarry/portability.hpp>
#include <quarry/recycle_policy.hpp>
#include <quarry/slab_cache_stats.hpp>
#include <quarry/slab_errc.hpp>
#include <quarry/slab_ptr.hpp>
#include <quarry/violation.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// What slab_cache says of objects and slabs.
/// Complexity  Each member, where it says nothing else: O(1).
template <class T, class Lock, std::size_t SlabBytes, class PageSource>
class cache_verbs {
  static_assert(detail::check_cached_type<T>());
  static constexpr std::size_t bytes_in_force = detail::slab_bytes_in_force<T, SlabBytes>();
  using object = std::remove_cv_t<T>;

  // Asked for when a member is used, so that T may be incomplete before.
  struct late_kind {
    static_assert(detail::check_cache_arguments<T, Lock, bytes_in_force>());
    static_assert(bytes_in_force <= detail::largest_slab_bytes_of<PageSource>,
                  "quarry: this page source is aligned for smaller slabs only, so how many of this size fit "
                  "would depend on "
                  "where it lies; write the slab's size as the second argument of static_page_source.");

    using control =
        core::cache_control<Lock, PageSource, core::magazine_slots_for(bytes_in_force / sizeof(T)),
                            keeps_recycled<object>>;
    using type = detail::object_kind<object, control, bytes_in_force>;
  };
  using slots = core::slot_cache<late_kind, Lock, !std::is_same_v<Lock, null_lock>, PageSource>;

 public:
  /// The object, and its owner.
  using value_type = T;
  using ptr = slab_ptr<T, slab_cache<T, Lock, SlabBytes, PageSource>>;
  /// Bytes of each slab.
  static constexpr std::size_t slab_bytes = bytes_in_force;
  /// Slots of the first slab, which also holds the control block, and of every other.
  static constexpr std::size_t root_slots = late_kind::type::layout.root.slots;
  static constexpr std::size_t extension_slots = late_kind::type::layout.extension.slots;

  /// Takes the first slab if there is none yet.
  /// Returns     ok or out_of_memory.
  QUARRY_EXCEPTION_MODE slab_errc try_open() noexcept {
    return slots_.try_open() ? slab_errc::ok : slab_errc::out_of_memory;
  }

  /// Constructs an object from `args`.
  /// Returns     Its owner; never empty.
  /// Errors      What the page source throws, std::bad_alloc when it returns null, what the constructor
  ///             throws; then nothing has changed.
  /// Complexity  Hit: O(1). Miss: O(magazine slots), at most one call of the page source for each slab
  ///             needed.
  template <class... Args>
  QUARRY_EXCEPTION_MODE ptr make(Args&&... args) {
    if constexpr (is_made_in_transit<Args...>) {
      core::transit mine;
      return ptr(construct(take(mine), mine, std::forward<Args>(args)...));
    } else {
      return ptr(detail::construct_object<object>(take(), std::forward<Args>(args)...));
    }
  }

  /// Constructs an object from `args`. Returns an empty owner when there is no memory.
  /// Errors      What the constructor throws; then nothing has changed.
  template <class... Args>
  QUARRY_EXCEPTION_MODE ptr
  try_make(Args&&... args) noexcept(std::is_nothrow_constructible_v<object, Args...>) {
    if constexpr (is_made_in_transit<Args...>) {
      core::transit mine;
      object* const slot = try_take(mine);
      return ptr(slot == nullptr ? nullptr : construct(slot, mine, std::forward<Args>(args)...));
    } else {
      object* const slot = try_take();
      return ptr(slot == nullptr ? nullptr
                                 : detail::construct_object<object>(slot, std::forward<Args>(args)...));
    }
  }

  /// Returns one slot, uninitialised. Errors as make().
  QUARRY_EXCEPTION_MODE object* allocate() { return take(); }
  /// Returns one slot, uninitialised, or null.
  QUARRY_EXCEPTION_MODE object* try_allocate() noexcept { return try_take(); }

  /// Takes back a slot in which no object lives; null is dropped. Requires that it came from this cache and is not free.
  /// Complexity  Hit: O(1). Miss: O(magazine slots), at most one call of the page source.
  void deallocate(const T* slot) noexcept { slots_.deallocate(const_cast<object*>(slot)); }

  /// Takes back a slot in which no object lives, after checking it; any pointer may be passed.
  /// Returns     ok, or why nothing was done.
  /// Complexity  O(slabs + magazine slots).
  slab_errc try_deallocate(const T* slot) noexcept;

  /// Returns the object to the cache without destroying it: recycle_policy<T>::clear prepares it, and reuse()
  /// hands it out again. It is destroyed by trim() and with the last handle. An object that needs no destructor and that
  /// nothing clears is freed instead.
  /// Requires    That clear() drops what handles to this cache the object has, or that trim() is called before the last other
  ///             handle goes: a recycled object with such a handle keeps the cache, and so itself, for good.
  void recycle(ptr owner) noexcept;

  /// Returns a recycled object as clear() left it, or an empty owner when there is none.
  ptr reuse_kept() noexcept { return ptr(static_cast<object*>(slots_.take_kept())); }

  /// Returns a recycled object as clear() left it; when there is none, makes one from `args`. Errors as make().
  template <class... Args>
  QUARRY_EXCEPTION_MODE ptr reuse(Args&&... args) {
    ptr kept = reuse_kept();
    return kept != nullptr ? std::move(kept) : make(std::forward<Args>(args)...);
  }

  /// Takes slabs until the next `objects` calls of make() need no call of the page source. What is freed
  /// meanwhile stays held until trim().
  /// Returns     ok or out_of_memory; the slabs that were taken stay.
  QUARRY_EXCEPTION_MODE slab_errc reserve(std::size_t objects) noexcept {
    return slots_.reserve(objects) ? slab_errc::ok : slab_errc::out_of_memory;
  }

  /// Destroys recycled objects and gives empty extension slabs back until at most `keep_slabs` are held.
  /// Returns     Bytes given back.
  std::size_t trim(std::size_t keep_slabs = 0) noexcept { return slots_.trim(keep_slabs); }

  /// Lets `slabs` empty slabs be held beside the root slab from now on. At first that is one, and in 64-bit hosted programs as
  /// many more as stay within 32 MiB for all caches together; over a page source that names its capacity it is none, so that
  /// other caches find there what this one does not need.
  /// Returns     ok or out_of_memory, as try_open().
  QUARRY_EXCEPTION_MODE slab_errc retain(std::size_t slabs) noexcept {
    return slots_.retain(slabs) ? slab_errc::ok : slab_errc::out_of_memory;
  }

  /// Checks from now on what the cache is given, by deallocate() and by owners: docs/checks.md. Each call takes the slow path
  /// then; the checks take a slab of the page source for themselves, and at full no empty slab goes back before trim().
  /// Requires    Nobody else uses the cache meanwhile.
  /// Effects     Where the environment's QUARRY_CHECKS asks for more than `level`, that. Where a check fails, `handler` is called outside the lock, but in a visit under it; without one the program ends in a trap.
  /// Returns     ok or out_of_memory; then nothing has changed.
  /// Complexity  O(slots).
  QUARRY_EXCEPTION_MODE slab_errc set_checks(check_level level, violation_handler handler) noexcept {
    const check_level least = detail::checks_asked_for().level;
    return slots_.set_checks(detail::depth_of(level < least ? least : level), &detail::tell_fault<T>,
                             reinterpret_cast<void (*)()>(handler))
               ? slab_errc::ok
               : slab_errc::out_of_memory;
  }

  /// The same with the handler that set_violation_handler() sets, which needs the compiled library; in a freestanding build
  /// without any.
  QUARRY_EXCEPTION_MODE slab_errc set_checks(check_level level) noexcept {
#if __STDC_HOSTED__
    return set_checks(level, &detail::report_violation);
#else
    return set_checks(level, nullptr);
#endif
  }

  /// Calls f(T&) for every object whose constructor has ended and whose destructor has not begun, also beside threads that
  /// make and destroy others; recycled ones excepted. A slot that allocate() returned must hold an object.
  /// Requires    f does not use the cache, but for destroying the object that it is called with, where that object's destructor
  ///             destroys no other one of this cache: else objects are missed or shown twice. With a lock, which is held meanwhile, that needs a system
  ///             that tells threads apart: in a freestanding build erase_if() destroys them, or note them and destroy them afterwards.
  /// Errors      What f throws; then the rest is not visited.
  /// Complexity  O(slots).
  template <class F>
  QUARRY_EXCEPTION_MODE void for_each_live(F f) {
    slots_.for_each_live([&](void* slot) { f(*static_cast<T*>(static_cast<object*>(slot))); });
  }

  /// Destroys each object that for_each_live() would visit and for which p(T&) is true: what whoever made it gave up with
  /// release(). With every lock, beside other threads too; destructors run outside the lock and may use the cache.
  /// Requires    p does not use the cache. Nobody else destroys an object that p chooses.
  /// Returns     How many it destroyed.
  /// Errors      What p throws; then the objects before are gone, and nothing else has changed.
  /// Complexity  O(slots), and O(slabs) for each slab that has such objects.
  template <class Predicate>
  QUARRY_EXCEPTION_MODE std::size_t erase_if(Predicate p) {
    return slots_.erase_if(
        [&](void* slot) -> bool { return p(*static_cast<T*>(static_cast<object*>(slot))); });
  }

  /// Returns whether `pointer` lies in one of the cache's slots. Complexity O(slabs).
  bool owns(const void* pointer) const noexcept {
    return slots_.owns(pointer);
  }

  /// Returns a number for the object's slot, for tables beside the cache. Slabs are numbered from 0 on in the
  /// order in which this function meets them; a number is free again when its slab went back.
  /// Requires    *living lives in this cache.
  /// Complexity  O(1), for the first object of each slab O(slabs).
  std::uint32_t index_of(const T* living) noexcept {
    return slots_.index_of(living);
  }

  /// Returns the slot for which index_of() gave or would give `index`, whether or not an object lives there; null
  /// when there is none.
  /// Complexity  O(slabs).
  T* at(std::uint32_t index) noexcept {
    return static_cast<object*>(slots_.at(index));
  }

  /// Returns a snapshot. Complexity O(slabs).
  slab_cache_stats stats() const noexcept;

  /// Destroys an object of any cache whose slabs have this size and gives its slot back. `inside` may point to
  /// any base of the object. For slab_ptr.
  template <class U>
  static void destroy(U* inside) noexcept;

 protected:
  constexpr cache_verbs() = default;
  explicit constexpr cache_verbs(core::attachable<PageSource> source) : slots_(source) {}
  QUARRY_EXCEPTION_MODE cache_verbs(const cache_verbs&) = default;
  cache_verbs(cache_verbs&&) noexcept = default;
  ~cache_verbs() = default;

  void close() noexcept {
    slots_.close();
  }
  void swap(cache_verbs& other) noexcept {
    slots_.swap(other.slots_);
  }
  bool shares_with(const cache_verbs& other) const noexcept {
    return slots_.shares_with(other.slots_);
  }

 private:
  // Whether anyone can look into a slot while its object is made: code of T's that runs then, or another thread.
  template <class... Args>
  static constexpr bool is_made_in_transit =
      !std::is_same_v<Lock, null_lock> || !std::is_trivially_constructible_v<object, Args...>;

  // Return one slot, which enters `mine` if that is given.
  template <class... Transit>
  QUARRY_EXCEPTION_MODE object* take(Transit&... mine) {
    void* const slot = slots_.try_hit(mine...);
    return static_cast<object*>(QUARRY_LIKELY(slot != nullptr) ? slot : take_slow(mine...));
  }
  template <class... Transit>
  QUARRY_EXCEPTION_MODE QUARRY_NOINLINE void* take_slow(Transit&... mine);
  template <class... Transit>
  QUARRY_EXCEPTION_MODE object* try_take(Transit&... mine) noexcept {
    void* const slot = slots_.try_hit(mine...);
    return static_cast<object*>(QUARRY_LIKELY(slot != nullptr) ? slot : slots_.try_allocate_slow(mine...));
  }

  // Ends the transit of a slot: an object lives there, or it goes back to its cache.
  struct construction {
    ~construction() {
      auto& front = *slots::front_of(mine.slot);
      if (made) {
        slots::end_transit(front, mine);
      } else {
        slots::push(front, mine.slot, mine);
      }
    }
    const core::transit& mine;
    bool made;
  };
  template <class... Args>
  QUARRY_EXCEPTION_MODE static object* construct(object* slot, const core::transit& mine, Args&&... args);

  slots slots_;
};

template <class T, class Lock, std::size_t SlabBytes, class PageSource>
template <class... Args>
std::remove_cv_t<T>* cache_verbs<T, Lock, SlabBytes, PageSource>::construct(object* slot,
                                                                            const core::transit& mine,
                                                                            Args&&... args) {
  construction under_way{mine, false};
  object* const made = detail::construct_object<object>(slot, std::forward<Args>(args)...);
  under_way.made = true;
  return made;
}

template <class T, class Lock, std::size_t SlabBytes, class PageSource>
template <class U>
void cache_verbs<T, Lock, SlabBytes, PageSource>::destroy(U* inside) noexcept {
  void* const address = const_cast<void*>(static_cast<const volatile void*>(inside));
  auto* const front = slots::front_of(address);
  if constexpr (std::is_same_v<std::remove_cv_t<U>, object> && object_access::can_destroy<object> &&
                !std::is_abstract_v<object>) {
    // Whether an owner of T may hold an object of another cache, of a class derived from T; and whether a checked cache must
    // look before a destructor runs.
    constexpr bool asks =
        (std::is_class_v<T> && !std::is_final_v<T>) || !std::is_trivially_destructible_v<object>;
    if (!asks || QUARRY_LIKELY(front->destroy == &slots::destroy_inside)) {
      if constexpr (std::is_trivially_destructible_v<object>) {
        return slots::push(*front, address);
      } else {
        core::transit mine;
        slots::begin_transit(*front, mine, address);
        object_access::destroy(static_cast<object*>(address));
        return slots::push(*front, address, mine);
      }
    }
    return slots::destroy_owned(*front, address);
  } else {
    front->destroy(address);
  }
}

template <class T, class Lock, std::size_t SlabBytes, class PageSource>
template <class... Transit>
void* cache_verbs<T, Lock, SlabBytes, PageSource>::take_slow([[maybe_unused]] Transit&... mine) {
#if defined(__cpp_exceptions)
  void* const slot = slots_.allocate_slow(mine...);
  if (slot == nullptr) throw std::bad_alloc();
  return slot;
#else
  static_assert(
      sizeof(T) == 0,
      "quarry: without exceptions allocate() and make() cannot report that there is no memory; write "
      "try_allocate() or try_make(), which return null.");
  return nullptr;
#endif
}

template <class T, class Lock, std::size_t SlabBytes, class PageSource>
slab_errc cache_verbs<T, Lock, SlabBytes, PageSource>::try_deallocate(const T* slot) noexcept {
  switch (slots_.try_deallocate(slot, alignof(T))) {
    case core::slot_fault::none:
      return slab_errc::ok;
    case core::slot_fault::misaligned:
      return slab_errc::alignment_mismatch;
    case core::slot_fault::free:
      return slab_errc::double_free;
    case core::slot_fault::damaged:
      return slab_errc::corrupted;
    default:
      break;
  }
  return slab_errc::invalid_pointer;
}

template <class T, class Lock, std::size_t SlabBytes, class PageSource>
void cache_verbs<T, Lock, SlabBytes, PageSource>::recycle(ptr owner) noexcept {
  if constexpr (!keeps_recycled<object>) return;  // the owner frees the slot
  if (owner == nullptr || !slots_.is_mine(owner.get())) return;
  object* const kept = const_cast<object*>(owner.release());
  if (!slots_.may_keep(kept)) return;
  recycle_policy<object>::clear(*kept);
  if (!slots::keep(kept)) destroy(kept);  // clear() may have dropped the last handle, this one
}

template <class T, class Lock, std::size_t SlabBytes, class PageSource>
slab_cache_stats cache_verbs<T, Lock, SlabBytes, PageSource>::stats() const noexcept {
  slab_cache_stats result;
  slots_.inspect([&](const core::cache_stock& stock, std::size_t cached) {
    result.cached_slots = cached;
    result.kept_slots = stock.kept_slots();
    result.live_slots = stock.out_slots() - cached - stock.kept_slots();
    result.live_bytes = result.live_slots * sizeof(T);
    result.slab_count = stock.slab_count();
    result.free_slots = root_slots + (stock.slab_count() - 1) * extension_slots - stock.out_slots();
    result.empty_slab_count = stock.resting_slabs();
    result.upstream_bytes = stock.slab_count() * slab_bytes;
    result.upstream_peak_bytes = stock.peak_slabs() * slab_bytes;
  });
  return result;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
