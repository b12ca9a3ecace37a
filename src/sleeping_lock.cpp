#include "quarry/detail/sleeping_lock.hpp"

#include "quarry/locks.hpp"
#include "waiting_rooms.hpp"

#if QUARRY_HAS_FUTEX
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <quarry/portability.hpp>

#include <cerrno>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

constexpr int most_spins = 64;  // looks before a waiter sleeps

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "The system waits on the word itself.");

#if QUARRY_HAS_FUTEX

// Leaves errno as it was: whoever frees memory does not expect it to change.
void call_futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) noexcept {
  const int kept = errno;
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
  errno = kept;
}

// Sleeps while the word is `value`, or for a moment.
void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
  call_futex(word, FUTEX_WAIT_PRIVATE, value);
}
// The word may be gone: then the call finds nobody.
void wake_one(std::atomic<std::uint32_t>& word) noexcept {
  call_futex(word, FUTEX_WAKE_PRIVATE, 1);
}

#else

void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
  waiting_rooms::sleep_on(word, value);
}
void wake_one(std::atomic<std::uint32_t>& word) noexcept {
  waiting_rooms::wake(&word);
}

#endif

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
  wake_one(state_);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
