// expect: must be accessible and must not throw
#include <quarry/slab_cache.hpp>

struct thrower {
  ~thrower() noexcept(false) {}
};

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<int> cache;
  cache.make();
#else
  quarry::slab_cache<thrower> cache;
  cache.make();
#endif
}
