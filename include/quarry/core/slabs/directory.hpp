// The directory of one resource: which slab an address lies in, told from the address alone.
//
// Layer      4. Freestanding; memory for its tables is brought by the owner.
// Invariant  An entry names a granule and the slab that covers it. Every granule of a slab in use is in the newest table
//            or, not yet moved, in the one before it. A granule belongs to one slab or to none, so an address beside the
//            resource's slabs finds nothing, and finding reads no memory but the tables.
// Threads    find() any number at a time; the other verbs one at a time, under the owner's lock. Who finds takes no lock:
//            tables live until the resource is released, and a generation tells whether one was changed meanwhile.
// Source     Open addressing (Knuth, vol. 3, 6.4); a table is cleared and moved a few entries a call,
//            so that no call is long. Readers: sequence locks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/bits.hpp>
#include <quarry/portability.hpp>
#include <utility>

#include "directory_table.hpp"
#include "slab.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class directory {
 public:
  /// Units       bytes; a power of two.
  explicit constexpr directory(std::size_t granule_bytes) noexcept
      : granule_shift_(bit_width(granule_bytes - 1)) {}
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  /// Returns the slab that covers the granule of `pointer`, or null. Complexity O(1) expected; one or two probes.
  slab* find(const void* pointer) const noexcept {
    const std::uintptr_t granule = reinterpret_cast<std::uintptr_t>(pointer) >> granule_shift_;
    for (;;) {
      // Acquire: pairs with the release in next_generation(), so that the tables are seen as they are then.
      const std::uint32_t generation = generation_.load(std::memory_order_acquire);
      slab* const home = probe(granule);
      std::atomic_thread_fence(
          std::memory_order_acquire);  // what was probed is read before the generation is again
      // Relaxed: ordered by the fence.
      if (QUARRY_LIKELY(generation_.load(std::memory_order_relaxed) == generation)) return home;
    }
  }

  /// Sets homes[i] to the slab of slots[i], or to null, and fetches the headers. Returns whether none is null.
  /// Complexity  O(count) expected.
  bool find_all(void* const* slots, std::size_t count, slab** homes) const noexcept {
    for (;;) {
      // Acquire and fence: as in find().
      const std::uint32_t generation = generation_.load(std::memory_order_acquire);
      const table* const newest = newest_.load(std::memory_order_acquire);  // Acquire: as in probe().
      const bool are_all_found = newest != nullptr && newest->find_all(slots, count, homes, granule_shift_);
      for (std::size_t i = 0; newest == nullptr && i < count; ++i) homes[i] = nullptr;
      std::atomic_thread_fence(std::memory_order_acquire);
      // Relaxed: ordered by the fence.
      if (QUARRY_LIKELY(generation_.load(std::memory_order_relaxed) == generation)) return are_all_found;
    }
  }

  /// Returns the bytes that bring() must bring before `granules` more can be put in; 0 when there is room.
  std::size_t missing_bytes(std::size_t granules) noexcept {
    const std::size_t wanted = live_ + granules;
    if (next_ != nullptr) {
      if (next_->mask + 1 >= wanted * 2) return 0;
    } else if ((used_ + granules) * 8 < capacity() * (is_moving() ? 4 : 3)) {
      return 0;
    }
    // With room to spare, and not smaller than the one before: while that is moved, as many entries come as an eighth of it.
    std::size_t entries = first_entries;
    while (entries < wanted * 4 || entries < capacity()) entries *= 2;
    if (next_ != nullptr || retired_ == nullptr || retired_->mask + 1 < entries)
      return table::bytes_of(entries);
    next_generation();
    begin_clearing(*std::exchange(retired_, nullptr));
    return 0;
  }

  /// Brings memory for the next table. Requires `bytes` as missing_bytes() said; memory aligned for a pointer.
  void bring(void* memory, std::size_t bytes) noexcept {
    begin_clearing(*::new (memory) table((bytes - sizeof(table)) / sizeof(entry)));
    if (capacity() != 0) return;
    clear(next_->mask + 1);
    begin_moving();
  }

  /// Enters the `granules` granules from `begin` on as those of `home`. Requires that missing_bytes(granules) is 0.
  void insert(const void* begin, std::size_t granules, slab* home) noexcept {
    const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(begin) >> granule_shift_;
    for (std::uintptr_t each = first; each != first + granules; ++each) {
      advance();
      set(each, home);
      ++live_;
    }
  }

  /// Takes granules out again.
  void erase(const void* begin, std::size_t granules) noexcept {
    const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(begin) >> granule_shift_;
    for (std::uintptr_t each = first; each != first + granules; ++each) {
      advance();
      entry* place = &newest()->place_of(each);
      // Relaxed: the writer's own.
      if (place->granule.load(std::memory_order_relaxed) != each) {
        table* const older = newest()->older.load(std::memory_order_relaxed);
        if (older != nullptr) place = &older->place_of(each);  // null: something has written over the entry
      }
      place->home.store(nullptr, std::memory_order_release);  // Release: pairs with the acquire in find().
      --live_;
    }
  }

  /// How far visit_some() has come.
  class visit {
    friend class directory;
    const void* newest_ = nullptr;  // the table that it began with
    std::size_t at_ = 0;            // the entry to go on with
    bool is_in_newest_ = false;     // else in the older one
    std::uint8_t restarts_ = 0;
  };

  /// Calls bool f(slab&) for the slabs of at most `count` entries, from where `from` stands on, until f returns false: then the next
  /// visit begins with that slab. Passed over are those that bool is_slab(const slab*) does not believe in. Where a table was replaced meanwhile, the visit starts over, up to 4 times; after that some
  /// slabs may be missed.
  /// Requires    The owner's lock.
  /// Returns     Whether entries are left.
  /// Complexity  O(count).
  template <class IsSlab, class F>
  bool visit_some(visit& from, std::size_t count, IsSlab is_slab, F f) const;
  template <class F>
  bool visit_some(visit& from, std::size_t count, F f) const {
    return visit_some(
        from, count, [](const slab*) { return true; }, f);
  }

  /// Forgets everything; the memory that was brought is the owner's again. Requires that nobody is inside a call.
  void release() noexcept {
    newest_.store(nullptr, std::memory_order_relaxed);  // Relaxed: alone.
    next_ = retired_ = nullptr;
    used_ = live_ = cleared_ = 0;
  }

  std::size_t granules() const noexcept { return live_; }  // of slabs
  bool check_invariants() const noexcept;

 private:
  using entry = directory_entry;
  using table = directory_table;
  static constexpr std::uintptr_t no_granule = directory_entry::no_granule;
  static constexpr std::size_t first_entries = 16;
  static constexpr std::size_t moved_at_once = 8;  // entries of the table before

  table* newest() const noexcept {
    return newest_.load(std::memory_order_relaxed);
  }  // Relaxed: the writer's own.
  std::size_t capacity() const noexcept { return newest() == nullptr ? 0 : newest()->mask + 1; }

  // Returns the slab of a granule; what it says counts only if the generation is the same afterwards.
  slab* probe(std::uintptr_t granule) const noexcept {
    // Acquire: pairs with the release in begin_moving(), so that the table is seen cleared.
    const table* const newest = newest_.load(std::memory_order_acquire);
    return QUARRY_UNLIKELY(newest == nullptr) ? nullptr : newest->probe(granule);
  }

  // What stands in the newest table goes before what stands in an older one.
  void set(std::uintptr_t granule, slab* home) noexcept { set(newest()->place_of(granule), granule, home); }
  void set(entry& each, std::uintptr_t granule, slab* home) noexcept {
    if (each.granule.load(std::memory_order_relaxed) == no_granule) ++used_;  // Relaxed: the writer's own.
    each.home.store(home, std::memory_order_release);        // Release: pairs with the acquire in find().
    each.granule.store(granule, std::memory_order_release);  // Release: an entry is seen with its slab.
  }

  bool is_moving() const noexcept {
    return newest() != nullptr &&
           newest()->older.load(std::memory_order_relaxed) != nullptr;  // Relaxed: the writer's own.
  }

  // Tells those who find that what they have probed may have changed under them.
  void next_generation() noexcept {
    // Relaxed: the writer's own; the fence puts it before what follows. Release: pairs with the acquire in find().
    generation_.store(generation_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_release);
  }

  // Starts to clear the next table, fast enough that it is ready before the newest one is half full.
  void begin_clearing(table& next) noexcept {
    next_ = &next;
    cleared_ = 0;
    const std::size_t room = capacity() / 2 > used_ ? capacity() / 2 - used_ : 1;
    cleared_at_once_ = (next.mask + room) / room;
  }

  void clear(std::size_t count) noexcept {
    const std::size_t end = cleared_ + count <= next_->mask + 1 ? cleared_ + count : next_->mask + 1;
    for (; cleared_ < end; ++cleared_) {
      entry& each = *::new (next_->entries() + cleared_) entry;
      each.granule.store(no_granule, std::memory_order_relaxed);  // Relaxed: published by begin_moving().
      each.home.store(nullptr, std::memory_order_relaxed);        // Relaxed: as above.
    }
  }

  // Makes the cleared table the newest one.
  void begin_moving() noexcept {
    next_->moved = 0;
    next_->older.store(newest(), std::memory_order_relaxed);  // Relaxed: published with the table.
    used_ = 0;
    newest_.store(next_, std::memory_order_release);  // Release: pairs with the acquire in probe().
    next_ = nullptr;
  }

  // A step of growing: clears some entries of the next table, or moves some into the newest.
  void advance() noexcept {
    if (newest() == nullptr) return;
    table& current = *newest();
    if (table* const older = current.older.load(std::memory_order_relaxed)) {  // Relaxed: the writer's own.
      for (std::size_t i = 0; i < moved_at_once && current.moved <= older->mask; ++i, ++current.moved)
        move(older->entries()[current.moved], current);
      if (current.moved <= older->mask) return;
      next_generation();  // who has missed in the newest table must not miss here too
      current.older.store(nullptr,
                          std::memory_order_release);  // Release: pairs with the acquire in probe_older().
      retired_ = older;
    } else if (next_ != nullptr) {
      clear(cleared_at_once_);
      if (cleared_ > next_->mask) begin_moving();
    }
  }

  void move(const entry& from, table& current) noexcept {
    slab* const home = from.home.load(std::memory_order_relaxed);  // Relaxed: the writer's own.
    if (home == nullptr) return;
    const std::uintptr_t granule = from.granule.load(std::memory_order_relaxed);  // Relaxed: as above.
    entry& place = current.place_of(granule);
    if (place.granule.load(std::memory_order_relaxed) == no_granule)
      set(place, granule, home);  // Relaxed: as above.
  }

  std::uint32_t granule_shift_;
  std::atomic<std::uint32_t> generation_{0};  // written under the owner's lock, read by any thread
  std::atomic<table*> newest_{nullptr};       // written under the owner's lock, read by any thread
  table* next_ = nullptr;                     // being cleared
  table* retired_ = nullptr;         // the last one from which all entries have moved, to be used again
  std::size_t cleared_ = 0;          // entries of next_
  std::size_t cleared_at_once_ = 0;  // entries of next_ in a step
  std::size_t used_ = 0;             // entries of the newest table that name a granule
  std::size_t live_ = 0;             // granules of slabs
};

