// Where a thread of a test stays while the process forks.
//
// Threads: one rests, another waits for it and wakes it.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace quarry_test {

/// A thread that is known to rest here holds no lock of a sanitizer's own allocator, and takes none before it is woken: the
/// last thing that it did is an atomic store, and it sleeps in a system call that no sanitizer sees. So a child of a fork can
/// go on, which it cannot for sure beside a thread that is on its way into std::future::wait().
class resting_place {
 public:
  resting_place() {
    is_good_ = pipe(ends_) == 0;
    is_taken_ =
        false;  // here, so that ThreadSanitizer takes what it keeps for an atomic before anybody rests
  }
  ~resting_place() {
    close(ends_[0]);
    close(ends_[1]);
  }
  resting_place(const resting_place&) = delete;
  resting_place& operator=(const resting_place&) = delete;

  /// Rests until wake().
  void rest() {
    char woken = 0;
    is_taken_ = true;
    syscall(SYS_read, ends_[0], &woken, sizeof woken);
  }

  /// Returns whether somebody rests here, once that is so.
  bool wait_until_taken() const {
    while (is_good_ && !is_taken_) std::this_thread::yield();
    return is_good_;
  }

  void wake() {
    const char woken = 1;
    is_good_ = is_good_ && write(ends_[1], &woken, sizeof woken) == sizeof woken;
  }

 private:
  int ends_[2] = {-1, -1};
  bool is_good_ = false;  // the waiting thread's
  std::atomic<bool> is_taken_;
};

}  // namespace quarry_test
