#include <quarry/detail/resource_setup.hpp>
#include <stdexcept>

namespace quarry::detail {
namespace {

// By default any alignment that leaves a slot in a slab is pooled; a block size that the user chose bounds
// both, and so does one inside the table of the hit path, which does not tell a size from an alignment.
core::class_index last_pooled_class(const slab_options& given, const slab_options& resolved) noexcept {
  const std::size_t largest = resolved.largest_required_pool_block;
  const bool bounded = given.largest_required_pool_block != 0 || largest < core::table_bytes;
  const core::class_index last = core::class_of_bytes(bounded ? largest : resolved.slab_bytes / 2);
  return last < core::class_count ? last : core::class_count - 1;
}

}  // namespace

resource_setup::resource_setup(const slab_options& given)
    : options_(given.resolved()), last_class_(last_pooled_class(given, options_)) {}

std::pmr::memory_resource* checked_upstream(std::pmr::memory_resource* upstream) {
  if (upstream == nullptr)
    throw std::invalid_argument(
        "quarry: upstream is null; allowed is a memory resource that outlives this one.");
  return upstream;
}

}  // namespace quarry::detail
