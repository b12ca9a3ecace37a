// The arena: where a store keeps its parts (shelves, caches, magazines, headers, records, tables, slabs apart) until it is
// released.
//
// Layer      5. Freestanding. Calls no supply: who holds it brings blocks.
// Invariant  Two ranges are unused: the rest of the newest block, and the largest rest of those before. A block's header lies
//            at its start, that of one in the user's buffer too; only what start_in() got, and what joined that, is no block.
// Threads    One thread at a time, or under the owner's lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class arena {
 public:
  static constexpr std::size_t block_alignment = alignof(std::max_align_t);

  constexpr arena() noexcept = default;
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  /// Lets the arena use [begin, begin + bytes) first; it stays the caller's. Of a block that came before nothing more is used.
  void start_in(void* begin, std::size_t bytes) noexcept {
    start_ = reinterpret_cast<std::uintptr_t>(begin);
    start_end_ = start_ + bytes;
    newest_ = {start_, start_end_};
  }

  /// Returns `bytes` bytes that live until release(); null when they do not fit.
  /// Units       bytes; `alignment` is a power of two.
  /// Complexity  O(1).
  void* try_allocate(std::size_t bytes, std::size_t alignment) noexcept {
    if (older_.bytes() != 0)
      if (void* const part = older_.take(bytes, alignment)) return part;
    return newest_.take(bytes, alignment);
  }

  /// Returns whether parts of `bytes` bytes in all fit at any alignment up to that of a block.
  bool has_room(std::size_t bytes) const noexcept { return room_bytes() >= bytes + block_alignment; }
  /// Returns the bytes of the largest range that is unused.
  std::size_t room_bytes() const noexcept {
    return newest_.bytes() > older_.bytes() ? newest_.bytes() : older_.bytes();
  }
  /// Returns whether there is but what start_in() got.
  bool is_in_buffer() const noexcept { return start_ != 0 && newest_.end == start_end_; }

  /// Returns the bytes of a block that has_room() for `bytes` bytes: the least, and what add() would like.
  static constexpr std::size_t least_block_bytes(std::size_t bytes, std::size_t alignment) noexcept {
    return bytes + (alignment < block_alignment ? block_alignment : alignment) + sizeof(block);
  }
  /// Returns the bytes of the smallest block out of which one part of `bytes` bytes is served.
  static constexpr std::size_t block_bytes_of_one(std::size_t bytes, std::size_t alignment) noexcept {
    return bytes + (alignment <= block_alignment ? 0 : alignment) + sizeof(block);
  }
  std::size_t wished_block_bytes(std::size_t bytes, std::size_t alignment) const noexcept {
    std::size_t wished = next_bytes_;
    while (wished < least_block_bytes(bytes, alignment)) wished *= 2;
    return wished;
  }

  /// Adds a block of `bytes` bytes; of what is left of those before only the largest rest is used. Blocks wished for double up
  /// to 64 KiB.
  void add(void* memory, std::size_t bytes) noexcept {
    // Relaxed: the writer's own. Release: pairs with the acquire in owns().
    blocks_.store(::new (memory) block{newest(), bytes}, std::memory_order_release);
    if (newest_.bytes() > older_.bytes()) older_ = newest_;
    newest_ = {reinterpret_cast<std::uintptr_t>(memory) + sizeof(block),
               reinterpret_cast<std::uintptr_t>(memory) + bytes};
    if (bytes >= next_bytes_ && next_bytes_ < largest_bytes_) next_bytes_ *= 2;
  }

  /// Adds memory of the buffer that start_in() got: to the newest range where it follows that, else as a block.
  void add_of_buffer(void* memory, std::size_t bytes) noexcept {
    if (reinterpret_cast<std::uintptr_t>(memory) != newest_.end) return add(memory, bytes);
    newest_.end += bytes;
  }

  /// Lets the arena use another rest of the user's memory, if it is larger than the one it has.
  void add_rest(void* memory, std::size_t bytes) noexcept {
    const auto begin = reinterpret_cast<std::uintptr_t>(memory);
    if (bytes > older_.bytes()) older_ = {begin, begin + bytes};
  }

  /// Makes the first block wished for as large as the largest: where a block costs address space until it is touched.
  void wish_large_blocks() noexcept { first_bytes_ = next_bytes_ = largest_block_bytes; }

  /// Makes the first block wished for twice as large: where there is enough, and each costs a call.
  void wish_fewer_blocks() noexcept { first_bytes_ = next_bytes_ = first_block_bytes * 2; }

  /// Lets blocks wished for double up to 4 MiB: where it is asked often which of them a pointer lies in.
  void wish_doubling_blocks() noexcept { largest_bytes_ = std::size_t{4} << 20; }

  /// Gives every block back: f(void* memory, std::size_t bytes) gets each.
  template <class F>
  void release(F f) noexcept {
    while (block* const each = newest()) {
      blocks_.store(each->next, std::memory_order_relaxed);  // Relaxed: alone.
      f(each, each->bytes);
    }
    forget();
  }

  /// Takes over the blocks of `other`, which is as new then. Requires that this arena has none.
  void take_blocks_of(arena& other) noexcept {
    blocks_.store(other.newest(), std::memory_order_relaxed);  // Relaxed: alone.
    next_bytes_ = other.next_bytes_;
    other.blocks_.store(nullptr, std::memory_order_relaxed);  // Relaxed: alone.
    other.forget();
  }

  /// Takes over the newest block of `other`, if it has one, with nothing allocated in it. Blocks wished for are as large as those of
  /// `other`.
  void take_newest_of(arena& other) noexcept {
    block* const taken = other.newest();
    if (taken == nullptr) return;
    other.blocks_.store(taken->next, std::memory_order_relaxed);  // Relaxed: alone.
    add(taken, taken->bytes);
    next_bytes_ = other.next_bytes_;
  }
  std::size_t newest_bytes() const noexcept {
    return newest() == nullptr ? 0 : newest()->bytes;
  }  // of the newest block

  /// Returns whether nothing was allocated since construction, start_in() or release(). Complexity O(1).
  bool untouched() const noexcept { return newest_.begin == start_; }

  /// Returns whether `bytes` bytes from `pointer` on, a few at most, lie in one of the blocks that were added. Threads: any, while
  /// none goes back. Complexity O(blocks).
  bool owns(const void* pointer, std::size_t bytes = 1) const noexcept {
    // Acquire: pairs with the release in add().
    const block* each = blocks_.load(std::memory_order_acquire);
    for (; each != nullptr; each = each->next) {
      const auto offset = reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each);
      if (offset < each->bytes) return bytes <= each->bytes - offset;
    }
    return false;
  }

 private:
  struct alignas(block_alignment) block {
    block* next;        // the block before it
    std::size_t bytes;  // header included
  };

  struct range {
    std::size_t bytes() const noexcept { return end - begin; }
    void* take(std::size_t bytes, std::size_t alignment) noexcept {
      const std::uintptr_t place = (begin + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
      if (place > end || end - place < bytes) return nullptr;
      begin = place + bytes;
      return reinterpret_cast<void*>(place);
    }
    std::uintptr_t begin = 0;  // address of the first unused byte
    std::uintptr_t end = 0;
  };

  void forget() noexcept {  // what lies in blocks
    newest_ = older_ = {};
    start_ = 0;
    next_bytes_ = first_bytes_;
  }

  block* newest() const noexcept {
    return blocks_.load(std::memory_order_relaxed);
  }  // Relaxed: the writer's own.

  static constexpr std::size_t first_block_bytes = 2048;
  static constexpr std::size_t largest_block_bytes = 65536;

  range newest_;              // unused of the block that was added last, or of the user's
  range older_;               // of one before it
  std::uintptr_t start_ = 0;  // where the user's buffer begins; 0 without one
  std::uintptr_t start_end_ = 0;
  std::atomic<block*> blocks_{nullptr};  // newest first; read by any thread
  std::size_t first_bytes_ = first_block_bytes;
  std::size_t next_bytes_ = first_block_bytes;
  std::size_t largest_bytes_ = largest_block_bytes;  // of a block wished for
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
