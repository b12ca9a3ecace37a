// expect: slab_ptr
#include <quarry/slab_cache.hpp>

struct base {};
struct derived : base {};
quarry::slab_cache<derived, quarry::null_lock, 4096> small;

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_ptr<base, quarry::slab_cache<base, quarry::null_lock, 4096>> owner = small.make();
#else
  quarry::slab_ptr<base> owner = small.make();
#endif
}
