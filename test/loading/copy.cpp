// A module with a hidden copy of the library of its own; QUARRY_COPY names its one function.
#include "copy.hpp"

#include <quarry/slab_thread_view.hpp>

namespace {

using quarry_test::resource;

constexpr quarry_test::copy this_copy = {
    [](std::pmr::memory_resource* upstream) { return new resource(upstream); },
    [](resource* ended) { delete ended; },
    [](resource* released) { released->release(); },
    [](resource* from, std::size_t bytes) { return from->allocate(bytes); },
    [](resource* to, void* slot, std::size_t bytes) { to->deallocate(slot, bytes); },
    [](std::pmr::memory_resource* from, std::size_t bytes) { return from->allocate(bytes); },
    [](resource* from, std::size_t bytes) { return quarry::slab_thread_view(*from).allocate(bytes); },
    [](resource* of) {
      const quarry::slab_thread_view view(*of);
      return view.is_equal(*of) && of->is_equal(view);
    },
    [](resource* of) { return of->stats().live_slots; }};

}  // namespace

extern "C" __attribute__((visibility("default"))) const quarry_test::copy* QUARRY_COPY() {
  return &this_copy;
}
