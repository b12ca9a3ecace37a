// What most calls of a checked resource come to: a look at the state of one slot, in the slab that was looked at last or in the one that
// the directory names.
//
// Invariant  Only slots whose state alone is kept are served here; records and tools are for watched_calls.hpp.
// Threads    As the cache that is given: its owner's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quarry/core/magazines/watched_cache.hpp"
#include "quarry/portability.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

// What most calls of a checked resource come to. `own` is the cache behind the caller's, or null; `key` that of the request's
// class. They return null, or false, having changed nothing but what rests in the cache, where watched_calls must look further.

/// Where the slot lies in the slab that was looked at last in its class.
template <class Store>
void* allocate_remembered(core::watched_cache* own, core::class_key key, const Store& store) noexcept {
  if (own == nullptr) return nullptr;
  core::cursor& loaded = own->cursor_at(key);
  void* const pointer = loaded.peek();
  const core::slab_memo& memo = own->memo_at(key);
  if (!memo.holds(pointer, store.epoch())) return nullptr;
  const std::size_t slot = memo.slot_of(pointer);
  if (memo.states[slot] == core::slot_state::live) return nullptr;
  memo.states.set(slot, core::slot_state::live);
  return loaded.pop();
}
template <class Store>
bool deallocate_remembered(core::watched_cache* own, core::class_key key, const Store& store,
                           void* pointer) noexcept {
  if (own == nullptr) return false;
  const core::slab_memo& memo = own->memo_at(key);
  std::size_t slot = 0;
  if (!memo.holds(pointer, store.epoch()) || !memo.find(pointer, slot) ||
      memo.states[slot] != core::slot_state::live || !own->cursor_at(key).push(pointer))
    return false;
  memo.states.set(slot, core::slot_state::freed);
  return true;
}

/// Looks up the slab of `pointer`, and lets `memo` know it. Returns false where it is none of the class, or its header is damaged.
template <class Store>
bool look_up(const Store& store, core::watched_cache& own, core::class_key key,
             const void* pointer) noexcept {
  core::slab_memo& memo = own.memo_at(key);
  core::slab* const home = store.slab_of(pointer);
  if (home == nullptr || home->size_class != key / 2) return false;
  const core::slot_states states(*home);
  if (!states.is_sealed(*home)) return false;
  memo.reciprocal = own.reciprocals[key / 2];
  memo.begin = home->begin();
  memo.bytes = static_cast<std::uint32_t>(home->slots() * core::slot_bytes_of(home->size_class));
  memo.epoch = store.epoch();
  memo.states = states;
  return true;
}

/// Whether no more is noted of slots than their states.
template <class Engine>
bool remembers_slabs(const Engine& engine) noexcept {
  return engine.memory().detail() == core::slot_detail::state && !engine.memory().tells_tools();
}

/// Where the slot lies in another slab. Requires remembers_slabs().
template <class Engine>
bool deallocate_looked_up(Engine& engine, core::watched_cache& own, core::class_key key,
                          void* pointer) noexcept {
  if (!look_up(engine.memory(), own, key, pointer)) return false;
  const core::slab_memo& memo = own.memo_at(key);
  std::size_t slot = 0;
  if (!memo.holds(pointer, memo.epoch) || !memo.find(pointer, slot) ||
      memo.states[slot] != core::slot_state::live)
    return false;
  memo.states.set(slot, core::slot_state::freed);
  if (!own.cursor_at(key).push(pointer))
    engine.deallocate_slow(own, pointer, static_cast<core::class_index>(key / 2));
  return true;
}
template <class Engine>
void* allocate_looked_up(Engine& engine, core::watched_cache& own, core::class_key key) noexcept {
  void* const pointer = own.cursor_at(key).peek();
  if (pointer == nullptr || !look_up(engine.memory(), own, key, pointer)) return nullptr;
  return allocate_remembered(&own, key, engine.memory());
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
