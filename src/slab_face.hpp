// The slow ways of the allocating face; each resource's source file instantiates them.
#pragma once

#include <type_traits>

#include "quarry/detail/slab_face.hpp"
#include "quarry/detail/slab_host.hpp"
#include "quarry/memory_budget.hpp"
#include "refusal.hpp"
#include "watched_calls.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

inline constexpr std::size_t shortest_run_slots = 8;  // a shorter run goes through the magazine

template <class Derived>
void* slab_face<Derived>::try_allocate(std::size_t bytes, std::size_t alignment) noexcept {
#if defined(__cpp_exceptions)
  return core::without_throwing([&] { return do_allocate(bytes, alignment); });
#else
  if (!is_alignment(alignment)) return nullptr;
  core::class_key key = 0;
  if (core::find_key(core::last_byte_of(bytes, alignment), key))
    if (core::cache* const own = self().cache_at_hand())
      if (void* const slot = own->cursor_at(key).pop()) return slot;
  return serve(bytes, alignment);
#endif
}

// The cache at hand, whose cursor of the class of `key` is `missed`.
template <class Derived>
core::cache& slab_face<Derived>::cache_missed(core::cursor& missed, core::class_key key) noexcept {
  if constexpr (Derived::is_for_one_thread) {
    return *self().cache_at_hand();
  } else {
    return core::cache::of(missed, key);
  }
}

// Where calls are watched, all of them come here, and most end in the first step.
template <class Derived>
void* slab_face<Derived>::allocate_slow(std::size_t bytes, std::size_t alignment, core::class_key key,
                                        core::cursor& missed) {
  core::watched_cache* const watched = cache_missed(missed, key).behind;
  if (watched == nullptr) return allocate_pooled(bytes, alignment, key, missed);
  void* slot = nullptr;
  if (QUARRY_LIKELY(allocate_remembered(*watched, key, self().host().engine().memory(), slot))) return slot;
  return allocate_watched(bytes, alignment, key);
}

// A class that the cache has opened is pooled in this resource, and nothing is watched; where there is one cache, of that of the
// resource, any that is pooled will do.
template <class Derived>
void* slab_face<Derived>::allocate_pooled(std::size_t bytes, std::size_t alignment, core::class_key key,
                                          core::cursor& missed) {
  core::cache& own = cache_missed(missed, key);
  const core::class_index index = core::class_of_key(key);
  auto& host = self().host();
  const bool is_pooled =
      Derived::is_for_one_thread ? host.setup().pools(index) : own.class_cache_of(index) != nullptr;
  if (QUARRY_LIKELY(is_pooled && is_alignment(alignment)))
    if (void* const slot = host.engine().allocate_slow(own, index)) return slot;
  return allocate_missed(bytes, alignment);
}

template <class Derived>
void* slab_face<Derived>::allocate_watched(std::size_t bytes, std::size_t alignment, core::class_key key) {
  auto& engine = self().host().engine();
  core::watched_cache* const own = self().cache_at_hand()->behind;
  if (own != nullptr && engine.memory().remembers_slabs())
    if (void* const slot = allocate_looked_up(engine, *own, key)) return slot;
  return allocate_missed(bytes, alignment);
}

template <class Derived>
void* slab_face<Derived>::allocate_missed(std::size_t bytes, std::size_t alignment) {
  require_alignment(alignment);
  auto& host = self().host();
  // A thread without a cache gets one first: else it would share the first shard with every other such thread, for good.
  if (bytes > core::largest_slot_bytes && !host.setup().is_checked())
    if (core::cache* const own = self().cache_at_hand())
      if (void* const kept = host.engine().reuse_oversize(*own, bytes, alignment)) return kept;
  void* const result = serve(bytes, alignment);
  if (result == nullptr) refuse_memory();  // past max_bytes or the budget
  return result;
}

// Serves what no hit does. Returns null past max_bytes or a budget, and without exceptions also where upstream gives nothing.
template <class Derived>
void* slab_face<Derived>::serve(std::size_t bytes, std::size_t alignment) {
  auto& host = self().host();
  auto& engine = host.engine();
  return serve_within(host.setup().options().budget, [&]() -> void* {
    core::cache* const own = self().cache_or_open();  // on_pressure may have released the resource
    if (host.setup().is_checked()) return watch(host).allocate(own, bytes, alignment);
    const core::class_index index = host.setup().pooled_class(bytes, alignment);
    if (index == core::no_class) return engine.allocate_oversize(own, bytes, alignment);
    if (own == nullptr) return engine.allocate_direct(index);
    return engine.allocate_slow(*own, index);
  });
}

