// expect: slab_allocator needs a Resource with the typed face
// expect: std::pmr::polymorphic_allocator
#include <list>
#include <memory_resource>
#include <quarry/slab_allocator.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::unsynchronized_slab_resource resource;
  std::list<int, quarry::slab_allocator<int>> numbers(&resource);
#else
  std::pmr::monotonic_buffer_resource resource;
  std::list<int, quarry::slab_allocator<int, std::pmr::monotonic_buffer_resource>> numbers(&resource);
#endif
  numbers.push_back(1);
}
