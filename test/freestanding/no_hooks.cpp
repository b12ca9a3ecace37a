// A program on hooked_page_source that forgets to define the hooks: it must not link.
#include <quarry/slab_cache.hpp>

quarry::slab_cache<int, quarry::null_lock, 1024, quarry::hooked_page_source> numbers;

int main() {
  return numbers.try_make(1) == nullptr ? 1 : 0;
}
