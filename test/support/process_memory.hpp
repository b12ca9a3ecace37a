// What the system says about this process's memory. Linux; elsewhere nothing can be said.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "sanitizers.hpp"

#if defined(__linux__)
#include <sys/resource.h>
#endif

namespace quarry_test {

/// Returns why pages of this process say nothing of what a resource holds, or null when they do.
inline const char* why_pages_are_not_counted() noexcept {
#if !defined(__linux__)
  return "pages are counted by Linux's /proc and getrusage, which this system lacks";
#else
  return has_address_sanitizer || has_thread_sanitizer
             ? "the sanitizer's shadow and quarantine are counted with the program's pages"
             : nullptr;
#endif
}

/// Returns the bytes on the line `name` of a file of /proc that counts in kB, 0 without such a line.
inline std::size_t bytes_on_line(const char* file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first;
    std::size_t kilobytes = 0;
    if (words >> first >> kilobytes && first == name) return kilobytes * 1024;
  }
  return 0;
}

/// Returns the bytes of this process that are in memory, exactly.
inline std::size_t resident_bytes() {
  return bytes_on_line("/proc/self/smaps_rollup", "Rss:");
}

/// Returns the bytes of address space that this process has mapped.
inline std::size_t mapped_bytes() {
  return bytes_on_line("/proc/self/status", "VmSize:");
}

/// Returns whether the mapping that `address` lies in was advised for huge pages.
inline bool is_advised_for_huge_pages(const void* address) {
  std::ifstream rows("/proc/self/smaps");
  bool is_inside = false;
  for (std::string line; std::getline(rows, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    // NOLINTNEXTLINE(cert-err34-c): a row that is no range of addresses does not match.
    if (std::sscanf(line.c_str(), "%zx-%zx ", &begin, &end) == 2) {
      is_inside = begin <= reinterpret_cast<std::uintptr_t>(address) &&
                  reinterpret_cast<std::uintptr_t>(address) < end;
    } else if (is_inside && line.compare(0, 8, "VmFlags:") == 0) {
      return line.find(" hg") != std::string::npos;
    }
  }
  return false;
}

/// Returns how much more `now` is than `before`, at least 0.
inline std::size_t growth(std::size_t before, std::size_t now) {
  return now > before ? now - before : 0;
}

/// Returns the page faults of this process that needed no disk.
inline std::size_t minor_faults() {
#if defined(__linux__)
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_minflt);
#else
  return 0;
#endif
}

}  // namespace quarry_test
