// The store: what an engine takes its memory from and gives it back to, in slabs, parts and oversize blocks.
//
// Layer      2. Freestanding. Puts what lies on floors 4 and 5, and what mends it, behind two locks, and one for each shard of oversize blocks.
// Invariant  Nobody calls the supply without the supply lock, so it is called by one thread at a time; nobody waits for that
//            lock while holding another. A shard's lock comes before the store's. What needs no memory from below takes
//            only these.
// Threads    Any number at a time, where Lock locks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/engine/sealed_memory.hpp>
#include <quarry/core/engine/supply_lock_of.hpp>
#include <quarry/core/lock_holder.hpp>
#include <quarry/core/memory/page_source.hpp>
#include <quarry/core/memory/supply_row.hpp>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/export.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What an engine is made with. Units: bytes.
struct engine_limits {
  std::size_t granule_bytes = 65536;       // a power of two: slabs are made of granules
  std::size_t slab_granules = 1;           // of a full-grown slab; more than one where memory is short
  bool has_directory = true;               // false where slabs will be so few that each bin finds its own
  std::size_t max_bytes = 0;               // held from the supply at most; 0: no limit
  std::size_t retain_bytes = 0;            // free memory that is kept
  std::size_t cache_bytes = 0;             // of slots that one cache may hold
  std::size_t last_block_bytes = 0;        // of the oversize block that rests in a cache, at most
  bool is_watched = false;                 // every call takes the slow way
  slot_detail detail = slot_detail::none;  // what is kept of each slot; only where calls are watched
  bool tells_tools = false;                // which memory rests; only where calls are watched
};

/// Given to a verb, lets what the supply throws pass.
struct insist {};

/// Supply: see memory/page_source.hpp. What only looks at what a store holds is in held_memory.hpp and sealed_memory.hpp.
template <class Supply, class Lock>
class QUARRY_EXPORT store : public sealed_memory<Lock> {
  using holdings = sealed_memory<Lock>;

 public:
  using holdings::detail;
  using holdings::granule_bytes;
  using holdings::held_bytes;
  using holdings::peak_bytes;
  using typename holdings::mender_type;
  using typename holdings::states_type;

  store(Supply supply, const engine_limits& limits)
      : holdings(limits.granule_bytes, limits.has_directory, limits.detail, limits.tells_tools),
        supply_(supply),
        max_bytes_(limits.max_bytes),
        retain_bytes_(supply.takes_back() ? limits.retain_bytes : SIZE_MAX),
        keeps_blocks_(supply.keeps_blocks() || !supply.takes_back()),
        slab_granules_(limits.slab_granules),
        has_directory_(limits.has_directory) {
    if (supply_.keeps_blocks()) parts_.wish_fewer_blocks();
    if (supply_.blocks_are_lazy()) parts_.wish_large_blocks();
    if (supply_.can_discard() && !supply_.is_limited() && !has_limit()) extents_.lend_touched_first();
    if (limits.detail != slot_detail::none) parts_.wish_doubling_blocks();
  }
  ~store() { end(); }
  store(const store&) = delete;
  store& operator=(const store&) = delete;

  /// Lets the store use [buffer, buffer + bytes) before its supply; the buffer stays the caller's.
  void start_in(void* buffer, std::size_t bytes) noexcept {
    buffer_ = static_cast<std::byte*>(buffer);
    buffer_bytes_ = bytes;
    attach_buffer();
  }

  /// Returns `bytes` bytes that live until release(), or null when the supply refuses or the limit is reached. `insists`: where
  /// nobody takes memory back, what rests serves then, too. `beside`: bytes for which the limit is to leave room,
  /// if it can, in the same block or besides.
  /// Complexity  O(1), at most two calls of the supply.
  void* take_part(std::size_t bytes, std::size_t alignment, bool insists = false,
                  std::size_t beside = 0) noexcept {
    for (;;) {
      std::size_t wished = 0;
      {
        const lock_holder<Lock> held(lock_);
        if (void* const part = parts_.try_allocate(bytes, alignment)) return part;
        wished = parts_.wished_block_bytes(bytes, alignment);
      }
      const std::size_t least = arena::block_bytes_of_one(bytes, alignment);
      if (wished < least + beside && !may_charge(wished + beside)) wished = least;
      if (!add_block(wished, least) && !(insists && add_rest_of_blocks(least))) return nullptr;
    }
  }

  /// Returns a slab of free slots for a bin of class `index`, of as many granules as `layout` has; null when the supply
  /// refuses or the limit is reached.
  /// Effects     Headers come some at a time; `siblings`, the slabs that the bin has, tell how many.
  /// Complexity  O(slots / 64), at most five calls of the supply.
  slab* take_slab(const slab_layout& layout, class_index index, std::size_t siblings) noexcept;

