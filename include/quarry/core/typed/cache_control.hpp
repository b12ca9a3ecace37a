// The control block of a typed cache: its front with the lock, its page source, its stock and the magazine's entries; and what handles do
// with it.
//
// Layer      2. Freestanding. One instantiation serves every type with the same lock, page source,
//            magazine and marks.
// Invariant  The block lies in its root slab, and every slab's header has its address.
// Threads    As the Lock; it is never held while the page source is called.
#pragma once

#include <quarry/core/lock_holder.hpp>
#include <quarry/core/memory/page_source.hpp>
#include <quarry/core/poison.hpp>
#include <quarry/core/typed/attached_source.hpp>
#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/core/typed/cache_stock.hpp>
#include <quarry/core/typed/check_hooks.hpp>
#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/core/typed/fork_part.hpp>
#include <quarry/core/typed/rest_budget.hpp>
#include <quarry/core/typed/slot_fault.hpp>
#include <quarry/portability.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Kind, class Control>
class QUARRY_EXCEPTION_MODE checked_calls;

template <class Lock, class PageSource, std::uint32_t MagazineSlots, bool MarksKept>
class QUARRY_EXCEPTION_MODE cache_control : public locked_front<Lock>, private attached_source<PageSource> {
  using attached = attached_source<PageSource>;
  template <class Kind, class Control>
  friend class checked_calls;

 public:
  using front = locked_front<Lock>;
  using forks = fork_part<cache_control, Lock>;
  static constexpr std::uint32_t magazine_slots = MagazineSlots;
  static constexpr bool marks_kept = MarksKept;
  /// Bytes that a root slab spares for the block: a lock or a page source may ask for more than the alignment of a
  /// word, at which the room for the block begins.
  static constexpr std::size_t bytes =
      sizeof(cache_control) +
      (alignof(cache_control) > alignof(void*) ? alignof(cache_control) - alignof(void*) : 0);

  /// Takes a root slab from the source. Returns null when the source does. Errors: what the source throws.
  static cache_control* open(attached& from, const cache_layout& layout, void (*destroyer)(void*) noexcept);

  static cache_control& of(front& opened) noexcept { return static_cast<cache_control&>(opened); }

  /// Returns a slot, which enters `mine` if that is given, from a new extension slab if need be; null when the page source
  /// returns null.
  /// Errors      What the page source throws; then nothing has changed.
  template <class... Transit>
  void* allocate(const cache_layout& layout, Transit&... mine);

  /// Takes a slot back; the last one of an orphaned cache ends it.
  template <class... Transit>
  QUARRY_NOINLINE void deallocate(void* slot, const Transit&... mine) noexcept;

  /// Frees a slot, which leaves `mine` if that is given: into the magazine where that has room. Complexity O(1) then.
  template <class... Transit>
  static void push(front& into, void* slot, const Transit&... mine) noexcept {
    bool stored;
    {
      const lock_holder guard(into.lock);
      stored = into.loaded.push(slot);
      if (stored) (into.leave(mine), ...);
    }
    if (QUARRY_UNLIKELY(!stored)) of(into).deallocate(slot, mine...);
  }

  /// Takes a slot back, for finish(). Under the lock.
  slab* put_back(void* slot) noexcept {
    bound_magazine();
    return stock.deallocate(*this, slot);
  }

  /// Takes one more slab from the page source. Returns false when that returns null.
  bool grow(const cache_layout& layout);
  bool try_grow(const cache_layout& layout) noexcept {
    return without_throwing([&] { return grow(layout); });
  }

  void add_handle() noexcept {
    const lock_holder guard(this->lock);
    stock.add_handle();
  }
  void drop_handle() noexcept {
    fault_report late;
    finish([&] { return drop_handle(late); });
    late.send();
  }
  /// The same, for finish(). Under the lock.
  slab* drop_handle(fault_report& late) noexcept {
    if (this->checks != nullptr && stock.last_handle()) this->checks->end_quarantine(*this, late);
    return leave_checked(stock.drop_handle(*this), late);
  }

  /// Lets the checks look at slabs that are to go back, for finish(). Under the lock.
  slab* leave_checked(slab* surplus, fault_report& late) noexcept {
    return this->checks != nullptr ? this->checks->leave(*this, surplus, late) : surplus;
  }

