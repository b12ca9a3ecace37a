// What do checks cost? The loads that ask one question each, on both of Quarry's resources with `slab_options::checks` off,
// `pointers` and `full`, in turns; beside them what other allocators check: glibc's malloc with the cache of each thread
// and, in a process of its own, without it, where its lists check more; mimalloc plain and built secure; scudo.
//
// Every round is a process of its own, so that a rival of one round never sees the heap of the round before. `full` has one
// round and a process of its own: it is for debugging, and its calls take microseconds.
#include <algorithm>
#include <array>
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

namespace {

using bench::rival;
using bench::workload;

constexpr const char* no_thread_cache =
    "malloc_no_tcache";  // glibc's malloc as the second kind of child times it

std::vector<workload> the_loads(const bench::run_mode& mode) {
  const std::vector<std::string> chosen{"pair64",     "fifo1k",    "rand100k",   "rand1M",     "list1M",
                                        "mix10k",     "mix500k",   "map_churn",  "string_map", "text_index",
                                        "json_parse", "json_edit", "order_book", "short_life"};
  std::vector<workload> loads;
  for (auto* const make :
       {bench::hot_pair_loads, bench::free_order_loads, bench::list_loads, bench::replacement_loads,
        bench::map_churn_loads, bench::string_map_loads, bench::text_index_loads, bench::json_tree_loads,
        bench::order_book_loads, bench::resource_lifetime_loads}) {
    for (workload& load : make(mode)) {
      if (std::find(chosen.begin(), chosen.end(), load.name) != chosen.end())
        loads.push_back(std::move(load));
    }
  }
  return loads;
}

constexpr const char* processes[] = {"turns", "no_tcache", "full"};

bool checks_all(const rival& each) {
  const std::string ending = "_full";
  return each.name.size() > ending.size() &&
         each.name.compare(each.name.size() - ending.size(), ending.size(), ending) == 0;
}

// Those that a child of this kind times.
std::vector<rival> rivals_in(const std::string& process) {
  std::vector<rival> all = bench::checking_rivals();
  if (process != "no_tcache") {
    const bool full = process == "full";
    const auto other = [full](const rival& each) { return checks_all(each) != full; };
    all.erase(std::remove_if(all.begin(), all.end(), other), all.end());
    return all;
  }
  const auto malloc =
      std::find_if(all.begin(), all.end(), [](const rival& each) { return each.name == "malloc"; });
  rival alone = *malloc;
  alone.name = no_thread_cache;
  return {alone};
}

// Times one round, and prints "load <tab> rival <tab> ns" for each time.
int run_child(char** argv) {
  const std::string process = argv[2];
  bench::prepare_process(argv, process != "no_tcache"
                                   ? std::vector<std::string>{}
                                   : std::vector<std::string>{"glibc.malloc.tcache_count=0"});
  bench::keep_heap_warm();
  bench::run_mode mode;
  mode.budget_ms = std::atof(argv[4]);
  mode.smoke = mode.budget_ms == 0;
  if (process == "full") mode.budget_ms /= 1000;  // a call takes that much longer
  std::vector<workload> loads = the_loads(mode);
  const std::string wanted = argv[5];  // names between commas, or "all"
  const auto is_not_wanted = [&wanted](const workload& load) {
    return wanted != "all" && ("," + wanted + ",").find("," + load.name + ",") == std::string::npos;
  };
  loads.erase(std::remove_if(loads.begin(), loads.end(), is_not_wanted), loads.end());
  const bool agree =
      bench::time_once(loads, rivals_in(process), mode, static_cast<std::size_t>(std::atoll(argv[3])),
                       [](const std::string& load, const std::string& rival, double ns) {
                         std::printf("%s\t%s\t%.3f\n", load.c_str(), rival.c_str(), ns);
                       });
  return agree ? 0 : 1;
}

int list() {
  for (const workload& load : the_loads({})) {
    for (const char* const process : processes) {
      for (const rival& each : rivals_in(process))
        std::printf("%s/%s\t%s\t%s\n", load.name.c_str(), each.name.c_str(), bench::kind_name(each.kind),
                    load.operation.c_str());
    }
  }
  return 0;
}

// ---- the table, when the program is run by itself

using times = std::map<std::string, std::map<std::string, double>>;  // ns, best round, by load and rival

struct comparison {
  const char* title;
  const char* rival;
  const char* over;  // null: the column is a time
};
constexpr std::array comparisons{
    comparison{"Quarry, ns", "quarry_off", nullptr},
    comparison{"pointers", "quarry_pointers", "quarry_off"},
    comparison{"full", "quarry_full", "quarry_off"},
    comparison{"sync, ns", "quarry_sync_off", nullptr},
    comparison{"pointers", "quarry_sync_pointers", "quarry_sync_off"},
    comparison{"full", "quarry_sync_full", "quarry_sync_off"},
    comparison{"malloc, ns", "malloc", nullptr},
    comparison{"no tcache", no_thread_cache, "malloc"},
    comparison{"mimalloc, ns", "mimalloc", nullptr},
    comparison{"secure", "mimalloc_secure", "mimalloc"},
    comparison{"scudo, ns", "scudo", nullptr},
};

// A time, or how many times the time of another; not a number where one of them is absent.
double figure(const std::map<std::string, double>& ns, const comparison& column) {
  const auto found = ns.find(column.rival);
  if (found == ns.end()) return NAN;
  if (column.over == nullptr) return found->second;
  const auto over = ns.find(column.over);
  return over == ns.end() ? NAN : found->second / over->second;
}

void print_cell(double figure, bool is_time) {
  if (std::isnan(figure)) {
    std::printf("%14s", "-");
  } else {
    std::printf(is_time && figure >= 100 ? "%14.0f" : "%14.2f", figure);
  }
}

void print_table(const times& best, const std::vector<workload>& loads) {
  std::printf("%-16s", "ns, or times it");
  for (const comparison& column : comparisons) std::printf("%14s", column.title);
  std::array<double, comparisons.size()> logarithms{};
  for (const workload& load : loads) {
    std::printf("\n%-16s", load.name.c_str());
    for (std::size_t i = 0; i < comparisons.size(); ++i) {
      const double now = figure(best.at(load.name), comparisons[i]);
      logarithms[i] += std::log(now);
      print_cell(now, comparisons[i].over == nullptr);
    }
  }
  std::printf("\n%-16s", "geometric mean");
  for (std::size_t i = 0; i < comparisons.size(); ++i) {
    const bool is_time = comparisons[i].over == nullptr;
    print_cell(is_time ? NAN : std::exp(logarithms[i] / static_cast<double>(loads.size())), is_time);
  }
  std::printf("\n");
}

int measure_all(std::size_t rounds, double budget_ms) {
  times best;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const char* const process : processes) {
      if (std::strcmp(process, "full") == 0 && round > 0) continue;
      std::ostringstream arguments;
      arguments << "--child " << process << ' ' << round * 5 << ' ' << budget_ms << " all";
      std::istringstream lines(bench::output_of_child(arguments.str()));
      bool any = false;
      std::string load;
      std::string rival;
      for (double ns = 0; lines >> load >> rival >> ns; any = true) {
        const auto [entry, first] = best[load].try_emplace(rival, ns);
        if (!first) entry->second = std::min(entry->second, ns);
      }
      if (any) continue;
      std::fprintf(stderr, "the round of %s failed\n", process);
      return 1;
    }
  }
  print_table(best, the_loads({}));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 6 && std::strcmp(argv[1], "--child") == 0) return run_child(argv);
  bench::prepare_process(argv);
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return list();
  if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) return measure_all(1, 0);
  if (argc == 2 && std::strncmp(argv[1], "--rounds=", 9) == 0) {
    const int rounds = std::atoi(argv[1] + 9);
    if (rounds > 0) return measure_all(static_cast<std::size_t>(rounds), 60);
  }
  if (argc == 1) return measure_all(7, 60);
  std::fprintf(
      stderr,
      "allowed: --smoke, --list, --rounds=N, --child turns|no_tcache|full FIRST MILLISECONDS LOADS\n");
  return 2;
}
