// The best time of each benchmark of a program whose rivals take turns in random order.
//
//   bench::best_times times;
//   bench::run_in_turns(argc, argv, times, [&](bool smoke) { ...benchmark::RegisterBenchmark("load/rival", ...)... });
//   times.ns_of("load/rival");
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "process_memory.hpp"

namespace bench {

class best_times final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      const double ns = run.GetAdjustedRealTime();
      const auto [entry, first] = ns_.try_emplace(run.run_name.function_name, ns);
      if (!first) entry->second = std::min(entry->second, ns);
    }
  }

  /// The best round in nanoseconds, not a number when it did not run.
  double ns_of(const std::string& name) const {
    const auto found = ns_.find(name);
    return found == ns_.end() ? NAN : found->second;
  }

 private:
  std::map<std::string, double> ns_;  // by name
};

/// Takes --smoke and --untuned, which leaves glibc's heap as it is, out of the arguments, lets `prepare(smoke, rest)` register benchmarks and look at the arguments
/// that are not Google Benchmark's, and runs each of them `rounds` times: short ones need many, for a machine is
/// slow for a second now and then. Returns false for a wrong option.
template <class Prepare>
bool run_in_turns(int argc, char** argv, best_times& times, Prepare prepare, unsigned rounds = 5) {
  std::string repetitions = "--benchmark_repetitions=" + std::to_string(rounds);
  std::string turns = "--benchmark_enable_random_interleaving=true";
  std::string least = "--benchmark_min_time=0.001";
  std::vector<char*> arguments = {argv[0], repetitions.data(), turns.data(), least.data()};
  std::vector<std::string> rest;
  bool smoke = false;
  bool untuned = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      smoke = true;
    } else if (std::strcmp(argv[i], "--untuned") == 0) {
      untuned = true;
    } else if (argv[i][0] == '-') {
      arguments.push_back(argv[i]);
    } else {
      rest.emplace_back(argv[i]);
    }
  }
  if (smoke) arguments.erase(arguments.begin() + 1);
  if (!untuned) keep_heap_warm();
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return false;
  prepare(smoke, rest);
  benchmark::RunSpecifiedBenchmarks(&times);
  benchmark::Shutdown();
  return true;
}

}  // namespace bench
