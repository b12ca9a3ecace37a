// What does memory cost that the process never had before? A std::pmr::list of a million built and destroyed once, in a new
// process, page faults included. Quarry takes its pages from os_page_resource(), the mallocs from wherever they take
// theirs, the pools from new and delete as by default.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <quarry/page_sources.hpp>

#include "child_process.hpp"
#include "process_memory.hpp"
#include "rivals.hpp"

namespace {

void measure(const bench::rival& rival, std::size_t nodes) {
  using clock = std::chrono::steady_clock;
  constexpr std::size_t node_bytes = 24;  // two links and the number
  std::pmr::memory_resource* const upstream =
      rival.kind == bench::rival_kind::quarry ? quarry::os_page_resource() : std::pmr::new_delete_resource();
  bench::reset_resident_peak();
  const std::size_t resident_before = bench::resident_bytes();
  std::uint64_t last = 0;
  const auto start = clock::now();
  rival.with(upstream, [&](std::pmr::memory_resource& resource) {
    std::pmr::list<std::uint64_t> numbers(&resource);
    for (std::size_t i = 0; i < nodes; ++i) numbers.push_back(i);
    last = numbers.back();
  });
  const double ns = std::chrono::duration<double, std::nano>(clock::now() - start).count();
  const std::size_t resident_peak = bench::resident_peak_bytes();
  if (last + 1 != nodes) std::exit(1);
  std::printf(
      "{\"rival\": \"%s\", \"kind\": \"%s\", \"ns\": %.2f, \"live_bytes\": %zu, \"resident_bytes\": %zu}\n",
      rival.name.c_str(), bench::kind_name(rival.kind), ns / static_cast<double>(nodes), nodes * node_bytes,
      resident_peak > resident_before ? resident_peak - resident_before : 0);
}

int list() {
  for (const bench::rival& rival : bench::rivals()) {
    std::printf("fresh_list/%s\t%s\n", rival.name.c_str(), bench::kind_name(rival.kind));
  }
  return 0;
}

// In a smoke run each rival builds a short list in a process of its own.
int smoke() {
  for (const bench::rival& rival : bench::rivals()) {
    const std::string line = bench::output_of_child("--child " + rival.name + " 1000");
    if (line.empty()) return 1;
    std::printf("%s", line.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bench::prepare_process(argv);
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return list();
  if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) return smoke();
  if (argc == 4 && std::strcmp(argv[1], "--child") == 0) {
    for (const bench::rival& rival : bench::rivals()) {
      if (rival.name != argv[2]) continue;
      measure(rival, static_cast<std::size_t>(std::atoll(argv[3])));
      return 0;
    }
    return 1;
  }
  std::fprintf(stderr, "allowed: --smoke, --list, --child RIVAL NODES\n");
  return 2;
}
