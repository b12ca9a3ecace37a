// The blocks that are too large for a slab: each one request of its own, found by any address in it, and kept for a while
// for the next request where the owner wants that.
//
// Layer      5. Freestanding. Calls no supply and touches no block: records and index lie in memory the owner brings.
// Invariant  Every block is in the index once, live or kept, under the power of two of the bytes held for it and its address
//            over that: at most two places of each power hold an address. Kept blocks, all but the newest, are in the list of
//            their size and in that of their age too.
// Threads    One thread at a time, or under the owner's lock.
// Source     Linear hashing (Litwin 1980): the index grows one bucket at a time, so that no call is long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/bits.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What is known of one block.
struct oversize_block {
  oversize_block* next = nullptr;   // in its bucket of the index, or among the spare records
  oversize_block* after = nullptr;  // kept: in the list of its size
  oversize_block* before = nullptr;
  oversize_block* older = nullptr;  // kept: in the list by age
  oversize_block* newer = nullptr;
  void* memory = nullptr;
  std::size_t bytes = 0;       // as asked for
  std::size_t held_bytes = 0;  // as asked of the supply
  std::size_t alignment = 0;   // as asked of the supply
  bool is_live = false;        // else it is kept, or a spare record
  bool is_slab = false;        // a slab lies in it: it is none of the user's blocks, and not counted as one
};

class oversize_blocks {
 public:
  // Most resources never have such a block: the tables are cleared when the first one comes.
  oversize_blocks() noexcept {}
  oversize_blocks(const oversize_blocks&) = delete;
  oversize_blocks& operator=(const oversize_blocks&) = delete;

  bool has_spare() const noexcept { return spare_ != nullptr; }
  void bring_spare(void* memory) noexcept { recycle(*::new (memory) oversize_block); }

  /// Takes a spare record. Requires has_spare().
  oversize_block& take_spare() noexcept {
    oversize_block& taken = *spare_;
    spare_ = taken.next;
    return taken;
  }
  void recycle(oversize_block& unused) noexcept {
    unused.next = spare_;
    spare_ = &unused;
  }

  /// Returns the bytes that the index would like to grow by; 0 when it has room. Without them it works, if not so fast.
  std::size_t missing_bytes() const noexcept {
    if (buckets_ == 0) return first_index_bytes;
    if (blocks_ < buckets_ || tables_.segments[segment_of(buckets_)] != nullptr) return 0;
    return segment_buckets(segment_of(buckets_)) * sizeof(oversize_block*);
  }
  void bring(void* memory) noexcept {
    if (buckets_ == 0) tables_ = {};
    tables_.segments[segment_of(buckets_)] = static_cast<oversize_block**>(memory);
    if (buckets_ != 0) return;
    mask_ = first_buckets - 1;
    while (buckets_ < first_buckets) bucket(buckets_++) = nullptr;
  }
  bool has_index() const noexcept { return buckets_ != 0; }

  /// Enters a live block. Requires has_index(). Complexity O(1) expected.
  void insert(oversize_block& fresh) noexcept;

  /// Takes a live block out. Complexity O(1) expected.
  void remove(oversize_block& live) noexcept {
    set_live(live, false);
    unindex(live);
  }

  /// Returns the live block that `pointer` lies in, or null; a block of 0 bytes has its first address. Complexity O(1)
  /// expected: at most two look-ups for each power of two among the sizes.
  oversize_block* find(const void* pointer) const noexcept;

  /// Returns the live block that begins at `memory`, or null; it is found at once when it has about `bytes` bytes.
  oversize_block* find_start(const void* memory, std::size_t bytes) const noexcept {
    if (oversize_block* const found = find_at_once(memory, bytes)) return found;
    oversize_block* const found =
        find(memory);  // held for more bytes, or freed with others than it was asked for with
    return found != nullptr && found->memory == memory ? found : nullptr;
  }
  /// The same, or null where it is not found at once.
  oversize_block* find_at_once(const void* memory, std::size_t bytes) const noexcept;

  /// Says that a slab lies in a live block, as long as it lives.
  void set_slab(oversize_block& live) noexcept {
    set_live(live, false);
    live.is_live = live.is_slab = true;
  }

  /// Keeps a live block, which is live no longer. Complexity O(1).
  void keep(oversize_block& live) noexcept;

