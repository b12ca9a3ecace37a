// expect: T takes more than half of SlabBytes
#include <quarry/slab_cache.hpp>

struct large {
  char bytes[2049];
};

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<large, quarry::null_lock, 8192> cache;
#else
  quarry::slab_cache<large, quarry::null_lock, 4096> cache;
#endif
}
