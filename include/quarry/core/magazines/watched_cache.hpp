// The cache of an owner whose calls are watched: it stands behind one that is never loaded, so that every call takes the slow way.
//
// Layer      2. Freestanding.
// Threads    As cache.
#pragma once

#include <array>
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

  std::size_t slots() const noexcept {
    std::uint64_t number = 0;
    multiply(bytes, reciprocal, number);
    return static_cast<std::size_t>(number);
  }
  /// Returns the header of the slab, behind which the states lie. Complexity O(1).
  slab& home() const noexcept { return *reinterpret_cast<slab*>(states - slab::header_bytes_for(slots())); }

  /// Holds `seen`, a slab of the class of `key`, whose states begin at `states_of_seen`, from now on.
  void remember(const slab& seen, class_key key, std::byte* states_of_seen,
                std::uint32_t epoch_now) noexcept {
    begin = seen.begin();
    states = states_of_seen;
    reciprocal = reciprocal_at(key);
    bytes = static_cast<std::uint32_t>(seen.slots() * slot_bytes_of(class_of_key(key)));
    epoch = epoch_now;
  }

  /// Returns ceil(2^40 / slot_bytes) * 2^24: the same numbers as slab_layout's, where the product has 128 bits.
  static constexpr std::uint64_t reciprocal_of(std::size_t slot_bytes) noexcept {
    return slab::reciprocal_of(slot_bytes) << 24;
  }
  /// Returns that of a class's slots. Complexity O(1).
  static std::uint64_t reciprocal_at(class_key key) noexcept;
};

namespace detail {
constexpr std::array<std::uint64_t, class_count> make_reciprocals() noexcept {
  std::array<std::uint64_t, class_count> all{};
  for (class_index i = 0; i < class_count; ++i) all[i] = slab_memo::reciprocal_of(slot_bytes_of(i));
  return all;
}
}  // namespace detail

inline constexpr std::array<std::uint64_t, class_count> reciprocals = detail::make_reciprocals();  // by class

inline std::uint64_t slab_memo::reciprocal_at(class_key key) noexcept {
  return *reinterpret_cast<const std::uint64_t*>(reinterpret_cast<const std::byte*>(reciprocals.data()) +
                                                 key * (sizeof(std::uint64_t) / 2));
}

struct watched_cache : cache {
  static constexpr std::size_t first_memos = 32;  // powers of two, all three
  static constexpr std::size_t many_memos = 1024;
  static constexpr std::size_t most_memos = 4096;
  static constexpr std::uint32_t look_ups_of_few = 1024;  // after so many there are too few memos

  slab_memo* memos = first;  // of the slab that was looked at last; by the granule of the pointer
  std::size_t memo_mask = mask_of(first_memos);  // of the offset of a memo
  std::uint32_t memo_shift;                      // from an address to that
  std::uint32_t look_ups = 0;                    // visits of the way that looks slabs up
  slab_memo first[first_memos];
  quarantine* delayed = nullptr;  // null where freed slots may be handed out at once

  /// Returns where the slab of `pointer` is remembered. Complexity O(1).
  slab_memo& memo_of(const void* pointer) noexcept {
    const std::size_t offset = (reinterpret_cast<std::uintptr_t>(pointer) >> memo_shift) & memo_mask;
    return *reinterpret_cast<slab_memo*>(reinterpret_cast<std::byte*>(memos) + offset);
  }

  /// Counts a slab that was not remembered. Returns whether there are too few memos.
  bool note_look_up() noexcept { return ++look_ups > look_ups_of_few && memo_count() < most_memos; }

  std::size_t memo_count() const noexcept { return memo_mask / sizeof(slab_memo) + 1; }

  /// Returns how many memos should follow those that are too few, for slabs of `held_bytes` bytes; 0: no more. Tables are small beside
  /// what they serve, where many threads have one each, too.
  std::size_t next_memo_count(std::size_t held_bytes) const noexcept {
    const std::size_t count = memo_count() < many_memos ? many_memos : most_memos;
    const std::size_t times = count == many_memos ? 64 : 256;
    return held_bytes / (count * sizeof(slab_memo)) < times ? 0 : count;
  }

  /// Lets `place`, which has room for `count` memos and lives as long as the cache, hold what is remembered; null: goes on as before.
  void remember_in(void* place, std::size_t count) noexcept {
    look_ups = 0;
    if (place == nullptr) return;
    memos = static_cast<slab_memo*>(place);
    memo_mask = mask_of(count);
    for (std::size_t i = 0; i < count; ++i) ::new (memos + i) slab_memo;
  }

  /// Units       bytes; as the directory's. Requires that a granule has more bytes than a memo.
  explicit watched_cache(std::size_t granule_bytes) noexcept
      : memo_shift(bit_width(granule_bytes - 1) - bit_width(sizeof(slab_memo) - 1)) {}

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