  /// Makes a kept block of at most `most_bytes` bytes, or most_for(bytes), live again, for a request; returns null when there is none. Complexity O(1).
  oversize_block* reuse(std::size_t bytes, std::size_t alignment, std::size_t most_bytes) noexcept;
  oversize_block* reuse(std::size_t bytes, std::size_t alignment) noexcept {
    return reuse(bytes, alignment, most_for(bytes));
  }
  /// Returns the most bytes of a block that is not wasted on a request for `bytes`.
  static constexpr std::size_t most_for(std::size_t bytes) noexcept { return bytes + bytes / 4; }

  /// Takes the block out that was kept longest, or returns null. Complexity O(1) expected.
  oversize_block* take_oldest() noexcept {
    oversize_block* const oldest = oldest_kept_ != nullptr ? oldest_kept_ : newest_;
    if (oldest == nullptr) return nullptr;
    oldest == newest_ ? static_cast<void>(newest_ = nullptr) : unlink(*oldest);
    kept_bytes_ -= oldest->held_bytes;
    unindex(*oldest);
    return oldest;
  }

  /// Calls f(const oversize_block&) for each block, live or kept. Complexity O(blocks).
  template <class F>
  void for_each(F f) const {
    for_each_from(0, buckets_, f);
  }

  /// The same for those of `count` buckets, from `first` on. A block never moves to a bucket below its own.
  /// Returns     Whether buckets are left.
  template <class F>
  bool for_each_from(std::size_t first, std::size_t count, F f) const {
    const std::size_t end = first + count < buckets_ ? first + count : buckets_;
    for (std::size_t i = first; i < end; ++i)
      for (const oversize_block* each = bucket(i); each != nullptr;) {
        const oversize_block* const next = each->next;
        f(*each);
        each = next;
      }
    return end < buckets_;
  }

  /// Forgets everything. Returns the blocks, live or kept, linked by next, before those of the chain `others`.
  oversize_block* release(oversize_block* others = nullptr) noexcept;

  std::size_t blocks() const noexcept { return live_; }            // live ones in which no slab lies
  std::size_t bytes() const noexcept { return live_bytes_; }       // of them, as asked for
  std::size_t kept_bytes() const noexcept { return kept_bytes_; }  // held for kept ones
  bool check_invariants() const noexcept;

  static constexpr std::size_t first_index_bytes = 8 * sizeof(oversize_block*);

 private:
  static constexpr std::size_t first_buckets = first_index_bytes / sizeof(oversize_block*);
  static constexpr std::size_t segment_count = sizeof(void*) * 8 - 4;
  static constexpr std::size_t sizes = 64;  // lists of kept blocks: four for each doubling from 2 KiB on
  static constexpr int most_looks = 4;      // at kept blocks of one list

