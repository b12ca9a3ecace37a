// What does the shortest use cost: one block allocated and at once freed, everything in the cache?
#include <benchmark/benchmark.h>

#include "loads.hpp"
#include "workload.hpp"

namespace {

constexpr std::size_t block_bytes = 64;

bench::workload hot_pair(const bench::run_mode& mode) {
  const std::size_t pairs = mode.pick(1000, 10);
  bench::workload load{
      "pair64", "allocate and free 64 bytes", pairs, 15, true, [pairs](std::pmr::memory_resource& resource) {
        return [pairs, &resource](bool) -> std::uint64_t {
          for (std::size_t i = 0; i < pairs; ++i) {
            void* block = resource.allocate(block_bytes);
            benchmark::DoNotOptimize(block);
            resource.deallocate(block, block_bytes);
          }
          return pairs;
        };
      }};
  load.takes_one_block = true;
  return load;
}

}  // namespace

std::vector<bench::workload> bench::hot_pair_loads(const run_mode& mode) {
  return std::vector{hot_pair(mode)};
}
