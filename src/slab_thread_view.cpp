#include "quarry/slab_thread_view.hpp"

#include <new>

namespace quarry {

slab_thread_view::slab_thread_view(synchronized_slab_resource& resource)
    : resource_(&resource), node_(resource.caches_.open_view()) {
  if (node_ == nullptr) throw std::bad_alloc();  // past max_bytes
  cache_ = &detail::thread_caches::cache_of(*node_);
}

slab_thread_view::~slab_thread_view() {
  detail::thread_caches::close_view(*node_);
}

void* slab_thread_view::try_allocate(std::size_t bytes, std::size_t alignment) noexcept {
  try {
    return do_allocate(bytes, alignment);
  } catch (...) {
    return nullptr;
  }
}

void slab_thread_view::flush() noexcept {
  resource_->engine_.flush_cache(*cache_);
}

bool slab_thread_view::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  if (this == &other) return true;
  const auto* const view = dynamic_cast<const slab_thread_view*>(&other);
  return view != nullptr && view->resource_ == resource_;
}

}  // namespace quarry
