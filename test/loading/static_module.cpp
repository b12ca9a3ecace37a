// What the test of static allocators loads: a library that hides its symbols and fills a container of the tag.
#include "static_module.hpp"

namespace {

using quarry_test::module_map;

constexpr quarry_test::static_module the_module = {
    [] { return static_cast<const void*>(&module_map::allocator_type::resource()); },
    [] {
      static module_map map;
      for (int i = 0; i < 100; ++i) map[i] = i;
      return module_map::allocator_type::resource().stats().live_slots;
    },
    [] {
      return module_map{{1, 1}, {2, 2}};
    }};

}  // namespace

extern "C" __attribute__((visibility("default"))) const quarry_test::static_module* quarry_static_module() {
  return &the_module;
}