  static std::uint32_t power_of(std::size_t held_bytes) noexcept {
    return bit_width(held_bytes <= 1 ? 1 : held_bytes - 1);
  }
  static std::size_t hash_of(std::uint32_t power, std::uintptr_t place) noexcept {
    const std::uint64_t mixed = (std::uint64_t{place} * 64 + power) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed >> 20);
  }
  static std::uintptr_t place_of(const void* pointer, std::uint32_t power) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer) >> power;
  }
  static std::size_t hash_of(const oversize_block& each) noexcept {
    const std::uint32_t power = power_of(each.held_bytes);
    return hash_of(power, place_of(each.memory, power));
  }

  static std::size_t segment_of(std::size_t bucket) noexcept { return bit_width(bucket / first_buckets); }
  static std::size_t segment_buckets(std::size_t segment) noexcept {
    return segment == 0 ? first_buckets : first_buckets << (segment - 1);
  }
  oversize_block*& bucket(std::size_t index) const noexcept {
    const std::size_t segment = segment_of(index);
    return tables_.segments[segment][segment == 0 ? index : index - segment_buckets(segment)];
  }
  std::size_t bucket_of(std::size_t hash) const noexcept {
    const std::size_t wide = hash & (2 * mask_ + 1);
    return wide < buckets_ ? wide : wide & mask_;
  }

  // The records of blocks that came last, each where its address says; a record says itself whether it still is that block's.
  static constexpr std::size_t recent_count = 16;
  static std::size_t recent_place_of(const void* memory) noexcept {
    return (reinterpret_cast<std::uintptr_t>(memory) >> 12) % recent_count;
  }

  static std::size_t size_of(std::size_t bytes) noexcept {
    const std::uint32_t width = bit_width(bytes >> 11);
    const std::size_t quarter = width == 0 ? 0 : bytes >> (width + 8) & 3;
    const std::size_t size = std::size_t{width} * 4 + quarter;
    return size < sizes ? size : sizes - 1;
  }

  void split() noexcept;
  void unindex(oversize_block& gone) noexcept;
  static bool serves(const oversize_block& kept, std::size_t bytes, std::size_t alignment,
                     std::size_t most_bytes) noexcept {
    return kept.held_bytes >= bytes && kept.held_bytes <= most_bytes &&
           (reinterpret_cast<std::uintptr_t>(kept.memory) & (alignment - 1)) == 0;
  }
  void link(oversize_block& kept) noexcept;
  void unlink(oversize_block& kept) noexcept;
  void set_live(oversize_block& each, bool is_live) noexcept {
    each.is_live = is_live;
    if (!each.is_slab) {
      live_ = is_live ? live_ + 1 : live_ - 1;
      live_bytes_ = is_live ? live_bytes_ + each.bytes : live_bytes_ - each.bytes;
    }
    each.is_slab = false;
  }
  struct tables {
    oversize_block** segments[segment_count];  // of buckets; those of each but the first double
    oversize_block* recent[recent_count];
    oversize_block* kept[sizes];  // by size; newest first
  };
  tables tables_;            // with the first buckets
  std::size_t buckets_ = 0;  // in use
  std::size_t mask_ = 0;     // the largest power of two that is not above buckets_, less 1
  std::size_t blocks_ = 0;   // live or kept
  std::size_t live_ = 0;
  std::size_t live_bytes_ = 0;
  std::uint64_t powers_ = 0;  // bit p: blocks of up to 2^p bytes have lived
  oversize_block* spare_ = nullptr;
  oversize_block* newest_ = nullptr;       // the block that was kept last, if it still is; in no list
  oversize_block* newest_kept_ = nullptr;  // of the list by age
  oversize_block* oldest_kept_ = nullptr;
  std::size_t kept_bytes_ = 0;
};

inline void oversize_blocks::insert(oversize_block& fresh) noexcept {
  if (blocks_ >= buckets_ && tables_.segments[segment_of(buckets_)] != nullptr) split();
  oversize_block*& head = bucket(bucket_of(hash_of(fresh)));
  fresh.next = head;
  head = &fresh;
  powers_ |= std::uint64_t{1} << power_of(fresh.held_bytes);
  ++blocks_;
  set_live(fresh, true);
  tables_.recent[recent_place_of(fresh.memory)] = &fresh;
}

inline void oversize_blocks::unindex(oversize_block& gone) noexcept {
  oversize_block** link_to = &bucket(bucket_of(hash_of(gone)));
  while (*link_to != &gone) link_to = &(*link_to)->next;
  *link_to = gone.next;
  --blocks_;
}

inline oversize_block* oversize_blocks::find(const void* pointer) const noexcept {
  for (std::uint64_t powers = buckets_ == 0 ? 0 : powers_; powers != 0; powers &= powers - 1) {
    const auto power = static_cast<std::uint32_t>(lowest_bit(powers));
    for (std::uintptr_t before = 0; before < 2; ++before) {
      const std::uintptr_t place = place_of(pointer, power) - before;
      for (oversize_block* each = bucket(bucket_of(hash_of(power, place))); each != nullptr;
           each = each->next) {
        const std::uintptr_t offset =
            reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each->memory);
        if ((offset < each->bytes || offset == 0) && each->is_live) return each;
      }
    }
  }
  return nullptr;
}

inline oversize_block* oversize_blocks::find_at_once(const void* memory, std::size_t bytes) const noexcept {
  if (buckets_ == 0) return nullptr;
  oversize_block* each = tables_.recent[recent_place_of(memory)];
  if (each != nullptr && each->memory == memory && each->is_live) return each;
  const std::uint32_t power = power_of(bytes);
  each = bucket(bucket_of(hash_of(power, place_of(memory, power))));
  while (each != nullptr && !(each->memory == memory && each->is_live)) each = each->next;
  return each;
}

