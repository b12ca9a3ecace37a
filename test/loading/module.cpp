// What the test loads: a library with a resource of its own inside.
#include <cstddef>
#include <memory_resource>
#include <quarry/synchronized_slab_resource.hpp>
#include <vector>

namespace {

quarry::synchronized_slab_resource& resource() {
  static quarry::synchronized_slab_resource the_resource;
  return the_resource;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void quarry_module_run() {
  std::pmr::vector<std::pmr::vector<int>> vectors(&resource());
  for (int i = 0; i < 500; ++i) vectors.emplace_back(static_cast<std::size_t>(i % 50), i);
}

extern "C" __attribute__((visibility("default"))) std::size_t quarry_module_live_slots() {
  return resource().stats().live_slots;
}
