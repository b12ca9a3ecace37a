// The slab store: a resource's supply of slab-sized memory, taken from the page source in extents of several
// slabs.
//
// Layer      5. Freestanding. Knows memory of slab size, nothing of slots.
// Invariant  An extent is either exhausted (in no list), partial (some slabs lent, some left) or idle (none
//            lent). Idle extents together hold at most retain_bytes.
// Threads    One thread at a time.
// Source     Extents grow with what is held, by a quarter and to at most 2 MiB: docs/results.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "arena.hpp"

namespace quarry::core {

/// Memory of several slabs that came from the page source in one call.
struct extent {
  extent* next = nullptr;      // in the store's list
  extent* previous = nullptr;  // in the store's list
  std::byte* base = nullptr;   // aligned to slab_bytes
  void* returned = nullptr;    // slabs given back, linked by their first word
  std::uint32_t slabs = 0;     // slabs in the extent
  std::uint32_t carved = 0;    // slabs lent at least once, from the front
  std::uint32_t lent = 0;      // slabs lent now
  bool fixed = false;          // the user's buffer: never given to the page source
  extent* sibling = nullptr;   // in the list of all extents
};

class slab_store {
 public:
  /// Units       bytes; `slab_bytes` is a power of two.
  constexpr slab_store(std::size_t slab_bytes, std::size_t retain_bytes) noexcept
      : slab_bytes_(slab_bytes), retain_bytes_(retain_bytes) {}
  slab_store(const slab_store&) = delete;
  slab_store& operator=(const slab_store&) = delete;

  std::size_t slab_bytes() const noexcept { return slab_bytes_; }

  /// Lends memory for one slab.
  /// Returns     The slab's base and its extent; a null base when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed.
  /// Complexity  O(1), at most two calls of the page source.
  template <class PageSource>
  void* acquire(extent*& from, arena& parts, PageSource& source) {
    extent* chosen = partial_ != nullptr ? partial_ : idle_;
    if (chosen == nullptr) chosen = grow(parts, source);
    if (chosen == nullptr) return nullptr;
    from = chosen;
    return lend(*chosen);
  }

  /// Takes back memory that acquire() lent; an extent that becomes idle above retain_bytes goes to the page
  /// source.
  /// Complexity  O(1), at most one call of the page source.
  template <class PageSource>
  void give_back(void* base, extent& home, PageSource& source) noexcept {
    unlink(home);
    *static_cast<void**>(base) = home.returned;
    home.returned = base;
    --home.lent;
    --lent_slabs_;
    link(home);
    if (home.lent == 0 && idle_bytes_ > retain_bytes_) drop(home, source);
  }

  /// Gives idle extents back until at most `keep_bytes` bytes are idle. Complexity O(extents).
  template <class PageSource>
  void trim(std::size_t keep_bytes, PageSource& source) noexcept {
    for (extent* each = idle_; each != nullptr && idle_bytes_ > keep_bytes;) {
      extent* const next = each->next;
      drop(*each, source);
      each = next;
    }
  }

  /// Gives every extent back, lent or not. The arena that holds their records is released by the caller.
  template <class PageSource>
  void release(PageSource& source) noexcept {
    for (extent* each = all_; each != nullptr; each = each->sibling)
      if (each->base != nullptr && !each->fixed)
        source.deallocate_pages(each->base, each->slabs * slab_bytes_, slab_bytes_);
    partial_ = idle_ = all_ = spare_ = nullptr;
    held_slabs_ = lent_slabs_ = 0;
    idle_bytes_ = 0;
  }

  /// Adds a buffer of the user as an extent that is never given back. Requires an aligned base and slabs > 0.
  void adopt(extent& record, void* base, std::uint32_t slabs) noexcept {
    record.base = static_cast<std::byte*>(base);
    record.slabs = slabs;
    record.fixed = true;
    record.sibling = all_;
    all_ = &record;
    held_slabs_ += slabs;
    link(record);
  }

