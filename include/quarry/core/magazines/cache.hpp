// A cache: the magazines of one owner in one resource, behind one cursor for each size class.
//
// Layer      2. Freestanding. Owns no memory: magazines come from and go back to the engine.
// Invariant  A cursor is loaded exactly when the class has a class_cache; a previous magazine is empty or
//            holds previous_slots slots. Old slots lie in the loaded one above the cursor's limit, up to old_end.
// Threads    One thread at a time; any thread may read cached_slots(), which is exact while the owner rests.
// Source     Bonwick & Adams 2001, section 3.1: with two magazines, one magazine's worth of operations lies
//            between two visits to the depot.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/magazines/last_block.hpp>
#include <quarry/core/magazines/magazine.hpp>
#include <quarry/core/magazines/share.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What a cache keeps of one class beside the cursor.
struct class_cache {
  void* first[share_steps::first_slots + 1];  // the magazine that a class starts with; the owner's
  std::atomic<void**> loaded{nullptr};  // entries under the cursor; written by the owner, read by any thread
  magazine* previous = nullptr;         // the one loaded before, when the share has two; the owner's
  std::atomic<std::uint32_t> previous_slots{
      0};  // slots in `previous`; written by the owner, read by any thread
  std::atomic<std::uint8_t> old_slots{
      0};                          // above the cursor's limit, on their way to the slabs; as previous_slots
  class_share share;               // what the class may hold here; the owner's
  std::uint8_t slots_at_look = 0;  // under the cursor when it was last looked at; the owner's
  std::uint8_t old_end = 0;        // entry of the newest of old_slots; 0 without any; the owner's
  std::uint8_t quiet_looks = 0;    // such looks in a row that found nothing changed; the owner's

  void** entries() const noexcept {
    return loaded.load(std::memory_order_relaxed);
  }  // Relaxed: a pointer to count by.
  void set_entries(void** entries) noexcept {
    loaded.store(entries, std::memory_order_relaxed);
  }  // Relaxed: as above.
  bool has_first() const noexcept { return entries() == first; }
  /// The loaded magazine. Requires that it is not the first one.
  magazine& loaded_magazine() const noexcept { return *reinterpret_cast<magazine*>(entries()); }

  std::uint32_t slots_in_previous() const noexcept {
    return previous_slots.load(std::memory_order_relaxed);  // Relaxed: the owner's own store, or a report.
  }
  void set_slots_in_previous(std::size_t slots) noexcept {
    previous_slots.store(static_cast<std::uint32_t>(slots), std::memory_order_relaxed);  // Relaxed: as above.
  }

  std::size_t slots_that_are_old() const noexcept {
    return old_slots.load(std::memory_order_relaxed);  // Relaxed: as slots_in_previous().
  }
  void set_slots_that_are_old(std::size_t slots) noexcept {
    old_slots.store(static_cast<std::uint8_t>(slots), std::memory_order_relaxed);  // Relaxed: as above.
    if (slots == 0) old_end = 0;
  }
  void** oldest() const noexcept { return entries() + old_end - slots_that_are_old() + 1; }
};

struct watched_cache;

struct alignas(64) cache {
  void* nothing = nullptr;          // the entry of every cursor without a magazine; never written
  std::size_t share_bytes = 0;      // bytes of slots that all classes together may hold now
  cache* next = nullptr;            // in the engine's list of caches at rest; under its lock
  class_index next_to_look_at = 0;  // where the search for an unused class goes on
  std::uint8_t home = 0;            // where its owner looks first, for blocks of their own and in depots
  std::uint32_t visits = 0;         // of misses
  cursor cursors[class_count];      // by class; what a hit uses
  std::atomic<class_cache*> classes[class_count] = {};  // by class; what a miss uses; null: not used here
  watched_cache* behind = nullptr;  // where calls are watched: what they use, while this one is never loaded
  last_block last;                  // in place of a magazine for blocks that no slab holds

  cache() noexcept {
    QUARRY_UNROLL(8)
    for (cursor& each : cursors) ::new (&each) cursor(nothing);
  }
  cache(const cache&) = delete;
  cache& operator=(const cache&) = delete;

  /// Forgets every magazine: the memory they lie in is gone.
  void reset() noexcept { ::new (this) cache; }

  /// Returns the cursor of the class of `key`. Complexity O(1).
  cursor& cursor_at(class_key key) noexcept {
    return *reinterpret_cast<cursor*>(reinterpret_cast<std::byte*>(cursors) + key * (sizeof(cursor) / 2));
  }

  /// Returns the cache whose cursor of the class of `key` is `at`. Complexity O(1).
  static cache& of(cursor& at, class_key key) noexcept {
    std::byte* const first = reinterpret_cast<std::byte*>(&at) - key * (sizeof(cursor) / 2);
    return *reinterpret_cast<cache*>(first - offsetof(cache, cursors));
  }

  class_cache* class_cache_of(class_index index) const noexcept {
    return classes[index].load(
        std::memory_order_acquire);  // Acquire: pairs with set(); for who reads counts.
  }
  void set(class_index index, class_cache* opened) noexcept {
    classes[index].store(opened, std::memory_order_release);  // Release: pairs with class_cache_of().
  }

  /// Makes every slot of the loaded magazine old: as newer ones come, the oldest make room for them.
  void age(class_index index, class_cache& own) noexcept {
    const std::size_t count = cursors[index].count(own.entries());
    own.old_end = static_cast<std::uint8_t>(count);
    own.set_slots_that_are_old(count);
    cursors[index].load(own.entries(), 0, 0);
  }

