#include <quarry/detail/resource_setup.hpp>
#include <stdexcept>

namespace quarry::detail {

resource_setup::resource_setup(const slab_options& given)
    : options_(given.resolved()), last_class_(core::class_of_bytes(options_.largest_required_pool_block)) {}

std::pmr::memory_resource* checked_upstream(std::pmr::memory_resource* upstream) {
  if (upstream == nullptr)
    throw std::invalid_argument(
        "quarry: upstream is null; allowed is a memory resource that outlives this one.");
  return upstream;
}

}  // namespace quarry::detail