  /// Runs `verb`, which returns surplus slabs, under the lock, and then gives those slabs back. Ends the cache
  /// when neither handle nor slot is left. Returns the number of slabs given back.
  template <class Verb>
  std::size_t finish(Verb verb) noexcept {
    // Once the lock is open, another thread may end the cache, and this block goes with it.
    attached pages(static_cast<const attached&>(*this));
    const std::size_t slab_bytes = stock.layout().slab_bytes;
    slab* surplus;
    bool ended;
    [[maybe_unused]] bool watched = false;
    {
      const lock_holder guard(this->lock);
      if (QUARRY_MAY_BE_WATCHED) watched = this->checks != nullptr;
      surplus = verb();
      ended = stock.ended();
      if (ended) surplus = stock.end(surplus);
    }
    if (ended) this->~cache_control();
    std::size_t given = 0;
    for (; surplus != nullptr; ++given) {
      slab* const next = surplus->next;
      if (QUARRY_MAY_BE_WATCHED && watched) restore(base_of(surplus, slab_bytes), slab_bytes);
      pages.source().deallocate_pages(base_of(surplus, slab_bytes), slab_bytes, slab_bytes);
      surplus = next;
    }
    return given;
  }

  cache_stock stock;  // under the lock

 private:
  static std::nullptr_t address_of() noexcept { return nullptr; }
  template <class Transit>
  static Transit* address_of(Transit& mine) noexcept {
    return &mine;
  }

  cache_control(const attached& from, const cache_layout& layout, slab& first,
                void (*destroyer)(void*) noexcept)
      : attached(from), stock(layout, first, entries_, MagazineSlots, *this) {
    this->destroy = destroyer;
    if constexpr (names_capacity<PageSource>) {
      stock.retain(0);
    } else {
      stock.draw_on(common_rest);
    }
  }

  // Before a miss: over a source that names its capacity the magazine must not keep what other caches need.
  void bound_magazine() noexcept {
    if constexpr (names_capacity<PageSource>) stock.bound_magazine(*this, MagazineSlots);
  }

  // Returns a slab of its own that belongs to no one yet, or null when the source does, or when its pages are not aligned as
  // asked for: these go back. Errors: what the source throws.
  static slab* take_slab(attached& from, const cache_layout& layout, const slab_contents& contents) {
    void* const base = from.source().allocate_pages(layout.slabs.slab_bytes, layout.slabs.slab_bytes);
    if (base == nullptr) return nullptr;
    if (QUARRY_UNLIKELY((reinterpret_cast<std::uintptr_t>(base) & (layout.slabs.slab_bytes - 1)) != 0)) {
      from.source().deallocate_pages(base, layout.slabs.slab_bytes, layout.slabs.slab_bytes);
      return nullptr;
    }
    slab* const fresh = create_cache_slab(base, layout, contents);
    if constexpr (MarksKept) clear_marks(*fresh);
    return fresh;
  }

  void* entries_[cache_stock::entries_for(MagazineSlots)];  // the magazine
  forks fork_{*this};                                       // last, so that it ends first
};

template <class Lock, class PageSource, std::uint32_t MagazineSlots, bool MarksKept>
cache_control<Lock, PageSource, MagazineSlots, MarksKept>*
cache_control<Lock, PageSource, MagazineSlots, MarksKept>::open(attached& from, const cache_layout& layout,
                                                                void (*destroyer)(void*) noexcept) {
  slab* const first = take_slab(from, layout, layout.root);
  if (first == nullptr) return nullptr;
  void* place = control_of(*first, layout, bytes);
  if constexpr (alignof(cache_control) > alignof(void*)) {
    constexpr std::uintptr_t mask = alignof(cache_control) - 1;
    place = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(place) + mask) & ~mask);
  }
  auto* const block = ::new (place) cache_control(from, layout, *first, destroyer);
  first->owner = static_cast<front*>(block);
  return block;
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots, bool MarksKept>
template <class... Transit>
void* cache_control<Lock, PageSource, MagazineSlots, MarksKept>::allocate(const cache_layout& layout,
                                                                          Transit&... mine) {
  if (this->checks != nullptr) return this->checks->allocate(*this, address_of(mine...));
  for (;;) {
    {
      const lock_holder guard(this->lock);
      bound_magazine();
      if (void* const slot = stock.allocate(*this)) {
        (this->enter(mine, slot), ...);
        return slot;
      }
    }
    if (!grow(layout)) return nullptr;
  }
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots, bool MarksKept>
bool cache_control<Lock, PageSource, MagazineSlots, MarksKept>::grow(const cache_layout& layout) {
  slab* const fresh = take_slab(*this, layout, layout.extension);
  if (fresh == nullptr) return false;
  fresh->owner = static_cast<front*>(this);
  const lock_holder guard(this->lock);
  stock.add(fresh);
  return true;
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots, bool MarksKept>
template <class... Transit>
void cache_control<Lock, PageSource, MagazineSlots, MarksKept>::deallocate(void* slot,
                                                                           const Transit&... mine) noexcept {
  if (sizeof...(mine) == 0 && slot == nullptr) return;  // also of a handle without a cache
  if (this->checks != nullptr) return this->checks->deallocate(*this, slot, address_of(mine...));
  finish([&] {
    (this->leave(mine), ...);
    bound_magazine();
    return stock.make_room(*this, slot);
  });
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
