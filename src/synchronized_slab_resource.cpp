#include "quarry/synchronized_slab_resource.hpp"

#include <new>
#include <ostream>

#include "report.hpp"
#include "resource_stats.hpp"

namespace quarry {

template class core::shared_shelves<resource_page_source, spin_lock, std::mutex>;
template class core::shared_engine<resource_page_source, spin_lock, std::mutex>;

namespace {

constexpr std::size_t shortest_run_slots = 8;  // a shorter run goes through the magazine

}  // namespace

synchronized_slab_resource::synchronized_slab_resource(const slab_options& options,
                                                       std::pmr::memory_resource* upstream)
    : setup_(options),
      engine_(resource_page_source(detail::checked_upstream(upstream)), setup_.options().max_bytes,
              setup_.options().slab_bytes, setup_.options().retain_bytes,
              setup_.options().thread_cache_bytes),
      caches_(engine_) {}

void synchronized_slab_resource::end() noexcept {
  oversize_.release(engine_.store().source());
}

void synchronized_slab_resource::release() noexcept {
  caches_.drop();
  oversize_.release(engine_.store().source());
  engine_.release();
}

std::size_t synchronized_slab_resource::trim(std::size_t keep_bytes) noexcept {
  const auto held_bytes = [&] {
    const std::lock_guard<std::mutex> held(engine_.store().lock());
    return engine_.store().source().held_bytes();
  };
  const std::size_t before_bytes = held_bytes();
  if (core::thread_cache* const own = caches_.find_opened()) engine_.flush_cache(*own);
  engine_.flush_depots();
  engine_.store().trim(keep_bytes);
  const std::size_t after_bytes = held_bytes();
  return after_bytes < before_bytes ? before_bytes - after_bytes : 0;  // others may have taken more meanwhile
}

void* synchronized_slab_resource::try_allocate(std::size_t bytes, std::size_t alignment) noexcept {
  try {
    return do_allocate(bytes, alignment);
  } catch (...) {
    return nullptr;
  }
}

bool synchronized_slab_resource::owns(const void* pointer) const noexcept {
  const std::lock_guard<std::mutex> held(engine_.store().lock());
  return engine_.store().owns(pointer) || oversize_.owns(pointer);
}

void* synchronized_slab_resource::allocate_slow(std::size_t bytes, std::size_t alignment) {
  core::thread_cache* const cache =
      setup_.pooled_class(bytes, alignment) == core::no_class ? nullptr : caches_.find_slow();
  return allocate_in(cache, bytes, alignment);
}

void synchronized_slab_resource::deallocate_slow(void* pointer, std::size_t bytes,
                                                 std::size_t alignment) noexcept {
  core::thread_cache* cache = nullptr;
  try {
    if (setup_.pooled_class(bytes, alignment) != core::no_class) cache = caches_.find_slow();
  } catch (...) {
    // Without memory for a cache the slot goes straight to its bin.
  }
  deallocate_in(cache, pointer, bytes, alignment);
}

// Allocates past the cursor of `cache`, or without a cache when that is null.
void* synchronized_slab_resource::allocate_in(core::thread_cache* cache, std::size_t bytes,
                                              std::size_t alignment) {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  void* result = nullptr;
  if (index == core::no_class) {
    const std::lock_guard<std::mutex> held(engine_.store().lock());
    result = oversize_.allocate(bytes, alignment, engine_.store().source());
  } else if (cache == nullptr) {
    result = engine_.allocate_direct(index);
  } else {
    result = cache->cursors[index].pop();
    if (result == nullptr) result = engine_.allocate_slow(*cache, index);
  }
  if (result == nullptr) throw std::bad_alloc();  // past max_bytes
  return result;
}

void synchronized_slab_resource::deallocate_in(core::thread_cache* cache, void* pointer, std::size_t bytes,
                                               std::size_t alignment) noexcept {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  if (index == core::no_class) {
    const std::lock_guard<std::mutex> held(engine_.store().lock());
    oversize_.deallocate(pointer, bytes, engine_.store().source());
  } else if (cache == nullptr) {
    engine_.deallocate_direct(pointer, index);
  } else if (!cache->cursors[index].push(pointer)) {
    engine_.deallocate_slow(*cache, pointer, index);
  }
}

core::slot_run synchronized_slab_resource::allocate_run(std::size_t count, std::size_t bytes,
                                                        std::size_t alignment) {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots) {
    const core::slot_run run = engine_.allocate_run(index, shortest_run_slots, count);
    if (run.slots != 0) return run;
  }
  return {do_allocate(bytes, alignment), 1, bytes};
}

void synchronized_slab_resource::deallocate_run(void* first, std::size_t count, std::size_t bytes,
                                                std::size_t alignment) noexcept {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots)
    return engine_.deallocate_run(index, first, count);
  const std::size_t step = good_size(bytes, alignment);
  for (std::size_t i = 0; i < count; ++i)
    do_deallocate(static_cast<std::byte*>(first) + i * step, bytes, alignment);
}

std::size_t synchronized_slab_resource::block_bytes(const void* pointer) const noexcept {
  std::size_t slot_bytes = 0;
  engine_.for_each_shelf([&](core::class_index index, detail::shared_slab_engine::shelf_type& each) {
    const std::lock_guard<spin_lock> held(each.lock);
    if (each.slots.holds(pointer)) slot_bytes = core::slot_bytes_of(index);
  });
  if (slot_bytes != 0) return slot_bytes;
  const std::lock_guard<std::mutex> held(engine_.store().lock());
  return oversize_.bytes_of(pointer);
}

slab_stats synchronized_slab_resource::stats() const {
  slab_stats result;
  engine_.for_each_shelf([&](core::class_index index, detail::shared_slab_engine::shelf_type& shelf) {
    const std::size_t cached_slots = caches_.cached_slots(index);
    const std::lock_guard<spin_lock> held(shelf.lock);
    add_class(result, shelf.slots, cached_slots + shelf.parked.slots());
  });
  const std::lock_guard<std::mutex> held(engine_.store().lock());
  add_upstream(result, oversize_, engine_.store().source());
  return result;
}

void synchronized_slab_resource::report(std::ostream& out) const {
  write_table(out, stats());
}

void synchronized_slab_resource::report_json(std::ostream& out) const {
  write_json(out, stats());
}

}  // namespace quarry
