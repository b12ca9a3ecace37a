// expect: leaves no room for an object behind the header
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<long, quarry::null_lock, 1024> cache;
  cache.try_make();
#else
  quarry::slab_cache<long, quarry::null_lock, 64> cache;
  cache.try_make();
#endif
}
