// One type of cache, used by code with exceptions and by code without.
#pragma once

#include <cstddef>
#include <quarry/slab_cache.hpp>

namespace quarry_test {

/// Throws, in code with exceptions, std::bad_alloc when no slab is left.
struct counted_slabs {
  void* allocate_pages(std::size_t bytes, std::size_t alignment);
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept;
  static inline int left = 0;
};

using modes_cache = quarry::slab_cache<int, quarry::null_lock, 4096, counted_slabs>;

/// In code without exceptions.
int* make_without_exceptions(modes_cache& cache, int value);
bool open_without_exceptions(modes_cache& cache);
bool reserve_without_exceptions(modes_cache& cache, std::size_t objects);
int sum_without_exceptions(modes_cache& cache);

}  // namespace quarry_test