  /// Returns a slab of at most `bytes` bytes of slots that lies apart in the store's parts, or null. The bin keeps it until
  /// release().
  slab* take_slab_apart(const slab_layout& layout, class_index index, std::size_t bytes) noexcept;

  /// Returns a slab of `bytes` bytes of slots at most in a block of its own, which goes back when it is empty; or null. Of more
  /// bytes, where a larger block rests that cannot go back: one that is up to `times_larger`. `may_ask`: where none rests the
  /// supply is asked.
  slab* take_slab_loose(const slab_layout& layout, class_index index, std::size_t bytes, bool may_ask = true,
                        std::size_t times_larger = 4) noexcept;

  /// Returns the most bytes of slots for which take_slab_apart() needs no supply. Complexity O(1).
  std::size_t room_apart(std::size_t slot_bytes) const noexcept {
    const lock_holder<Lock> held(lock_);
    const std::size_t room = parts_.room_bytes();
    const std::size_t other =
        slab::header_bytes_for(room / slot_bytes) + alignment_of(slot_bytes) + sizeof(void*);
    return room > other ? room - other : 0;
  }

  /// The same for what is left of an initial buffer; 0 when its room for parts is used up.
  std::size_t room_in_buffer(std::size_t slot_bytes) const noexcept {
    {
      const lock_holder<Lock> held(lock_);
      if (!parts_.is_in_buffer()) return 0;
    }
    const std::size_t room = room_apart(slot_bytes);
    return room >= slot_bytes ? room : 0;
  }

  /// Whether memory need not be spared: the system's, or first an initial buffer's.
  bool is_ample() const noexcept { return supply_.can_discard() || buffer_ != nullptr; }

  /// Returns how many bytes of slots a block of their own may have between what came last and the first extent; 0 where that is
  /// little, or not known because the supply does not hand out its memory in a row.
  /// Effects     The parts of the slabs that come next are brought first.
  /// Complexity  O(1), at most one call of the supply.
  std::size_t gap_before_extent(const slab_layout& layout) noexcept;

  /// Whether `bytes` bytes for slabs lie idle, so that the supply need not be asked. Complexity O(1).
  bool has_idle(std::size_t bytes) const noexcept {
    const lock_holder<Lock> held(lock_);
    return extents_.idle_bytes() >= bytes;
  }

  /// Whether what is held from the supply is limited.
  bool has_limit() const noexcept { return max_bytes_ != 0; }

  /// Whether the limit leaves room for a part of `part_bytes` bytes and for `bytes` more, or what rests may serve. Where not, no part
  /// is to be taken for them. Complexity O(1).
  bool may_begin(std::size_t part_bytes, std::size_t alignment, std::size_t bytes) const noexcept {
    const std::size_t block_bytes = part_bytes == 0 ? 0 : arena::block_bytes_of_one(part_bytes, alignment);
    if (may_charge(block_bytes + bytes) || !supply_.takes_back()) return true;
    const lock_holder<Lock> held(lock_);
    if (extents_.has_free() || parts_.room_bytes() >= bytes) return true;
    return parts_.room_bytes() >= part_bytes && may_charge(bytes);
  }

  /// The granules of a full-grown slab. More than one: memory is short, a class starts with a quarter of them, and a
  /// slab lies apart only as the last resort.
  std::size_t slab_granules() const noexcept { return slab_granules_; }

  /// Takes back the slabs of a chain linked by `next`; all their slots are free.
  /// Effects     Above retain_bytes, idle extents go back to the supply, and other granules are discarded if it can.
  void give_back(slab* emptied) noexcept {
    while (emptied != nullptr) {
      slab* const next = emptied->next;
      give_back_one(*emptied);
      emptied = next;
    }
  }

  /// Whether there may be a block of so many bytes: supplies may round them up to the alignment, so that must not overflow.
  static constexpr bool is_possible(std::size_t bytes, std::size_t alignment) noexcept {
    return alignment <= most_bytes && bytes <= most_bytes - alignment;
  }

  /// Returns a block of its own, or null when it is not possible, the supply refuses or the limit is reached. It belongs to
  /// the shard `home`.
  /// Complexity  O(1) expected.
  /// Errors      With `insist`, what the supply throws.
  template <class... Insist>
  void* take_oversize(std::size_t bytes, std::size_t alignment, std::size_t home = 0, Insist...);

  /// The same where a block rests there that serves it; else null. Complexity O(1).
  void* reuse_oversize(std::size_t bytes, std::size_t alignment, std::size_t home = 0) noexcept {
    return reuse_oversize(bytes, alignment, home, oversize_blocks::most_for(bytes));
  }

  /// Takes back the block that begins at `memory`; the `bytes` it was asked for with and the shard, if known, help to find it.
  /// Returns false when there is none. Complexity O(1) expected.
  bool give_back_oversize(void* memory, std::size_t bytes = 0, std::size_t home = 0) noexcept;

