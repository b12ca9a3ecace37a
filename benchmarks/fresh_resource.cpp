// What does a resource cost that is made for one request and destroyed after it, in a process that did nothing else, beside
// one that is kept? Page faults included, and counted. The first round is reported beside the best.
//
// Every load, rival and way runs in a process of its own with default settings: no heap is kept warm, no other rival's
// library is loaded.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "child_process.hpp"
#include "process_memory.hpp"
#include "rivals.hpp"

namespace {

using bench::rival;

// Builds and destroys the containers of one request; returns a sum over what it built.
using request = std::function<std::uint64_t(std::pmr::memory_resource& resource)>;

struct fresh_load {
  std::string name;
  std::string operation;
  std::size_t rounds;
  request serve;
};

// A string of 33 characters: too long to live inside of its object.
std::pmr::string text(std::size_t number, std::pmr::memory_resource& resource) {
  std::pmr::string made(33, 'x', &resource);
  made[0] = static_cast<char>('a' + number % 26);
  return made;
}

std::uint64_t serve_map_and_vector(std::pmr::memory_resource& resource, std::size_t entries,
                                   std::size_t strings) {
  std::pmr::map<int, std::pmr::string> map(&resource);
  for (std::size_t i = 0; i < entries; ++i)
    map.emplace(static_cast<int>(i * 7919 % 10007), text(i, resource));
  std::pmr::vector<std::pmr::string> vector(&resource);
  for (std::size_t i = 0; i < strings; ++i) vector.push_back(text(i, resource));
  std::uint64_t sum = 0;
  for (const auto& [key, value] : map) sum = sum * 31 + static_cast<std::uint64_t>(key + value[0]);
  for (const auto& each : vector) sum = sum * 31 + static_cast<std::uint64_t>(each[0]);
  return sum;
}

std::uint64_t serve_list(std::pmr::memory_resource& resource, std::size_t nodes) {
  std::pmr::list<std::uint64_t> list(&resource);
  for (std::size_t i = 0; i < nodes; ++i) list.push_back(i);
  return list.size() * list.back() + list.front();
}

std::vector<fresh_load> fresh_loads(std::size_t divisor) {
  const std::size_t nodes = std::max<std::size_t>(800'000 / divisor, 100);
  const auto rounds = [divisor](std::size_t full) { return std::max<std::size_t>(full / divisor, 2); };
  return {{"fresh50", "map of 50 strings and vector of 20", rounds(3000),
           [](std::pmr::memory_resource& resource) { return serve_map_and_vector(resource, 50, 20); }},
          {"fresh2000", "map of 2,000 strings and vector of 500", rounds(200),
           [](std::pmr::memory_resource& resource) { return serve_map_and_vector(resource, 2000, 500); }},
          {"fresh800k", "list of 800,000 nodes", rounds(12),
           [nodes](std::pmr::memory_resource& resource) { return serve_list(resource, nodes); }}};
}

// Resources for one thread and the mallocs: nobody makes a resource for threads for one request.
bool takes_part(const rival& rival) {
  return !rival.synchronized || rival.kind == bench::rival_kind::malloc;
}

struct round_figures {
  double ns;
  std::uint64_t faults;  // page faults
  std::uint64_t sum;     // what the request computed
};

template <class Round>
round_figures time_round(const Round& round) {
  using clock = std::chrono::steady_clock;
  const std::uint64_t faults_before = bench::page_faults();
  const auto start = clock::now();
  const std::uint64_t sum = round();
  const double ns = std::chrono::duration<double, std::nano>(clock::now() - start).count();
  return {ns, bench::page_faults() - faults_before, sum};
}

std::vector<round_figures> time_fresh(const fresh_load& load, const rival& rival) {
  std::vector<round_figures> rounds;
  rounds.reserve(load.rounds);
  for (std::size_t i = 0; i < load.rounds; ++i) {
    rounds.push_back(time_round([&] {
      std::uint64_t sum = 0;
      rival.with(std::pmr::new_delete_resource(), [&](auto& resource) { sum = load.serve(resource); });
      return sum;
    }));
  }
  return rounds;
}

std::vector<round_figures> time_kept(const fresh_load& load, const rival& rival) {
  std::vector<round_figures> rounds;
  rounds.reserve(load.rounds);
  rival.with(std::pmr::new_delete_resource(), [&](std::pmr::memory_resource& resource) {
    for (std::size_t i = 0; i < load.rounds; ++i) {
      rounds.push_back(time_round([&] {
        const std::uint64_t sum = load.serve(resource);
        if (rival.end_round) rival.end_round(resource);
        return sum;
      }));
    }
  });
  return rounds;
}

// Prints one line of JSON; false when the rounds disagree.
bool print(const fresh_load& load, const rival& rival, const char* way, std::vector<round_figures> rounds) {
  const round_figures first = rounds.front();
  const auto by_time = [](const round_figures& a, const round_figures& b) { return a.ns < b.ns; };
  const bool agree = std::all_of(rounds.begin(), rounds.end(),
                                 [&](const round_figures& each) { return each.sum == first.sum; });
  std::sort(rounds.begin(), rounds.end(), by_time);
  const round_figures& median = rounds[rounds.size() / 2];
  std::printf(
      "{\"load\": \"%s\", \"rival\": \"%s\", \"kind\": \"%s\", \"way\": \"%s\", \"rounds\": %zu, \"sum\": "
      "%llu, "
      "\"best_ns\": %.0f, \"median_ns\": %.0f, \"first_ns\": %.0f, \"best_faults\": %llu, \"median_faults\": "
      "%llu, "
      "\"first_faults\": %llu}\n",
      load.name.c_str(), rival.name.c_str(), bench::kind_name(rival.kind), way, rounds.size(),
      static_cast<unsigned long long>(first.sum), rounds.front().ns, median.ns, first.ns,
      static_cast<unsigned long long>(rounds.front().faults), static_cast<unsigned long long>(median.faults),
      static_cast<unsigned long long>(first.faults));
  return agree;
}

int run_child(const char* load_name, const char* rival_name, const char* way, std::size_t divisor) {
  const rival* const found = bench::only_rival(rival_name);
  if (found == nullptr) return 1;
  for (const fresh_load& load : fresh_loads(divisor)) {
    if (load.name != load_name) continue;
    const bool fresh = std::strcmp(way, "fresh") == 0;
    return print(load, *found, way, fresh ? time_fresh(load, *found) : time_kept(load, *found)) ? 0 : 1;
  }
  return 1;
}

int list() {
  for (const fresh_load& load : fresh_loads(1)) {
    for (const rival& each : bench::rivals()) {
      if (takes_part(each))
        std::printf("%s/%s\t%s\t%s\n", load.name.c_str(), each.name.c_str(), bench::kind_name(each.kind),
                    load.operation.c_str());
    }
  }
  return 0;
}

std::string sum_in(const std::string& line) {
  const std::size_t start = line.find("\"sum\"");
  return line.substr(start, line.find(',', start) - start);
}

// Starts this program again for each load, way and rival, all in turns, and gathers their lines.
int measure_all(std::size_t divisor, std::size_t turns) {
  const char* separator = "{\"fresh_resource\": [\n  ";
  std::map<std::string, std::string> sums;  // by load
  for (std::size_t turn = 0; turn < turns; ++turn) {
    for (const fresh_load& load : fresh_loads(divisor)) {
      for (const rival& each : bench::rivals()) {
        if (!takes_part(each)) continue;
        for (const char* const way : {"fresh", "kept"}) {
          const std::string line = bench::output_of_child("--child " + load.name + " " + each.name + " " +
                                                          way + " " + std::to_string(divisor));
          const bool agrees =
              !line.empty() && sums.try_emplace(load.name, sum_in(line)).first->second == sum_in(line);
          if (!agrees) {
            std::fprintf(stderr, "%s on %s failed or computed something else\n", load.name.c_str(),
                         each.name.c_str());
            return 1;
          }
          std::printf("%s%s", separator, line.substr(0, line.size() - 1).c_str());
          separator = ",\n  ";
        }
      }
    }
  }
  std::printf("\n]}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bench::prepare_process(argv);
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return list();
  if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) return measure_all(1000, 1);
  if (argc == 6 && std::strcmp(argv[1], "--child") == 0)
    return run_child(argv[2], argv[3], argv[4], static_cast<std::size_t>(std::max(1, std::atoi(argv[5]))));
  if (argc == 1) return measure_all(1, 3);
  std::fprintf(stderr, "allowed: --smoke, --list, --child LOAD RIVAL fresh|kept DIVISOR\n");
  return 2;
}
