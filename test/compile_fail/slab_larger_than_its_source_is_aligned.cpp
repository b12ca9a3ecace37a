// expect: write the slab's size as the second argument of static_page_source
#include <quarry/slab_cache.hpp>

struct large {
  char bytes[16384];
};
constexpr std::size_t slab_bytes = quarry::default_slab_bytes<large>;

#if defined(QUARRY_COMPILE_OK)
using memory = quarry::static_page_source<slab_bytes, slab_bytes>;
#else
using memory = quarry::static_page_source<slab_bytes>;
#endif

quarry::slab_cache<large, quarry::null_lock, slab_bytes, memory> cache;
static_assert(decltype(cache)::root_slots != 0);

int main() {}
