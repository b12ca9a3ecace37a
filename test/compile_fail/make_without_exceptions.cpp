// expect: which return null
// options: -fno-exceptions
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<int, quarry::null_lock, 4096, quarry::os_page_source> cache;
  cache.try_make();
#else
  quarry::slab_cache<int, quarry::null_lock, 4096, quarry::os_page_source> cache;
  cache.make();
#endif
}
