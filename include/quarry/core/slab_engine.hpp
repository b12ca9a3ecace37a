// The engine of a resource that one thread uses at a time: a magazine, a depot and a bin per size class over
// one store.
//
// Layer      2 to 5 put together. Freestanding.
// Invariant  cursors_[c] is loaded exactly when class c was used since the last release; only then
//            shelves_[c] is valid.
// Threads    One thread at a time.
// Source     Bonwick & Adams 2001; docs/design.md walks one allocation down and one free up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "arena.hpp"
#include "first_slab.hpp"
#include "page_source.hpp"
#include "shelf.hpp"
#include "size_class.hpp"
#include "slab_store.hpp"

namespace quarry::core {

template <class PageSource>
class slab_engine {
 public:
  /// Units       bytes; `slab_bytes` is a power of two, at least two slots of the classes in use. `max_bytes`
  ///             are held from `source` at most, 0 is no limit; `retain_bytes` of idle extents are kept.
  slab_engine(PageSource source, std::size_t max_bytes, std::size_t slab_bytes, std::size_t retain_bytes)
      : source_(source, max_bytes), store_(slab_bytes, retain_bytes) {}
  ~slab_engine() { give_all_back(); }
  slab_engine(const slab_engine&) = delete;
  slab_engine& operator=(const slab_engine&) = delete;

  /// Lets the engine use [buffer, buffer + bytes) before its page source; the buffer stays the caller's.
  void start_in(void* buffer, std::size_t bytes) noexcept {
    buffer_ = static_cast<std::byte*>(buffer);
    buffer_bytes_ = bytes;
    attach_buffer();
  }

  /// Returns a slot of the class of `key` when the loaded magazine has one, else null. Complexity O(1).
  void* try_hit(class_key key) noexcept { return cursor_at(key).pop(); }

  /// Puts a slot of the class of `key` into the loaded magazine; returns false when it is full. Complexity O(1).
  bool try_free_hit(void* slot, class_key key) noexcept { return cursor_at(key).push(slot); }

  /// The loaded magazine of the class of `key`, for more than one hit.
  cursor& cursor_at(class_key key) noexcept {
    return *reinterpret_cast<cursor*>(reinterpret_cast<std::byte*>(cursors_) + key * (sizeof(cursor) / 2));
  }

  /// Returns a slot of class `index`, or null when the page source returns null.
  /// Errors      What the page source throws; then nothing has changed for the user.
  /// Complexity  Hit: O(1). Miss: O(magazine slots), at most 4 calls of the page source.
  void* allocate(class_index index) {
    void* const slot = cursors_[index].pop();
    if (__builtin_expect(slot != nullptr, 1)) return slot;
    return allocate_slow(index);
  }

  /// Takes back a slot of class `index`.
  /// Complexity  Hit: O(1). Miss: O(magazine slots).
  void deallocate(void* slot, class_index index) noexcept {
    if (__builtin_expect(!cursors_[index].push(slot), 0)) deallocate_slow(slot, index);
  }

  /// Returns a run of at most `count` neighbours of class `index`, past the magazine; an empty one when none of
  /// `least` slots is at hand or the page source returns null.
  /// Errors      What the page source throws; then nothing has changed for the user.
  /// Complexity  O(count / 64), at most 4 calls of the page source.
  slot_run allocate_run(class_index index, std::size_t least, std::size_t count) {
    if (!cursors_[index].loaded() && !open_shelf(index)) return {};
    shelf& from = *shelves_[index];
    const bool singles_at_hand = from.full.size() != 0;
    if (!from.slots.any_free() && (singles_at_hand || !grow(from))) return {};
    return from.slots.take_run(least, count);
  }

  /// Takes back `count` neighbours of class `index`, the lowest of which is `first`, past the magazine.
  /// Complexity  O(slabs + count / 64).
  void deallocate_run(class_index index, void* first, std::size_t count) noexcept {
    give_back(shelves_[index]->slots.flush_run(first, count));
  }

  /// Gives all memory back to the page source; every slot is gone. Complexity O(extents).
  void release() noexcept;

  /// Flushes every magazine and gives empty slabs back until at most `keep_bytes` bytes of them are held.
  /// Effects     When no slot is live and keep_bytes is 0, gives everything back.
  void trim(std::size_t keep_bytes) noexcept;

