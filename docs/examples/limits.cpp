// A hard limit and what lies behind it: allocation fails cleanly, and works again after frees.
#include <quarry/unsynchronized_slab_resource.hpp>

#include <cstdio>
#include <list>
#include <new>

int main() {
  quarry::slab_options options;
  options.max_bytes = 1 << 20;
  options.retain_bytes = 1;
  quarry::unsynchronized_slab_resource pool(options, quarry::os_page_resource());

  std::pmr::list<int> numbers(&pool);
  bool refused = false;
  try {
    for (;;) numbers.push_back(1);
  } catch (const std::bad_alloc&) {
    refused = true;
  }
  std::printf("refused after %zu nodes, with %zu bytes held\n", numbers.size(), pool.stats().upstream_bytes);
  const bool within_limit = pool.stats().upstream_bytes <= options.max_bytes;

  numbers.clear();
  numbers.push_back(2);
  void* const maybe = pool.try_allocate(std::size_t{2} << 20);
  std::printf("works again after frees; a block of 2 MiB is %s\n", maybe == nullptr ? "refused" : "given");
  return refused && within_limit && maybe == nullptr ? 0 : 1;
}
