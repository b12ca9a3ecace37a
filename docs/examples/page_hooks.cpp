// Link-time hooks: a program that has its own way to pages binds it once, for every cache that names
// hooked_page_source. Without QUARRY_DEFINE_PAGE_HOOKS the program does not link.
#include <cstdlib>
#include <iostream>
#include <quarry/slab_cache.hpp>

namespace {

int pages_out = 0;

void* take_pages(std::size_t bytes, std::size_t alignment) noexcept {
  void* const pages = std::aligned_alloc(alignment, bytes);
  pages_out += pages != nullptr ? 1 : 0;
  return pages;
}

void give_pages(void* pages, std::size_t /*bytes*/, std::size_t /*alignment*/) noexcept {
  --pages_out;
  std::free(pages);
}

}  // namespace

QUARRY_DEFINE_PAGE_HOOKS(take_pages, give_pages);

int main() {
  {
    quarry::slab_cache<int, quarry::null_lock, 4096, quarry::hooked_page_source> numbers;
    const auto one = numbers.make(1);
    std::cout << pages_out << " slab came from the hooks\n";
    if (pages_out != 1) return 1;
  }
  std::cout << pages_out << " are still out\n";
  return pages_out;
}
