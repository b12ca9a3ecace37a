// What is known of each slot of a slab whose users are checked: its state, and who had it.
//
//   state of slot 0 | ... | state of slot n-1 | record of slot 0 | ... | record of slot n-1 |    behind the header
//
// Where slots have several owners at once, each has a byte for its state, else two bits: then the states of a slab of 1,024 slots lie
// in four cache lines.
//
// Layer      4. Freestanding. Lies behind the slab's bitmap, so that looking at a slot touches nothing of the user's.
// Invariant  A slot's state is written by whoever the slot belongs to: its user, or the cache that it rests in. So no store needs a
//            lock, and two users who free one slot at once are told apart when its second copy leaves a cache.
// Threads    Shared: any number at a time, each slot's by its owner, any of them read by any thread. Else one at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

enum class slot_state : std::uint8_t { fresh, live, freed };

/// How much is kept of each slot.
enum class slot_detail : std::uint8_t { none, state, record };

/// Of the request that a slot serves, or served last.
struct slot_record {
  std::uint32_t bytes = 0;         // asked for
  std::uint32_t alignment = 0;     // asked for
  std::uint32_t allocated_by = 0;  // number of a call stack; 0: unknown
  std::uint32_t freed_by = 0;      // as allocated_by
};

template <bool IsShared>
class slot_states {
 public:
  /// Those of a slab that has them.
  explicit slot_states(slab& of) noexcept : slot_states(begin_of(of)) {}

  /// Those that begin at `begin`.
  explicit slot_states(std::byte* begin) noexcept : begin_(begin) {}

  /// Returns where those of a slab begin.
  static std::byte* begin_of(slab& of) noexcept {
    return reinterpret_cast<std::byte*>(&of) + slab::header_bytes_for(of.slots());
  }

  /// Returns the bytes that must follow the header of a slab of `slots` slots.
  static constexpr std::size_t bytes_for(std::size_t slots, slot_detail detail) noexcept {
    if (detail == slot_detail::none) return 0;
    return detail == slot_detail::state ? state_bytes_of(slots)
                                        : records_at(slots) + slots * sizeof(slot_record);
  }

  /// Makes every slot fresh and seals the header, which keeps the seal in place of its number. Complexity O(slots).
  void start(slab& of, slot_detail detail) noexcept {
    of.number = seal_of(of);
    for (std::size_t i = 0; i < state_bytes_of(of.slots()); ++i) ::new (begin_ + i) byte_type(0);
    if (detail != slot_detail::record) return;
    for (std::size_t i = 0; i < of.slots(); ++i) ::new (&record(i, of.slots())) slot_record;
  }

  /// Returns whether nothing has written over what never changes in the header; before that is known, nothing beside the header
  /// may be looked at. Complexity O(1).
  static bool is_sealed(const slab& of) noexcept { return of.number == seal_of(of); }

  /// Ends the life of a header: from now on it is no sealed one.
  static void unseal(slab& of) noexcept { of.number = ~seal_of(of); }

  slot_state operator[](std::size_t slot) const noexcept {
    const std::uint32_t bits = load(slot) >> shift_of(slot);
    return (bits & live_bit) != 0       ? slot_state::live
           : (bits & was_live_bit) != 0 ? slot_state::freed
                                        : slot_state::fresh;
  }

  bool is_live(std::size_t slot) const noexcept { return (load(slot) >> shift_of(slot) & live_bit) != 0; }

  /// Returns whether one of the run [first, first + count) is live. Complexity O(count).
  bool is_any_live(std::size_t first, std::size_t count) const noexcept {
    constexpr std::uint32_t live_bits = in_byte == 1 ? live_bit : live_bit * 0x55;
    std::uint32_t seen = 0;
    for (const std::size_t end = first + count; first != end;) {
      if (first % in_byte == 0 && end - first >= in_byte) {
        seen |= load(first);
        first += in_byte;
      } else {
        seen |= load(first) >> shift_of(first) & live_bit;
        ++first;
      }
    }
    return (seen & live_bits) != 0;
  }

  /// Makes a slot live. Returns false, changing nothing, when it is.
  bool begin_life(std::size_t slot) const noexcept {
    const std::uint32_t all = load(slot), live = live_bit << shift_of(slot);
    if (QUARRY_UNLIKELY((all & live) != 0)) return false;
    store(slot, all | live * (live_bit | was_live_bit));
    return true;
  }

  /// Makes a slot that is live freed. Returns false, changing nothing, when it is not live.
  bool end_life(std::size_t slot) const noexcept {
    const std::uint32_t all = load(slot), live = live_bit << shift_of(slot);
    if (QUARRY_UNLIKELY((all & live) == 0)) return false;
    store(slot, all ^ live);
    return true;
  }

  /// Makes a slot that is not live fresh again.
  void forget(std::size_t slot) const noexcept {
    store(slot, load(slot) & ~((live_bit | was_live_bit) << shift_of(slot)));
  }

  /// Requires    slot_detail::record; `slots` is how many the slab has.
  slot_record& record(std::size_t slot, std::size_t slots) const noexcept {
    return reinterpret_cast<slot_record*>(begin_ + records_at(slots))[slot];
  }

 private:
  using byte_type = std::atomic<std::uint8_t>;

  static constexpr std::size_t in_byte = IsShared ? 1 : 4;  // states
  static constexpr std::uint32_t live_bit = 1;
  static constexpr std::uint32_t was_live_bit = 2;  // at least once: so that a free has one bit to change

  static constexpr std::size_t state_bytes_of(std::size_t slots) noexcept {
    return (slots + in_byte - 1) / in_byte;
  }
  static constexpr std::size_t records_at(std::size_t slots) noexcept {
    return (state_bytes_of(slots) + alignof(slot_record) - 1) / alignof(slot_record) * alignof(slot_record);
  }

  // All that never changes while a slab is in use.
  static std::uint32_t seal_of(const slab& of) noexcept {
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15U;
    const auto mixed = [](std::uint64_t seal) noexcept { return (seal ^ seal >> 29) * odd; };
    const auto flag = [](const bool& of_header) noexcept {  // which may hold any byte by now
      return std::uint64_t{reinterpret_cast<const unsigned char&>(of_header)};
    };
    const std::uint64_t begin = reinterpret_cast<std::uintptr_t>(of.begin());
    const std::uint64_t owner = reinterpret_cast<std::uintptr_t>(of.owner);
    const std::uint64_t shape = of.slots() | std::uint64_t{of.size_class} << 32 |
                                std::uint64_t{of.granules} << 40 | std::uint64_t{of.room} << 48 |
                                flag(of.pinned) << 56;
    const std::uint64_t rest = of.bitmap().words() | flag(of.is_unlisted) << 32;
    // Every other word is multiplied first, so that a bit of one is not made up for by a bit of another.
    return static_cast<std::uint32_t>(mixed(mixed(begin ^ shape * odd) ^ owner ^ rest * odd) >> 32);
  }

  static constexpr std::uint32_t shift_of(std::size_t slot) noexcept {
    return static_cast<std::uint32_t>(slot % in_byte * 2);
  }
  byte_type& byte_of(std::size_t slot) const noexcept {
    return reinterpret_cast<byte_type*>(begin_)[slot / in_byte];
  }
  // Relaxed, both: the owner's own, or that of who gave it the slot.
  std::uint32_t load(std::size_t slot) const noexcept {
    return byte_of(slot).load(std::memory_order_relaxed);
  }
  void store(std::size_t slot, std::uint32_t bits) const noexcept {
    byte_of(slot).store(static_cast<std::uint8_t>(bits), std::memory_order_relaxed);
  }

  std::byte* begin_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
