#include "quarry/unsynchronized_slab_resource.hpp"

#include "slab_face.hpp"
#include "slab_host.hpp"

namespace quarry {
inline namespace QUARRY_ABI {

template class core::store<detail::resource_supply, null_lock>;
template class core::engine<detail::resource_supply, null_lock>;
template class detail::slab_face<unsynchronized_slab_resource>;
template class detail::slab_host<unsynchronized_slab_resource, detail::lone_engine>;

namespace {

constexpr std::uint32_t growth_log2 = 3;  // a class has one cache, so its magazine soon is as large as can be

}  // namespace

unsynchronized_slab_resource::unsynchronized_slab_resource(const slab_options& options,
                                                           std::pmr::memory_resource* upstream)
    : slab_host(options, upstream, growth_log2) {}

unsynchronized_slab_resource::unsynchronized_slab_resource(const slab_options& options, void* buffer,
                                                           std::size_t bytes,
                                                           std::pmr::memory_resource* upstream)
    : slab_host(options, buffer, bytes, upstream, growth_log2) {}

void unsynchronized_slab_resource::open_watched() noexcept {
  core::cache* const opened = engine_.open_cache(false);
  if (opened == nullptr) return;
  if (cache_.behind != nullptr) return engine_.close_cache(*opened);  // the supply came back
  cache_.behind = opened->behind;
}

bool unsynchronized_slab_resource::do_is_equal(const std::pmr::memory_resource& other) const noexcept {
  return this == &other;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
