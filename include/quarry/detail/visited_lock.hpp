// A typed cache's lock where a system tells threads apart: during a visit it lets the visiting thread pass, so that a visitor may free
// what it is shown.
//
// Threads    As the lock's.
#pragma once

#include <quarry/core/lock_holder.hpp>
#include <quarry/core/typed/cache_lock.hpp>
#include <quarry/locks.hpp>
#include <quarry/portability.hpp>

#include <atomic>
#include <cstdint>
#include <type_traits>

#if __STDC_HOSTED__ && (defined(__unix__) || defined(__APPLE__) || defined(_WIN32))
#include <cerrno>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Lock is a BasicLockable.
template <class Lock>
class visited_lock {
 public:
  void lock() { (void)enter(); }
  // What holds the lock during a visit is the visit, and whoever comes here then was let pass.
  void unlock() {
    if (visitor() == 0) leave();
  }
  bool try_lock() { return is_passed() || lock_.try_lock(); }

  /// Takes the lock, for leave(), and returns true; or lets this thread pass, which then does not leave, and returns false.
  bool enter() {
    if (QUARRY_UNLIKELY(visitor() != 0) && is_passed()) return false;
    lock_.lock();
    return true;
  }
  void leave() { lock_.unlock(); }

  /// Takes the lock for a visit. Returns what end_visit() wants to know: the visit around this one.
  std::uintptr_t begin_visit() {
    lock();
    const std::uintptr_t outer = visitor();
    set_visitor(this_thread());
    return outer;
  }
  void end_visit(std::uintptr_t outer) {
    set_visitor(outer);
    unlock();
  }

 private:
  // The same in every module of the process, and no other thread's while this one lives.
  static std::uintptr_t this_thread() noexcept { return reinterpret_cast<std::uintptr_t>(&errno); }

  // Relaxed: it is this thread's number only if this thread wrote it, and changes under the lock.
  std::uintptr_t visitor() const noexcept { return visitor_.load(std::memory_order_relaxed); }
  void set_visitor(std::uintptr_t thread) noexcept { visitor_.store(thread, std::memory_order_relaxed); }
  QUARRY_NOINLINE bool is_passed() const noexcept { return visitor() == this_thread(); }

  Lock lock_{};
  std::atomic<std::uintptr_t> visitor_{0};  // 0: nobody; any thread
};

template <class Lock>
class [[nodiscard]] lock_holder<visited_lock<Lock>> {
 public:
  explicit lock_holder(visited_lock<Lock>& lock) : lock_(lock), entered_(lock.enter()) {}
  ~lock_holder() {
    if (QUARRY_LIKELY(entered_)) lock_.leave();
  }
  lock_holder(const lock_holder&) = delete;
  lock_holder& operator=(const lock_holder&) = delete;

 private:
  visited_lock<Lock>& lock_;
  const bool entered_;
};

template <class Lock>
std::uintptr_t begin_visit(visited_lock<Lock>& lock) {
  return lock.begin_visit();
}
template <class Lock>
void end_visit(visited_lock<Lock>& lock, std::uintptr_t outer) {
  lock.end_visit(outer);
}

template <class Lock>
struct cache_lock<Lock, std::enable_if_t<!std::is_same_v<Lock, null_lock>>> {
  using type = visited_lock<Lock>;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
#endif
