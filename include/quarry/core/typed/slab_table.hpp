// Which slabs a checked cache has: asked by address, so that no memory is read that may be nobody's or damaged.
//
// Layer      4. Freestanding. Takes no memory: blocks are lent to it.
// Invariant  An entry stands between where its slab's number leads to and the next free place of one block, and in no other.
// Threads    Under the cache's lock.
#pragma once

#include <quarry/core/slabs/slab.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What is known of one slab beside it.
struct slab_entry {
  slab* header = nullptr;      // null: a free place
  std::uint32_t ever_out = 0;  // slots below this one may have been handed out, all others never were
  bool is_root = false;
};

class slab_table {
 public:
  explicit slab_table(std::size_t slab_bytes) noexcept : slab_bytes_(slab_bytes) {}
  slab_table(const slab_table&) = delete;
  slab_table& operator=(const slab_table&) = delete;

  /// Uses `bytes` bytes at `memory` from now on. Requires memory aligned for an entry.
  void add_block(void* memory, std::size_t bytes) noexcept;

  /// Returns the block that was added last, no longer used, or null when none is left. Requires that find() is not asked again.
  void* take_block() noexcept {
    block* const taken = blocks_;
    if (taken != nullptr) blocks_ = taken->next;
    return taken;
  }

  /// Adds a slab that is not there. Returns its entry, or null when every block is full. Complexity O(blocks).
  slab_entry* add(slab* header) noexcept;

  /// Returns the entry of a slab, or null when there is none; whatever `header` is, it is not read. Complexity O(blocks).
  slab_entry* find(const slab* header) const noexcept {
    slab_entry* found = nullptr;
    for (const block* each = blocks_; each != nullptr && found == nullptr; each = each->next)
      found = find_in(*each, header);
    return found;
  }

  /// Removes a slab that is there. Complexity O(blocks).
  void remove(const slab* header) noexcept;

  /// Calls f(slab_entry&) for each slab.
  template <class F>
  void for_each(F f) const {
    for (const block* each = blocks_; each != nullptr; each = each->next)
      for (std::size_t i = 0; i < each->places; ++i)
        if (each->entries()[i].header != nullptr) f(each->entries()[i]);
  }

 private:
  struct block {
    block* next;
    std::size_t places;  // of which an eighth at least stays free
    std::size_t used;

    slab_entry* entries() const noexcept {
      return const_cast<slab_entry*>(reinterpret_cast<const slab_entry*>(this + 1));
    }
  };
  static_assert(sizeof(block) % alignof(slab_entry) == 0);

  std::size_t first_place(const block& of, const slab* header) const noexcept {
    return reinterpret_cast<std::uintptr_t>(header) / slab_bytes_ % of.places;
  }
  static std::size_t next_place(const block& of, std::size_t place) noexcept {
    return place + 1 == of.places ? 0 : place + 1;
  }
  slab_entry* find_in(const block& of, const slab* header) const noexcept {
    slab_entry* const entries = of.entries();
    std::size_t place = first_place(of, header);
    while (entries[place].header != header && entries[place].header != nullptr) place = next_place(of, place);
    return entries[place].header != nullptr ? entries + place : nullptr;
  }

  std::size_t slab_bytes_;
  block* blocks_ = nullptr;  // the newest first
};

inline void slab_table::add_block(void* memory, std::size_t bytes) noexcept {
  const std::size_t places = bytes < sizeof(block) ? 0 : (bytes - sizeof(block)) / sizeof(slab_entry);
  if (places < 2) return;
  auto* const fresh = ::new (memory) block{blocks_, places, 0};
  for (std::size_t i = 0; i < places; ++i) ::new (static_cast<void*>(fresh->entries() + i)) slab_entry();
  blocks_ = fresh;
}

inline slab_entry* slab_table::add(slab* header) noexcept {
  for (block* each = blocks_; each != nullptr; each = each->next) {
    if (each->used + 1 + each->places / 8 >= each->places) continue;
    ++each->used;
    std::size_t place = first_place(*each, header);
    while (each->entries()[place].header != nullptr) place = next_place(*each, place);
    slab_entry& entry = each->entries()[place];
    entry = slab_entry();
    entry.header = header;
    return &entry;
  }
  return nullptr;
}

inline void slab_table::remove(const slab* header) noexcept {
  block* home = blocks_;
  while (find_in(*home, header) == nullptr) home = home->next;
  --home->used;
  slab_entry* const entries = home->entries();
  auto gap = static_cast<std::size_t>(find_in(*home, header) - entries);
  // What could not stand in the gap, because it was taken, moves there, and leaves a gap itself.
  for (std::size_t place = next_place(*home, gap); entries[place].header != nullptr;
       place = next_place(*home, place)) {
    const std::size_t first = first_place(*home, entries[place].header);
    const bool stays = gap < place ? gap < first && first <= place : gap < first || first <= place;
    if (stays) continue;
    entries[gap] = entries[place];
    gap = place;
  }
  entries[gap] = slab_entry();
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
