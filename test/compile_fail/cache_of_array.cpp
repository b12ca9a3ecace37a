// expect: write a struct or std::array that holds the elements
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<int> cache;
#else
  quarry::slab_cache<int[4]> cache;
#endif
}
