// The control block with its lock and its page source, and what the handles of one cache do with it.
//
// Layer      2. Freestanding. One instantiation serves every type with the same lock, page source and
//            magazine.
// Invariant  The block lies in its root slab, and every slab's header has its address.
// Threads    As the Lock; it is never held while the page source is called.
#pragma once

#include <quarry/core/attached_source.hpp>
#include <quarry/core/cache_front.hpp>
#include <quarry/core/cache_layout.hpp>
#include <quarry/core/cache_root.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace quarry::core {

template <class Lock, class PageSource, std::uint32_t MagazineSlots>
class cache_control : public locked_front<Lock>, private attached_source<PageSource> {
  using attached = attached_source<PageSource>;

 public:
  using front = locked_front<Lock>;
  static constexpr std::uint32_t magazine_slots = MagazineSlots;
  /// Bytes that a root slab spares for the block: a lock or a page source may ask for more than the alignment of a
  /// word, at which the room for the block begins.
  static constexpr std::size_t bytes =
      sizeof(cache_control) +
      (alignof(cache_control) > alignof(void*) ? alignof(cache_control) - alignof(void*) : 0);

  /// Takes a root slab from the source. Returns null when the source does. Errors: what the source throws.
  static cache_control* open(attached& from, const cache_layout& layout, void (*destroyer)(void*) noexcept);

  static cache_control& of(front& opened) noexcept { return static_cast<cache_control&>(opened); }

  /// Returns a slot, from a new extension slab if need be, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed.
  void* allocate(const cache_layout& layout);

  /// Takes a slot back; the last one of an orphaned cache ends it.
  __attribute__((noinline)) void deallocate(void* slot) noexcept;

  /// Takes one more slab from the page source. Returns false when that returns null.
  bool grow(const cache_layout& layout);
  bool try_grow(const cache_layout& layout) noexcept;

  void add_handle() noexcept {
    const holding<Lock> guard(this->lock);
    root.add_handle();
  }
  bool last_handle() noexcept {
    const holding<Lock> guard(this->lock);
    return root.last_handle();
  }
  void drop_handle() noexcept {
    finish([&] { return root.drop_handle(*this); });
  }

  /// Runs `verb`, which returns surplus slabs, under the lock, and then gives those slabs back. Ends the cache
  /// when neither handle nor slot is left. Returns the number of slabs given back.
  template <class Verb>
  std::size_t finish(Verb verb) noexcept {
    // Once the lock is open, another thread may end the cache, and this block goes with it.
    attached pages(static_cast<const attached&>(*this));
    const std::size_t slab_bytes = root.layout().slab_bytes;
    slab* surplus;
    bool ended;
    {
      const holding<Lock> guard(this->lock);
      surplus = verb();
      ended = root.ended();
    }
    const std::size_t given = give_back(surplus, pages, slab_bytes);
    if (ended) end(pages, slab_bytes);
    return given;
  }

  cache_root root;  // under the lock

 private:
  cache_control(const attached& from, const cache_layout& layout, slab& first,
                void (*destroyer)(void*) noexcept)
      : attached(from), root(layout, first, entries_, MagazineSlots, *this) {
    this->destroy = destroyer;
  }

  static std::size_t give_back(slab* surplus, attached& pages, std::size_t slab_bytes) noexcept;
  void end(attached& pages, std::size_t slab_bytes) noexcept {
    void* const base = slab::base_of(this, slab_bytes);
    this->~cache_control();
    pages.source().deallocate_pages(base, slab_bytes, slab_bytes);
  }

  void* entries_[MagazineSlots + 1];  // the magazine
};

template <class Lock, class PageSource, std::uint32_t MagazineSlots>
cache_control<Lock, PageSource, MagazineSlots>* cache_control<Lock, PageSource, MagazineSlots>::open(
    attached& from, const cache_layout& layout, void (*destroyer)(void*) noexcept) {
  void* const base = from.source().allocate_pages(layout.slabs.slab_bytes, layout.slabs.slab_bytes);
  if (base == nullptr) return nullptr;
  slab* const first = create_cache_slab(base, layout, layout.root_slots, bytes);
  void* place = control_of(*first, layout.marks_kept);
  if constexpr (alignof(cache_control) > alignof(void*)) {
    constexpr std::uintptr_t mask = alignof(cache_control) - 1;
    place = reinterpret_cast<void*>((reinterpret_cast<std::uintptr_t>(place) + mask) & ~mask);
  }
  auto* const block = ::new (place) cache_control(from, layout, *first, destroyer);
  first->owner = static_cast<front*>(block);
  return block;
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots>
void* cache_control<Lock, PageSource, MagazineSlots>::allocate(const cache_layout& layout) {
  for (;;) {
    {
      const holding<Lock> guard(this->lock);
      if (void* const slot = root.allocate(*this)) return slot;
    }
    if (!grow(layout)) return nullptr;
  }
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots>
bool cache_control<Lock, PageSource, MagazineSlots>::grow(const cache_layout& layout) {
  void* const base = this->source().allocate_pages(layout.slabs.slab_bytes, layout.slabs.slab_bytes);
  if (base == nullptr) return false;
  slab* const fresh = create_cache_slab(base, layout, layout.extension_slots, 0);
  fresh->owner = static_cast<front*>(this);
  const holding<Lock> guard(this->lock);
  root.add(fresh);
  return true;
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots>
bool cache_control<Lock, PageSource, MagazineSlots>::try_grow(const cache_layout& layout) noexcept {
#if defined(__cpp_exceptions)
  try {
    return grow(layout);
  } catch (...) {
    return false;
  }
#else
  return grow(layout);
#endif
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots>
void cache_control<Lock, PageSource, MagazineSlots>::deallocate(void* slot) noexcept {
  finish([&] { return root.deallocate(*this, slot); });
}

template <class Lock, class PageSource, std::uint32_t MagazineSlots>
std::size_t cache_control<Lock, PageSource, MagazineSlots>::give_back(slab* surplus, attached& pages,
                                                                      std::size_t slab_bytes) noexcept {
  std::size_t given = 0;
  while (surplus != nullptr) {
    slab* const next = surplus->next;
    pages.source().deallocate_pages(slab::base_of(surplus, slab_bytes), slab_bytes, slab_bytes);
    surplus = next;
    ++given;
  }
  return given;
}

}  // namespace quarry::core
