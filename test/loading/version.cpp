// Code that is compiled with one version of the library; QUARRY_VERBS names its one function.
#include "version.hpp"

#include <memory>
#include <quarry/quarry.hpp>
#include <typeinfo>

namespace {

using resource = quarry::synchronized_slab_resource;

int hook_calls = 0;

void* take_pages(std::size_t bytes, std::size_t alignment) noexcept {
  ++hook_calls;
  return quarry::os_page_source().allocate_pages(bytes, alignment);
}
void give_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  ++hook_calls;
  quarry::os_page_source().deallocate_pages(pages, bytes, alignment);
}

constexpr quarry_test::version_verbs verbs = {
    [] { return typeid(resource).name(); },
    [](std::pmr::memory_resource* upstream) -> std::pmr::memory_resource* { return new resource(upstream); },
    [](std::pmr::memory_resource* made) -> std::pmr::memory_resource* {
      return new quarry::slab_thread_view(*static_cast<resource*>(made));
    },
    [](std::pmr::memory_resource* ended) { delete ended; },
    [](const std::pmr::memory_resource* made) {
      return static_cast<const resource*>(made)->stats().live_slots;
    },
    [] { return quarry::pooled_page_resource(); },
    [](std::size_t bytes) { return quarry::set_pooled_page_limit(bytes); },
    [] {
      hook_calls = 0;
      {
        quarry::slab_cache<int, quarry::null_lock, 4096, quarry::hooked_page_source> numbers;
        if (*numbers.make(3) != 3) return false;
      }
      return hook_calls == 2;
    }};

}  // namespace

QUARRY_DEFINE_PAGE_HOOKS(take_pages, give_pages);

extern "C" __attribute__((visibility("default"))) const quarry_test::version_verbs* QUARRY_VERBS() {
  return &verbs;
}
