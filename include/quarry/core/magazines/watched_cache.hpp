// The cache of an owner whose calls are watched: it stands behind one that is never loaded, so that every call takes the slow way.
//
// Layer      2. Freestanding.
// Threads    As cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/bits.hpp>
#include <quarry/core/magazines/cache.hpp>
#include <quarry/core/magazines/quarantine.hpp>
#include <quarry/core/slabs/slot_states.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// A slab that was looked at, so that the next look need not find it again.
struct alignas(32) slab_memo {
  std::byte* begin = nullptr;
  std::byte* states = nullptr;   // where those of its slots begin
  std::uint64_t reciprocal = 0;  // of the slots' size, as reciprocal_of(): it tells the class, too
  std::uint32_t bytes = 0;       // of slots; 0: no slab
  std::uint32_t epoch = 0;       // of the store when it was looked at

  /// Returns whether `pointer` lies in the slab's slots, and no slab has gone back since.
  bool holds(const void* pointer, std::uint32_t epoch_now) const noexcept {
    const auto offset = reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(begin);
    return offset < bytes && epoch == epoch_now;
  }

  /// Sets `slot` to the number of the slot that `pointer`, which the slab holds, lies in. Returns whether that is its begin.
  bool find(const void* pointer, std::size_t& slot) const noexcept {
    // The upper half of the product is the number; the lower one is less than the reciprocal exactly where the offset is a
    // multiple of the slots' size.
    std::uint64_t number = 0;
    const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(pointer) - begin);
    const std::uint64_t rest = multiply(offset, reciprocal, number);
    slot = static_cast<std::size_t>(number);
    return rest < reciprocal;
  }

  /// Returns ceil(2^40 / slot_bytes) * 2^24: the same numbers as slab_layout's, where the product has 128 bits.
  static constexpr std::uint64_t reciprocal_of(std::size_t slot_bytes) noexcept {
    return slab::reciprocal_of(slot_bytes) << 24;
  }
};

struct watched_cache : cache {
  static constexpr std::size_t first_memos = 32;  // powers of two
  static constexpr std::size_t most_memos = 1024;
  static constexpr std::uint32_t look_ups_of_few = 1024;  // after so many there are too few memos

  slab_memo* memos = first;  // of the slab that was looked at last; by the granule of the pointer
  std::size_t memo_mask = mask_of(first_memos);  // of the offset of a memo
  std::uint32_t memo_shift;                      // from an address to that
  std::uint32_t look_ups = 0;                    // visits of the way that looks slabs up
  std::uint64_t reciprocals[class_count];        // as in slab_memo; by class
  slab_memo first[first_memos];
  quarantine* delayed = nullptr;  // null where freed slots may be handed out at once

  /// Returns where the slab of `pointer` is remembered. Complexity O(1).
  slab_memo& memo_of(const void* pointer) noexcept {
    const std::size_t offset = (reinterpret_cast<std::uintptr_t>(pointer) >> memo_shift) & memo_mask;
    return *reinterpret_cast<slab_memo*>(reinterpret_cast<std::byte*>(memos) + offset);
  }

  /// Returns what a memo has of a slab of the class of `key`. Complexity O(1).
  std::uint64_t reciprocal_at(class_key key) const noexcept {
    return *reinterpret_cast<const std::uint64_t*>(reinterpret_cast<const std::byte*>(reciprocals) +
                                                   key * (sizeof(std::uint64_t) / 2));
  }

  /// Counts a slab that was not remembered. Returns whether remember_in() is asked for.
  bool note_look_up() noexcept { return memos == first && ++look_ups > look_ups_of_few; }

  /// Lets `place`, which has room for most_memos of them and lives as long as the cache, hold what is remembered; null: goes on as
  /// before.
  void remember_in(void* place) noexcept {
    look_ups = 0;
    if (place == nullptr) return;
    memos = static_cast<slab_memo*>(place);
    memo_mask = mask_of(most_memos);
    for (std::size_t i = 0; i < most_memos; ++i) ::new (memos + i) slab_memo;
  }

  /// Units       bytes; as the directory's. Requires that a granule has more bytes than a memo.
  explicit watched_cache(std::size_t granule_bytes) noexcept
      : memo_shift(bit_width(granule_bytes - 1) - bit_width(sizeof(slab_memo) - 1)) {
    for (class_index i = 0; i < class_count; ++i) reciprocals[i] = slab_memo::reciprocal_of(slot_bytes_of(i));
  }

 private:
  static constexpr std::size_t mask_of(std::size_t memo_count) noexcept {
    return (memo_count - 1) * sizeof(slab_memo);
  }
};

/// Returns the slots of class `index` that rest in a cache, or in the one behind it. Threads: any.
inline std::size_t slots_resting_in(const cache& own, class_index index) noexcept {
  if (own.behind == nullptr) return own.cached_slots(index);
  const quarantine* const delayed = own.behind->delayed;
  return own.behind->cached_slots(index) + (delayed != nullptr ? delayed->slots_of(index) : 0);
}

/// Copies these slots as cache::copy_slots(). Threads: as there.
inline std::size_t copy_slots_resting_in(const cache& own, class_index index, const void** into,
                                         std::size_t room) noexcept {
  if (own.behind == nullptr) return own.copy_slots(index, into, room);
  const std::size_t copied = own.behind->copy_slots(index, into, room);
  const quarantine* const delayed = own.behind->delayed;
  return copied + (delayed != nullptr ? delayed->copy_slots(index, into + copied, room - copied) : 0);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
