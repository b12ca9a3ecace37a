#include <quarry/detail/resource_setup.hpp>
#include <quarry/memory_budget.hpp>
#include <stdexcept>

#include "refusal.hpp"
#include "tools.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

namespace {

constexpr std::size_t smallest_red_zone_bytes = 8;

// The most that a resource can hold; 0 where nothing bounds it. Limits are of what comes from upstream.
std::size_t supply_bytes_of(const slab_options& options, std::size_t buffer_bytes, bool has_upstream) {
  if (!has_upstream) return buffer_bytes;
  std::size_t bytes = options.max_bytes;
  const std::size_t budget_bytes = options.budget != nullptr ? options.budget->limit_bytes() : 0;
  if (budget_bytes != 0 && (bytes == 0 || budget_bytes < bytes)) bytes = budget_bytes;
  if (bytes == 0) return 0;
  return bytes <= SIZE_MAX - buffer_bytes ? bytes + buffer_bytes : SIZE_MAX;
}

}  // namespace

resource_setup::resource_setup(const slab_options& given, std::size_t buffer_bytes, bool has_upstream)
    : options_(given.resolved()),
      granule_bytes_(options_.slab_bytes),
      slab_granules_(1),
      has_directory_(true),
      cache_bytes_(options_.thread_cache_bytes),
      tells_tools_(has_tools()),
      red_zone_bytes_(options_.checks == check_level::full ? smallest_red_zone_bytes : 0) {
  constexpr std::size_t smallest_granule_bytes = 256;
  constexpr std::size_t largest_granule_bytes = 8192;  // else two for each class are most of the supply
  constexpr std::size_t granules_in_supply = 64;
  constexpr std::size_t granules_in_slab = 8;
  constexpr std::size_t slabs_in_supply = granules_in_supply / granules_in_slab;
  constexpr std::size_t least_supply_of_directory_bytes = std::size_t{1} << 20;
  const std::size_t supply_bytes = supply_bytes_of(options_, buffer_bytes, has_upstream);
  if (given.slab_bytes == 0 && supply_bytes != 0 && supply_bytes / granules_in_supply < granule_bytes_) {
    granule_bytes_ = smallest_granule_bytes;
    while (granule_bytes_ < largest_granule_bytes && granule_bytes_ * 2 <= supply_bytes / granules_in_supply)
      granule_bytes_ *= 2;
    slab_granules_ = granules_in_slab;
    has_directory_ = is_checked() || supply_bytes >= least_supply_of_directory_bytes;
    const std::size_t share_bytes = supply_bytes / slabs_in_supply / 2;
    if (cache_bytes_ > share_bytes) cache_bytes_ = share_bytes;
  }
  const std::size_t largest_slot_bytes = granule_bytes_ * core::extents::most_granules / 2;
  const std::size_t largest = options_.largest_required_pool_block;
  last_class_ = core::class_of_bytes(largest < largest_slot_bytes ? largest : largest_slot_bytes);
}

std::pmr::memory_resource* checked_upstream(std::pmr::memory_resource* upstream) {
  if (upstream == nullptr)
    refuse<std::invalid_argument>(
        "quarry: upstream is null; allowed is a memory resource that outlives this one.");
  return upstream;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