  /// Makes old slots as others again, below those that came after them.
  void rejoin(class_index index, class_cache& own) noexcept {
    const std::size_t old = own.slots_that_are_old();
    if (old == 0) return;
    void** const entries = own.entries();
    const std::size_t newer = cursors[index].count(entries);
    void* copied[magazine::capacity];
    for (std::size_t i = 0; i < newer; ++i) copied[i] = entries[i + 1];
    void** const oldest = own.oldest();
    for (std::size_t i = 0; i < old; ++i) entries[i + 1] = oldest[i];
    for (std::size_t i = 0; i < newer; ++i) entries[old + i + 1] = copied[i];
    own.set_slots_that_are_old(0);
    cursors[index].load(entries, old + newer, old + newer);
  }

  /// Lets the loaded magazine of a class, which has `loaded` slots, and the previous one change places; what is loaded then takes
  /// `limit` slots.
  /// Requires    The loaded magazine is not the first one, and there is a previous one.
  void exchange(class_index index, class_cache& own, std::size_t loaded, std::size_t limit) noexcept {
    magazine& replaced = own.loaded_magazine();
    own.set_entries(own.previous->entries);
    own.previous = &replaced;
    cursors[index].load(own.entries(), own.slots_in_previous(), limit);
    own.set_slots_in_previous(loaded);
  }

  /// Exchanges the loaded magazine of a class, which is empty and not the first one, for the previous one, which is not.
  /// Returns     A slot.
  void* load_previous(class_index index, class_cache& own) noexcept {
    exchange(index, own, 0, own.share.magazine_slots);
    return cursors[index].pop();
  }

  /// Looks at one class in turn.
  /// Returns     The class, or no_class when there is none but `index`; `is_unused` tells whether two looks in a row found
  ///             it as it was.
  /// Complexity  O(1).
  class_index look(class_index index, bool& is_unused) noexcept {
    class_index looked_at = no_class;
    for (int skips = 0; skips < most_skips && looked_at == no_class; ++skips) {
      if (next_to_look_at != index && class_cache_of(next_to_look_at) != nullptr) looked_at = next_to_look_at;
      next_to_look_at = next_to_look_at + 1 < class_count ? next_to_look_at + 1 : 0;
    }
    if (looked_at == no_class) return no_class;
    class_cache& other = *class_cache_of(looked_at);
    const auto slots =
        static_cast<std::uint8_t>(cursors[looked_at].count(other.entries()) + other.slots_that_are_old());
    other.quiet_looks = slots != other.slots_at_look ? std::uint8_t{0}
                        : other.quiet_looks < quiet_looks_of_unused
                            ? static_cast<std::uint8_t>(other.quiet_looks + 1)
                            : other.quiet_looks;
    other.slots_at_look = slots;
    is_unused = other.quiet_looks == quiet_looks_of_unused;
    return looked_at;
  }

  /// Returns the slots of class `index` that rest here. Threads: any.
  std::size_t cached_slots(class_index index) const noexcept {
    const class_cache* const own = class_cache_of(index);
    if (own == nullptr) return 0;
    const std::size_t loaded = cursors[index].count(own->entries());
    // While the owner exchanges magazines the two addresses may not belong together.
    return (loaded <= magazine::capacity ? loaded : 0) + own->slots_that_are_old() + own->slots_in_previous();
  }

  /// Writes the slots of class `index` that rest here from `into` on, at most `room` of them. Returns how many.
  /// Threads     Any, while the magazines' memory lives; right while the owner rests, else some may be missing and others in
  ///             the user's hands.
  std::size_t copy_slots(class_index index, const void** into, std::size_t room) const noexcept;

 private:
  static constexpr int most_skips = 4;  // classes without a magazine passed over in a look
  static constexpr std::uint8_t quiet_looks_of_unused = 2;  // then a class counts as unused
};

// Copies the slots in entries [first, first + count), but none behind `most`. Not instrumented by ThreadSanitizer, nor what calls
// it: the owner writes entries as a hit does, without atomics. Words are read whole, from memory that lives.
QUARRY_UNSEEN_BY_THREAD_SANITIZER inline std::size_t copy_entries(void* const* entries, std::size_t first,
                                                                  std::size_t count, std::size_t most,
                                                                  const void** into,
                                                                  std::size_t room) noexcept {
  std::size_t copied = 0;
  for (std::size_t i = first; i < first + count && i <= most && copied < room; ++i)
    if (void* const slot = static_cast<void* const volatile*>(entries)[i]) into[copied++] = slot;
  return copied;
}

QUARRY_UNSEEN_BY_THREAD_SANITIZER inline std::size_t cache::copy_slots(class_index index, const void** into,
                                                                       std::size_t room) const noexcept {
  const class_cache* const own = class_cache_of(index);
  if (own == nullptr) return 0;
  void* const* const entries = own->entries();
  const std::size_t most = entries == own->first ? std::size_t{share_steps::first_slots} : magazine::capacity;
  std::size_t copied = copy_entries(entries, 1, cursors[index].count(entries), most, into, room);
  const std::size_t old = own->slots_that_are_old(), old_end = own->old_end;
  if (old <= old_end)
    copied += copy_entries(entries, old_end - old + 1, old, most, into + copied, room - copied);
  if (const magazine* const previous = own->previous)
    copied += copy_entries(previous->entries, 1, own->slots_in_previous(), magazine::capacity, into + copied,
                           room - copied);
  return copied;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
