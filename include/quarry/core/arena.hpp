// The arena: where a resource keeps its own small parts (shelves, magazines, first slabs) until it is
// released.
//
// Layer      5. Freestanding.
// Invariant  [cursor, end) of the newest block is unused. A block's header lies at its start, except in a
//            block that was given by the user, which has none and is never freed.
// Threads    One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace quarry::core {

class arena {
 public:
  constexpr arena() noexcept = default;
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  /// Lets the arena use [begin, begin + bytes) first; it stays the caller's. Requires that nothing was
  /// allocated yet.
  void start_in(void* begin, std::size_t bytes) noexcept {
    cursor_ = start_ = reinterpret_cast<std::uintptr_t>(begin);
    end_ = cursor_ + bytes;
  }

  /// Returns `bytes` bytes that live until release().
  /// Units       bytes; `alignment` is a power of two.
  /// Effects     May take one block from `source`; blocks double from 2 KiB to 64 KiB.
  /// Returns     Null when the source returns null.
  /// Errors      What the source throws; then nothing has changed.
  /// Complexity  O(1), at most one call of the source.
  template <class PageSource>
  void* allocate(std::size_t bytes, std::size_t alignment, PageSource& source) {
    void* const place = try_allocate(bytes, alignment);
    return place != nullptr ? place : allocate_slow(bytes, alignment, source);
  }

  /// Returns `bytes` bytes from the newest block, or null when they do not fit.
  void* try_allocate(std::size_t bytes, std::size_t alignment) noexcept {
    const std::uintptr_t place = (cursor_ + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
    if (place > end_ || end_ - place < bytes) return nullptr;
    cursor_ = place + bytes;
    return reinterpret_cast<void*>(place);
  }

  /// Gives every block back to `source`.
  template <class PageSource>
  void release(PageSource& source) noexcept {
    while (blocks_ != nullptr) {
      block* const next = blocks_->next;
      source.deallocate_pages(blocks_, blocks_->bytes, alignof(block));
      blocks_ = next;
    }
    cursor_ = end_ = start_ = 0;
    next_bytes_ = first_block_bytes;
  }

  /// Returns whether nothing was allocated since construction, start_in() or release(). Complexity O(1).
  bool untouched() const noexcept { return cursor_ == start_; }

  /// Returns whether `pointer` lies in one of the blocks taken from the source. Complexity O(blocks).
  bool owns(const void* pointer) const noexcept {
    for (const block* each = blocks_; each != nullptr; each = each->next)
      if (static_cast<std::size_t>(static_cast<const std::byte*>(pointer) -
                                   reinterpret_cast<const std::byte*>(each)) < each->bytes)
        return true;
    return false;
  }

 private:
  struct alignas(alignof(std::max_align_t)) block {
    block* next;        // the block before it
    std::size_t bytes;  // header included
  };

  static constexpr std::size_t first_block_bytes = 2048;
  static constexpr std::size_t largest_block_bytes = 65536;

  template <class PageSource>
  __attribute__((noinline)) void* allocate_slow(std::size_t bytes, std::size_t alignment,
                                                PageSource& source) {
    std::size_t wanted = next_bytes_;
    while (wanted < bytes + alignment + sizeof(block)) wanted *= 2;
    void* const pages = source.allocate_pages(wanted, alignof(block));
    if (pages == nullptr) return nullptr;
    blocks_ = ::new (pages) block{blocks_, wanted};
    cursor_ = reinterpret_cast<std::uintptr_t>(pages) + sizeof(block);
    end_ = reinterpret_cast<std::uintptr_t>(pages) + wanted;
    if (next_bytes_ < largest_block_bytes) next_bytes_ *= 2;
    return try_allocate(bytes, alignment);
  }

  std::uintptr_t cursor_ = 0;  // address of the first unused byte
  std::uintptr_t end_ = 0;     // address behind the newest block
  std::uintptr_t start_ = 0;   // where the user's buffer begins; 0 without one
  block* blocks_ = nullptr;    // newest first
  std::size_t next_bytes_ = first_block_bytes;
};

}  // namespace quarry::core
