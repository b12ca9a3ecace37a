// Runs a piece of a test in a forked process of its own, for what a process cannot undo or must start clean with.
//
// Threads: others of the caller rest (resting_place.hpp), or why_busy_threads_cannot_fork() is null.
#pragma once

#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include <cstdio>

#include "sanitizers.hpp"

namespace quarry_test {

/// Returns why a process does not fork here while other threads of it use the heap, or map pages, as the child does, too; null
/// when it may. Pages that a resource takes are none of these: a fork waits for upstreams.
inline const char* why_busy_threads_cannot_fork() noexcept {
  return has_address_sanitizer || has_thread_sanitizer
             ? "the sanitizers of g++ 12 and clang 16 fork without the locks of their allocators and of the "
               "regions that "
               "leaks are looked for in: the child waits for good, in asan_calloc, tsan's user_alloc or "
               "__lsan_register_root_region, for one that a thread held which it lacks"
             : nullptr;
}

/// Returns why the child of a process of several threads starts no thread here, or null when it may.
inline const char* why_children_cannot_start_threads() noexcept {
  return has_thread_sanitizer
             ? "ThreadSanitizer says: starting new threads after multi-threaded fork is not supported; told "
               "to go on, "
               "it takes the child's threads for the parent's and reports \"dup thread with used id\""
             : nullptr;
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

/// Calls work(generation) in a chain of processes, each the child of the one before, which ends as soon as it has forked: what
/// `work` leaves behind, threads that rest among it, is there when its process forks, and in the next generation as far as
/// memory goes.
/// Returns     The first result of `work` that is not 0; 0 when there is none; -1 when a process ends otherwise or hangs for
///             `seconds`.
template <class Work>
int run_in_generations(int generations, unsigned seconds, Work work) {
  return run_in_child(0, [&] {  // 0: no limit, as each process below has its own
    int ends[2];
    if (pipe(ends) != 0) return -1;
#if defined(__linux__)
    prctl(PR_SET_CHILD_SUBREAPER, 1);  // so that this process sees the end of all of them
#endif
    int generation = 1;
    pid_t child = fork();
    while (child == 0) {
      alarm(seconds);
      const int result = work(generation);
      if (result != 0 || generation == generations) {
        std::fflush(nullptr);
        _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
      }
      ++generation;
      child = fork();
    }
    if (generation != 1) _exit(0);  // without a word where there is no next one
    close(ends[1]);
    int result = -1;
    if (read(ends[0], &result, sizeof result) != sizeof result) result = -1;
    while (wait(nullptr) > 0) continue;
    return result;
  });
}

}  // namespace quarry_test
