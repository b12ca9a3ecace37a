// expect: deleted
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  quarry::slab_ptr<int> first, second = std::move(first);
#else
  quarry::slab_ptr<int> first, second = first;
#endif
}
