// For a processor without compare-and-swap (ARMv6-M): a cache that program and interrupts share, over pages of the program's. With
// QUARRY_TEST_SPIN_LOCK or QUARRY_TEST_STATIC_SOURCE it must be refused.
#include <quarry/slab_cache.hpp>

struct interrupt_lock {
  void lock() noexcept {}
  void unlock() noexcept {}
};
struct own_pages {
  void* allocate_pages(std::size_t bytes, std::size_t alignment) noexcept;
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept;
};
struct message {
  int words[4];
};

#if defined(QUARRY_TEST_SPIN_LOCK)
using cache_lock = quarry::spin_lock;
#else
using cache_lock = interrupt_lock;
#endif
#if defined(QUARRY_TEST_STATIC_SOURCE)
using source = quarry::static_page_source<4096, 1024>;
#else
using source = own_pages;
#endif

static quarry::static_slab_cache<message, cache_lock, 1024, source> messages;

int main() {
  return messages.try_make() == nullptr ? 1 : 0;
}
