// How the store gives memory back: granules of slabs, extents, and what trim() is to give.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// Marks granules free. Returns their extent's memory when that is to go back to the supply: the extent is idle, and either
// more than enough is free or none of it holds a page. Requires the lock.
template <class Supply, class Lock>
auto store<Supply, Lock>::settle(const granule_run& run, bool is_blank) noexcept -> surplus {
  extent& home = *run.home;
  if (!extents_.put(run, is_blank)) return {};
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

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
