// Defines the page hooks: once in a program, so a program that links this twice must not link.
#include <quarry/page_sources.hpp>

namespace {

void* allocate_pages(std::size_t, std::size_t) noexcept {
  return nullptr;
}
void deallocate_pages(void*, std::size_t, std::size_t) noexcept {}

}  // namespace

QUARRY_DEFINE_PAGE_HOOKS(allocate_pages, deallocate_pages);
