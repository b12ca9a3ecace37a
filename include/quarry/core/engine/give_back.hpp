// How the store gives memory back: granules of slabs, extents, what trim() is to give, and everything at the end.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// Marks granules free. Returns their extent's memory when that is to go back to the supply: the extent is idle, and either
// more than enough is free or none of it holds a page. Requires the lock.
template <class Supply, class Lock>
auto store<Supply, Lock>::settle(const granule_run& run, bool is_blank) noexcept -> surplus {
  extent& home = *run.home;
  if (!extents_.put(run, is_blank) || home.is_fixed) return {};
  if (!extents::is_blank(home) && free_bytes() <= retain_bytes_) return {};
  return take_out(home);
}

template <class Supply, class Lock>
auto store<Supply, Lock>::take_out(extent& idle) noexcept -> surplus {
  const surplus result{idle.base, idle.granules * granule_bytes()};
  extents_.remove(idle);
  return result;
}

template <class Supply, class Lock>
void store<Supply, Lock>::give_back(const surplus& extent) noexcept {
  if (extent.bytes == 0) return;
  tell_leaving(extent.base, extent.bytes);
  const lock_holder supplied(supply_lock_);
  supply_.deallocate_extent(extent.base, extent.bytes, extent_alignment());
  discharge(extent.bytes);
}

// Discards granules that nobody else can take meanwhile, and marks them free. Returns the bytes given back.
template <class Supply, class Lock>
std::size_t store<Supply, Lock>::discard(const granule_run& run, bool has_holes) noexcept {
  bool is_blank = false;
  {
    const lock_holder supplied(supply_lock_);
    if (!has_holes) supply_.expect_holes(run.home->base, run.home->granules * granule_bytes());
    is_blank = supply_.discard_pages(extents_.address_of(run), extents_.bytes_of(run));
  }
  surplus gone;
  {
    const lock_holder<Lock> held(lock_);
    gone = settle(run, is_blank);
  }
  give_back(gone);
  return gone.bytes != 0 ? gone.bytes : is_blank ? extents_.bytes_of(run) : 0;
}

template <class Supply, class Lock>
void store<Supply, Lock>::give_back_one(slab& each) noexcept {
  if (each.granules == 0) {
    give_back_oversize(&each);  // a loose one
    return;
  }
  granule_run run;
  surplus gone;
  bool has_holes = false;
  {
    const lock_holder<Lock> held(lock_);
    extent* const home = each.is_unlisted ? extents_.find(each.begin()) : static_cast<extent*>(each.owner);
    run = extents_.run_at(*home, each.begin(), each.granules);
    if (!each.is_unlisted) directory_.erase(each.begin(), each.granules);
    if (QUARRY_UNLIKELY(detail() != slot_detail::none)) states_type::unseal(each);
    headers_.put_back(&each, each.room, header_bytes_of(each.slots()));
    next_epoch();
    has_holes = run.home->discarded != 0;
    const bool is_surplus = free_bytes() + extents_.bytes_of(run) > retain_bytes_;
    if (!is_surplus || !supply_.can_discard() || run.home->is_fixed || extents::would_idle(run)) {
      gone = settle(run, false);
      run.home = nullptr;
    }
  }
  if (run.home != nullptr) discard(run, has_holes);
  give_back(gone);
}

template <class Supply, class Lock>
std::size_t store<Supply, Lock>::trim(std::size_t keep_bytes) noexcept {
  if (!supply_.takes_back()) return 0;
  std::size_t given_bytes = 0;
  oversize_.for_each([&](shard& each) {
    const lock_holder<Lock> held(each.lock);
    return_grant(each, 0);
  });
  for (;;) {  // one extent, run or block a turn: nobody waits for long
    surplus gone;
    {
      const lock_holder<Lock> held(lock_);
      const bool is_surplus = free_bytes() > keep_bytes;
      extent* const idle = extents_.idle();
      if (idle != nullptr && (is_surplus || extents::is_blank(*idle))) {
        gone = take_out(*idle);
      } else if (!is_surplus) {
        return given_bytes;
      }
    }
    if (gone.bytes != 0) {
      given_bytes += gone.bytes;
      give_back(gone);
      continue;
    }
    if (const std::size_t block_bytes = give_oldest_back(0)) {
      given_bytes += block_bytes;
      continue;
    }
    granule_run touched;
    bool has_holes = false;
    {
      const lock_holder<Lock> held(lock_);
      if (free_bytes() <= keep_bytes || !supply_.can_discard()) return given_bytes;
      touched = extents_.take_touched();
      if (touched.home == nullptr) return given_bytes;
      has_holes = touched.home->discarded != 0;
    }
    const std::size_t discarded_bytes = discard(touched, has_holes);
    if (discarded_bytes == 0) return given_bytes;  // the system refuses
    given_bytes += discarded_bytes;
  }
}

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
