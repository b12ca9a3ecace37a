// What does memory cost that the process never had before? A std::pmr::list of a million built and destroyed once, in a new
// process, page faults included, every rival over its default upstream: once with huge pages for all that can have
// them, each by its own switch, and once with huge pages for none. How much of the full list lay in huge pages is said.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>

#include "child_process.hpp"
#include "process_memory.hpp"
#include "rivals.hpp"

namespace {

constexpr const char* page_sizes[] = {"huge", "small"};

// Runs `rival` in this process, prints one line of JSON.
void measure(const bench::rival& rival, const char* pages, std::size_t nodes) {
  using clock = std::chrono::steady_clock;
  constexpr std::size_t node_bytes = 24;  // two links and the number
  bench::reset_resident_peak();
  const std::size_t resident_before = bench::resident_bytes();
  const std::size_t huge_before = bench::huge_page_bytes();
  std::size_t huge_bytes = 0;
  std::uint64_t last = 0;
  clock::duration looking{};  // not the rival's time
  const auto start = clock::now();
  rival.with(std::pmr::new_delete_resource(), [&](std::pmr::memory_resource& resource) {
    std::pmr::list<std::uint64_t> numbers(&resource);
    for (std::size_t i = 0; i < nodes; ++i) numbers.push_back(i);
    last = numbers.back();
    const auto full = clock::now();
    const std::size_t huge_now = bench::huge_page_bytes();
    huge_bytes = huge_now > huge_before ? huge_now - huge_before : 0;
    looking = clock::now() - full;
  });
  const double ns = std::chrono::duration<double, std::nano>(clock::now() - start - looking).count();
  const std::size_t resident_peak = bench::resident_peak_bytes();
  if (last + 1 != nodes) std::exit(1);
  std::printf(
      "{\"rival\": \"%s\", \"kind\": \"%s\", \"pages\": \"%s\", \"ns\": %.2f, \"live_bytes\": %zu, "
      "\"resident_bytes\": %zu, \"huge_bytes\": %zu}\n",
      rival.name.c_str(), bench::kind_name(rival.kind), pages, ns / static_cast<double>(nodes),
      nodes * node_bytes, resident_peak > resident_before ? resident_peak - resident_before : 0, huge_bytes);
}

int list() {
  for (const char* const pages : page_sizes) {
    for (const bench::rival& rival : bench::rivals())
      std::printf("fresh_list_%s/%s\t%s\n", pages, rival.name.c_str(), bench::kind_name(rival.kind));
  }
  return 0;
}

// In a smoke run each rival builds a short list in a process of its own.
int smoke() {
  for (const bench::rival& rival : bench::rivals()) {
    for (const char* const pages : page_sizes) {
      const std::string line = bench::output_of_child("--child " + rival.name + " " + pages + " 1000");
      if (line.empty()) return 1;
      std::printf("%s", line.c_str());
    }
  }
  return 0;
}

int run_child(char** argv) {
  const bool huge = std::strcmp(argv[3], "huge") == 0;
  bench::prepare_process(argv, {huge ? "glibc.malloc.hugetlb=1" : "glibc.malloc.hugetlb=0"});
  if (huge) {
    bench::ask_mallocs_for_huge_pages();
  } else {
    bench::turn_huge_pages_off();
  }
  const bench::rival* const rival = bench::only_rival(argv[2]);
  if (rival == nullptr) return 1;
  measure(*rival, argv[3], static_cast<std::size_t>(std::atoll(argv[4])));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "--child") == 0) return run_child(argv);
  bench::prepare_process(argv);
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return list();
  if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) return smoke();
  std::fprintf(stderr, "allowed: --smoke, --list, --child RIVAL huge|small NODES\n");
  return 2;
}
