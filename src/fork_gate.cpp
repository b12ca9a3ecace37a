#include "fork_gate.hpp"

#include <atomic>
#include <chrono>
#include <quarry/portability.hpp>
#include <thread>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail::fork_gate {
namespace {

constexpr int most_naps = 200;  // that a thread waits

std::atomic<int> forks{0};  // that wait or run; any thread
QUARRY_THREAD_LOCAL unsigned depth = 0;

}  // namespace

void enter() noexcept {
  if (depth++ != 0) return;
  // Relaxed: a courtesy, nothing depends on it.
  for (int naps = 0; forks.load(std::memory_order_relaxed) != 0 && naps < most_naps; ++naps) nap();
}

void leave() noexcept {
  --depth;
}

bool is_inside() noexcept {
  return depth != 0;
}

void close() noexcept {
  forks.fetch_add(1, std::memory_order_relaxed);  // Relaxed: as in enter().
}

void open_in_parent() noexcept {
  forks.fetch_sub(1, std::memory_order_relaxed);  // Relaxed: as in enter().
}

void open_in_child() noexcept {
  forks.store(0, std::memory_order_relaxed);  // Relaxed: the child has one thread.
}

void nap() noexcept {
#if defined(_WIN32)  // where less is no sleep at all
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
#else
  std::this_thread::sleep_for(std::chrono::microseconds(50));
#endif
}

}  // namespace detail::fork_gate
}  // namespace QUARRY_ABI
}  // namespace quarry
