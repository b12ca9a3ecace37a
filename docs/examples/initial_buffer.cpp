// A resource that begins in a buffer of its user: while that is enough, nothing is taken from anywhere else.
#include <quarry/unsynchronized_slab_resource.hpp>

#include <cstddef>
#include <cstdio>
#include <map>

int main() {
  alignas(std::max_align_t) std::byte buffer[4096];
  quarry::unsynchronized_slab_resource pool(buffer, sizeof buffer, std::pmr::null_memory_resource());

  std::pmr::map<int, int> squares(&pool);
  for (int i = 0; i < 20; ++i) squares[i] = i * i;

  std::printf("20 nodes at %zu bytes each in a buffer of %zu bytes, %zu bytes from upstream\n",
              pool.good_size(sizeof(void*) * 4 + 2 * sizeof(int), alignof(void*)), sizeof buffer,
              pool.stats().upstream_bytes);
  return squares.size() == 20 && pool.stats().upstream_bytes == 0 ? 0 : 1;
}
