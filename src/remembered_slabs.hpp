// What most calls of a checked resource come to: a look at the state of one slot, in a slab that is remembered or in the one that the
// directory names.
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

// What most calls of a checked resource come to. `own` is the cache behind the caller's; `key` that of the request's class. They return
// null, or false, having changed nothing but what rests in the cache, where watched_calls must look further.

/// Where the slot lies in a slab that is remembered.
template <class Store>
QUARRY_ALWAYS_INLINE bool allocate_remembered(core::watched_cache& own, core::class_key key,
                                              const Store& store, void*& slot) noexcept {
  return own.cursor_at(key).pop_if(slot, [&](const void* found) {
    const core::slab_memo& memo = own.memo_of(found);
    std::size_t number = 0;
    return QUARRY_LIKELY(memo.holds(found, store.epoch())) &&
           QUARRY_LIKELY(memo.reciprocal == core::slab_memo::reciprocal_at(key)) &&
           QUARRY_LIKELY(memo.find(found, number)) &&
           QUARRY_LIKELY(typename Store::states_type(memo.states).begin_life(number));
  });
}
template <class Store>
QUARRY_ALWAYS_INLINE bool deallocate_remembered(core::watched_cache& own, core::class_key key,
                                                const Store& store, void* pointer) noexcept {
  const core::slab_memo& memo = own.memo_of(pointer);
  std::size_t slot = 0;
  return QUARRY_LIKELY(memo.holds(pointer, store.epoch())) &&
         QUARRY_LIKELY(memo.reciprocal == core::slab_memo::reciprocal_at(key)) &&
         QUARRY_LIKELY(memo.find(pointer, slot)) && own.cursor_at(key).push_if(pointer, [&] {
           return typename Store::states_type(memo.states).end_life(slot);
         });
}

/// Looks up the slab of `pointer`, and remembers it; where slabs are many, more of them from then on. Returns null where it is none of
/// the class, or its header is damaged.
template <class Store>
const core::slab_memo* look_up(Store& store, core::watched_cache& own, core::class_key key,
                               const void* pointer) noexcept {
  const std::uint32_t epoch = store.epoch();
  if (QUARRY_UNLIKELY(own.note_look_up())) {
    const std::size_t count = own.next_memo_count(store.held_bytes());
    own.remember_in(
        count == 0 ? nullptr : store.take_part(count * sizeof(core::slab_memo), alignof(core::slab_memo)),
        count);
  }
  core::slab_memo& memo = own.memo_of(pointer);
  if (memo.holds(pointer, epoch))
    return memo.reciprocal == core::slab_memo::reciprocal_at(key) ? &memo : nullptr;
  core::slab* const home = store.sound_slab_of(pointer);
  if (home == nullptr || home->size_class != core::class_of_key(key)) return nullptr;
  memo.remember(*home, key, Store::states_type::begin_of(*home), epoch);
  return memo.holds(pointer, epoch) ? &memo : nullptr;
}

/// Where the slot lies in another slab, or the magazine is full. Requires that the store remembers slabs.
template <class Engine>
bool deallocate_looked_up(Engine& engine, core::watched_cache& own, core::class_key key,
                          void* pointer) noexcept {
  const core::slab_memo* const memo = look_up(engine.memory(), own, key, pointer);
  std::size_t slot = 0;
  if (memo == nullptr || !memo->find(pointer, slot) ||
      !typename Engine::states_type(memo->states).end_life(slot))
    return false;
  if (!own.cursor_at(key).push(pointer)) engine.deallocate_slow(own, pointer, core::class_of_key(key));
  return true;
}
template <class Engine>
void* allocate_looked_up(Engine& engine, core::watched_cache& own, core::class_key key) noexcept {
  void* const pointer = own.cursor_at(key).peek();
  if (pointer == nullptr || look_up(engine.memory(), own, key, pointer) == nullptr) return nullptr;
  void* slot = nullptr;
  return allocate_remembered(own, key, engine.memory(), slot) ? slot : nullptr;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
