// The blocks of their own of one store, in shards with a lock each: threads that take and free in shards of their own wait
// for nobody.
//
// Layer      2. Freestanding.
// Invariant  A live block stays in the shard that it was entered in. A shard keeps at most what it is granted.
// Threads    Any number at a time; a shard is used under its lock, and nobody holds the locks of two but a fork.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>
#include <quarry/core/engine/home_count.hpp>
#include <quarry/core/lock_holder.hpp>
#include <quarry/core/memory/oversize_blocks.hpp>
#include <quarry/version.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// One shard.
template <class Lock>
struct alignas(std::is_empty_v<Lock> ? alignof(void*) : 64) oversize_shard {
  mutable Lock lock;
  oversize_blocks blocks;
  // The bytes that its kept blocks are counted with among free memory; written under the shard's lock, read by any thread.
  std::atomic<std::size_t> granted_bytes{0};

  std::size_t granted() const noexcept {
    return granted_bytes.load(std::memory_order_relaxed);  // Relaxed: the lock's, or a number that steers.
  }
  void set_granted(std::size_t bytes) noexcept {
    granted_bytes.store(bytes, std::memory_order_relaxed);  // Relaxed: as above.
  }
};

/// The shards of one store: the first one lies in it, the others come with the first block of a cache that has them for home.
template <class Lock>
class oversize_shards {
 public:
  using shard = oversize_shard<Lock>;
  static constexpr std::size_t count = home_count<Lock>;

  oversize_shards() noexcept = default;
  oversize_shards(const oversize_shards&) = delete;
  oversize_shards& operator=(const oversize_shards&) = delete;

  shard& first() noexcept { return first_; }

  /// Returns a shard, or null when it has not come yet. Requires index < count.
  shard* at(std::size_t index) noexcept {
    if constexpr (count == 1) return &first_;
    return index == 0 ? &first_
                      : others_[index].load(std::memory_order_acquire);  // Acquire: pairs with bring().
  }
  const shard* at(std::size_t index) const noexcept { return const_cast<oversize_shards*>(this)->at(index); }

  /// Makes a shard in `memory`. Returns false when it had come already. Nobody brings one while the first one is locked.
  bool bring(std::size_t index, void* memory) noexcept {
    const lock_holder<Lock> held(first_.lock);
    if (at(index) != nullptr) return false;
    others_[index].store(::new (memory) shard, std::memory_order_release);  // Release: pairs with at().
    return true;
  }

  /// Calls bool f(shard&) for each shard, from `home` on, until one returns true. Returns whether one did.
  template <class F>
  bool until(std::size_t home, F f) {
    for (std::size_t i = 0; i < count; ++i)
      if (shard* const each = at((home + i) % count))
        if (f(*each)) return true;
    return false;
  }

  /// Calls f(const shard&), or f(shard&), for each shard.
  template <class F>
  void for_each(F f) const {
    for (std::size_t i = 0; i < count; ++i)
      if (const shard* const each = at(i)) f(*each);
  }
  template <class F>
  void for_each(F f) {
    for (std::size_t i = 0; i < count; ++i)
      if (shard* const each = at(i)) f(*each);
  }

  /// Forgets everything: the memory that records, indexes and other shards lie in is about to go. Returns the blocks, linked by
  /// next.
  oversize_block* release() noexcept {
    oversize_block* all = nullptr;
    for_each([&](shard& each) {
      const lock_holder<Lock> seen(each.lock);  // what others wrote before
      all = each.blocks.release(all);
    });
    for (std::atomic<shard*>& each : others_)
      each.store(nullptr, std::memory_order_relaxed);  // Relaxed: nobody else is inside a call.
    first_.set_granted(0);
    return all;
  }

 private:
  shard first_;
  std::atomic<shard*> others_[count] = {};  // by index; none at 0; written under the first one's lock
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
