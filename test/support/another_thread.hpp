// What another thread sees of a lock.
#pragma once

#include <thread>

namespace quarry_test {

/// Returns whether a thread of its own gets `lock`, which it opens again.
template <class Lock>
bool another_thread_gets(Lock& lock) {
  bool got = false;
  std::thread([&] {
    got = lock.try_lock();
    if (got) lock.unlock();
  }).join();
  return got;
}

}  // namespace quarry_test
