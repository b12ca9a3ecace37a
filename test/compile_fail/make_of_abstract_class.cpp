// expect: an abstract class has no objects
#include <quarry/slab_cache.hpp>

struct base {
  virtual void run() = 0;
  virtual ~base() = default;
};
struct derived final : base {
  void run() override {}
};

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_cache<derived> cache;
  cache.make();
#else
  quarry::slab_cache<base> cache;
  cache.make();
#endif
}
