// What a store holds, for those who look at it: statistics, reports, checks, and who looks for the slab of a slot.
//
// Layer      2. Freestanding.
// Invariant  Nothing here takes memory or gives any back, and nothing calls the supply: store.hpp does.
// Threads    Any number at a time, where Lock locks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/engine/oversize_shards.hpp>
#include <quarry/core/lock_holder.hpp>
#include <quarry/core/memory/arena.hpp>
#include <quarry/core/memory/extents.hpp>
#include <quarry/core/slabs/directory.hpp>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/core/slabs/spare_headers.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What a store holds: the parts of it that its lock guards, the shards of its oversize blocks, and some numbers.
template <class Lock>
class held_memory {
 public:
  held_memory(const held_memory&) = delete;
  held_memory& operator=(const held_memory&) = delete;

  /// Returns the slab that `pointer` lies in, or null; unlisted slabs are found by their bin. Complexity O(1).
  slab* slab_of(const void* pointer) const noexcept { return directory_.find(pointer); }
  /// The same for `count` slots. Returns whether none is null. Complexity O(count).
  bool slabs_of(void* const* slots, std::size_t count, slab** homes) const noexcept {
    return directory_.find_all(slots, count, homes);
  }
  /// Returns whether `pointer` may be that of a header: it is aligned as one, and there is memory of the store's parts. Reads nothing
  /// there. Complexity O(blocks of parts).
  bool may_be_header(const void* pointer) const noexcept {
    const auto offset = reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(buffer_);
    return (reinterpret_cast<std::uintptr_t>(pointer) & (headers_.unit_bytes() - 1)) == 0 &&
           (parts_.owns(pointer, sizeof(slab)) ||
            (offset < buffer_bytes_ && buffer_bytes_ - offset >= sizeof(slab)));
  }
  /// Returns whether `pointer` lies in memory that was taken for slabs and parts, in use or not. For reports.
  /// Complexity O(extents + blocks of parts).
  bool holds(const void* pointer) const noexcept {
    if (directory_.find(pointer) != nullptr) return true;
    const lock_holder<Lock> held(lock_);
    return parts_.owns(pointer) || extents_.find(pointer) != nullptr || is_in_buffer(pointer);
  }

  /// Returns whether `pointer` lies in a live oversize block in which no slab lies. Complexity O(1) expected.
  bool has_oversize(const void* pointer) const noexcept {
    bool is_found = false;
    find_oversize(pointer, [&](const oversize_block&) { is_found = true; });
    return is_found;
  }

  /// Returns the bytes asked for the oversize block that `pointer` lies in, or 0. Complexity O(1) expected.
  std::size_t oversize_bytes_of(const void* pointer) const noexcept {
    std::size_t bytes = 0;
    find_oversize(pointer, [&](const oversize_block& found) { bytes = found.bytes; });
    return bytes;
  }

  /// Calls f(void* block, std::size_t bytes) for every live oversize block. Requires that f does not use the store.
  template <class F>
  void for_each_oversize(F f) const {
    oversize_.for_each([&](const oversize_shard<Lock>& shard) {
      const lock_holder<Lock> held(shard.lock);
      shard.blocks.for_each([&](const oversize_block& each) {
        if (each.is_live && !each.is_slab) f(each.memory, each.bytes);
      });
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
    block_facts result;
    find_oversize(pointer, [&](const oversize_block& live) { result = {live.memory, live.bytes, true}; });
    if (result.is_live) return result;
    oversize_.for_each([&](const oversize_shard<Lock>& shard) {
      const lock_holder<Lock> held(shard.lock);
      shard.blocks.for_each([&](const oversize_block& each) {
        const auto offset =
            reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(each.memory);
        if (!each.is_live && offset < each.held_bytes) result = {each.memory, each.bytes, false};
      });
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

  /// Calls bool f(slab&) under the lock for some of the slabs that the directory knows and bool is_slab(const slab*) believes in;
  /// more: directory::visit_some().
  template <class IsSlab, class F>
  bool visit_slabs(directory::visit& from, IsSlab is_slab, F f) const {
    const lock_holder<Lock> held(lock_);
    return directory_.visit_some(from, most_visits, is_slab, f);
  }
  template <class F>
  bool visit_slabs(directory::visit& from, F f) const {
    return visit_slabs(
        from, [](const slab*) { return true; }, f);
  }

  /// Calls f(const extent&) under the lock for each extent. Complexity O(extents).
  template <class F>
  void visit_extents(F f) const {
    const lock_holder<Lock> held(lock_);
    extents_.for_each(f);
  }

  /// Where a visit of oversize blocks goes on.
  struct oversize_place {
    std::size_t shard = 0;
    std::size_t bucket = 0;
  };
  /// Calls f(const oversize_block&) for the user's blocks of some buckets of an index, under its lock, from `from` on, which
  /// moves on.
  /// Returns     Whether buckets are left. A block may come twice when others are added meanwhile.
  template <class F>
  bool visit_oversize(oversize_place& from, F f) const {
    if (const oversize_shard<Lock>* const shard = oversize_.at(from.shard)) {
      const lock_holder<Lock> held(shard->lock);
      const bool has_more =
          shard->blocks.for_each_from(from.bucket, most_visits, [&](const oversize_block& each) {
            if (!each.is_slab) f(each);
          });
      from.bucket += most_visits;
      if (has_more) return true;
    }
    from = {from.shard + 1, 0};
    return from.shard < oversize_shards<Lock>::count;
  }

  /// Numbers, each of its own moment. Complexity O(1).
  struct figures {
    std::size_t discarded_bytes = 0;
    std::size_t oversize_blocks = 0;
    std::size_t oversize_bytes = 0;
  };
  figures inspect() const noexcept {
    figures result;
    {
      const lock_holder<Lock> held(lock_);
      result.discarded_bytes = extents_.discarded_bytes();
    }
    oversize_.for_each([&](const oversize_shard<Lock>& shard) {
      const lock_holder<Lock> held(shard.lock);
      result.oversize_blocks += shard.blocks.blocks();
      result.oversize_bytes += shard.blocks.bytes();
    });
    return result;
  }
  bool check_invariants() const noexcept {
    bool is_right = true;
    std::size_t granted_bytes = 0;
    oversize_.for_each([&](const oversize_shard<Lock>& shard) {
      const lock_holder<Lock> held(shard.lock);
      granted_bytes += shard.granted();
      is_right = is_right && shard.blocks.check_invariants() && shard.blocks.kept_bytes() <= shard.granted();
    });
    const lock_holder<Lock> held(lock_);
    return is_right && granted_bytes == granted_bytes_ && extents_.check_invariants() &&
           directory_.check_invariants();
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

  // Calls f(const oversize_block&), under its shard's lock, with the user's live block that `pointer` lies in, if there is one.
  template <class F>
  void find_oversize(const void* pointer, F f) const {
    oversize_.for_each([&](const oversize_shard<Lock>& shard) {
      const lock_holder<Lock> held(shard.lock);
      const oversize_block* const found = shard.blocks.find(pointer);
      if (found != nullptr && !found->is_slab) f(*found);
    });
  }
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
  std::size_t granted_bytes_ = 0;  // to all shards together
  std::byte* buffer_ = nullptr;    // the user's initial buffer
  std::size_t buffer_bytes_ = 0;
  oversize_shards<Lock> oversize_;  // each under its own lock, which comes before lock_
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
