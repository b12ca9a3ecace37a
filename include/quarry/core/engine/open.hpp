// How a class is opened, with its first slab, and how a cache is, with its parts: shelves, magazines, what a cache has of a class.
// What opens a class is inlined, here and in take.hpp: a resource made for one request opens a class for every twenty blocks or so.
//
// Layer      2. Part of engine.hpp.
#pragma once

#include <quarry/core/engine/engine.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// Returns the shelf of a class, which has a slab; null when the limit is reached or the supply returns null. Errors: what the
// supply throws.
template <class Supply, class Lock>
auto engine<Supply, Lock>::shelf_or_open(class_index index, cache* own) -> shelf_type* {
  shelf_type* const opened = shelf_of(index);
  return opened != nullptr ? opened : first_shelf_of(index, own);
}

template <class Supply, class Lock>
auto engine<Supply, Lock>::first_shelf_of(class_index index, cache* own) -> shelf_type* {
  for (bool has_insisted = false;; has_insisted = true) {
    if (!may_open(index)) {  // nor does it take a part then, that others would miss
      if (!has_insisted) reclaim(own);
      if (!may_open(index)) return shelf_of(index);
    }
    unopened_shelf opening(*this, index);
    slab* first = opening.shelf != nullptr ? next_slab(*opening.shelf) : nullptr;
    if (first == nullptr) {
      if (!has_insisted) reclaim(own);
      if (shelf_type* const opened = shelf_of(index)) return opened;  // another thread came first
      if (opening.shelf != nullptr) first = last_slab(*opening.shelf);
    }
    if (first != nullptr) return &open_shelf(opening, *first);
    if (opening.shelf != nullptr || has_insisted) return nullptr;
    store_.insist_on_part(sizeof(shelf_type), line_bytes);
  }
}

// Whether the limit leaves room for a slot of the class, and for its shelf. More than that is not always taken: headers may rest.
template <class Supply, class Lock>
QUARRY_ALWAYS_INLINE bool engine<Supply, Lock>::may_open(class_index index) const noexcept {
  if (!store_.has_limit()) return true;
  bool has_room = false;
  {
    const lock_holder<Lock> held(cache_lock_);
    has_room = shelf_rooms_ != nullptr;
  }
  return store_.may_begin(has_room ? 0 : sizeof(shelf_type), line_bytes, slot_bytes_of(index));
}

template <class Supply, class Lock>
QUARRY_ALWAYS_INLINE auto engine<Supply, Lock>::make_shelf(class_index index) noexcept -> shelf_type* {
  void* place = nullptr;
  {
    const lock_holder<Lock> held(cache_lock_);
    place = shelf_rooms_;
    if (place != nullptr) shelf_rooms_ = shelf_rooms_->next;
  }
  const slab_layout layout = layout_of(index);
  if (place == nullptr) place = store_.take_part(sizeof(shelf_type), line_bytes, true, layout.slot_bytes);
  return place == nullptr ? nullptr : ::new (place) shelf_type(index, layout);
}

template <class Supply, class Lock>
void engine<Supply, Lock>::keep_room(shelf_type& unused) noexcept {
  unused.~shelf_type();
  const lock_holder<Lock> held(cache_lock_);
  shelf_rooms_ = ::new (static_cast<void*>(&unused)) unused_room{shelf_rooms_};
}

// Lets everyone use a shelf. Returns the one of its class, which may be that of a thread that came first.
template <class Supply, class Lock>
QUARRY_ALWAYS_INLINE auto engine<Supply, Lock>::open_shelf(unopened_shelf& opening, slab& first) noexcept
    -> shelf_type& {
  shelf_type* opened = nullptr;
  {
    const lock_holder<Lock> held(cache_lock_);
    const class_index index = opening.shelf->index;
    opened = shelf_of(index);
    if (opened == nullptr) {
      opened = opening.shelf;
      opening.shelf = nullptr;
      shelves_[index].store(opened, std::memory_order_release);  // Release: pairs with shelf_of().
    }
  }
  adopt(*opened, first);
  return *opened;
}

template <class Supply, class Lock>
slab_layout engine<Supply, Lock>::layout_of(class_index index) const noexcept {
  const std::size_t slot_bytes = slot_bytes_of(index);
  const std::size_t granules = granules_for(slot_bytes, store_.granule_bytes(), store_.slab_granules());
  return store_.layout_of(slot_bytes, granules * store_.granule_bytes());
}

template <class Supply, class Lock>
magazine* engine<Supply, Lock>::take_magazine() noexcept {
  {
    const lock_holder<Lock> held(cache_lock_);
    if (magazine* const rested = magazines_.pop()) return rested;
  }
  constexpr std::size_t count = is_shared ? magazines_at_once : 1;
  auto* const taken = static_cast<magazine*>(store_.take_part(count * sizeof(magazine), line_bytes));
  if (taken == nullptr) return nullptr;
  for (std::size_t i = 1; i < count; ++i) rest(*::new (taken + i) magazine);
  return ::new (taken) magazine;
}

template <class Supply, class Lock>
cache* engine<Supply, Lock>::open_cache(bool is_needed) noexcept {
  for (void* place = nullptr;;) {
    {
      const lock_holder<Lock> held(cache_lock_);
      cache* opened = caches_;
      if (opened != nullptr) {
        caches_ = opened->next;
      } else if (place != nullptr) {
        opened = is_watched_ ? make_watched(place) : ::new (place) cache;
        used_of(*opened).home = opened->home = next_home_++ % home_count<Lock>;
      }
      if (opened != nullptr) {
        open_caches_.fetch_add(1, std::memory_order_relaxed);  // Relaxed: pairs with open_caches().
        return opened;
      }
    }
    // Near a limit the slots that a cache would take the place of are of more use.
    if (!is_needed && !store_.may_begin(cache_part_bytes(), alignof(cache), 3 * cache_part_bytes()))
      return nullptr;
    place = store_.take_part(cache_part_bytes(), alignof(cache));
    if (place == nullptr) return nullptr;
  }
}

template <class Supply, class Lock>
cache* engine<Supply, Lock>::make_watched(void* place) noexcept {
  auto* const front = ::new (place) cache;
  front->behind = ::new (front + 1) watched_cache(store_.granule_bytes());
  if (store_.detail() == slot_detail::record) front->behind->delayed = ::new (front->behind + 1) quarantine;
  return front;
}

// Gives a class its first, small magazine in a cache; it is empty and takes nothing until the class has a share.
template <class Supply, class Lock>
QUARRY_ALWAYS_INLINE class_cache* engine<Supply, Lock>::attach(cache& own, class_index index) noexcept {
  constexpr std::size_t bytes = (sizeof(class_cache) + line_bytes - 1) / line_bytes * line_bytes;
  void* const place = own.class_cache_of(index) == nullptr ? store_.take_part(bytes, line_bytes) : nullptr;
  if (own.class_cache_of(index) != nullptr)
    return own.class_cache_of(index);  // the supply came back with a slot of the class
  if (place == nullptr) return nullptr;
  auto* const local = ::new (place) class_cache;
  local->set_entries(local->first);
  own.cursors[index].load(local->first, 0, 0);
  own.set(index, local);
  return local;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