  /// Asks the supply for an extent of one slab and lets what it throws pass. Returns false when the limit is reached or
  /// the supply returns null; else the memory is there for the next take_slab().
  bool insist_on_slab(const slab_layout& layout);

  /// Asks the supply for room for a part and lets what it throws pass.
  void insist_on_part(std::size_t bytes, std::size_t alignment) {
    const std::size_t least = arena::least_block_bytes(bytes, alignment);
    add_block(least, least, insist());
  }

  /// Gives free memory back until at most `keep_bytes` bytes of it are held, some steps at a time. Returns the bytes given
  /// back or discarded; 0 where the supply takes nothing back.
  std::size_t trim(std::size_t keep_bytes) noexcept;

  /// Takes memory for `bytes` bytes of slots now. Returns false when the supply refuses or the limit is reached.
  bool reserve(std::size_t bytes, bool prefault) noexcept;

  /// Gives all memory back but `keep_bytes` bytes at most: slabs, parts and blocks are gone. With `keeps`, the supply may keep
  /// extents for others.
  void release(bool keeps = true, std::size_t keep_bytes = 0) noexcept;
  /// Whether the caller is the supply, which a call of this store waits for; false where Lock locks.
  bool is_within_call() const noexcept {
    if constexpr (std::is_empty_v<Lock>) return supply_lock_.is_locked();
    return false;
  }
  bool untouched() const noexcept { return parts_.untouched() && held_bytes() == 0; }

  const Supply& supply() const noexcept { return supply_; }
  std::size_t granules_of(const slab_layout& layout) const noexcept {
    return layout.slab_bytes / granule_bytes();
  }

  /// Takes all locks; waits for no call of the supply. Returns false, with none of them, when one is under way.
  bool try_lock_all() noexcept {
    if (!supply_lock_.try_lock()) return false;
    oversize_.for_each([](shard& each) { each.lock.lock(); });  // the first one first: then no other comes
    lock_.lock();
    return true;
  }
  void unlock_all() noexcept {
    lock_.unlock();
    oversize_.for_each([](shard& each) { each.lock.unlock(); });
    supply_lock_.unlock();
  }

 private:
  using holdings::buffer_;
  using holdings::buffer_bytes_;
  using holdings::directory_;
  using holdings::extents_;
  using holdings::granted_bytes_;
  using holdings::header_bytes_of;
  using holdings::headers_;
  using holdings::held_bytes_;
  using holdings::is_in_buffer;
  using holdings::lock_;
  using holdings::next_epoch;
  using holdings::oversize_;
  using holdings::parts_;
  using holdings::peak_bytes_;
  using holdings::tell_leaving;
  using holdings::tell_resting;

  static constexpr std::size_t headers_at_once = 4;
  static constexpr std::size_t most_bytes = SIZE_MAX / 2;  // no block is larger, with what aligns it
  // No address has this alignment: asking for it shows the supply's own error, as libstdc++'s pools do and its tests demand.
  static constexpr std::size_t impossible_bytes = SIZE_MAX;
  static constexpr std::size_t impossible_alignment = SIZE_MAX / 2 + 1;

  // An extent on its way to the supply.
  struct surplus {
    std::byte* base = nullptr;
    std::size_t bytes = 0;
  };

  static constexpr std::size_t alignment_of(std::size_t slot_bytes) noexcept {
    return slot_bytes & (~slot_bytes + 1);
  }
  // Some headers at a time lie together; where there is little memory none shall be left over.
  std::size_t headers_for(std::size_t siblings) const noexcept {
    return siblings < 1 || !has_directory_ ? 1 : siblings < headers_at_once ? siblings : headers_at_once;
  }

  // What the next extent needs of the parts: its record, where an extent may come.
  std::size_t record_bytes() const noexcept {
    return supply_.has_memory() && !extents_.has_spare() ? sizeof(extent) : 0;
  }
  bool has_room_for(std::size_t part_bytes) const noexcept {
    return part_bytes == 0 || parts_.has_room(part_bytes);
  }

  // Whether the limit leaves room for `bytes` bytes more.
  bool may_charge(std::size_t bytes) const noexcept {
    return max_bytes_ == 0 || (bytes <= max_bytes_ && held_bytes() <= max_bytes_ - bytes);
  }
  // Calls the supply for `bytes` bytes through `ask`, counted; null past the limit or when it returns null. Requires the
  // supply's lock.
  template <class Ask>
  void* charge(std::size_t bytes, Ask ask) {
    if (!may_charge(bytes)) return nullptr;
    void* const memory = ask();
    if (memory == nullptr) return nullptr;
    row_.note(memory, bytes);
    const std::size_t held =
        held_bytes() + bytes;  // the supply may have given something back to this store meanwhile
    if (held > peak_bytes())
      peak_bytes_.store(held, std::memory_order_relaxed);  // Relaxed: the next store orders it.
    held_bytes_.store(held, std::memory_order_release);    // Release: pairs with the acquire in held_bytes().
    return memory;
  }
  void discharge(std::size_t bytes) noexcept {
    held_bytes_.store(held_bytes() - bytes, std::memory_order_release);  // Release: as in charge().
  }

