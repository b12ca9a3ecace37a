// expect: slab_allocator needs a Resource with the typed face
// expect: std::pmr::polymorphic_allocator
// errors: 1
#include <list>
#include <memory_resource>
#include <quarry/slab_allocator.hpp>
#include <vector>

template <class Resource>
void use() {
  using allocator = quarry::slab_allocator<int, Resource>;
  Resource resource;
  std::list<int, allocator> numbers(&resource);
  numbers.push_back(1);
  std::vector<int, allocator> more(&resource);
  more.push_back(1);
  allocator burst(resource);
  typename allocator::multiallocation_chain chain;
  burst.allocate_individual(3, chain);
  burst.deallocate_individual(chain);
}

int main() {
#if defined(QUARRY_COMPILE_OK)
  use<quarry::unsynchronized_slab_resource>();
#else
  use<std::pmr::monotonic_buffer_resource>();
#endif
}
