// expect: lends its buffer in granules of 256 bytes
#include <quarry/slab_cache.hpp>

int main() {
#if defined(QUARRY_COMPILE_OK)
  static quarry::static_page_source<1024> source;
  source.lent_bytes();
#else
  static quarry::static_page_source<1000> source;
  source.lent_bytes();
#endif
}