  void count_again(std::size_t bytes) noexcept {
    held_bytes_.store(held_bytes() + bytes, std::memory_order_release);  // Release: as in charge().
  }

  // Where granules are smaller than the largest slots, extents are aligned for these.
  std::size_t extent_alignment() const noexcept {
    if (slab_granules_ == 1) return granule_bytes();
    const std::size_t largest_slot = granule_bytes() * extents::most_granules / 2;
    return largest_slot < largest_slot_bytes ? largest_slot : largest_slot_bytes;
  }
  std::size_t free_bytes() const noexcept { return extents_.idle_bytes() + granted_bytes_; }

  template <class... Insist>
  bool add_block(std::size_t wished, std::size_t least, Insist...);
  bool add_block_of_buffer(std::size_t least) noexcept;
  bool add_rest_of_blocks(std::size_t least) noexcept;
  struct missing_parts {
    std::size_t bytes = 0;
    std::size_t entry_bytes = 0;  // among them, for the directory
    bool has_headers = false;     // among them
  };
  missing_parts missing_parts_of(const slab_layout& layout, std::size_t siblings) noexcept;
  std::size_t part_bytes_ahead(const slab_layout& layout) const noexcept;
  void bring_record() noexcept;
  void bring_parts(const slab_layout& layout, std::size_t siblings, const missing_parts& missing) noexcept;
  std::size_t wished_granules(std::size_t least) const noexcept;
  template <class... Insist>
  bool grow(const slab_layout& layout, Insist...);
  std::size_t reserve_extent(std::size_t bytes, bool prefault) noexcept;
  slab* make_slab(const granule_run& run, const slab_layout& layout, class_index index) noexcept;
  slab* make_unlisted(void* header, std::size_t header_bytes, std::size_t slots, const slab_layout& layout,
                      class_index index) noexcept;

  void give_back_one(slab& each) noexcept;
  surplus settle(const granule_run& run, bool is_blank) noexcept;
  surplus take_out(extent& idle) noexcept;
  void give_back(const surplus& extent) noexcept;
  std::size_t discard(const granule_run& run, bool has_holes) noexcept;

  using shard = oversize_shard<Lock>;
  shard& shard_of(std::size_t home) noexcept;
  std::size_t missing_bytes_of(const shard& of) const noexcept;
  oversize_block* take_record(shard& to, std::size_t bytes) noexcept;
  bool take_from_others(shard& own, std::size_t bytes, std::size_t alignment,
                        oversize_block& record) noexcept;
  bool give_back_oversize(shard& from, void* memory, std::size_t bytes, bool looks_everywhere) noexcept;
  void give_back(shard& from, oversize_block& freed) noexcept;
  std::size_t give_oldest_back(std::size_t first) noexcept;
  // What a shard may be granted and not keep, so that one that takes and frees a block in turn does not need lock_.
  std::size_t slack_bytes() const noexcept { return std::is_empty_v<Lock> ? 0 : retain_bytes_ / 16; }
  bool may_keep(shard& in, std::size_t bytes) noexcept;
  void* reuse_oversize(std::size_t bytes, std::size_t alignment, std::size_t home,
                       std::size_t held_at_most) noexcept;
  void return_grant(shard& of, std::size_t slack_bytes) noexcept;
  struct kept_extent;
  struct leavings;
  void end() noexcept;
  void forget_all(std::size_t keep_bytes, leavings& left) noexcept;
  void give_back(leavings& left, bool keeps) noexcept;
  void take_again(kept_extent* kept) noexcept;
  void attach_buffer() noexcept;

  typename supply_lock_of<Lock>::type supply_lock_;  // held across calls of the supply; taken before lock_
  Supply supply_;                                    // under supply_lock_
  supply_row row_;                                   // the same
  bool is_in_release_ = false;                       // the same; the supply may come back
  const std::size_t max_bytes_;                      // 0: no limit
  const std::size_t retain_bytes_;
  const bool keeps_blocks_;  // freed ones may wait for the next request
  const std::size_t slab_granules_;
  const bool has_directory_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry

#include <quarry/core/engine/give_back.hpp>
#include <quarry/core/engine/give_back_oversize.hpp>
#include <quarry/core/engine/release.hpp>
#include <quarry/core/engine/take.hpp>
#include <quarry/core/engine/take_oversize.hpp>
#include <quarry/core/engine/take_parts.hpp>
