// What the test of static allocators and the library that it loads agree on.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <quarry/static_slab_allocator.hpp>
#include <utility>

namespace quarry_test {

using module_map = std::map<int, int, std::less<>, quarry::static_slab_allocator<std::pair<const int, int>>>;

struct static_module {
  const void* (*resource)();
  std::size_t (*fill)();  // returns the live slots of the module's resource
  module_map (*make)();
};

}  // namespace quarry_test
