// A copy of the library inside a module: what the code that is compiled into the module does with a resource.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/synchronized_slab_resource.hpp>

namespace quarry_test {

using resource = quarry::synchronized_slab_resource;

struct copy {
  resource* (*make)(std::pmr::memory_resource* upstream);
  void (*end)(resource*);
  void (*release)(resource*);
  void* (*take)(resource*, std::size_t bytes);
  void (*give)(resource*, void*, std::size_t bytes);
  void* (*take_by_base)(std::pmr::memory_resource*, std::size_t bytes);
  void* (*take_by_view)(resource*, std::size_t bytes);
  bool (*view_equals)(resource*);  // in both directions
  std::size_t (*live_slots)(resource*);
};

}  // namespace quarry_test
