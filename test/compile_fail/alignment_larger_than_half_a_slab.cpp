// expect: T takes more than half of SlabBytes
#include <quarry/slab_cache.hpp>

struct alignas(4096) aligned {
  char byte;
};

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<aligned, quarry::null_lock, 65536> cache;
#else
  quarry::slab_cache<aligned, quarry::null_lock, 4096> cache;
#endif
}
