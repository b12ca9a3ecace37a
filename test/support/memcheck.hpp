// Runs one test of this program once more, under Valgrind's memcheck.
//
// Threads: any.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "sanitizers.hpp"

namespace quarry_test {

inline bool is_in_memcheck() noexcept {
  return std::getenv("QUARRY_TEST_IN_MEMCHECK") != nullptr;
}

/// Returns why memcheck cannot run this program here, or null when it can.
inline const char* why_no_memcheck() noexcept {
#if !defined(__LP64__) || !(defined(__x86_64__) || defined(__aarch64__))
  return "Valgrind is asked on x86-64 and aarch64 alone";
#endif
#if defined(__x86_64__)
  const char* const is_native = "[ $(uname -m) = x86_64 ]";
#else
  const char* const is_native = "[ $(uname -m) = aarch64 ]";
#endif
  if (std::system(is_native) != 0) return "Valgrind is one of this machine, and this program is emulated";
  if (has_address_sanitizer || has_thread_sanitizer) return "Valgrind runs no program that has a sanitizer";
  const bool found = std::system("valgrind --version > /dev/null 2>&1") == 0;
  return found ? nullptr : "Valgrind is not installed";
}

/// Returns what memcheck and the test `name` print, when it runs and is_in_memcheck() is true.
inline std::string output_in_memcheck(const std::string& name) {
  std::string self(4096, '\0');
  self.resize(static_cast<std::size_t>(readlink("/proc/self/exe", self.data(), self.size())));
  const std::string command =
      "QUARRY_TEST_IN_MEMCHECK=1 valgrind '" + self + "' --gtest_filter=" + name + " 2>&1";
  std::string output;
  std::FILE* const run = popen(command.c_str(), "r");
  if (run == nullptr) return output;
  char part[256];
  while (std::fgets(part, sizeof(part), run) != nullptr) output += part;
  pclose(run);
  return output;
}

}  // namespace quarry_test
