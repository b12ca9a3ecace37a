// A table of a directory: where the entry of a granule lies, and how it is found there or in the table before.
//
// Layer      4. Freestanding.
// Invariant  The entries lie behind the table. An entry names its granule for as long as the table is in use, with its slab or with
//            none; the free place where a search ends says that the granule has no entry here.
// Threads    Finding: any number at a time. Writing: one at a time, under the owner's lock.
// Source     Open addressing (Knuth, vol. 3, 6.4).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class slab;

struct directory_entry {
  static constexpr std::uintptr_t no_granule = UINTPTR_MAX;

  std::atomic<std::uintptr_t> granule;
  std::atomic<slab*> home;  // null: no slab covers the granule now
};

/// Where the entry of a granule may lie first.
struct directory_places {
  static constexpr std::size_t block_entries = 8;

  explicit directory_places(std::size_t entries) noexcept : mask(entries - 1), block_mask(mask & ~in_block) {}

  // Neighbours share a block, and who finds its place taken goes to the same place of the next block: so one extent's
  // granules meet another's together or not at all.
  std::size_t start_of(std::uintptr_t granule) const noexcept {
    constexpr auto golden = static_cast<std::uintptr_t>(0x9E3779B97F4A7C15U);
    constexpr std::uint32_t half_a_word = sizeof(std::uintptr_t) * 4;
    const std::uintptr_t hash = granule / block_entries * golden >> half_a_word;
    return static_cast<std::size_t>((hash & block_mask) | (granule & in_block));
  }
  std::size_t after(std::size_t at) const noexcept {
    const std::size_t next = at + block_entries;
    return QUARRY_LIKELY(next <= mask) ? next : (at + 1) % block_entries;
  }

  static constexpr std::size_t in_block = block_entries - 1;

  std::size_t mask;        // entries - 1
  std::size_t block_mask;  // of the first entries of blocks
};

/// Behind it there is room for its entries; whoever makes it clears them.
struct directory_table : directory_places {
  explicit directory_table(std::size_t entries) noexcept : directory_places(entries) {}
  static constexpr std::size_t bytes_of(std::size_t entries) noexcept {
    return sizeof(directory_table) + entries * sizeof(directory_entry);
  }
  directory_entry* entries() noexcept { return reinterpret_cast<directory_entry*>(this + 1); }
  const directory_entry* entries() const noexcept {
    return reinterpret_cast<const directory_entry*>(this + 1);
  }

  /// Returns the entry of `granule`, or the free one where it would go.
  directory_entry& place_of(std::uintptr_t granule) noexcept {
    for (std::size_t at = start_of(granule);; at = after(at)) {
      directory_entry& each = entries()[at];
      const std::uintptr_t seen = each.granule.load(std::memory_order_relaxed);  // Relaxed: the writer's own.
      if (seen == granule || seen == directory_entry::no_granule) return each;
    }
  }

  /// Returns the slab of a granule, here or in the table before, or null.
  slab* probe(std::uintptr_t granule) const noexcept {
    for (std::size_t at = start_of(granule);; at = after(at)) {
      const directory_entry& each = entries()[at];
      // Acquire: pairs with the release in directory::set(): an entry is seen with its slab.
      const std::uintptr_t seen = each.granule.load(std::memory_order_acquire);
      if (QUARRY_LIKELY(seen == granule))
        return each.home.load(std::memory_order_acquire);  // Acquire: as above.
      if (seen == directory_entry::no_granule) return probe_older(granule);
    }
  }

  /// Sets homes[i] to what probe() would return for slots[i], and fetches the headers. Returns whether none is null.
  bool find_all(void* const* slots, std::size_t count, slab** homes,
                std::uint32_t granule_shift) const noexcept {
    const directory_places at = *this;
    const directory_entry* const entries = this->entries();
    bool are_all_found = true;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uintptr_t granule = reinterpret_cast<std::uintptr_t>(slots[i]) >> granule_shift;
      const directory_entry& first = entries[at.start_of(granule)];
      slab* home = nullptr;
      // Acquire: as in probe().
      if (QUARRY_LIKELY(first.granule.load(std::memory_order_acquire) == granule))
        home = first.home.load(std::memory_order_acquire);  // Acquire: as in probe().
      if (QUARRY_UNLIKELY(home == nullptr) && (home = probe(granule)) == nullptr) are_all_found = false;
      homes[i] = home;
      QUARRY_PREFETCH_FOR_WRITE(home);
    }
    return are_all_found;
  }

  std::atomic<directory_table*> older{
      nullptr};           // the table that entries still move from; null when all have moved
  std::size_t moved = 0;  // entries of `older` that were looked at

 private:
  QUARRY_NOINLINE slab* probe_older(std::uintptr_t granule) const noexcept {
    // Acquire: pairs with the release in directory::begin_moving().
    const directory_table* const before = older.load(std::memory_order_acquire);
    if (before == nullptr) return nullptr;
    for (std::size_t at = before->start_of(granule), left = before->mask + 1; left != 0;
         --left, at = before->after(at)) {
      const directory_entry& each = before->entries()[at];
      const std::uintptr_t seen = each.granule.load(std::memory_order_acquire);  // Acquire: as in probe().
      if (seen == granule) return each.home.load(std::memory_order_acquire);     // Acquire: as in probe().
      if (seen == directory_entry::no_granule) return nullptr;
    }
    return nullptr;
  }
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
