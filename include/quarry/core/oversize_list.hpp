// The blocks that are too large for a slab: taken one by one from the page source, each linked by a record at
// its end.
//
// Layer      5. Freestanding.
// Invariant  Every live block is in the list exactly once; its record lies behind the user's bytes, so that
//            the block keeps the alignment asked for. Freeing is sized, so the record is found without a
//            search.
// Threads    One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace quarry::core {

class oversize_list {
 public:
  constexpr oversize_list() noexcept = default;
  oversize_list(const oversize_list&) = delete;
  oversize_list& operator=(const oversize_list&) = delete;

  /// No block is as large as this, and no address has this alignment; asking a page source for them fails.
  static constexpr std::size_t impossible_bytes = SIZE_MAX;
  static constexpr std::size_t impossible_alignment = SIZE_MAX / 2 + 1;

  /// Returns a block of its own from `source`, or null when the source returns null.
  /// Units       bytes; `alignment` is a power of two.
  /// Errors      What the source throws; a size that cannot exist is asked of the source too, so that its
  ///             error is seen.
  /// Complexity  O(1), one call of the source.
  template <class PageSource>
  void* allocate(std::size_t bytes, std::size_t alignment, PageSource& source) {
    const std::size_t block_alignment = alignment < alignof(record) ? alignof(record) : alignment;
    // Sources may round up to the alignment again, so that must not overflow either.
    constexpr std::size_t most_bytes = impossible_bytes - sizeof(record) - alignof(record);
    if (block_alignment > most_bytes || bytes > most_bytes - block_alignment)
      return source.allocate_pages(impossible_bytes, impossible_alignment);
    void* const block = source.allocate_pages(record_offset(bytes) + sizeof(record), block_alignment);
    if (block == nullptr) return nullptr;
    record* const fresh =
        ::new (record_of(block, bytes)) record{newest_, nullptr, block, bytes, block_alignment};
    if (newest_ != nullptr) newest_->newer = fresh;
    newest_ = fresh;
    ++blocks_;
    bytes_ += bytes;
    return block;
  }

  /// Gives a block back. Requires that allocate(bytes, ...) returned it. Complexity O(1).
  template <class PageSource>
  void deallocate(void* block, std::size_t bytes, PageSource& source) noexcept {
    const record old = *record_of(block, bytes);
    (old.newer != nullptr ? old.newer->older : newest_) = old.older;
    if (old.older != nullptr) old.older->newer = old.newer;
    --blocks_;
    bytes_ -= bytes;
    source.deallocate_pages(block, record_offset(bytes) + sizeof(record), old.alignment);
  }

  /// Gives every block back. Complexity O(blocks).
  template <class PageSource>
  void release(PageSource& source) noexcept {
    while (newest_ != nullptr) deallocate(newest_->block, newest_->bytes, source);
  }

  /// Returns whether `pointer` lies in a block. Complexity O(blocks).
  bool owns(const void* pointer) const noexcept { return find(pointer) != nullptr; }

  /// Returns the bytes of the block that holds `pointer`, as asked for; 0 when none does. Complexity
  /// O(blocks).
  std::size_t bytes_of(const void* pointer) const noexcept {
    const record* const found = find(pointer);
    return found != nullptr ? found->bytes : 0;
  }

  std::size_t blocks() const noexcept { return blocks_; }
  std::size_t bytes() const noexcept { return bytes_; }  // as asked for

 private:
  struct record {
    record* older;
    record* newer;
    void* block;
    std::size_t bytes;      // as asked for
    std::size_t alignment;  // as asked of the source
  };

  static constexpr std::size_t record_offset(std::size_t bytes) noexcept {
    return (bytes + alignof(record) - 1) & ~(alignof(record) - 1);
  }
  static record* record_of(void* block, std::size_t bytes) noexcept {
    return reinterpret_cast<record*>(static_cast<std::byte*>(block) + record_offset(bytes));
  }

  // A block of 0 bytes still has an address, its own.
  const record* find(const void* pointer) const noexcept {
    const record* each = newest_;
    while (each != nullptr && pointer != each->block &&
           static_cast<std::size_t>(static_cast<const std::byte*>(pointer) -
                                    static_cast<const std::byte*>(each->block)) >= each->bytes)
      each = each->older;
    return each;
  }

  record* newest_ = nullptr;
  std::size_t blocks_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace quarry::core
