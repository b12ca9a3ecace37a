// The blocks that are too large for a slab: each one request of its own, found by any address in it, and kept for a while
// for the next request where the owner wants that.
//
// Layer      5. Freestanding. Calls no page source and touches no block: records and index lie in memory the owner brings.
// Invariant  Every live block is in the index once, under its size's power of two and its address over that: at most two
//            places of each power hold an address. Kept blocks are in the list of their size and in that of their age.
// Threads    One thread at a time, or under the owner's lock.
// Source     Linear hashing (Litwin 1980): the index grows one bucket at a time, so that no call is long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What is known of one block.
struct oversize_block {
  oversize_block* next = nullptr;      // in its bucket of the index, or among the spare records
  oversize_block* previous = nullptr;  // kept: in the list of its size
  oversize_block* older = nullptr;     // by age, among the live or among the kept
  oversize_block* newer = nullptr;
  void* memory = nullptr;
  std::size_t bytes = 0;       // as asked for
  std::size_t held_bytes = 0;  // as asked of the page source
  std::size_t alignment = 0;   // as asked of the page source
};

class oversize_blocks {
 public:
  constexpr oversize_blocks() noexcept = default;
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
    if (live_ < buckets_ || segments_[segment_of(buckets_)] != nullptr) return 0;
    return segment_buckets(segment_of(buckets_)) * sizeof(oversize_block*);
  }
  void bring(void* memory) noexcept {
    segments_[segment_of(buckets_)] = static_cast<oversize_block**>(memory);
    while (buckets_ < first_buckets) bucket(buckets_++) = nullptr;
  }
  bool has_index() const noexcept { return buckets_ != 0; }

  /// Enters a live block. Requires has_index(). Complexity O(1) expected.
  void insert(oversize_block& live) noexcept;

  /// Takes a live block out. Complexity O(1) expected.
  void remove(oversize_block& live) noexcept;

  /// Returns the live block that `pointer` lies in, or null; a block of 0 bytes has its first address. Complexity O(1)
  /// expected: at most two look-ups for each power of two among the sizes.
  oversize_block* find(const void* pointer) const noexcept;

  /// Keeps a block that is no longer live. Complexity O(1).
  void keep(oversize_block& freed) noexcept;

  /// Takes a kept block for a request out, of not much more bytes; null when there is none. Complexity O(1).
  oversize_block* take_kept(std::size_t bytes, std::size_t alignment) noexcept;

  /// Takes the block out that was kept longest, or returns null.
  oversize_block* take_oldest() noexcept {
    oversize_block* const oldest = oldest_kept_;
    if (oldest != nullptr) unkeep(*oldest);
    return oldest;
  }

  /// Forgets everything: f(const oversize_block&) gets each block, live or kept.
  template <class F>
  void release(F f) noexcept {
    for (oversize_block* each : {newest_live_, newest_kept_})
      while (each != nullptr) {
        oversize_block* const next = each->older;
        f(*each);
        each = next;
      }
    forget();
  }

  std::size_t blocks() const noexcept { return live_; }            // live ones
  std::size_t bytes() const noexcept { return live_bytes_; }       // of live ones, as asked for
  std::size_t kept_bytes() const noexcept { return kept_bytes_; }  // held for kept ones
  bool check_invariants() const noexcept;

  static constexpr std::size_t first_index_bytes = 16 * sizeof(oversize_block*);

 private:
  static constexpr std::size_t first_buckets = first_index_bytes / sizeof(oversize_block*);
  static constexpr std::size_t segment_count = sizeof(void*) * 8 - 4;
  static constexpr std::size_t sizes = 64;  // lists of kept blocks: four for each doubling from 2 KiB on
  static constexpr int most_looks = 4;      // at kept blocks of one list

  static constexpr std::uint32_t width_of(std::size_t value) noexcept {  // bits
    std::uint32_t width = 0;
    for (; value != 0; value >>= 1) ++width;
    return width;
  }
  static std::uint32_t power_of(const oversize_block& each) noexcept {
    return width_of(each.bytes <= 1 ? 1 : each.bytes - 1);
  }
  static std::size_t hash_of(std::uint32_t power, std::uintptr_t place) noexcept {
    const std::uint64_t mixed = (std::uint64_t{place} * 64 + power) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed >> 20);
  }
  static std::uintptr_t place_of(const void* pointer, std::uint32_t power) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer) >> power;
  }
  static std::size_t hash_of(const oversize_block& each) noexcept {
    return hash_of(power_of(each), place_of(each.memory, power_of(each)));
  }

  static std::size_t segment_of(std::size_t bucket) noexcept { return width_of(bucket / first_buckets); }
  static std::size_t segment_buckets(std::size_t segment) noexcept {
    return segment == 0 ? first_buckets : first_buckets << (segment - 1);
  }
  oversize_block*& bucket(std::size_t index) const noexcept {
    const std::size_t segment = segment_of(index);
    return segments_[segment][segment == 0 ? index : index - segment_buckets(segment)];
  }
  std::size_t bucket_of(std::size_t hash) const noexcept {
    const std::size_t half = std::size_t{1} << (width_of(buckets_) - 1);
    const std::size_t wide = hash & (2 * half - 1);
    return wide < buckets_ ? wide : wide & (half - 1);
  }

  static std::size_t size_of(std::size_t bytes) noexcept {
    const std::uint32_t width = width_of(bytes >> 11);
    const std::size_t quarter = width == 0 ? 0 : bytes >> (width + 8) & 3;
    const std::size_t size = std::size_t{width} * 4 + quarter;
    return size < sizes ? size : sizes - 1;
  }

  void split() noexcept;
  void unkeep(oversize_block& kept) noexcept;
  void forget() noexcept;
  static void link(oversize_block& each, oversize_block*& newest) noexcept {
    each.older = newest;
    each.newer = nullptr;
    if (newest != nullptr) newest->newer = &each;
    newest = &each;
  }
  static void unlink(oversize_block& each, oversize_block*& newest) noexcept {
    (each.newer != nullptr ? each.newer->older : newest) = each.older;
    if (each.older != nullptr) each.older->newer = each.newer;
  }

  oversize_block** segments_[segment_count] = {};  // of buckets; those of each but the first double
  std::size_t buckets_ = 0;                        // in use
  std::size_t live_ = 0;
  std::size_t live_bytes_ = 0;
  std::uint64_t powers_ = 0;  // bit p: blocks of up to 2^p bytes have lived
  oversize_block* newest_live_ = nullptr;
  oversize_block* spare_ = nullptr;
  oversize_block* kept_[sizes] = {};  // by size; newest first
  oversize_block* newest_kept_ = nullptr;
  oversize_block* oldest_kept_ = nullptr;
  std::size_t kept_bytes_ = 0;
};

