// Freed slots that are not handed out again soon, so that a write after the free is noticed.
//
// Layer      2. Freestanding.
// Threads    One thread at a time; any thread may read slots_of().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/bins/size_class.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class quarantine {
 public:
  static constexpr std::size_t most_slots = 1024;
  static constexpr std::size_t most_bytes = std::size_t{1} << 20;

  struct resting {
    void* slot;
    class_index index;
  };

  bool empty() const noexcept { return slots_ == 0; }

  /// Returns whether it must give some back before it takes more.
  bool is_full() const noexcept { return slots_ == most_slots || bytes_ > most_bytes; }

  /// Requires    !is_full()
  void put(void* slot, class_index index) noexcept {
    ring_[(first_ + slots_++) % most_slots] = {slot, index};
    bytes_ += slot_bytes_of(index);
    count(index, 1);
  }

  /// Takes the slot out that was put in first. Requires !empty().
  resting take() noexcept {
    const resting oldest = ring_[first_];
    first_ = (first_ + 1) % most_slots;
    --slots_;
    bytes_ -= slot_bytes_of(oldest.index);
    count(oldest.index, static_cast<std::uint32_t>(-1));
    return oldest;
  }

  /// Returns the slots of class `index` that rest here. Threads: any.
  std::size_t slots_of(class_index index) const noexcept {
    return counts_[index].load(std::memory_order_relaxed);  // Relaxed: a number for reports.
  }

 private:
  void count(class_index index, std::uint32_t change) noexcept {
    counts_[index].store(
        counts_[index].load(std::memory_order_relaxed) + change,  // Relaxed, both: the owner's
        std::memory_order_relaxed);                               // own, and as slots_of().
  }

  std::size_t first_ = 0;
  std::size_t slots_ = 0;
  std::size_t bytes_ = 0;
  std::atomic<std::uint32_t> counts_[class_count] =
      {};  // slots by class; written by the owner, read by any thread
  resting ring_[most_slots];
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
