// The slow ways of the allocating face; each resource's source file instantiates them.
#pragma once

#include "quarry/detail/slab_face.hpp"
#include "quarry/detail/slab_host.hpp"
#include "refusal.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

inline constexpr std::size_t shortest_run_slots = 8;  // a shorter run goes through the magazine

// Serves what no hit does. Returns null past max_bytes, and without exceptions also where upstream gives nothing.
template <class Engine>
void* serve_slow(const resource_setup& setup, Engine& engine, core::cache* own, std::size_t bytes,
                 std::size_t alignment) {
  const core::class_index index = setup.pooled_class(bytes, alignment);
  if (index == core::no_class) return engine.allocate_oversize(own, bytes, alignment);
  if (own == nullptr) return engine.allocate_direct(index);
  return engine.allocate_slow(*own, index);
}

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
  auto& host = self().host();
  return serve_slow(host.setup(), host.engine(), self().cache_or_open(), bytes, alignment);
#endif
}

template <class Derived>
void* slab_face<Derived>::allocate_slow(std::size_t bytes, std::size_t alignment) {
  require_alignment(alignment);
  auto& host = self().host();
  void* const result = serve_slow(host.setup(), host.engine(), self().cache_or_open(), bytes, alignment);
  if (result == nullptr) refuse_memory();  // past max_bytes
  return result;
}

template <class Derived>
void slab_face<Derived>::deallocate_slow(void* pointer, std::size_t bytes, std::size_t alignment) noexcept {
  if (pointer == nullptr) return;
  auto& host = self().host();
  auto& engine = host.engine();
  const core::class_index index = host.setup().pooled_class(bytes, alignment);
  if (index == core::no_class) {
    engine.deallocate_oversize(pointer, bytes);
  } else if (core::cache* const own = self().cache_or_open()) {
    engine.deallocate_slow(*own, pointer, index);
  } else {
    engine.deallocate_direct(pointer, index);
  }
}

template <class Derived>
core::slot_run slab_face<Derived>::allocate_run(std::size_t count, std::size_t bytes, std::size_t alignment) {
  const core::class_index index = self().host().setup().pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots) {
    const core::slot_run run = self().host().engine().allocate_run(index, shortest_run_slots, count);
    if (run.slots != 0) return run;
  }
  return {do_allocate(bytes, alignment), 1, bytes};
}

template <class Derived>
void slab_face<Derived>::deallocate_run(void* first, std::size_t count, std::size_t bytes,
                                        std::size_t alignment) noexcept {
  const core::class_index index = self().host().setup().pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots)
    return self().host().engine().deallocate_run(index, first, count);
  const std::size_t step = good_size(bytes, alignment);
  for (std::size_t i = 0; i < count; ++i)
    do_deallocate(static_cast<std::byte*>(first) + i * step, bytes, alignment);
}

template <class Derived>
std::size_t slab_face<Derived>::block_bytes(const void* pointer) const noexcept {
  return self().host().engine().block_bytes(pointer);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
