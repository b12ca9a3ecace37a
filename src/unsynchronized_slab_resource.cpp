#include "quarry/unsynchronized_slab_resource.hpp"

#include <new>
#include <ostream>
#include <stdexcept>

#include "report.hpp"
#include "resource_stats.hpp"

namespace quarry {

template class core::slab_engine<resource_page_source>;

namespace {

constexpr std::size_t shortest_run_slots = 8;  // a shorter run goes through the magazine

}  // namespace

unsynchronized_slab_resource::unsynchronized_slab_resource(const slab_options& options,
                                                           std::pmr::memory_resource* upstream)
    : setup_(options),
      engine_(resource_page_source(detail::checked_upstream(upstream)), setup_.options().max_bytes,
              setup_.options().slab_bytes, setup_.options().retain_bytes) {}

unsynchronized_slab_resource::unsynchronized_slab_resource(void* buffer, std::size_t bytes,
                                                           std::pmr::memory_resource* upstream)
    : unsynchronized_slab_resource(slab_options(), upstream) {
  if (buffer == nullptr && bytes != 0)
    throw std::invalid_argument(
        "quarry: the initial buffer is null; allowed is a buffer of the size given, or size 0.");
  engine_.start_in(buffer, bytes);
}

void unsynchronized_slab_resource::release() noexcept {
  oversize_.release(engine_.source());
  engine_.release();
}

std::size_t unsynchronized_slab_resource::trim(std::size_t keep_bytes) noexcept {
  const std::size_t held_bytes = engine_.source().held_bytes();
  engine_.trim(keep_bytes);
  return held_bytes - engine_.source().held_bytes();
}

void* unsynchronized_slab_resource::try_allocate(std::size_t bytes, std::size_t alignment) noexcept {
  try {
    return do_allocate(bytes, alignment);
  } catch (...) {
    return nullptr;
  }
}

void* unsynchronized_slab_resource::allocate_slow(std::size_t bytes, std::size_t alignment) {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  void* const result = index == core::no_class ? oversize_.allocate(bytes, alignment, engine_.source())
                                               : engine_.allocate(index);
  if (result == nullptr) throw std::bad_alloc();  // past max_bytes
  return result;
}

void unsynchronized_slab_resource::deallocate_slow(void* pointer, std::size_t bytes,
                                                   std::size_t alignment) noexcept {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  if (index == core::no_class) {
    oversize_.deallocate(pointer, bytes, engine_.source());
  } else {
    engine_.deallocate(pointer, index);
  }
}

core::slot_run unsynchronized_slab_resource::allocate_run(std::size_t count, std::size_t bytes,
                                                          std::size_t alignment) {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots) {
    const core::slot_run run = engine_.allocate_run(index, shortest_run_slots, count);
    if (run.slots != 0) return run;
  }
  return {do_allocate(bytes, alignment), 1, bytes};
}

void unsynchronized_slab_resource::deallocate_run(void* first, std::size_t count, std::size_t bytes,
                                                  std::size_t alignment) noexcept {
  const core::class_index index = setup_.pooled_class(bytes, alignment);
  if (index != core::no_class && count >= shortest_run_slots)
    return engine_.deallocate_run(index, first, count);
  const std::size_t step = good_size(bytes, alignment);
  for (std::size_t i = 0; i < count; ++i)
    do_deallocate(static_cast<std::byte*>(first) + i * step, bytes, alignment);
}

std::size_t unsynchronized_slab_resource::block_bytes(const void* pointer) const noexcept {
  std::size_t slot_bytes = 0;
  engine_.for_each_shelf([&](core::class_index index, const core::shelf& each) {
    if (each.slots.holds(pointer)) slot_bytes = core::slot_bytes_of(index);
  });
  if (slot_bytes != 0) return slot_bytes;
  return oversize_.bytes_of(pointer);
}

slab_stats unsynchronized_slab_resource::stats() const {
  slab_stats result;
  engine_.for_each_shelf([&](core::class_index index, const core::shelf& each) {
    add_class(result, each.slots, engine_.cached_slots(index));
  });
  add_upstream(result, oversize_, engine_.source());
  return result;
}

void unsynchronized_slab_resource::report(std::ostream& out) const {
  write_table(out, stats());
}

void unsynchronized_slab_resource::report_json(std::ostream& out) const {
  write_json(out, stats());
}

}  // namespace quarry
