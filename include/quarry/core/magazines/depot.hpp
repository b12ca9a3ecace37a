// The depot: the slots of one class that rest between the caches and the bin.
//
// Layer      2. Freestanding.
// Invariant  Every parked magazine but the open one holds exactly magazine_slots_ slots, so that two caches
//            exchange them whole. The open one holds at least one slot, or there is none.
// Threads    One thread at a time: under the lock of its shelf.
// Source     Bonwick & Adams 2001, section 3.2 (the depot's two lists); the open magazine: docs/threads.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/magazines/homed_stacks.hpp>
#include <quarry/core/magazines/magazine.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What rests, whole magazines by the `Homes` homes of who parked them. Requires home < Homes wherever one is asked for.
template <std::size_t Homes>
class depot {
 public:
  explicit constexpr depot(std::uint32_t magazine_slots) noexcept : magazine_slots_(magazine_slots) {}

  std::size_t slots() const noexcept { return full_.size() * magazine_slots_ + open_slots_; }

  /// Parks a full magazine whole.
  void park(magazine& full, std::size_t home) noexcept { full_.push(full, home); }

  /// Returns a full magazine, of `home` if that has one, or null when none is parked.
  magazine* take(std::size_t home) noexcept { return full_.pop(home); }

  /// Copies `count` slots in, the newest last. What is short of a magazine waits in the open one.
  /// Returns     How many were copied: fewer than `count` when empty magazines run out.
  /// Complexity  O(count).
  std::size_t park_slots(void* const* slots, std::size_t count, std::size_t home) noexcept {
    std::size_t parked = 0;
    while (parked < count) {
      if (open_ == nullptr && (open_ = empty_.pop()) == nullptr) break;
      const std::size_t room = magazine_slots_ - open_slots_;
      const std::size_t here = count - parked < room ? count - parked : room;
      for (std::size_t i = 0; i < here; ++i) open_->entries[open_slots_ + 1 + i] = slots[parked + i];
      parked += here;
      open_slots_ += static_cast<std::uint32_t>(here);
      if (open_slots_ == magazine_slots_) {
        full_.push(*open_, home);
        open_ = nullptr;
        open_slots_ = 0;
      }
    }
    return parked;
  }

  /// Copies up to `count` slots out, to `begin` and up, the newest last.
  /// Returns     How many were copied; 0 when nothing is parked.
  /// Complexity  O(count).
  std::size_t take_slots(void** begin, std::size_t count, std::size_t home) noexcept {
    if (open_ == nullptr) {
      if ((open_ = full_.pop(home)) == nullptr) return 0;
      open_slots_ = magazine_slots_;
    }
    const std::size_t taken = count < open_slots_ ? count : open_slots_;
    open_slots_ -= static_cast<std::uint32_t>(taken);
    for (std::size_t i = 0; i < taken; ++i) begin[i] = open_->entries[open_slots_ + 1 + i];
    if (open_slots_ == 0) {
      empty_.push(*open_);
      open_ = nullptr;
    }
    return taken;
  }

  /// Calls f(void* slot) for each slot. Complexity O(slots).
  template <class F>
  void for_each(F f) const {
    full_.for_each([&](const magazine& each) {
      for (std::size_t i = 1; i <= magazine_slots_; ++i) f(each.entries[i]);
    });
    for (std::size_t i = 1; i <= open_slots_; ++i) f(open_->entries[i]);
  }

  /// Returns a magazine without slots, or null when none rests here.
  magazine* take_empty() noexcept { return empty_.pop(); }

  /// Keeps a magazine without slots.
  void rest(magazine& empty) noexcept { empty_.push(empty); }
  std::size_t resting() const noexcept { return empty_.size(); }

 private:
  homed_stacks<Homes> full_;            // magazines of magazine_slots_ slots
  magazine_stack empty_;                // magazines without slots
  magazine* open_ = nullptr;            // the magazine that is filled and emptied slot by slot
  std::uint32_t open_slots_ = 0;        // slots in open_
  const std::uint32_t magazine_slots_;  // slots that make a magazine of this class full
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