  /// Calls f(void* slot, std::size_t slot_bytes) for every live slot. Flushes every magazine first.
  template <class F>
  void for_each_live(F f) {
    flush_all();
    for_each_shelf([&](class_index, const shelf& each) {
      const slab_layout& layout = each.slots.layout();
      each.slots.for_each_slab([&](const slab& one) {
        one.for_each_used(layout, [&](void* slot) { f(slot, layout.slot_bytes); });
      });
    });
  }

  /// Calls f(class_index, const shelf&) for every class in use, in ascending order.
  template <class F>
  void for_each_shelf(F f) const {
    for (class_index index = 0; index < class_count; ++index)
      if (cursors_[index].loaded()) f(index, static_cast<const shelf&>(*shelves_[index]));
  }

  /// Returns the slots of class `index` that rest in magazines. Requires that the class is in use.
  std::size_t cached_slots(class_index index) const noexcept {
    const shelf& each = *shelves_[index];
    return cursors_[index].count(*each.loaded) + each.full.size() * each.magazine_slots;
  }

  bool owns(const void* pointer) const noexcept {
    return store_.owns(pointer) || parts_.owns(pointer) ||
           static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - buffer_) < buffer_bytes_;
  }

  metered_source<PageSource>& source() noexcept { return source_; }
  const metered_source<PageSource>& source() const noexcept { return source_; }
  const slab_store& store() const noexcept { return store_; }

 private:
  static constexpr std::size_t smallest_front_bytes = 4096;  // of an initial buffer, for the arena

  __attribute__((noinline)) void* allocate_slow(class_index index);
  __attribute__((noinline)) void deallocate_slow(void* slot, class_index index) noexcept;
  bool open_shelf(class_index index);
  magazine* take_magazine();
  magazine* try_take_magazine() noexcept;
  bool grow(shelf& into);
  std::size_t refill(shelf& from);
  void flush(shelf& into, void* const* slots, std::size_t count) noexcept;
  void give_back(slab* emptied) noexcept;
  void flush_all() noexcept;
  void give_all_back() noexcept;
  void attach_buffer() noexcept;

  cursor cursors_[class_count];  // by class: the loaded magazine
  shelf* shelves_[class_count];  // by class: valid where the cursor is loaded
  magazine_stack empty_;         // magazines at rest
  arena parts_;                  // shelves, magazines, first slabs, extents' records
  metered_source<PageSource> source_;
  slab_store store_;
  std::byte* buffer_ = nullptr;  // the user's initial buffer
  std::size_t buffer_bytes_ = 0;
};

template <class PageSource>
void* slab_engine<PageSource>::allocate_slow(class_index index) {
  cursor& current = cursors_[index];
  if (!current.loaded() && !open_shelf(index)) return nullptr;
  shelf& from = *shelves_[index];
  if (magazine* const parked = from.full.take()) {
    empty_.push(*from.loaded);
    from.loaded = parked;
    current.load(*parked, from.magazine_slots, from.magazine_slots);
  } else {
    current.load(*from.loaded, refill(from), from.magazine_slots);
  }
  return current.pop();
}

template <class PageSource>
void slab_engine<PageSource>::deallocate_slow(void* slot, class_index index) noexcept {
  shelf& into = *shelves_[index];
  cursor& current = cursors_[index];
  if (magazine* const fresh = into.full.has_room() ? try_take_magazine() : nullptr) {
    into.full.park(*into.loaded);
    into.loaded = fresh;
  } else {
    flush(into, into.loaded->entries + 1, into.magazine_slots);
  }
  current.load(*into.loaded, 0, into.magazine_slots);
  current.push(slot);
}

// Adds a slab to the bin; returns false when there is no memory for one.
template <class PageSource>
bool slab_engine<PageSource>::grow(shelf& into) {
  extent* home = nullptr;
  void* const base = store_.acquire(home, parts_, source_);
  if (base == nullptr) return false;
  slab* const fresh = slab::create(base, into.slots.layout());
  fresh->owner = home;
  into.slots.adopt(fresh);
  return true;
}

// Fills the loaded, empty magazine from the bin; a bin with nothing free grows.
template <class PageSource>
std::size_t slab_engine<PageSource>::refill(shelf& from) {
  void** const bottom = from.loaded->entries + 1;
  const std::size_t wanted = from.magazine_slots;
  std::size_t taken = from.slots.refill(bottom + wanted, wanted);
  if (taken == 0) {
    if (!grow(from)) return 0;
    taken = from.slots.refill(bottom + wanted, wanted);
  }
  if (taken < wanted) {
    for (std::size_t i = 0; i < taken; ++i) bottom[i] = bottom[i + wanted - taken];
  }
  return taken;
}

