// expect: SlabBytes must be a power of two
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<int, quarry::null_lock, 8192> cache;
#else
  quarry::slab_cache<int, quarry::null_lock, 5000> cache;
#endif
}
