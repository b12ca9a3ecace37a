#include "quarry/synchronized_slab_resource.hpp"

#include "quarry/detail/type_of.hpp"
#include "quarry/slab_thread_view.hpp"
#include "slab_face.hpp"
#include "slab_host.hpp"

namespace quarry {
inline namespace QUARRY_ABI {

template class core::store<detail::resource_supply, detail::sleeping_lock>;
template class core::engine<detail::resource_supply, detail::sleeping_lock>;
template class detail::slab_face<synchronized_slab_resource>;
template class detail::slab_host<synchronized_slab_resource, detail::shared_engine>;
template class detail::slab_face<slab_thread_view>;

namespace {

constexpr std::uint32_t growth_log2 = 1;  // many caches share what may rest

}  // namespace

synchronized_slab_resource::synchronized_slab_resource(const slab_options& options,
                                                       std::pmr::memory_resource* upstream)
    : slab_host(options, upstream, growth_log2), caches_(engine_) {}

synchronized_slab_resource::synchronized_slab_resource(const slab_options& options, void* buffer,
                                                       std::size_t bytes, std::pmr::memory_resource* upstream)
    : slab_host(options, buffer, bytes, upstream, growth_log2), caches_(engine_) {}

bool synchronized_slab_resource::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  if (this == &other) return true;
  const slab_thread_view* const view = detail::as_final<slab_thread_view>(other);
  return view != nullptr && &view->resource() == this;
}

slab_thread_view::slab_thread_view(synchronized_slab_resource& resource) : resource_(&resource) {
  if (!resource.caches_.open_view(tie_)) detail::refuse_memory();  // past max_bytes
}

slab_thread_view::~slab_thread_view() {
  detail::thread_caches::close_view(tie_);
}

void slab_thread_view::flush() noexcept {
  if (core::cache* const own = cache_at_hand()) resource_->engine_.flush_cache(*own);
}

bool slab_thread_view::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  if (this == &other || resource_ == &other) return true;
  const slab_thread_view* const view = detail::as_final_like(*this, other);
  return view != nullptr && view->resource_ == resource_;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
