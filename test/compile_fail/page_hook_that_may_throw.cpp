// expect: QUARRY_DEFINE_PAGE_HOOKS
#include <quarry/slab_cache.hpp>

void* take(std::size_t, std::size_t)
#if defined(QUARRY_COMPILE_OK)
    noexcept
#endif
{
  return nullptr;
}
void give(void*, std::size_t, std::size_t) noexcept {}
QUARRY_DEFINE_PAGE_HOOKS(take, give);

int main() {
#if defined(QUARRY_COMPILE_OK)

#else

#endif
}
