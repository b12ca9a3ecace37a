// What a store holds, for those who look at it: statistics, reports, checks, and who looks for the slab of a slot.
//
// Layer      2. Freestanding.
// Invariant  Nothing here takes memory or gives any back, and nothing calls the supply: store.hpp does.
// Threads    Any number at a time, where Lock locks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/lock_holder.hpp>
#include <quarry/core/memory/arena.hpp>
#include <quarry/core/memory/extents.hpp>
#include <quarry/core/memory/oversize_blocks.hpp>
#include <quarry/core/slabs/directory.hpp>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/core/slabs/spare_headers.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// The part of a store that its lock guards.
template <class Lock>
class held_memory {
 public:
  held_memory(const held_memory&) = delete;
  held_memory& operator=(const held_memory&) = delete;

  /// Returns the slab that `pointer` lies in, or null; slabs apart are found by their bin. Complexity O(1).
  slab* slab_of(const void* pointer) const noexcept { return directory_.find(pointer); }
  /// The same for `count` slots. Returns whether none is null. Complexity O(count).
  bool slabs_of(void* const* slots, std::size_t count, slab** homes) const noexcept {
    return directory_.find_all(slots, count, homes);
  }
  /// Returns whether `pointer` lies in memory of the store. Complexity O(extents + blocks of parts).
  bool owns(const void* pointer) const noexcept {
    if (directory_.find(pointer) != nullptr) return true;
    const lock_holder<Lock> held(lock_);
    return parts_.owns(pointer) || extents_.find(pointer) != nullptr || oversize_.find(pointer) != nullptr ||
           is_in_buffer(pointer);
  }

  /// Returns the bytes asked for the oversize block that `pointer` lies in, or 0. Complexity O(1) expected.
  std::size_t oversize_bytes_of(const void* pointer) const noexcept {
    const lock_holder<Lock> held(lock_);
    const oversize_block* const found = oversize_.find(pointer);
    return found != nullptr ? found->bytes : 0;
  }

  /// Calls f(void* block, std::size_t bytes) for every live oversize block. Requires that f does not use the store.
  template <class F>
  void for_each_oversize(F f) const {
    const lock_holder<Lock> held(lock_);
    oversize_.for_each([&](const oversize_block& each) {
      if (each.is_live) f(each.memory, each.bytes);
    });
  }

  /// What is known of an oversize block.
  struct block_facts {
    void* memory = nullptr;  // null: there is none
    std::size_t bytes = 0;   // as asked for
    bool is_live = false;    // else it rests
  };
  /// Returns the facts of the block that `pointer` lies in. Complexity as oversize_bytes_of(), but O(blocks that rest) where that
  /// finds none.
  block_facts oversize_at(const void* pointer) const noexcept {
    const lock_holder<Lock> held(lock_);
    block_facts result;
    if (const oversize_block* const live = oversize_.find(pointer)) return {live->memory, live->bytes, true};
    oversize_.for_each([&](const oversize_block& each) {
      const auto offset =
          reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each.memory);
      if (!each.is_live && offset < each.held_bytes) result = {each.memory, each.bytes, false};
    });
    return result;
  }

  /// What is held from the supply at the moment, and the most that was. Who asks for the peak afterwards gets no less.
  std::size_t held_bytes() const noexcept {
    return held_bytes_.load(std::memory_order_acquire);  // Acquire: pairs with charge() and discharge().
  }
  std::size_t peak_bytes() const noexcept {
    return peak_bytes_.load(std::memory_order_relaxed);  // Relaxed: ordered by held_bytes().
  }

  /// Calls bool f(slab&) under the lock for some of the slabs that the directory knows; more: directory::visit_some().
  template <class F>
  bool visit_slabs(directory::visit& from, F f) const {
    const lock_holder<Lock> held(lock_);
    return directory_.visit_some(from, most_visits, f);
  }

  /// Calls f(const extent&) under the lock for each extent. Complexity O(extents).
  template <class F>
  void visit_extents(F f) const {
    const lock_holder<Lock> held(lock_);
    extents_.for_each(f);
  }

  /// Calls f(const oversize_block&) under the lock for the blocks of some buckets of the index, from `first` on, which moves on.
  /// Returns     Whether buckets are left. A block may come twice when others are added meanwhile.
  template <class F>
  bool visit_oversize(std::size_t& first, F f) const {
    const lock_holder<Lock> held(lock_);
    const bool has_more = oversize_.for_each_from(first, most_visits, f);
    first += most_visits;
    return has_more;
  }

  /// Numbers of the moment. Complexity O(1).
  struct figures {
    std::size_t discarded_bytes = 0;
    std::size_t oversize_blocks = 0;
    std::size_t oversize_bytes = 0;
  };
  figures inspect() const noexcept {
    const lock_holder<Lock> held(lock_);
    return {extents_.discarded_bytes(), oversize_.blocks() - loose_slabs_, oversize_.bytes() - loose_bytes_};
  }
  bool check_invariants() const noexcept {
    const lock_holder<Lock> held(lock_);
    return extents_.check_invariants() && directory_.check_invariants() && oversize_.check_invariants();
  }

  /// Returns a number that is another one after a slab has gone back. Threads: any; who uses a slot sees what happened before it
  /// was handed out.
  std::uint32_t epoch() const noexcept {
    return epoch_.load(std::memory_order_relaxed);  // Relaxed: ordered by how the slot came to its user.
  }

  std::size_t granule_bytes() const noexcept { return extents_.granule_bytes(); }

 protected:
  held_memory(std::size_t granule_bytes, bool has_directory) noexcept
      : extents_(granule_bytes),
        directory_(granule_bytes),
        headers_(has_directory ? spare_headers::line_bytes : spare_headers::small_bytes) {}
  ~held_memory() = default;

  static constexpr std::size_t most_visits = 64;  // slabs or blocks that are looked at under the lock

  void next_epoch() noexcept {
    epoch_.store(epoch() + 1, std::memory_order_relaxed);  // Relaxed: as in epoch().
  }
  bool is_in_buffer(const void* pointer) const noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(buffer_) <
           buffer_bytes_;
  }

  std::atomic<std::size_t> held_bytes_{0};  // written under the lock of the supply, read by any thread
  std::atomic<std::size_t> peak_bytes_{0};  // as held_bytes_
  std::atomic<std::uint32_t> epoch_{0};     // slabs that went back; written under lock_, read by any thread
  mutable Lock lock_;                       // guards what follows, but for what may be read without it
  arena parts_;                             // shelves, magazines, headers, records, slabs apart
  extents extents_;
  directory directory_;  // read by any thread
  spare_headers headers_;
  oversize_blocks oversize_;
  std::size_t loose_slabs_ = 0;  // of the oversize blocks
  std::size_t loose_bytes_ = 0;
  std::byte* buffer_ = nullptr;  // the user's initial buffer
  std::size_t buffer_bytes_ = 0;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