  bool owns(const void* pointer) const noexcept {
    for (const extent* each = all_; each != nullptr; each = each->sibling)
      if (each->base != nullptr && static_cast<std::size_t>(static_cast<const std::byte*>(pointer) -
                                                            each->base) < each->slabs * slab_bytes_)
        return true;
    return false;
  }

  std::size_t lent_slabs() const noexcept { return lent_slabs_; }
  std::size_t held_slabs() const noexcept { return held_slabs_; }

 private:
  static constexpr std::size_t largest_extent_bytes = std::size_t{2} << 20;

  template <class PageSource>
  extent* grow(arena& parts, PageSource& source) {
    if (spare_ == nullptr) {
      void* const place = parts.allocate(sizeof(extent), alignof(extent), source);
      if (place == nullptr) return nullptr;
      spare_ = ::new (place) extent;
      spare_->sibling = all_;
      all_ = spare_;
    }
    const std::size_t most = slab_bytes_ < largest_extent_bytes ? largest_extent_bytes / slab_bytes_ : 1;
    std::size_t slabs = held_slabs_ / 4;
    slabs = slabs < 1 ? 1 : slabs < most ? slabs : most;
    void* base = source.allocate_pages(slabs * slab_bytes_, slab_bytes_);
    if (base == nullptr && slabs > 1) {  // near a limit, one slab may still fit
      slabs = 1;
      base = source.allocate_pages(slab_bytes_, slab_bytes_);
    }
    if (base == nullptr) return nullptr;
    extent* const grown = spare_;
    spare_ = grown->next;
    grown->next = nullptr;
    grown->base = static_cast<std::byte*>(base);
    grown->slabs = static_cast<std::uint32_t>(slabs);
    grown->carved = grown->lent = 0;
    grown->returned = nullptr;
    held_slabs_ += slabs;
    link(*grown);
    return grown;
  }

  void* lend(extent& from) noexcept {
    unlink(from);
    void* base = from.returned;
    if (base != nullptr) {
      from.returned = *static_cast<void**>(base);
    } else {
      base = from.base + from.carved++ * slab_bytes_;
    }
    ++from.lent;
    ++lent_slabs_;
    link(from);
    return base;
  }

  template <class PageSource>
  void drop(extent& idle, PageSource& source) noexcept {
    if (idle.fixed) return;
    unlink(idle);
    held_slabs_ -= idle.slabs;
    source.deallocate_pages(idle.base, idle.slabs * slab_bytes_, slab_bytes_);
    idle.base = nullptr;
    idle.next = spare_;
    spare_ = &idle;
  }

  // The list an extent belongs to, by what is lent of it; null when it is exhausted.
  extent** list_of(const extent& each) noexcept {
    if (each.lent == 0) return &idle_;
    return each.lent < each.slabs ? &partial_ : nullptr;
  }

  void link(extent& each) noexcept {
    extent** const list = list_of(each);
    if (list == nullptr) return;
    if (list == &idle_ && !each.fixed) idle_bytes_ += each.slabs * slab_bytes_;
    each.previous = nullptr;
    each.next = *list;
    if (each.next != nullptr) each.next->previous = &each;
    *list = &each;
  }

  void unlink(extent& each) noexcept {
    extent** const list = list_of(each);
    if (list == nullptr) return;
    if (list == &idle_ && !each.fixed) idle_bytes_ -= each.slabs * slab_bytes_;
    (each.previous != nullptr ? each.previous->next : *list) = each.next;
    if (each.next != nullptr) each.next->previous = each.previous;
  }

  std::size_t slab_bytes_;
  std::size_t retain_bytes_;
  extent* partial_ = nullptr;  // some slabs lent, some left
  extent* idle_ = nullptr;     // no slab lent
  extent* all_ = nullptr;      // every record, linked by sibling
  extent* spare_ = nullptr;    // records without memory, linked by next
  std::size_t held_slabs_ = 0;
  std::size_t lent_slabs_ = 0;
  std::size_t idle_bytes_ = 0;  // bytes of idle extents that can go back
};

}  // namespace quarry::core