// The older table goes first: what moves to the newest one meanwhile is met there.
template <class IsSlab, class F>
bool directory::visit_some(visit& from, std::size_t count, IsSlab is_slab, F f) const {
  const table* const current = newest();
  if (current == nullptr) return false;
  if (from.newest_ != current) {
    constexpr std::uint8_t most_restarts = 4;
    const bool starts_over = from.restarts_ < most_restarts;
    from.restarts_ = static_cast<std::uint8_t>(from.restarts_ + starts_over);
    from.newest_ = current;
    from.is_in_newest_ = !starts_over;
    if (starts_over) from.at_ = 0;
  }
  const table* const older = current->older.load(std::memory_order_relaxed);  // Relaxed: the writer's own.
  if (!from.is_in_newest_ && (older == nullptr || from.at_ > older->mask)) {
    from.is_in_newest_ = true;
    from.at_ = 0;
  }
  if (!from.is_in_newest_ && from.at_ < current->moved) from.at_ = current->moved;
  const table& in = from.is_in_newest_ ? *current : *older;
  for (; count != 0 && from.at_ <= in.mask; --count, ++from.at_) {
    const entry& each = in.entries()[from.at_];
    slab* const home = each.home.load(std::memory_order_relaxed);  // Relaxed: the writer's own.
    if (home == nullptr || !is_slab(home) ||
        reinterpret_cast<std::uintptr_t>(home->begin()) >> granule_shift_ !=
            each.granule.load(std::memory_order_relaxed))  // Relaxed: as above.
      continue;
    if (!f(*home)) return true;
  }
  return !from.is_in_newest_ || from.at_ <= current->mask;
}

inline bool directory::check_invariants() const noexcept {
  std::size_t live = 0, used = 0;
  if (const table* const current = newest()) {
    for (std::size_t at = 0; at <= current->mask; ++at) {
      const entry& each = current->entries()[at];
      if (each.granule.load(std::memory_order_relaxed) == no_granule) continue;  // Relaxed: the writer's own.
      ++used;
      live += each.home.load(std::memory_order_relaxed) != nullptr;  // Relaxed: the writer's own.
    }
    const table* const older = current->older.load(std::memory_order_relaxed);  // Relaxed: the writer's own.
    for (std::size_t at = current->moved; older != nullptr && at <= older->mask; ++at) {
      const entry& each = older->entries()[at];
      const std::uintptr_t granule =
          each.granule.load(std::memory_order_relaxed);  // Relaxed: the writer's own.
      if (granule == no_granule || each.home.load(std::memory_order_relaxed) == nullptr) continue;
      live +=
          const_cast<table&>(*current).place_of(granule).granule.load(std::memory_order_relaxed) != granule;
    }
  }
  return live == live_ && used == used_ && (capacity() == 0 || used_ < capacity());
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
