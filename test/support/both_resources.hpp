// The two slab resources as the types of a typed test, and what such tests ask of either through its public face.
//
// Threads: none of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <quarry/page_sources.hpp>
#include <quarry/slab_stats.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace quarry_test {

using both_resources =
    testing::Types<quarry::unsynchronized_slab_resource, quarry::synchronized_slab_resource>;

template <class Resource>
inline constexpr bool is_synchronized = std::is_same_v<Resource, quarry::synchronized_slab_resource>;

struct resource_names {
  template <class Resource>
  static std::string GetName(int) {
    return is_synchronized<Resource> ? "Synchronized" : "Unsynchronized";
  }
};

struct named_upstream {
  const char* name;
  std::pmr::memory_resource* resource;
};

/// The upstreams that a program has without writing one.
inline std::vector<named_upstream> common_upstreams() {
  return {{"os_page_resource", quarry::os_page_resource()},
          {"new_delete_resource", std::pmr::new_delete_resource()}};
}

template <class Stats, class = void>
struct discarded {
  static std::size_t bytes_of(const Stats&) { return 0; }
};
template <class Stats>
struct discarded<Stats, std::void_t<decltype(std::declval<Stats>().discarded_bytes)>> {
  static std::size_t bytes_of(const Stats& stats) { return stats.discarded_bytes; }
};

/// Returns the bytes that a resource keeps from others: taken from upstream and not discarded.
template <class Stats>
std::size_t held_bytes(const Stats& stats) {
  EXPECT_LE(discarded<Stats>::bytes_of(stats), stats.upstream_bytes);
  return stats.upstream_bytes - discarded<Stats>::bytes_of(stats);
}

/// Returns the size of each class from the one of `first_bytes` to the one of `last_bytes`, ascending.
template <class Resource>
std::vector<std::size_t> class_sizes(const Resource& resource, std::size_t first_bytes,
                                     std::size_t last_bytes) {
  std::vector<std::size_t> sizes;
  for (std::size_t bytes = first_bytes; bytes <= last_bytes; bytes = sizes.back() + 1)
    sizes.push_back(resource.good_size(bytes));
  return sizes;
}

/// Returns as many blocks as `resource` serves, or `limit` of them.
template <class Resource>
std::vector<void*> allocate_until_refused(Resource& resource, std::size_t bytes,
                                          std::size_t limit = SIZE_MAX) {
  std::vector<void*> blocks;
  while (blocks.size() < limit) {
    void* const block = resource.try_allocate(bytes, bytes % 16 == 0 ? 16 : 8);
    if (block == nullptr) break;
    blocks.push_back(block);
  }
  return blocks;
}

/// Frees what allocate_until_refused() returned for the same `bytes`.
template <class Resource>
void deallocate_each(Resource& resource, const std::vector<void*>& blocks, std::size_t bytes) {
  for (void* const block : blocks) resource.deallocate(block, bytes, bytes % 16 == 0 ? 16 : 8);
}

}  // namespace quarry_test
