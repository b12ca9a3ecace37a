// expect: every cache holds one in its first slab
#include <quarry/slab_cache.hpp>

struct large_lock {
  void lock() {}
  void unlock() {}
  char bytes[65];
};

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<int, quarry::spin_lock> cache;
#else
  quarry::slab_cache<int, large_lock> cache;
#endif
}
