// What does a guarded_resource in front of a resource cost? The loads that ask one question each, on Quarry's resource for one thread
// alone and behind a guarded_resource with its default options, in turns.
//
// Every round is a process of its own. The difference is small, so the table has two figures of it: best round over best round, and
// the median over all rounds of what the two took in the same process.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "child_process.hpp"
#include "loads.hpp"
#include "process_memory.hpp"
#include "quarry/guarded_resource.hpp"
#include "quarry/unsynchronized_slab_resource.hpp"

namespace {

using bench::rival;
using bench::workload;

std::vector<workload> the_loads(const bench::run_mode& mode) {
  const std::vector<std::string> chosen{"pair64",    "fifo1k",     "rand100k",   "list1M",     "mix10k",
                                        "map_churn", "string_map", "text_index", "json_parse", "order_book"};
  std::vector<workload> loads;
  for (auto* const make : {bench::hot_pair_loads, bench::free_order_loads, bench::list_loads,
                           bench::replacement_loads, bench::map_churn_loads, bench::string_map_loads,
                           bench::text_index_loads, bench::json_tree_loads, bench::order_book_loads}) {
    for (workload& load : make(mode))
      if (std::find(chosen.begin(), chosen.end(), load.name) != chosen.end())
        loads.push_back(std::move(load));
  }
  return loads;
}

std::vector<rival> the_rivals() {
  const auto rival_of = [](const char* name, auto with) {
    return rival{name, bench::rival_kind::quarry, false, true, with, nullptr, nullptr, nullptr, nullptr};
  };
  return {rival_of("alone",
                   [](std::pmr::memory_resource* upstream, const bench::resource_body& body) {
                     quarry::unsynchronized_slab_resource resource(upstream);
                     body(resource);
                   }),
          rival_of("guarded", [](std::pmr::memory_resource* upstream, const bench::resource_body& body) {
            quarry::unsynchronized_slab_resource resource(upstream);
            quarry::guarded_resource guarded(&resource);
            body(guarded);
          })};
}

// Times one round, and prints "load <tab> rival <tab> ns" for each time.
int run_child(char** argv) {
  bench::prepare_process(argv);
  bench::keep_heap_warm();
  bench::run_mode mode;
  mode.budget_ms = std::atof(argv[3]);
  mode.smoke = mode.budget_ms == 0;
  const bool agree =
      bench::time_once(the_loads(mode), the_rivals(), mode, std::strtoull(argv[2], nullptr, 10),
                       [](const std::string& load, const std::string& rival, double ns) {
                         std::printf("%s\t%s\t%.3f\n", load.c_str(), rival.c_str(), ns);
                       });
  return agree ? 0 : 1;
}

double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

int measure_all(std::size_t rounds, double budget_ms) {
  std::map<std::string, std::map<std::string, std::vector<double>>>
      times;  // ns, of each round, by load and rival
  for (std::size_t round = 0; round < rounds; ++round) {
    std::ostringstream arguments;
    arguments << "--child " << round << ' ' << budget_ms;
    std::istringstream lines(bench::output_of_child(arguments.str()));
    std::string load;
    std::string rival;
    for (double ns = 0; lines >> load >> rival >> ns;) times[load][rival].push_back(ns);
    for (const workload& each : the_loads({}))
      for (const bench::rival& of : the_rivals())
        if (times[each.name][of.name].size() != round + 1) {
          std::fprintf(stderr, "the round of %s on %s failed\n", each.name.c_str(), of.name.c_str());
          return 1;
        }
  }
  std::printf("%-16s%12s%12s%14s%14s\n", "ns", "alone", "guarded", "of the best", "median");
  double logarithms = 0;
  const std::vector<workload> loads = the_loads({});
  for (const workload& load : loads) {
    const std::vector<double>& alone = times[load.name]["alone"];
    const std::vector<double>& guarded = times[load.name]["guarded"];
    std::vector<double> ratios;
    for (std::size_t i = 0; i < rounds; ++i) ratios.push_back(guarded[i] / alone[i]);
    const double best = *std::min_element(alone.begin(), alone.end());
    const double best_guarded = *std::min_element(guarded.begin(), guarded.end());
    std::printf("%-16s%12.2f%12.2f%14.3f%14.3f\n", load.name.c_str(), best, best_guarded, best_guarded / best,
                median(ratios));
    logarithms += std::log(median(ratios));
  }
  std::printf("%-16s%52.3f\n", "geometric mean", std::exp(logarithms / static_cast<double>(loads.size())));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--child") == 0) return run_child(argv);
  bench::prepare_process(argv);
  if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) return measure_all(1, 0);
  if (argc == 2 && std::strncmp(argv[1], "--rounds=", 9) == 0) {
    const int rounds = std::atoi(argv[1] + 9);
    if (rounds > 0) return measure_all(static_cast<std::size_t>(rounds), 60);
  }
  if (argc == 1) return measure_all(15, 60);
  std::fprintf(stderr, "allowed: --smoke, --rounds=N, --child FIRST MILLISECONDS\n");
  return 2;
}
