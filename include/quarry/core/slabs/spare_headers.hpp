// Spare headers: room for headers of slabs that went back, kept for the next slabs.
//
// Layer      4. Freestanding; memory for new ones is brought by the owner, some neighbours at a time.
// Invariant  A list holds headers whose sizes are equal in units of 64 bytes; the first one all larger sizes.
// Threads    One thread at a time, or under the owner's lock.
#pragma once

#include <cstddef>
#include <new>

namespace quarry::core {

class spare_headers {
 public:
  /// Units       bytes; `unit_bytes` is the alignment of a header's room, and its size a multiple of it: 64 keeps headers in as
  ///             few cache lines as can be, 8 takes the least memory.
  explicit constexpr spare_headers(std::size_t unit_bytes = 64) noexcept : unit_bytes_(unit_bytes) {}

  std::size_t unit_bytes() const noexcept { return unit_bytes_; }
  std::size_t room_for(std::size_t header_bytes) const noexcept {
    return (header_bytes + unit_bytes_ - 1) / unit_bytes_ * unit_bytes_;
  }

  bool has(std::size_t header_bytes) const noexcept {
    const spare* const head = lists_[list_of(header_bytes)];
    return head != nullptr && head->bytes >= header_bytes;
  }

  /// Returns room for a header. Requires has(header_bytes). Complexity O(1).
  void* take(std::size_t header_bytes) noexcept {
    spare*& head = lists_[list_of(header_bytes)];
    spare* const taken = head;
    head = taken->next;
    return taken;
  }

  /// Keeps the room of a header of `header_bytes` bytes. Complexity O(1).
  void put(void* room, std::size_t header_bytes) noexcept {
    spare*& head = lists_[list_of(header_bytes)];
    head = ::new (room) spare{head, room_for(header_bytes)};
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
    std::size_t bytes;
  };
  static constexpr std::size_t list_step = 64;   // bytes
  static constexpr std::size_t list_count = 24;  // to 1.4 KiB, what a slab of 64 KiB needs at most

  static constexpr std::size_t list_of(std::size_t header_bytes) noexcept {
    const std::size_t units = (header_bytes + list_step - 1) / list_step;
    return units < list_count ? units : 0;
  }

  std::size_t unit_bytes_;
  spare* lists_[list_count] = {};  // by steps; [0]: more
};

}  // namespace quarry::core
