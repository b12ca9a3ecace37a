// Blocks that live, put together by size and by who allocated them, for a person to read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <quarry/version.hpp>

#include "checked_owners.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class live_blocks {
 public:
  /// Adds a block of `bytes` bytes; `allocated_by` is the number of a call stack, or 0.
  /// Complexity  O(groups).
  void add(const void* block, std::size_t bytes, std::uint32_t allocated_by) noexcept;

  bool empty() const noexcept { return blocks_ == 0; }

  /// Writes what was added to the standard error stream; `what` completes "the resource ...".
  void write(const owner_facts& owner, const char* what) const noexcept;

 private:
  struct group {
    const void* first;  // of its blocks
    std::size_t bytes;  // of one block
    std::size_t blocks;
    std::uint32_t allocated_by;
  };

  std::array<group, 32> groups_{};  // in the order in which they were met
  std::size_t group_count_ = 0;
  std::size_t blocks_ = 0;
  std::size_t bytes_ = 0;
  std::size_t other_blocks_ = 0;  // of groups for which there is no room
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
