// How many slots of a class one cache may hold: a class starts small, grows as it misses, and yields
// when others need the room more.
//
// Layer      2. Freestanding. Only numbers: who holds the magazines moves the slots.
// Threads    Values; no sharing.
// Source     Slow start and stealing between classes: the thread caches of gperftools and TCMalloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/magazines/magazine.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Returns what one of `caches` open caches may hold: `cache_bytes`, and of what two such caches may hold together its
/// part. Units: bytes of slots.
constexpr std::size_t cache_bound_bytes(std::size_t cache_bytes, std::size_t caches) noexcept {
  constexpr std::size_t full_caches = 2;  // that may be full at a time
  return caches <= full_caches ? cache_bytes : cache_bytes / caches * full_caches;
}

/// The slabs of a class in which what rests pins little, where threads do not share it.
inline constexpr std::size_t few_slabs = 2;

/// Returns how many slots may rest in one magazine of a class of which `used_slots` of `slabs` slabs are in use: what rests
/// may pin a slab each, so in a class of more than `few` slabs it is an eighth of what is in use.
constexpr std::uint32_t pinning_limit(std::size_t used_slots, std::size_t slabs,
                                      std::size_t few = few_slabs) noexcept {
  const std::size_t eighth = used_slots / 8;
  if (slabs <= few || eighth >= magazine::capacity) return magazine::capacity;
  return eighth == 0 ? 1 : static_cast<std::uint32_t>(eighth);
}

/// One magazine of `magazine_slots` slots, or two that are full size.
struct class_share {
  std::uint8_t magazine_slots = 0;  // slots that each magazine takes
  std::uint8_t magazines = 0;       // 0: the class is not used here

  constexpr std::size_t slots() const noexcept { return std::size_t{magazine_slots} * magazines; }
  constexpr bool is_paired() const noexcept { return magazines == 2; }
};

/// The steps by which the share of one class grows and shrinks: none, one small magazine, one that grows to full size,
/// two of full size.
class share_steps {
 public:
  static constexpr std::uint32_t first_slots = 7;  // of the magazine that a class starts with

  /// Units       `full_slots` make a magazine of the class full; `growth_log2`: a magazine grows by this power of two; 1
  ///             where many caches share one bound.
  constexpr share_steps(std::size_t slot_bytes, std::size_t full_slots, std::uint32_t growth_log2) noexcept
      : slot_bytes_(slot_bytes), full_slots_(full_slots), growth_log2_(growth_log2) {}

  constexpr std::size_t bytes_of(class_share share) const noexcept { return share.slots() * slot_bytes_; }

  /// Returns the share that a class starts with.
  constexpr class_share first() const noexcept {
    if (slot_bytes_ <= first_bytes / first_slots) return one_of(first_slots);
    const std::size_t wanted = first_bytes / slot_bytes_;
    return one_of(wanted < least_slots ? least_slots : wanted);
  }

  /// Returns the next larger share; the same one when there is none.
  constexpr class_share grown(class_share from) const noexcept {
    if (from.magazines == 0) return first();
    if (from.magazine_slots < full_slots_)
      return one_of((from.magazine_slots + std::size_t{1}) << growth_log2_);
    return {from.magazine_slots, 2};
  }

  /// Returns the next smaller share; the same one when it is not larger than first().
  constexpr class_share shrunk(class_share from) const noexcept {
    if (from.is_paired()) return {from.magazine_slots, 1};
    const class_share least = first();
    if (from.slots() <= least.slots()) return from;
    const std::size_t half = from.magazine_slots / 2U;
    return half < least.slots() ? least : one_of(half);
  }

 private:
  static constexpr std::size_t first_bytes = 2048;  // of slots in a share that a class starts with
  static constexpr std::size_t least_slots = 2;     // of a share

  constexpr class_share one_of(std::size_t slots) const noexcept {
    return {static_cast<std::uint8_t>(slots < full_slots_ ? slots : full_slots_), 1};
  }

  std::size_t slot_bytes_;
  std::size_t full_slots_;  // slots that make a magazine of this class full
  std::uint32_t growth_log2_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
