// What the system says about this process's memory. Linux; elsewhere, and beside a sanitizer, nothing can be said.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#if defined(__linux__)
#include <sys/resource.h>
#endif

namespace quarry_test {

#if !defined(__linux__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool system_tells_memory = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
inline constexpr bool system_tells_memory = false;
#else
inline constexpr bool system_tells_memory = true;
#endif
#else
inline constexpr bool system_tells_memory = true;
#endif

/// Why a test of such figures is skipped where `system_tells_memory` is false.
#if defined(__linux__)
inline constexpr const char* why_memory_is_not_told =
    "the system counts a sanitizer's shadow and quarantine with the resource's pages; builds without a "
    "sanitizer run this";
#else
inline constexpr const char* why_memory_is_not_told =
    "pages are counted by Linux's /proc and getrusage, which this system lacks";
#endif

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
