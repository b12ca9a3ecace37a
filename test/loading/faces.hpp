// Every face of the library as the code of one module or object file uses it: tables of functions, so that what one made
// another can use and end.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory_resource>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_cache.hpp>
#include <quarry/slab_thread_view.hpp>
#include <utility>

namespace quarry_test {

using lone_resource = quarry::unsynchronized_slab_resource;
using shared_resource = quarry::synchronized_slab_resource;
using view = quarry::slab_thread_view;

template <class Resource>
using map_over = std::map<int, int, std::less<>, quarry::slab_allocator<std::pair<const int, int>, Resource>>;

template <class Resource>
struct resource_verbs {
  Resource* (*make)(std::pmr::memory_resource* upstream);
  void (*end)(Resource*);
  void* (*take)(Resource&, std::size_t bytes);
  void (*give)(Resource&, void*, std::size_t bytes);
  std::size_t (*live_slots)(const Resource&);
  std::size_t (*visit)(Resource&);  // returns how many live
};

template <class Container, class Resource>
struct container_verbs {
  Container* (*make)(Resource&);
  void (*end)(Container*);
  void (*grow)(Container&, int from, int to);
  void (*shrink)(Container&, int from, int to);
  long (*sum)(const Container&);
};

struct numbered {
  explicit numbered(int given) : number(given) {}
  ~numbered() { number = -1; }
  int number;
};
inline void clear(numbered&) noexcept {}

using numbered_cache = quarry::slab_cache<numbered, quarry::spin_lock, 4096>;

struct cache_verbs {
  numbered_cache* (*make)();
  void (*end)(numbered_cache*);
  numbered* (*make_object)(numbered_cache&, int);  // null when there is no memory
  void (*end_object)(numbered*);
  void (*recycle)(numbered_cache&, numbered*);
  numbered* (*reuse)(numbered_cache&);
  long (*sum)(numbered_cache&);
};

enum class refusal { none, no_memory, invalid_argument, other };

struct faces {
  const char* name;
  bool has_exceptions;
  bool has_rtti;
  resource_verbs<lone_resource> lone;
  resource_verbs<shared_resource> shared;
  container_verbs<std::pmr::list<int>, std::pmr::memory_resource> list;
  container_verbs<map_over<lone_resource>, lone_resource> lone_map;
  container_verbs<map_over<shared_resource>, shared_resource> shared_map;
  container_verbs<map_over<view>, view> view_map;
  cache_verbs cache;
  view* (*make_view)(shared_resource&);
  void (*end_view)(view*);
  std::pmr::memory_resource* (*os_pages)();
  std::pmr::memory_resource* (*pooled_pages)();
  void* (*take)(std::pmr::memory_resource&, std::size_t bytes, std::size_t alignment);
  void (*give)(std::pmr::memory_resource&, void*, std::size_t bytes, std::size_t alignment);
  bool (*are_equal)(const std::pmr::memory_resource&, const std::pmr::memory_resource&);
  // Where the code has exceptions or RTTI:
  refusal (*catch_refusal)(std::pmr::memory_resource&, std::size_t bytes, std::size_t alignment);
  const shared_resource* (*as_shared)(const std::pmr::memory_resource&);
  const lone_resource* (*as_lone)(const std::pmr::memory_resource&);
};

}  // namespace quarry_test
