// The oversize block that the owner of a cache freed last, for its next request of as many bytes.
//
// Layer      2. Freestanding.
// Invariant  The store counts the block as one that lives: who tells what lives takes it off.
// Threads    One thread at a time; any thread may look, and sees what is right while the owner rests.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// A block that rests; bytes as it was asked for with.
struct resting_block {
  void* memory = nullptr;  // null: none
  std::size_t bytes = 0;
};

/// Some blocks that rest.
struct resting_blocks {
  std::size_t blocks = 0;
  std::size_t bytes = 0;  // as asked for
};

class last_block {
 public:
  /// Returns the block, which rests no more, if it has `bytes` bytes and is aligned; else null. Requires bytes > 0.
  void* take(std::size_t bytes, std::size_t alignment) noexcept {
    void* const memory = memory_.load(std::memory_order_relaxed);  // Relaxed, all: the owner's own stores.
    if (bytes_.load(std::memory_order_relaxed) != bytes ||
        (reinterpret_cast<std::uintptr_t>(memory) & (alignment - 1)) != 0)
      return nullptr;
    bytes_.store(0, std::memory_order_relaxed);
    return memory;
  }

  /// Lets `freed` rest. Returns what rested before; nothing where that is freed again. Requires freed.bytes > 0, or that nothing is to
  /// rest.
  resting_block put(resting_block freed) noexcept {
    const resting_block before = look();
    if (before.memory == freed.memory) return {};
    memory_.store(freed.memory, std::memory_order_relaxed);  // Relaxed, both: numbers for a report.
    bytes_.store(freed.bytes, std::memory_order_relaxed);
    return before;
  }

  /// Adds what rests to `sum`. Threads: any.
  void add_to(resting_blocks& sum) const noexcept {
    const resting_block resting = look();
    if (resting.memory == nullptr) return;
    ++sum.blocks;
    sum.bytes += resting.bytes;
  }

  /// Returns what rests. Threads: any.
  resting_block look() const noexcept {
    const std::size_t bytes =
        bytes_.load(std::memory_order_relaxed);  // Relaxed, both: the owner's own, or for a report.
    if (bytes == 0) return {};
    return {memory_.load(std::memory_order_relaxed), bytes};
  }

 private:
  std::atomic<void*> memory_{nullptr};  // the owner's, read by any thread
  std::atomic<std::size_t> bytes_{0};   // as memory_; 0: nothing rests
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
