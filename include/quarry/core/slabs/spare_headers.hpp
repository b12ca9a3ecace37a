// Spare headers: room for headers of slabs that went back, kept for the next slabs.
//
// Layer      4. Freestanding; memory for new ones is brought by the owner, some neighbours at a time.
// Invariant  All rooms of a list have one size. A room that serves a smaller header comes back to the list it is of.
// Threads    One thread at a time, or under the owner's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/bits.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class spare_headers {
 public:
  static constexpr std::size_t line_bytes = 64;   // a unit that keeps headers in as few cache lines as can be
  static constexpr std::size_t small_bytes = 16;  // a unit that takes little memory

  /// Units       bytes; `unit_bytes` is the alignment of a header's room, and its size a multiple of it.
  explicit constexpr spare_headers(std::size_t unit_bytes = line_bytes) noexcept : unit_bytes_(unit_bytes) {}

  std::size_t unit_bytes() const noexcept { return unit_bytes_; }
  std::size_t room_for(std::size_t header_bytes) const noexcept {
    return units_for(header_bytes) * unit_bytes_;
  }

  /// Returns whether there is a room that is cut for such a header.
  bool has(std::size_t header_bytes) const noexcept { return lists_[list_of(header_bytes)] != nullptr; }

  /// Returns whether there is one that is cut for such a header or a larger one.
  bool has_larger(std::size_t header_bytes) const noexcept { return filled_ >> list_of(header_bytes) != 0; }

  /// Returns the smallest room that a header fits in, and sets `list`, if given, to what says its size. Requires
  /// has_larger(header_bytes). Complexity O(1).
  void* take(std::size_t header_bytes, std::uint8_t* list = nullptr) noexcept {
    const std::size_t first = list_of(header_bytes);
    const std::size_t from = first + lowest_bit(filled_ >> first);
    spare* const taken = lists_[from];
    lists_[from] = taken->next;
    if (taken->next == nullptr) filled_ &= ~(std::uint64_t{1} << from);
    if (list != nullptr) *list = static_cast<std::uint8_t>(from);
    return taken;
  }

  /// Keeps a room that is cut for a header of `header_bytes` bytes. Complexity O(1).
  void put(void* room, std::size_t header_bytes) noexcept { put_into(room, list_of(header_bytes)); }

  /// Keeps a room that served such a header; take() has said `list`. Complexity O(1).
  void put_back(void* room, std::uint8_t list, std::size_t header_bytes) noexcept {
    const std::size_t least = list_of(header_bytes);
    put_into(room, list > least && list < list_count ? list : least);
  }

  /// Cuts `memory` into `count` rooms, the lowest of which is taken first. Requires count * room_for(header_bytes) bytes.
  void bring(void* memory, std::size_t count, std::size_t header_bytes) noexcept {
    while (count-- != 0) put(static_cast<std::byte*>(memory) + count * room_for(header_bytes), header_bytes);
  }

  /// Forgets everything.
  void release() noexcept { *this = spare_headers(unit_bytes_); }

 private:
  struct spare {
    spare* next;
  };
  void put_into(void* room, std::size_t list) noexcept {
    lists_[list] = ::new (room) spare{lists_[list]};
    filled_ |= std::uint64_t{1} << list;
  }
  static constexpr std::size_t exact_count = 24;    // lists of one unit, two and so on; then of powers of two
  static constexpr std::size_t doubled_units = 32;  // of the first list of these
  static constexpr std::size_t list_count = exact_count + 16;

  std::size_t units_for(std::size_t header_bytes) const noexcept {
    const std::size_t units = (header_bytes + unit_bytes_ - 1) / unit_bytes_;
    if (units < exact_count) return units;
    std::size_t rounded = doubled_units;
    while (rounded < units) rounded *= 2;
    return rounded;
  }
  std::size_t list_of(std::size_t header_bytes) const noexcept {
    std::size_t units = units_for(header_bytes);
    if (units < exact_count) return units;
    std::size_t list = exact_count;
    for (; units > doubled_units; units /= 2) ++list;
    return list;
  }

  std::size_t unit_bytes_;
  std::uint64_t filled_ = 0;  // bit i: list i has a room
  spare* lists_[list_count] = {};
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
