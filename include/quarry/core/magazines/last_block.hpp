// The oversize block that a cache handed out last: when it comes back it rests here for the next request of as many bytes.
//
// Layer      2. Freestanding.
// Invariant  The store counts the block as one that lives, also while it rests: who tells what lives takes it off. A block that was not
//            handed out here does not come to rest here, whatever its user says of it.
// Threads    One thread at a time; any thread may look, and sees what is right while the owner rests.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// A block that rests.
struct resting_block {
  void* memory = nullptr;  // null: none
  std::size_t bytes = 0;   // as asked for
};

/// Some of them.
struct resting_blocks {
  std::size_t blocks = 0;
  std::size_t bytes = 0;  // as asked for
};

class last_block {
 public:
  /// Notes a block that is handed out; forgets the one before. Where one rests, because the supply that was asked for the block has
  /// come back, nothing happens.
  void hand_out(void* memory, std::size_t bytes) noexcept {
    if (rests()) return;
    memory_.store(memory,
                  std::memory_order_relaxed);  // Relaxed, here and below: the owner's, or for a report.
    bytes_.store(bytes, std::memory_order_relaxed);
  }

  bool rests() const noexcept { return rests_.load(std::memory_order_relaxed); }

  /// Returns the block, which rests no more, if it has `bytes` bytes and is aligned; else null. Requires that one rests.
  void* take(std::size_t bytes, std::size_t alignment) noexcept {
    void* const memory = memory_.load(std::memory_order_relaxed);
    if (bytes_.load(std::memory_order_relaxed) != bytes ||
        (reinterpret_cast<std::uintptr_t>(memory) & (alignment - 1)) != 0)
      return nullptr;
    rests_.store(false, std::memory_order_relaxed);
    return memory;
  }

  /// Lets a block rest that was freed with `bytes` bytes. Returns false where it is another one than was handed out. One that rests
  /// already was freed twice: nothing happens.
  bool come_back(const void* memory, std::size_t bytes) noexcept {
    if (memory != memory_.load(std::memory_order_relaxed) || memory == nullptr) return false;
    if (rests()) return true;
    if (bytes == bytes_.load(std::memory_order_relaxed)) {
      rests_.store(true, std::memory_order_relaxed);
      return true;
    }
    memory_.store(nullptr, std::memory_order_relaxed);
    return false;
  }

  /// Forgets the block. Returns it if it rested: it is to go to the store.
  resting_block leave() noexcept {
    const resting_block rested = look();
    rests_.store(false, std::memory_order_relaxed);
    memory_.store(nullptr, std::memory_order_relaxed);
    return rested;
  }

  /// Returns what rests. Threads: any.
  resting_block look() const noexcept {
    if (!rests()) return {};
    return {memory_.load(std::memory_order_relaxed), bytes_.load(std::memory_order_relaxed)};
  }

  /// Adds what rests to `sum`. Threads: any.
  void add_to(resting_blocks& sum) const noexcept {
    const resting_block resting = look();
    if (resting.memory == nullptr) return;
    ++sum.blocks;
    sum.bytes += resting.bytes;
  }

  /// The bytes that its block may have, of what all caches share.
  std::size_t granted_bytes() const noexcept { return granted_bytes_; }
  void set_granted(std::size_t bytes) noexcept { granted_bytes_ = bytes; }

 private:
  std::atomic<void*> memory_{nullptr};  // the owner's, read by any thread
  std::atomic<std::size_t> bytes_{0};   // as memory_
  std::size_t granted_bytes_ = 0;       // the owner's
  std::atomic<bool> rests_{false};      // as memory_
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
