#include "modes.hpp"

namespace quarry_test {

int* make_without_exceptions(modes_cache& cache, int value) {
  return cache.try_make(value).release();
}
bool open_without_exceptions(modes_cache& cache) {
  return cache.try_open() == quarry::slab_errc::ok && cache.retain(1) == quarry::slab_errc::ok;
}
bool reserve_without_exceptions(modes_cache& cache, std::size_t objects) {
  return cache.reserve(objects) == quarry::slab_errc::ok;
}
int sum_without_exceptions(modes_cache& cache) {
  int sum = 0;
  cache.for_each_live([&](int each) { sum += each; });
  return sum;
}

}  // namespace quarry_test
