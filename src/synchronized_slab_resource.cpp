#include "quarry/synchronized_slab_resource.hpp"

#include <atomic>
#include <cstring>

#include "quarry/detail/type_of.hpp"
#include "quarry/memory_budget.hpp"
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

#if defined(__cpp_rtti)

const slab_thread_view* as_view(const std::pmr::memory_resource& resource) noexcept {
  return detail::as_final<slab_thread_view>(resource);
}
void note_view(const slab_thread_view&) noexcept {}

#else

std::atomic<const void*> table_of_views{
    nullptr};  // the virtual table of this copy, once there was a view; any thread

const void* table_of(const std::pmr::memory_resource& resource) noexcept {
  const void* table = nullptr;
  std::memcpy(&table, static_cast<const void*>(&resource), sizeof table);
  return table;
}

// Relaxed, both: whoever has a view to compare knows of its construction.
const slab_thread_view* as_view(const std::pmr::memory_resource& resource) noexcept {
  const bool is_view = table_of(resource) == table_of_views.load(std::memory_order_relaxed);
  return is_view ? static_cast<const slab_thread_view*>(&resource) : nullptr;
}
void note_view(const slab_thread_view& view) noexcept {
  table_of_views.store(table_of(view), std::memory_order_relaxed);
}

#endif

}  // namespace

synchronized_slab_resource::synchronized_slab_resource(const slab_options& options,
                                                       std::pmr::memory_resource* upstream)
    : slab_host(options, upstream, growth_log2), caches_(engine_) {}

synchronized_slab_resource::synchronized_slab_resource(const slab_options& options, void* buffer,
                                                       std::size_t bytes, std::pmr::memory_resource* upstream)
    : slab_host(options, buffer, bytes, upstream, growth_log2), caches_(engine_) {}

bool synchronized_slab_resource::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  if (this == &other) return true;
  const slab_thread_view* const view = as_view(other);
  return view != nullptr && &view->resource() == this;
}

slab_thread_view::slab_thread_view(synchronized_slab_resource& resource) : resource_(&resource) {
  const bool has_cache = detail::serve_within(resource.setup_.options().budget,
                                              [&] { return resource.caches_.open_view(tie_); });
  if (!has_cache) detail::refuse_memory();  // past max_bytes or the budget
  note_view(*this);
}

slab_thread_view::~slab_thread_view() {
  detail::thread_caches::close_view(tie_);
}

void slab_thread_view::flush() noexcept {
  if (core::cache* const own = cache_at_hand()) resource_->engine_.flush_cache(*own);
}

bool slab_thread_view::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  if (this == &other || resource_ == &other) return true;
  const slab_thread_view* const view = as_view(other);
  return view != nullptr && view->resource_ == resource_;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