// Sets a class up: its shelf with the first magazine, and a small first slab where the arena has room for
// one.
template <class PageSource>
bool slab_engine<PageSource>::open_shelf(class_index index) {
  void* const place = parts_.allocate(sizeof(shelf), alignof(shelf), source_);
  if (place == nullptr) return false;
  shelf& opened = *::new (place) shelf(slab::layout(slot_bytes_of(index), store_.slab_bytes()));
  shelves_[index] = &opened;
  cursors_[index].load(*opened.loaded, 0, opened.magazine_slots);
  adopt_first_slab(opened.slots, parts_);
  return true;
}

template <class PageSource>
magazine* slab_engine<PageSource>::take_magazine() {
  if (magazine* const rested = empty_.pop()) return rested;
  void* const place = parts_.allocate(sizeof(magazine), alignof(magazine), source_);
  return place == nullptr ? nullptr : ::new (place) magazine;
}

// Freeing must not throw: without memory for another magazine the loaded one is flushed instead.
template <class PageSource>
magazine* slab_engine<PageSource>::try_take_magazine() noexcept {
  if (magazine* const rested = empty_.pop()) return rested;
#if defined(__cpp_exceptions)
  try {
    return take_magazine();
  } catch (...) {
    return nullptr;
  }
#else
  return take_magazine();
#endif
}

template <class PageSource>
void slab_engine<PageSource>::flush(shelf& into, void* const* slots, std::size_t count) noexcept {
  give_back(into.slots.flush(slots, count));
}

template <class PageSource>
void slab_engine<PageSource>::give_back(slab* emptied) noexcept {
  while (emptied != nullptr) {
    slab* const next = emptied->next;
    store_.give_back(emptied->begin(), *static_cast<extent*>(emptied->owner), source_);
    emptied = next;
  }
}

template <class PageSource>
void slab_engine<PageSource>::flush_all() noexcept {
  for (class_index index = 0; index < class_count; ++index) {
    if (!cursors_[index].loaded()) continue;
    shelf& each = *shelves_[index];
    while (magazine* const parked = each.full.take()) {
      flush(each, parked->entries + 1, each.magazine_slots);
      empty_.push(*parked);
    }
    flush(each, each.loaded->entries + 1, cursors_[index].count(*each.loaded));
    cursors_[index].load(*each.loaded, 0, each.magazine_slots);
  }
}

template <class PageSource>
void slab_engine<PageSource>::trim(std::size_t keep_bytes) noexcept {
  flush_all();
  std::size_t used_slots = 0;
  for_each_shelf([&](class_index, const shelf& each) { used_slots += each.slots.used_slots(); });
  if (used_slots == 0 && keep_bytes == 0) return release();
  store_.trim(keep_bytes, source_);
}

template <class PageSource>
void slab_engine<PageSource>::release() noexcept {
  if (parts_.untouched()) return;
  give_all_back();
  for (cursor& each : cursors_) each.unload();
  empty_ = magazine_stack();
  attach_buffer();
}

template <class PageSource>
void slab_engine<PageSource>::give_all_back() noexcept {
  store_.release(source_);
  parts_.release(source_);
}

// A large buffer is split: a front part for the arena, the aligned rest becomes an extent of slabs.
template <class PageSource>
void slab_engine<PageSource>::attach_buffer() noexcept {
  if (buffer_ == nullptr) return;
  const std::size_t slab_bytes = store_.slab_bytes();
  const auto begin = reinterpret_cast<std::uintptr_t>(buffer_);
  const std::uintptr_t first = (begin + slab_bytes - 1) & ~(std::uintptr_t{slab_bytes} - 1);
  const std::size_t front = first - begin < buffer_bytes_ ? first - begin : buffer_bytes_;
  std::size_t slabs = (buffer_bytes_ - front) / slab_bytes;
  const bool front_is_small = front < sizeof(extent) + alignof(extent) + smallest_front_bytes;
  std::size_t front_bytes = front;
  std::byte* slabs_begin = buffer_ + front;
  if (slabs != 0 && front_is_small) {  // the arena needs room: it takes the first slab's place too
    front_bytes += slab_bytes;
    slabs_begin += slab_bytes;
    --slabs;
  }
  if (slabs == 0) return parts_.start_in(buffer_, buffer_bytes_);
  parts_.start_in(buffer_, front_bytes);
  void* const record = parts_.try_allocate(sizeof(extent), alignof(extent));
  store_.adopt(*::new (record) extent, slabs_begin, static_cast<std::uint32_t>(slabs));
}

}  // namespace quarry::core
