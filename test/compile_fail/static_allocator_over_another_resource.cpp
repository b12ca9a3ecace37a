// expect: static_slab_allocator needs a Resource that it can make
// errors: 1
#include <functional>
#include <map>
#include <memory_resource>
#include <quarry/static_slab_allocator.hpp>
#include <utility>

template <class Resource>
void use() {
  std::map<int, int, std::less<>, quarry::static_slab_allocator<std::pair<const int, int>, void, Resource>>
      map;
  map[1] = 1;
}

int main() {
#if defined(QUARRY_COMPILE_OK)
  use<quarry::synchronized_slab_resource>();
#else
  use<std::pmr::monotonic_buffer_resource>();
#endif
}
