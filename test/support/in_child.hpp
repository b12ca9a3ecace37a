// Runs a piece of a test in a forked process of its own, for what a process cannot undo or must start clean with.
//
// Threads: the caller should be the only one, or why_threads_cannot_fork() be null; why_busy_threads_cannot_fork()
// where others may be inside the allocator of the program.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "sanitizers.hpp"

namespace quarry_test {

/// Returns why a process of several threads does not fork here, or null when it may.
inline const char* why_threads_cannot_fork() noexcept {
  return has_thread_sanitizer
             ? "a thread that the child lacks may hold the lock of ThreadSanitizer's own allocator, and "
               "the sanitizer ends such a child when it starts a thread"
             : nullptr;
}

/// Returns why a process does not fork here while other threads of it allocate, or null when it may.
inline const char* why_busy_threads_cannot_fork() noexcept {
  return has_address_sanitizer ? "a thread that the child lacks may hold a lock of AddressSanitizer's own "
                                 "allocator or of its list of root regions"
                               : why_threads_cannot_fork();
}

/// Returns what `work()` returns in a child of this process, or -1 when the child ends otherwise or hangs for
/// `seconds`. Failed expectations of the child stay in the child: it must tell by its result.
template <class Work>
int run_in_child(unsigned seconds, Work work) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(seconds);
    const int result = work();
    std::fflush(nullptr);
    _exit(result);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

}  // namespace quarry_test
