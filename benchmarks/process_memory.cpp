#include "process_memory.hpp"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace bench {
namespace {

// The number after `key` in a /proc file of "Key:   123 kB" lines, in bytes.
std::size_t kernel_figure(const char* file, const std::string& key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    std::istringstream figure(line.substr(key.size()));
    std::size_t kibibytes = 0;
    figure >> kibibytes;
    return kibibytes * 1024;
  }
  return 0;
}

}  // namespace

std::size_t resident_bytes() {
  return kernel_figure("/proc/self/smaps_rollup", "Rss:");
}
std::size_t huge_page_bytes() {
  return kernel_figure("/proc/self/smaps_rollup", "AnonHugePages:");
}
std::size_t resident_peak_bytes() {
  return kernel_figure("/proc/self/status", "VmHWM:");
}

std::uint64_t page_faults() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<std::uint64_t>(used.ru_minflt);
}

std::string huge_page_mode() {
  if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1) return "off";
  std::ifstream modes("/sys/kernel/mm/transparent_hugepage/enabled");
  for (std::string mode; modes >> mode;) {
    if (mode.front() == '[') return mode.substr(1, mode.size() - 2);
  }
  return "unknown";
}

void reset_resident_peak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
}

void turn_huge_pages_off() {
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

void ask_mallocs_for_huge_pages() {
  setenv("MIMALLOC_LARGE_OS_PAGES", "1", 1);
  setenv("MALLOC_CONF", "thp:always", 1);  // jemalloc
  setenv("TBB_MALLOC_USE_HUGE_PAGES", "1", 1);
}

void keep_heap_warm() {
  const bool kept = mallopt(M_MMAP_MAX, 0) == 1 && mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1;
  if (!kept)
    std::fprintf(stderr, "warning: this C library does not keep its heap warm; large blocks will fault\n");
}

}  // namespace bench
