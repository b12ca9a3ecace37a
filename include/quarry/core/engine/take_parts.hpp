// How the store takes memory for its parts: of an initial buffer, of the supply, and last of what rests. And how a buffer is split.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Supply, class Lock>
template <class... Insist>
bool store<Supply, Lock>::add_block(std::size_t wished, std::size_t least, Insist...) {
  if (buffer_ != nullptr && add_block_of_buffer(least)) return true;
  if constexpr (sizeof...(Insist) == 0) {
    if (!supply_.has_memory()) return false;
  }
  const lock_holder supplied(supply_lock_);
  for (std::size_t bytes = wished;; bytes = least) {
    const auto ask = [&] { return supply_.allocate_pages(bytes, arena::block_alignment); };
    void* const memory = charge(bytes, [&] {
      if constexpr (sizeof...(Insist) != 0) {
        return ask();
      } else {
        return without_throwing(ask);
      }
    });
    if (memory != nullptr) {
      const lock_holder<Lock> held(lock_);
      parts_.add(memory, bytes);
      return true;
    }
    if (bytes == least) return false;
  }
}

// Takes what rests for parts, for good, where nobody takes memory back: else a class that was served keeps all others out.
template <class Supply, class Lock>
bool store<Supply, Lock>::add_rest_of_blocks(std::size_t least) noexcept {
  if (supply_.takes_back() || detail() != slot_detail::none) return false;
  std::byte* rest = nullptr;
  std::size_t bytes = 0;
  const std::size_t granules = (least + granule_bytes() - 1) / granule_bytes();
  if (granules <= extents::most_granules) {
    const lock_holder<Lock> held(lock_);
    const granule_run run = extents_.take(static_cast<std::uint32_t>(granules));
    if (run.home != nullptr) {
      rest = extents_.address_of(run);
      bytes = extents_.bytes_of(run);
    }
  }
  if (rest == nullptr)
    oversize_.until(0, [&](shard& each) {
      const lock_holder<Lock> held(each.lock);
      oversize_block* const kept = each.blocks.reuse(least, arena::block_alignment, 65536);
      if (kept == nullptr) return false;
      each.blocks.set_slab(*kept);
      return_grant(each, slack_bytes());
      rest = static_cast<std::byte*>(kept->memory);
      bytes = kept->held_bytes;
      return true;
    });
  if (rest == nullptr) return false;
  tell_leaving(rest, bytes);
  const lock_holder<Lock> held(lock_);
  parts_.add_rest(rest, bytes);
  return true;
}

// Takes granules of the initial buffer for parts; small ones some at a time, so that what one part leaves serves the next.
template <class Supply, class Lock>
bool store<Supply, Lock>::add_block_of_buffer(std::size_t least) noexcept {
  constexpr std::size_t small_granules_at_once = 3;
  std::size_t granules = (least + granule_bytes() - 1) / granule_bytes();
  if (!has_directory_ && granules < small_granules_at_once) granules = small_granules_at_once;
  if (granules > extents::most_granules) return false;
  const lock_holder<Lock> held(lock_);
  const granule_run seen = extents_.look(static_cast<std::uint32_t>(granules));
  if (seen.home == nullptr || !seen.home->is_fixed) return false;
  const granule_run run = extents_.take(seen);
  tell_leaving(extents_.address_of(run), extents_.bytes_of(run));
  parts_.add_of_buffer(extents_.address_of(run), extents_.bytes_of(run));
  return true;
}

// The buffer is split: what lies before the first whole granule and behind the last one is for the parts, which later take
// granules too; the granules become extents.
template <class Supply, class Lock>
void store<Supply, Lock>::attach_buffer() noexcept {
  if (buffer_ == nullptr) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(buffer_);
  const std::uintptr_t wanted = begin + sizeof(extent) + alignof(extent);
  const std::uintptr_t first = (wanted + granule_bytes() - 1) & ~(std::uintptr_t{granule_bytes()} - 1);
  const std::size_t front_bytes = first - begin;
  std::size_t granules = front_bytes < buffer_bytes_ ? (buffer_bytes_ - front_bytes) / granule_bytes() : 0;
  parts_.start_in(buffer_, granules == 0 ? buffer_bytes_ : front_bytes);
  if (granules == 0) return;
  std::byte* base = buffer_ + front_bytes;
  while (granules != 0) {
    const std::size_t count = granules < extents::most_granules ? granules : extents::most_granules;
    void* const record = parts_.try_allocate(sizeof(extent), alignof(extent));
    if (record == nullptr) {
      parts_.add(base, granule_bytes());
      base += granule_bytes();
      --granules;
      continue;
    }
    extents_.bring_spare(*::new (record) extent);
    extents_.add(base, static_cast<std::uint32_t>(count), true);
    base += count * granule_bytes();
    granules -= count;
  }
  parts_.add_rest(base, buffer_bytes_ - static_cast<std::size_t>(base - buffer_));
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
