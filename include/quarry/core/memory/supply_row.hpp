// Whether a supply hands out its memory in a row, as monotonic resources do: upward as libstdc++'s, or downward as libc++'s.
//
// Layer      5. Freestanding. Told from addresses alone; touches no memory.
// Threads    One thread at a time, or under the owner's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class supply_row {
 public:
  /// Notes the block that the supply gave last.
  void note(const void* block, std::size_t bytes) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(block);
    course_ = begin - end_ <= most_between               ? course::upward
              : begin_ - (begin + bytes) <= most_between ? course::downward
                                                         : course::none;
    begin_ = begin;
    end_ = begin + bytes;
  }

  /// Returns the bytes between the last block and the next one that is aligned to `alignment`, a power of two; 0 where the last one
  /// did not lie beside the one before.
  std::size_t gap_before(std::size_t alignment) const noexcept {
    return course_ == course::none
               ? 0
               : static_cast<std::size_t>((course_ == course::upward ? ~end_ + 1 : begin_) & (alignment - 1));
  }

 private:
  enum class course : unsigned char { none, upward, downward };
  static constexpr std::size_t most_between = 64;  // bytes between blocks of a row: what aligns or heads them

  std::uintptr_t begin_ = 0;  // of the last block
  std::uintptr_t end_ = 0;    // the same
  course course_ = course::none;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
