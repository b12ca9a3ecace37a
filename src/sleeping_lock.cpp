#include "quarry/detail/sleeping_lock.hpp"

#include "quarry/locks.hpp"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <quarry/portability.hpp>

#include <cerrno>
#else
#include <chrono>
#include <thread>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

constexpr int most_spins = 64;  // looks before a waiter sleeps

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "The system waits on the word itself.");

#if defined(__linux__)
// Leaves errno as it was: whoever frees memory does not expect it to change.
void call_futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) noexcept {
  const int kept = errno;
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
  errno = kept;
}
#endif

// Sleeps while the word is `value`, or for a moment.
void sleep_on([[maybe_unused]] std::atomic<std::uint32_t>& word,
              [[maybe_unused]] std::uint32_t value) noexcept {
#if defined(__linux__)
  call_futex(word, FUTEX_WAIT_PRIVATE, value);
#else
  std::this_thread::sleep_for(std::chrono::microseconds(50));
#endif
}

}  // namespace

void sleeping_lock::lock_slow() noexcept {
  for (int spin = 0; spin < most_spins; ++spin) {
    QUARRY_PAUSE();
    // Relaxed: only a look.
    if (state_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
  }
  // Acquire: pairs with the release in unlock().
  while (state_.exchange(2, std::memory_order_acquire) != 0) sleep_on(state_, 2);
}

void sleeping_lock::wake() noexcept {
#if defined(__linux__)
  call_futex(state_, FUTEX_WAKE_PRIVATE, 1);  // the lock may be gone: then the call finds nobody
#endif
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
