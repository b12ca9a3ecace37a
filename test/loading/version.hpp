// What one version of the library does, told without a type of it: so that code which knows none can use several.
#pragma once

#include <cstddef>
#include <memory_resource>

namespace quarry_test {

struct version_verbs {
  const char* (*type_name)();  // of its synchronized resource
  std::pmr::memory_resource* (*make)(std::pmr::memory_resource* upstream);
  std::pmr::memory_resource* (*make_view)(std::pmr::memory_resource* made);
  void (*end)(std::pmr::memory_resource*);
  std::size_t (*live_slots)(const std::pmr::memory_resource* made);
  std::pmr::memory_resource* (*pooled_pages)();
  std::size_t (*set_pool_limit)(std::size_t bytes);  // returns the one before
  bool (*uses_hooks)();  // makes an object over the hooks and tells whether these were called
};

}  // namespace quarry_test
