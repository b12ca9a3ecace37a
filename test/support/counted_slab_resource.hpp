// A slab resource that counts which of its members an allocator calls.
//
// It has the pmr verbs and the typed face, so a slab_allocator works over it. Threads: one at a time.
#pragma once

#include <cstddef>
#include <memory_resource>

#include "quarry/unsynchronized_slab_resource.hpp"

namespace quarry_test {

class counted_slab_resource {
 public:
  explicit counted_slab_resource(std::pmr::memory_resource* upstream) : below_(upstream) {}
  counted_slab_resource(const quarry::slab_options& options, std::pmr::memory_resource* upstream)
      : below_(options, upstream) {}

  void* allocate(std::size_t bytes, std::size_t alignment) {
    ++allocations;
    return below_.allocate(bytes, alignment);
  }
  void deallocate(void* place, std::size_t bytes, std::size_t alignment) noexcept {
    ++deallocations;
    below_.deallocate(place, bytes, alignment);
  }
  void* try_allocate(std::size_t bytes, std::size_t alignment) noexcept {
    ++allocations;
    return below_.try_allocate(bytes, alignment);
  }
  template <std::size_t Bytes, std::size_t Alignment>
  void* allocate_fixed() {
    ++fixed_allocations;
    return below_.allocate_fixed<Bytes, Alignment>();
  }
  template <std::size_t Bytes, std::size_t Alignment>
  void deallocate_fixed(void* place) noexcept {
    ++fixed_deallocations;
    below_.deallocate_fixed<Bytes, Alignment>(place);
  }
  template <std::size_t Bytes, std::size_t Alignment, class F>
  std::size_t allocate_hits(std::size_t count, F f) {
    const std::size_t hits = below_.allocate_hits<Bytes, Alignment>(count, f);
    fixed_allocations += hits;
    return hits;
  }
  template <std::size_t Bytes, std::size_t Alignment>
  std::size_t deallocate_hits(void* first, std::size_t count) noexcept {
    const std::size_t hits = below_.deallocate_hits<Bytes, Alignment>(first, count);
    fixed_deallocations += hits;
    return hits;
  }
  quarry::core::slot_run allocate_run(std::size_t count, std::size_t bytes, std::size_t alignment) {
    ++runs_out;
    const quarry::core::slot_run run = below_.allocate_run(count, bytes, alignment);
    run_slots_out += run.slots;
    return run;
  }
  void deallocate_run(void* first, std::size_t count, std::size_t bytes, std::size_t alignment) noexcept {
    ++runs_back;
    run_slots_back += count;
    below_.deallocate_run(first, count, bytes, alignment);
  }
  std::size_t block_bytes(const void* place) const noexcept { return below_.block_bytes(place); }
  std::size_t good_size(std::size_t bytes, std::size_t alignment) const noexcept {
    return below_.good_size(bytes, alignment);
  }

  void forget() {
    allocations = deallocations = fixed_allocations = fixed_deallocations = 0;
    runs_out = runs_back = run_slots_out = run_slots_back = 0;
  }
  quarry::unsynchronized_slab_resource& below() { return below_; }

  std::size_t allocations = 0;          // calls of allocate and try_allocate
  std::size_t deallocations = 0;        // calls of deallocate
  std::size_t fixed_allocations = 0;    // calls of allocate_fixed, and slots of allocate_hits
  std::size_t fixed_deallocations = 0;  // calls of deallocate_fixed, and slots of deallocate_hits
  std::size_t runs_out = 0;             // calls of allocate_run
  std::size_t runs_back = 0;            // calls of deallocate_run
  std::size_t run_slots_out = 0;        // slots that those returned
  std::size_t run_slots_back = 0;       // slots that those took

 private:
  quarry::unsynchronized_slab_resource below_;
};

}  // namespace quarry_test