inline void oversize_blocks::insert(oversize_block& live) noexcept {
  if (live_ >= buckets_ && segments_[segment_of(buckets_)] != nullptr) split();
  oversize_block*& head = bucket(bucket_of(hash_of(live)));
  live.next = head;
  head = &live;
  powers_ |= std::uint64_t{1} << power_of(live);
  link(live, newest_live_);
  ++live_;
  live_bytes_ += live.bytes;
}

inline void oversize_blocks::remove(oversize_block& live) noexcept {
  oversize_block** link_to = &bucket(bucket_of(hash_of(live)));
  while (*link_to != &live) link_to = &(*link_to)->next;
  *link_to = live.next;
  unlink(live, newest_live_);
  --live_;
  live_bytes_ -= live.bytes;
}

inline oversize_block* oversize_blocks::find(const void* pointer) const noexcept {
  for (std::uint64_t powers = buckets_ == 0 ? 0 : powers_; powers != 0; powers &= powers - 1) {
    const auto power = static_cast<std::uint32_t>(__builtin_ctzll(powers));
    for (std::uintptr_t before = 0; before < 2; ++before) {
      const std::uintptr_t place = place_of(pointer, power) - before;
      for (oversize_block* each = bucket(bucket_of(hash_of(power, place))); each != nullptr;
           each = each->next)
        if (pointer == each->memory ||
            reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each->memory) <
                each->bytes)
          return each;
    }
  }
  return nullptr;
}

// Moves the blocks of one bucket that belong into the next new one.
inline void oversize_blocks::split() noexcept {
  const std::size_t half = std::size_t{1} << (width_of(buckets_) - 1);
  oversize_block** link_to = &bucket(buckets_ - half);
  oversize_block** const fresh = &bucket(buckets_);
  *fresh = nullptr;
  ++buckets_;
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

inline void oversize_blocks::keep(oversize_block& freed) noexcept {
  oversize_block*& head = kept_[size_of(freed.held_bytes)];
  freed.previous = nullptr;
  freed.next = head;
  if (head != nullptr) head->previous = &freed;
  head = &freed;
  link(freed, newest_kept_);
  if (oldest_kept_ == nullptr) oldest_kept_ = &freed;
  kept_bytes_ += freed.held_bytes;
}

inline void oversize_blocks::unkeep(oversize_block& kept) noexcept {
  (kept.previous != nullptr ? kept.previous->next : kept_[size_of(kept.held_bytes)]) = kept.next;
  if (kept.next != nullptr) kept.next->previous = kept.previous;
  if (oldest_kept_ == &kept) oldest_kept_ = kept.newer;
  unlink(kept, newest_kept_);
  kept_bytes_ -= kept.held_bytes;
}

inline oversize_block* oversize_blocks::take_kept(std::size_t bytes, std::size_t alignment) noexcept {
  const std::size_t size = size_of(bytes);
  for (std::size_t list = size; list < sizes && list <= size + 1; ++list) {
    oversize_block* each = kept_[list];
    for (int look = 0; each != nullptr && look < most_looks; ++look, each = each->next) {
      const bool fits = each->held_bytes >= bytes && each->held_bytes - bytes <= bytes / 4;
      if (!fits || (reinterpret_cast<std::uintptr_t>(each->memory) & (alignment - 1)) != 0) continue;
      unkeep(*each);
      return each;
    }
  }
  return nullptr;
}

inline void oversize_blocks::forget() noexcept {
  for (oversize_block**& each : segments_) each = nullptr;
  for (oversize_block*& each : kept_) each = nullptr;
  buckets_ = live_ = live_bytes_ = kept_bytes_ = 0;
  powers_ = 0;
  newest_live_ = spare_ = newest_kept_ = oldest_kept_ = nullptr;
}

inline bool oversize_blocks::check_invariants() const noexcept {
  std::size_t listed = 0, listed_bytes = 0, indexed = 0, kept = 0, aged = 0;
  for (const oversize_block* each = newest_live_; each != nullptr; each = each->older) {
    ++listed;
    listed_bytes += each->bytes;
  }
  for (std::size_t i = 0; i < buckets_; ++i)
    for (const oversize_block* each = bucket(i); each != nullptr; each = each->next)
      indexed += bucket_of(hash_of(*each)) == i;
  for (const oversize_block* head : kept_)
    for (const oversize_block* each = head; each != nullptr; each = each->next) kept += each->held_bytes;
  for (const oversize_block* each = newest_kept_; each != nullptr; each = each->older)
    aged += each->held_bytes;
  return listed == live_ && indexed == live_ && listed_bytes == live_bytes_ && kept == kept_bytes_ &&
         aged == kept_bytes_;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
