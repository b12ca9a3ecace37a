// How the store gives everything back: it forgets what it has, and then gives that to the supply, which may come back and finds
// the store empty.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// An extent that stays while its record goes; lies at its begin.
template <class Supply, class Lock>
struct store<Supply, Lock>::kept_extent {
  kept_extent* next;
  std::size_t bytes;
};

// All that a store had when it was made empty; each kind linked by next.
template <class Supply, class Lock>
struct store<Supply, Lock>::leavings {
  oversize_block* blocks = nullptr;
  extent* extents = nullptr;
  kept_extent* kept = nullptr;
  arena parts;               // where the records of blocks and extents lie
  bool keeps_parts = false;  // the newest block of them, for the records of the kept ones
};

template <class Supply, class Lock>
void store<Supply, Lock>::release(bool keeps, std::size_t keep_bytes) noexcept {
  const lock_holder supplied(supply_lock_);
  // Within another release what that is to give back lies in the buffer yet.
  const bool is_outermost = !std::exchange(is_in_release_, true);
  leavings left;
  forget_all(keep_bytes, left);
  // What a thread took that a fork has ended, too; what stays is counted when it is taken again.
  discharge(held_bytes());
  give_back(left, keeps);
  if (is_outermost) {
    const lock_holder<Lock> held(lock_);
    attach_buffer();
  }
  is_in_release_ = !is_outermost;
  take_again(left.kept);
}

template <class Supply, class Lock>
void store<Supply, Lock>::end() noexcept {
  const lock_holder supplied(supply_lock_);
  leavings left;
  forget_all(0, left);
  give_back(left, true);
}

// Makes the store empty; of what it had keep_bytes bytes at most are to stay, with them a block of parts: it has room for their
// records.
template <class Supply, class Lock>
void store<Supply, Lock>::forget_all(std::size_t keep_bytes, leavings& left) noexcept {
  left.blocks = oversize_.release();
  const lock_holder<Lock> held(lock_);
  const std::size_t parts_bytes = buffer_ != nullptr ? 0 : parts_.newest_bytes();
  std::size_t room_bytes = keep_bytes > parts_bytes ? keep_bytes - parts_bytes : 0;
  extents_.release([&](extent& each) {
    const std::size_t bytes = each.granules * granule_bytes();
    if (bytes <= room_bytes) {
      room_bytes -= bytes;
      tell_leaving(each.base, sizeof(kept_extent));
      left.kept = ::new (each.base) kept_extent{left.kept, bytes};
      return;
    }
    each.next = left.extents;
    left.extents = &each;
  });
  left.keeps_parts = left.kept != nullptr && buffer_ == nullptr;
  left.parts.take_blocks_of(parts_);
  directory_.release();
  headers_.release();
  next_epoch();
  granted_bytes_ = 0;
}

// Gives what was forgotten to the supply. Holds no lock that the supply needs to look at the store, or to use it. Requires the
// supply's lock.
template <class Supply, class Lock>
void store<Supply, Lock>::give_back(leavings& left, bool keeps) noexcept {
  tell_leaving(buffer_, buffer_bytes_);
  for (const oversize_block* each = left.blocks; each != nullptr; each = each->next) {
    tell_leaving(each->memory, each->held_bytes);
    supply_.deallocate_pages(each->memory, each->held_bytes, each->alignment);
  }
  for (const extent* each = left.extents; each != nullptr; each = each->next) {
    const std::size_t bytes = each->granules * granule_bytes();
    tell_leaving(each->base, bytes);
    keeps ? supply_.keep_extent(each->base, bytes, extent_alignment())
          : supply_.deallocate_extent(each->base, bytes, extent_alignment());
  }
  if (left.keeps_parts) {
    const lock_holder<Lock> held(lock_);
    count_again(left.parts.newest_bytes());
    parts_.take_newest_of(left.parts);
  }
  left.parts.release([&](void* memory, std::size_t bytes) {
    tell_leaving(memory, bytes);
    if (!is_in_buffer(memory)) supply_.deallocate_pages(memory, bytes, arena::block_alignment);
  });
}

// Takes extents back that have stayed; those for whose records there is no room go to the supply. Requires the supply's lock.
template <class Supply, class Lock>
void store<Supply, Lock>::take_again(kept_extent* kept) noexcept {
  while (kept != nullptr) {
    const kept_extent each = *kept;
    void* const base = std::exchange(kept, each.next);
    {
      const lock_holder<Lock> held(lock_);
      if (void* const record = parts_.try_allocate(sizeof(extent), alignof(extent))) {
        tell_resting(base, sizeof(kept_extent));
        count_again(each.bytes);
        extents_.bring_spare(*::new (record) extent);
        extents_.touch(extents_.add(base, static_cast<std::uint32_t>(each.bytes / granule_bytes()), false));
        continue;
      }
    }
    tell_leaving(base, each.bytes);
    supply_.deallocate_extent(base, each.bytes, extent_alignment());
  }
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