template <class Derived>
void slab_face<Derived>::deallocate_slow(void* pointer, std::size_t bytes, std::size_t alignment,
                                         core::class_key key, core::cursor& missed) noexcept {
  core::watched_cache* const watched = cache_missed(missed, key).behind;
  if (watched == nullptr) return deallocate_pooled(pointer, bytes, alignment, key, missed);
  if (QUARRY_LIKELY(deallocate_remembered(*watched, key, self().host().engine().memory(), pointer))) return;
  deallocate_watched(pointer, bytes, alignment, key);
}

// As allocate_pooled().
template <class Derived>
void slab_face<Derived>::deallocate_pooled(void* pointer, std::size_t bytes, std::size_t alignment,
                                           core::class_key key, core::cursor& missed) noexcept {
  core::cache& own = cache_missed(missed, key);
  const core::class_index index = core::class_of_key(key);
  if (QUARRY_LIKELY(own.class_cache_of(index) != nullptr))
    return self().host().engine().deallocate_slow(own, pointer, index);
  deallocate_missed(pointer, bytes, alignment);
}

template <class Derived>
void slab_face<Derived>::deallocate_watched(void* pointer, std::size_t bytes, std::size_t alignment,
                                            core::class_key key) noexcept {
  auto& engine = self().host().engine();
  core::watched_cache* const own = self().cache_at_hand()->behind;
  const bool is_done =
      own != nullptr && engine.memory().remembers_slabs() && deallocate_looked_up(engine, *own, key, pointer);
  if (!is_done) return deallocate_missed(pointer, bytes, alignment);
  watch(self().host()).report_strays();
}

template <class Derived>
void slab_face<Derived>::deallocate_missed(void* pointer, std::size_t bytes, std::size_t alignment) noexcept {
  if (pointer == nullptr) return;
  auto& host = self().host();
  if (host.setup().is_checked()) {
    if (QUARRY_UNLIKELY(host.is_closed())) return watch(host).refuse_late(pointer, bytes, alignment);
    return watch(host).deallocate(self().cache_or_open(), pointer, bytes, alignment);
  }
  auto& engine = host.engine();
  const core::class_index index = host.setup().pooled_class(bytes, alignment);
  if (index == core::no_class) {
    engine.deallocate_oversize(self().cache_at_hand(), pointer, bytes);
  } else if (core::cache* const opened = self().cache_or_open()) {
    if (!opened->cursors[index].push(pointer)) engine.deallocate_slow(*opened, pointer, index);
  } else {
    engine.deallocate_direct(pointer, index);
  }
}

template <class Derived>
core::slot_run slab_face<Derived>::allocate_run(std::size_t count, std::size_t bytes, std::size_t alignment) {
  const resource_setup& setup = self().host().setup();
  const core::class_index index = setup.pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots && !setup.is_checked()) {
    const core::slot_run run = self().host().engine().allocate_run(index, shortest_run_slots, count);
    if (run.slots != 0) return run;
  }
  return {do_allocate(bytes, alignment), 1, bytes};
}

template <class Derived>
void slab_face<Derived>::deallocate_run(void* first, std::size_t count, std::size_t bytes,
                                        std::size_t alignment) noexcept {
  const resource_setup& setup = self().host().setup();
  const core::class_index index = setup.pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots && !setup.is_checked())
    return self().host().engine().deallocate_run(index, first, count);
  const std::size_t step = good_size(bytes, alignment);
  for (std::size_t i = 0; i < count; ++i)
    do_deallocate(static_cast<std::byte*>(first) + i * step, bytes, alignment);
}

// Where requests are recorded a block has the bytes that were asked for: a red zone lies behind them, and a free says them.
template <class Derived>
std::size_t slab_face<Derived>::block_bytes(const void* pointer) const noexcept {
  const auto& engine = self().host().engine();
  const core::slot_record* const asked = record_of(engine, pointer);
  return asked != nullptr ? asked->bytes : engine.block_bytes(pointer);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
