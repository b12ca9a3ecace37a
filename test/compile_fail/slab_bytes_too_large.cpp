// expect: SlabBytes is too large
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<int, quarry::null_lock, std::size_t{1} << (sizeof(void*) > 4 ? 39 : 30)> cache;
#else
  quarry::slab_cache<int, quarry::null_lock, std::size_t{1} << (sizeof(void*) > 4 ? 40 : 31)> cache;
#endif
}
