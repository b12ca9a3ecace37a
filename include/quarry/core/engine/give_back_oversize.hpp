// How the store gives blocks of their own back, or keeps them within what its shards are granted.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Supply, class Lock>
bool store<Supply, Lock>::give_back_oversize(void* memory, std::size_t bytes, std::size_t home) noexcept {
  for (const bool looks_everywhere : {false, true})
    if (oversize_.until(
            home, [&](shard& each) { return give_back_oversize(each, memory, bytes, looks_everywhere); }))
      return true;
  return false;
}

// The same if the block is one of this shard; unless it `looks_everywhere`, only where it is found at once.
template <class Supply, class Lock>
bool store<Supply, Lock>::give_back_oversize(shard& from, void* memory, std::size_t bytes,
                                             bool looks_everywhere) noexcept {
  oversize_block* freed = nullptr;
  oversize_block* oldest = nullptr;
  bool is_kept = false;
  bool is_crowded_out = false;  // by what other shards keep
  {
    const lock_holder<Lock> held(from.lock);
    oversize_blocks& blocks = from.blocks;
    freed = looks_everywhere ? blocks.find_start(memory, bytes) : blocks.find_at_once(memory, bytes);
    if (freed == nullptr) return false;
    if (keeps_blocks_ && freed->held_bytes <= retain_bytes_) {
      is_kept = may_keep(from, freed->held_bytes);
      if (!is_kept) {
        oldest = blocks.take_oldest();
        is_kept = may_keep(from, freed->held_bytes);
        is_crowded_out = oldest == nullptr;
      }
    }
    is_kept ? blocks.keep(*freed) : blocks.remove(*freed);
    if (is_kept) tell_resting(freed->memory, freed->held_bytes);
    return_grant(from, slack_bytes());
  }
  if (oldest != nullptr) give_back(from, *oldest);
  if (!is_kept) give_back(from, *freed);
  if (is_crowded_out) give_oldest_back(0);
  return true;
}

template <class Supply, class Lock>
void store<Supply, Lock>::give_back(shard& from, oversize_block& freed) noexcept {
  tell_leaving(freed.memory, freed.held_bytes);
  {
    const lock_holder supplied(supply_lock_);
    supply_.deallocate_pages(freed.memory, freed.held_bytes, freed.alignment);
    discharge(freed.held_bytes);
  }
  const lock_holder<Lock> held(from.lock);
  from.blocks.recycle(freed);
}

// Gives the block back that was kept longest by the first shard, from `first` on, that keeps one; and what shards are granted
// and do not need. Returns the block's bytes, or 0.
template <class Supply, class Lock>
std::size_t store<Supply, Lock>::give_oldest_back(std::size_t first) noexcept {
  std::size_t bytes = 0;
  oversize_.until(first, [&](shard& each) {
    oversize_block* oldest = nullptr;
    {
      const lock_holder<Lock> held(each.lock);
      oldest = each.blocks.take_oldest();
      return_grant(each, 0);
    }
    if (oldest == nullptr) return false;
    bytes = oldest->held_bytes;
    give_back(each, *oldest);
    return true;
  });
  return bytes;
}

// Whether `bytes` bytes more may be kept in a shard, which is granted them then. Requires its lock.
template <class Supply, class Lock>
bool store<Supply, Lock>::may_keep(shard& in, std::size_t bytes) noexcept {
  const std::size_t wished = in.blocks.kept_bytes() + bytes;
  if (wished <= in.granted()) return true;
  const lock_holder<Lock> held(lock_);
  const std::size_t more = wished - in.granted();
  if (free_bytes() + more > retain_bytes_) return false;
  granted_bytes_ += more;
  in.set_granted(wished);
  return true;
}

// Takes back what a shard is granted and does not use, but for `slack_bytes` bytes. Requires its lock.
template <class Supply, class Lock>
void store<Supply, Lock>::return_grant(shard& of, std::size_t slack_bytes) noexcept {
  const std::size_t unused = of.granted() - of.blocks.kept_bytes();
  if (unused <= slack_bytes) return;
  const lock_holder<Lock> held(lock_);
  granted_bytes_ -= unused;
  of.set_granted(of.blocks.kept_bytes());
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
