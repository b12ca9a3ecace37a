// The blocks that a guarded_resource guards: places of whole pages between guard pages, and a record of each.
//
// Layer      1, behind guarded_resource.
// Invariant  A place can be touched exactly while a block lives in it, a guard page never. Free places are taken in the order in
//            which they were freed.
// Threads    Any number at a time, a child of fork() included. One lock serves all pools of this copy of the library: a leaf, under
//            which the system is called once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/slabs/slot_states.hpp>
#include <quarry/guarded_resource.hpp>

#include "checked_owners.hpp"
#include "fault.hpp"
#include "refusal.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Writes what is known of an address; of one that was touched, also by whom. Returns false where it lies in no pool.
bool describe_guarded(const void* address, bool was_touched) noexcept;

class guarded_pool {
 public:
  /// Returns null where the system refuses. Errors: none.
  static guarded_pool* create(const guard_options& options, const void* owner) noexcept;

  /// Tells what lives, as the options say, and unmaps all. The pool is gone.
  void destroy() noexcept;

  std::uintptr_t begin() const noexcept { return reinterpret_cast<std::uintptr_t>(pages_); }
  std::size_t bytes() const noexcept { return pages_bytes_; }
  std::size_t places() const noexcept { return place_count_; }
  std::size_t allocations() const noexcept {
    return allocations_.load(std::memory_order_relaxed);  // Relaxed: a number; it orders nothing.
  }
  bool has_pause() const noexcept { return pause_ns_ != 0; }
  bool can_hold(std::size_t bytes, std::size_t alignment) const noexcept {
    // Relaxed: looked at again under the lock.
    return bytes <= most_bytes_ && alignment <= guard_bytes_ && is_alignment(alignment) &&
           free_count_.load(std::memory_order_relaxed) != 0;
  }

  /// Returns null where the pause is not over, no place is free or the system refuses. Requires can_hold().
  void* allocate(std::size_t bytes, std::size_t alignment, std::int64_t now_ns) noexcept;

  /// Reports what is wrong with the call, and then does nothing. Requires an address of the pool.
  void deallocate(void* block, std::size_t bytes, std::size_t alignment);

  /// Returns the pool that an address lies in, or null. Takes no lock.
  static guarded_pool* find(const void* address) noexcept;
  void describe(const void* address, bool was_touched) const noexcept;

 private:
  struct place {
    char* block = nullptr;  // that lives or lived there last; null: none did
    bool is_live = false;
    core::slot_record record;
  };

  struct red_zones {
    char* begin;  // of the one ahead of the block, which ends there
    char* end;    // of the one behind the block's end
  };

  guarded_pool(const guard_options& options, const void* owner) noexcept;
  std::size_t known_bytes() const noexcept;
  std::size_t place_of(const void* address) const noexcept;
  char* begin_of(std::size_t index) const noexcept { return pages_ + index * step_bytes_ + guard_bytes_; }
  red_zones zones_of(std::size_t index) const noexcept;
  bool find_fault(fault& found) const noexcept;
  std::size_t nearest_place(const void* address) const noexcept;

  const std::size_t guard_bytes_;  // a page
  const std::size_t most_bytes_;   // whole pages: of a place
  const std::size_t step_bytes_;   // from one place to the next
  std::size_t place_count_;
  char* pages_ = nullptr;                // a guard page, then each place with one behind it
  std::size_t pages_bytes_ = 0;          // of all
  place* places_ = nullptr;              // under the lock, as what follows
  std::uint32_t* free_ = nullptr;        // numbers of free places: a ring
  std::size_t first_free_ = 0;           // of the ring: which was freed first
  std::atomic<std::size_t> free_count_;  // written under the lock
  const std::int64_t pause_ns_;
  std::atomic<std::int64_t> next_ns_{0};     // when the pause is over; written under the lock
  std::atomic<std::size_t> allocations_{0};  // so far; written under the lock
  const leak_action leaks_;
  const owner_facts owner_;
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