// Moves the blocks of one bucket that belong into the next new one.
inline void oversize_blocks::split() noexcept {
  oversize_block** link_to = &bucket(buckets_ - (mask_ + 1));
  oversize_block** const fresh = &bucket(buckets_);
  *fresh = nullptr;
  if (++buckets_ == 2 * (mask_ + 1)) mask_ = buckets_ - 1;
  while (oversize_block* const each = *link_to) {
    if (bucket_of(hash_of(*each)) != buckets_ - 1) {
      link_to = &each->next;
      continue;
    }
    *link_to = each->next;
    each->next = *fresh;
    *fresh = each;
  }
}

inline void oversize_blocks::keep(oversize_block& live) noexcept {
  set_live(live, false);
  kept_bytes_ += live.held_bytes;
  if (newest_ != nullptr) link(*newest_);
  newest_ = &live;
}

inline void oversize_blocks::link(oversize_block& kept) noexcept {
  oversize_block*& head = tables_.kept[size_of(kept.held_bytes)];
  kept.before = nullptr;
  kept.after = head;
  if (head != nullptr) head->before = &kept;
  head = &kept;
  kept.newer = nullptr;
  kept.older = newest_kept_;
  (newest_kept_ != nullptr ? newest_kept_->newer : oldest_kept_) = &kept;
  newest_kept_ = &kept;
}

inline void oversize_blocks::unlink(oversize_block& kept) noexcept {
  (kept.before != nullptr ? kept.before->after : tables_.kept[size_of(kept.held_bytes)]) = kept.after;
  if (kept.after != nullptr) kept.after->before = kept.before;
  (kept.newer != nullptr ? kept.newer->older : newest_kept_) = kept.older;
  (kept.older != nullptr ? kept.older->newer : oldest_kept_) = kept.newer;
}

inline oversize_block* oversize_blocks::reuse(std::size_t bytes, std::size_t alignment,
                                              std::size_t most_bytes) noexcept {
  if (kept_bytes_ == 0) return nullptr;
  oversize_block* found = nullptr;
  if (newest_ != nullptr && serves(*newest_, bytes, alignment, most_bytes)) {
    found = newest_;
    newest_ = nullptr;
  } else {
    const std::size_t last = size_of(most_bytes);
    for (std::size_t list = size_of(bytes); found == nullptr && list <= last; ++list) {
      oversize_block* each = tables_.kept[list];
      for (int look = 0; each != nullptr && look < most_looks; ++look, each = each->after)
        if (serves(*each, bytes, alignment, most_bytes)) {
          found = each;
          break;
        }
    }
    if (found == nullptr) return nullptr;
    unlink(*found);
  }
  kept_bytes_ -= found->held_bytes;
  found->bytes = bytes;
  set_live(*found, true);
  tables_.recent[recent_place_of(found->memory)] = found;
  return found;
}

inline oversize_block* oversize_blocks::release(oversize_block* others) noexcept {
  for (std::size_t i = 0; i < buckets_; ++i)
    while (oversize_block* const each = bucket(i)) {
      bucket(i) = each->next;
      each->next = others;
      others = each;
    }
  buckets_ = blocks_ = live_ = live_bytes_ = kept_bytes_ = 0;
  powers_ = 0;
  spare_ = newest_ = newest_kept_ = oldest_kept_ = nullptr;
  return others;
}

inline bool oversize_blocks::check_invariants() const noexcept {
  std::size_t indexed = 0, live = 0, live_bytes = 0, kept_bytes = 0;
  std::size_t by_size = newest_ == nullptr ? 0 : newest_->held_bytes, by_age = by_size;
  for (std::size_t i = 0; i < buckets_; ++i)
    for (const oversize_block* each = bucket(i); each != nullptr; each = each->next) {
      indexed += bucket_of(hash_of(*each)) == i;
      if (each->is_slab) continue;
      live += each->is_live;
      (each->is_live ? live_bytes : kept_bytes) += each->is_live ? each->bytes : each->held_bytes;
    }
  for (std::size_t size = 0; buckets_ != 0 && size < sizes; ++size)
    for (const oversize_block* each = tables_.kept[size]; each != nullptr; each = each->after)
      by_size += each->held_bytes;
  for (const oversize_block* each = newest_kept_; each != nullptr; each = each->older)
    by_age += each->held_bytes;
  return indexed == blocks_ && live == live_ && live_bytes == live_bytes_ && kept_bytes == kept_bytes_ &&
         by_size == kept_bytes_ && by_age == kept_bytes_;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
