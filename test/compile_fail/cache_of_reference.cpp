// expect: T must not be a reference, a function or void
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<int, quarry::null_lock, 4096> cache;
#else
  quarry::slab_cache<int&, quarry::null_lock, 4096> cache;
#endif
}
