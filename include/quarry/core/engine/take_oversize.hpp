// How the store takes blocks of their own, and uses those again that it kept.
//
// Layer      2. Part of store.hpp.
#pragma once

#include <quarry/core/engine/store.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

// Returns a record for a block, with room in the index; null when there is no memory for it.
template <class Supply, class Lock>
oversize_block* store<Supply, Lock>::take_record() noexcept {
  for (void* record = nullptr;;) {
    std::size_t index_bytes = 0;
    {
      const lock_holder<Lock> held(lock_);
      if (record != nullptr) oversize_.bring_spare(record);
      index_bytes = oversize_.missing_bytes();
      if (index_bytes == 0 && oversize_.has_spare()) return &oversize_.take_spare();
    }
    record = nullptr;
    if (index_bytes == 0) {
      record = take_part(sizeof(oversize_block), alignof(oversize_block));
      if (record == nullptr) return nullptr;
      continue;
    }
    void* const index = take_part(index_bytes, alignof(oversize_block*));
    const lock_holder<Lock> held(lock_);
    if (index != nullptr && oversize_.missing_bytes() == index_bytes) oversize_.bring(index);
    if (index == nullptr)
      return oversize_.has_index() && oversize_.has_spare() ? &oversize_.take_spare() : nullptr;
  }
}

template <class Supply, class Lock>
void* store<Supply, Lock>::reuse_oversize(std::size_t bytes, std::size_t alignment) noexcept {
  if (!supply_.keeps_blocks()) return nullptr;
  const lock_holder<Lock> held(lock_);
  const oversize_block* const kept = oversize_.reuse(bytes, alignment);
  if (kept == nullptr) return nullptr;
  tell_leaving(kept->memory, kept->held_bytes);
  return kept->memory;
}

template <class Supply, class Lock>
template <class... Insist>
void* store<Supply, Lock>::take_oversize(std::size_t bytes, std::size_t alignment, Insist...) {
  if (alignment < arena::block_alignment) alignment = arena::block_alignment;
  if (!is_possible(bytes, alignment)) {
    if constexpr (sizeof...(Insist) != 0) {
      const lock_holder supplied(supply_lock_);
      if (void* const wrong = supply_.allocate_pages(impossible_bytes, impossible_alignment))
        supply_.deallocate_pages(wrong, impossible_bytes, impossible_alignment);
    }
    return nullptr;
  }
  if (void* const kept = reuse_oversize(bytes, alignment)) return kept;
  if (!may_charge(bytes)) return nullptr;  // nor are parts taken for it
  oversize_block* record = take_record();
  if constexpr (sizeof...(Insist) != 0) {
    if (record == nullptr) {
      insist_on_part(sizeof(oversize_block) + oversize_blocks::first_index_bytes, alignof(oversize_block));
      record = take_record();
    }
  }
  if (record == nullptr) return nullptr;
  const auto ask = [&] {
    const lock_holder supplied(supply_lock_);
    return charge(bytes, [&] { return supply_.allocate_pages(bytes, alignment); });
  };
  void* memory = nullptr;
  if constexpr (sizeof...(Insist) != 0) {
    {
      const lock_holder<Lock> held(lock_);
      oversize_.recycle(*record);  // what the supply throws must not lose it
    }
    memory = ask();
    if (memory == nullptr) return nullptr;
    record = take_record();
    if (record == nullptr) {  // another thread took the last one
      const lock_holder supplied(supply_lock_);
      supply_.deallocate_pages(memory, bytes, alignment);
      discharge(bytes);
      return nullptr;
    }
  } else {
    memory = without_throwing(ask);
  }
  const lock_holder<Lock> held(lock_);
  if (memory == nullptr) {
    oversize_.recycle(*record);
    return nullptr;
  }
  record->memory = memory;
  record->bytes = record->held_bytes = bytes;
  record->alignment = alignment;
  oversize_.insert(*record);
  return memory;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
