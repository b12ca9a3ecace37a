// How the store takes blocks of their own, and uses those again that it kept.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// Returns the shard `home`; the first one when there is no memory for it.
template <class Supply, class Lock>
auto store<Supply, Lock>::shard_of(std::size_t home) noexcept -> shard& {
  if (shard* const come = oversize_.at(home)) return *come;
  if (void* const memory = take_part(sizeof(shard), alignof(shard))) oversize_.bring(home, memory);
  shard* const come = oversize_.at(home);
  return come != nullptr ? *come : oversize_.first();
}

// Returns the bytes of parts that the next record of a shard takes.
template <class Supply, class Lock>
std::size_t store<Supply, Lock>::missing_bytes_of(const shard& of) const noexcept {
  const lock_holder<Lock> held(of.lock);
  const std::size_t index_bytes = of.blocks.missing_bytes();
  const std::size_t record_bytes = of.blocks.has_spare() ? 0 : sizeof(oversize_block);
  return index_bytes == 0 || record_bytes == 0 ? index_bytes + record_bytes
                                               : arena::block_bytes_of_one(index_bytes, 1) + record_bytes;
}

// Returns a record for a block of `bytes` bytes, with room in the index; null when there is no memory for it.
template <class Supply, class Lock>
oversize_block* store<Supply, Lock>::take_record(shard& to, std::size_t bytes) noexcept {
  oversize_blocks& blocks = to.blocks;
  for (void* record = nullptr;;) {
    std::size_t index_bytes = 0;
    {
      const lock_holder<Lock> held(to.lock);
      if (record != nullptr) blocks.bring_spare(record);
      index_bytes = blocks.missing_bytes();
      if (index_bytes == 0 && blocks.has_spare()) return &blocks.take_spare();
    }
    record = nullptr;
    if (index_bytes == 0) {
      record = take_part(sizeof(oversize_block), alignof(oversize_block), false, bytes);
      if (record == nullptr) return nullptr;
      continue;
    }
    void* const index =
        take_part(index_bytes, alignof(oversize_block*), false, bytes + sizeof(oversize_block));
    const lock_holder<Lock> held(to.lock);
    if (index != nullptr && blocks.missing_bytes() == index_bytes) blocks.bring(index);
    if (index == nullptr) return blocks.has_index() && blocks.has_spare() ? &blocks.take_spare() : nullptr;
  }
}

template <class Supply, class Lock>
void* store<Supply, Lock>::reuse_oversize(std::size_t bytes, std::size_t alignment, std::size_t home,
                                          std::size_t held_at_most) noexcept {
  if (!keeps_blocks_) return nullptr;
  shard* const own = oversize_.at(home);
  if (own == nullptr) return nullptr;
  const lock_holder<Lock> held(own->lock);
  const oversize_block* const kept = own->blocks.reuse(bytes, alignment, held_at_most);
  if (kept == nullptr) return nullptr;
  tell_leaving(kept->memory, kept->held_bytes);
  return_grant(*own, slack_bytes());
  return kept->memory;
}

// Takes a kept block that serves out of another shard, and sets the record to what is known of it. Returns false when there is none.
// It changes shards: else two threads that take and free a block each could meet in one shard for good.
template <class Supply, class Lock>
bool store<Supply, Lock>::take_from_others(shard& own, std::size_t bytes, std::size_t alignment,
                                           oversize_block& record) noexcept {
  if (!keeps_blocks_) return false;
  return oversize_.until(0, [&](shard& each) {
    if (&each == &own || each.granted() < bytes) return false;  // nor does it keep a block as large
    const lock_holder<Lock> held(each.lock);
    oversize_block* const kept = each.blocks.reuse(bytes, alignment);
    if (kept == nullptr) return false;
    record.memory = kept->memory;
    record.bytes = kept->bytes;
    record.held_bytes = kept->held_bytes;
    record.alignment = kept->alignment;
    each.blocks.remove(*kept);
    each.blocks.recycle(*kept);
    tell_leaving(record.memory, record.held_bytes);
    return_grant(each, slack_bytes());
    return true;
  });
}

template <class Supply, class Lock>
template <class... Insist>
void* store<Supply, Lock>::take_oversize(std::size_t bytes, std::size_t alignment, std::size_t home,
                                         Insist...) {
  if (alignment < arena::block_alignment) alignment = arena::block_alignment;
  if (!is_possible(bytes, alignment)) {
    if constexpr (sizeof...(Insist) != 0) {
      const lock_holder supplied(supply_lock_);
      if (void* const wrong = supply_.allocate_pages(impossible_bytes, impossible_alignment))
        supply_.deallocate_pages(wrong, impossible_bytes, impossible_alignment);
    }
    return nullptr;
  }
  if (void* const kept = reuse_oversize(bytes, alignment, home)) return kept;
  if (!may_charge(bytes)) return nullptr;  // nor are parts taken for it
  shard& into = shard_of(home);
  if (oversize_.at(home) == nullptr)  // for want of memory
    if (void* const kept = reuse_oversize(bytes, alignment, 0)) return kept;
  if (!may_begin(missing_bytes_of(into), alignof(oversize_block), bytes)) return nullptr;
  oversize_block* record = take_record(into, bytes);
  if constexpr (sizeof...(Insist) != 0) {
    if (record == nullptr) {
      insist_on_part(sizeof(oversize_block) + oversize_blocks::first_index_bytes, alignof(oversize_block));
      record = take_record(into, bytes);
    }
  }
  if (record == nullptr) return nullptr;
  if (oversize_block kept; take_from_others(into, bytes, alignment, kept)) {
    const lock_holder<Lock> held(into.lock);  // under which a spare record may be looked at too
    *record = kept;
    into.blocks.insert(*record);
    return record->memory;
  }
  const std::size_t asked_bytes = bytes != 0 ? bytes : 1;
  const auto ask = [&] {
    const lock_holder supplied(supply_lock_);
    return charge(asked_bytes, [&] { return supply_.allocate_pages(asked_bytes, alignment); });
  };
  void* memory = nullptr;
  if constexpr (sizeof...(Insist) != 0) {
    {
      const lock_holder<Lock> held(into.lock);
      into.blocks.recycle(*record);  // what the supply throws must not lose it
    }
    memory = ask();
    if (memory == nullptr) return nullptr;
    record = take_record(into, bytes);
    if (record == nullptr) {  // another thread took the last one
      const lock_holder supplied(supply_lock_);
      supply_.deallocate_pages(memory, asked_bytes, alignment);
      discharge(asked_bytes);
      return nullptr;
    }
  } else {
    memory = without_throwing(ask);
  }
  const lock_holder<Lock> held(into.lock);
  if (memory == nullptr) {
    into.blocks.recycle(*record);
    return nullptr;
  }
  record->memory = memory;
  record->bytes = bytes;
  record->held_bytes = asked_bytes;
  record->alignment = alignment;
  into.blocks.insert(*record);
  return memory;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
