// What do containers cost with an allocator that knows the node's size class when it is compiled, and with
// bursts, beside the typed allocators of Boost and std::allocator?
//
// usage: containers [--smoke] [--benchmark_filter=REGEX]
// All rivals of a load take turns in random order; the table gives each one's best round. `bump` frees nothing: it
// tells what the containers themselves cost. A second table, without a filter, gives the memory of the maps.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "best_times.hpp"
#include "container_loads.hpp"

namespace {

using bench::container_load;

void print(const std::vector<container_load>& loads, const bench::best_times& times) {
  std::printf("%-26s %-22s %14s %16s\n", "load", "allocator", "ns/operation", "time over ours");
  for (const container_load& each : loads) {
    const double ours = times.ns_of(each.name + "/" + each.rivals.front().first);
    for (const auto& rival : each.rivals) {
      const double ns = times.ns_of(each.name + "/" + rival.first);
      if (!std::isnan(ns))
        std::printf("%-26s %-22s %14.2f %16.2f\n", each.name.c_str(), rival.first.c_str(),
                    ns / static_cast<double>(each.operations), ns / ours);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "--child") == 0)
    return bench::measure_map_memory(argv[2], argv[3], std::strtoul(argv[4], nullptr, 10)) ? 0 : 2;
  bool filtered = false;
  for (int i = 1; i < argc; ++i) filtered = filtered || std::strncmp(argv[i], "--benchmark_filter", 18) == 0;
  std::vector<container_load> loads;
  std::map<std::string, std::uint64_t> results;  // what the first rival of each load computed
  bool agree = true;
  bool small = false;
  bench::best_times times;
  const bool good = bench::run_in_turns(argc, argv, times, [&](bool smoke, const std::vector<std::string>&) {
    small = smoke;
    loads = bench::list_loads(smoke);
    for (container_load& each : bench::map_loads(smoke)) loads.push_back(std::move(each));
    for (const container_load& each : loads)
      for (const auto& rival : each.rivals)
        benchmark::RegisterBenchmark((each.name + "/" + rival.first).c_str(), [&](benchmark::State& state) {
          const std::uint64_t result = rival.second();  // not timed: its memory is warm from here on
          agree = agree && results.try_emplace(each.name, result).first->second == result;
          for (auto _ : state) benchmark::DoNotOptimize(rival.second());
          state.counters["operations"] = static_cast<double>(each.operations);
        });
  });
  if (!good) return 2;
  print(loads, times);
  if (!agree) std::fprintf(stderr, "the allocators' containers disagree\n");
  const bool measured = filtered || bench::print_map_memory(small);
  if (!measured) std::fprintf(stderr, "a process that measures the memory of a map failed\n");
  return agree && measured ? 0 : 1;
}
