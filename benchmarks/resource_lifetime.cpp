// What does a short-lived resource cost: made, a map of 20 elements built on it, both destroyed? And starting
// from a 2 KiB buffer on the stack?
#include <map>

#include "loads.hpp"
#include "workload.hpp"

namespace {

constexpr std::size_t elements = 20;
constexpr std::size_t buffer_bytes = 2048;

std::uint64_t build_a_small_map(std::pmr::memory_resource& resource) {
  std::pmr::map<std::uint64_t, std::uint64_t> map(&resource);
  for (std::uint64_t i = 0; i < elements; ++i) map.emplace(i * 7919 % 1000, i);
  return map.begin()->second + map.rbegin()->first;
}

bench::workload short_life(const bench::run_mode& mode) {
  const std::size_t lives = mode.pick(100, 3);
  bench::workload load{
      "short_life", "resource made, map of 20 elements built, both destroyed", lives, 1000, true, {}};
  load.prepare_rival = [lives](const bench::rival& rival) -> bench::round_function {
    return [lives, &rival](bool) {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < lives; ++i) {
        rival.with(std::pmr::new_delete_resource(),
                   [&sum](auto& resource) { sum += build_a_small_map(resource); });
      }
      return sum;
    };
  };
  return load;
}

bench::workload short_life_in_a_buffer(const bench::run_mode& mode) {
  const std::size_t lives = mode.pick(100, 3);
  bench::workload load{
      "short_life_buffer", "the same, starting from a buffer of 2 KiB on the stack", lives, 1000, true, {}};
  load.prepare_rival = [lives](const bench::rival& rival) -> bench::round_function {
    if (rival.with_buffer == nullptr) return {};
    return [lives, &rival](bool) {
      std::uint64_t sum = 0;
      for (std::size_t i = 0; i < lives; ++i) {
        alignas(std::max_align_t) std::byte buffer[buffer_bytes];
        rival.with_buffer(buffer, buffer_bytes, std::pmr::new_delete_resource(),
                          [&sum](auto& resource) { sum += build_a_small_map(resource); });
      }
      return sum;
    };
  };
  return load;
}

}  // namespace

std::vector<bench::workload> bench::resource_lifetime_loads(const run_mode& mode) {
  return std::vector{short_life(mode), short_life_in_a_buffer(mode)};
}
