// What tells of a fault of the processor in a guarded page, before the program ends as it would have.
#include "guarded_pool.hpp"
#include "quarry/guarded_resource.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <signal.h>  // NOLINT(modernize-deprecated-headers): <csignal> has no sigaction

#include <atomic>
#include <cerrno>
#endif

namespace quarry {
inline namespace QUARRY_ABI {

#if defined(__unix__) || defined(__APPLE__)

namespace {

constexpr int signals[] = {SIGSEGV, SIGBUS};
struct sigaction before[2];  // what each went to; written once, before the signal comes here

// Gives a signal to whom it went before. Where nobody took it, it ends the program when the instruction runs again.
void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  const struct sigaction& next = before[signal == signals[0] ? 0 : 1];
  if ((next.sa_flags & SA_SIGINFO) != 0) return next.sa_sigaction(signal, info, context);
  if (next.sa_handler != SIG_DFL && next.sa_handler != SIG_IGN) return next.sa_handler(signal);
  sigaction(signal, &next, nullptr);
  if (info->si_code <= 0) raise(signal);  // sent by a process: no instruction would do it again
}

void on_fault(int signal, siginfo_t* info, void* context) noexcept {
  const int kept = errno;
  if (info->si_code > 0) detail::describe_guarded(info->si_addr, true);
  errno = kept;
  pass_on(signal, info, context);
}

}  // namespace

bool guarded_resource::install_fault_reports() noexcept {
  static std::atomic_flag is_installed = ATOMIC_FLAG_INIT;
  if (is_installed.test_and_set(std::memory_order_relaxed))
    return true;  // Relaxed: only who is first goes on.
  for (std::size_t i = 0; i < 2; ++i) {
    struct sigaction ours = {};
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    sigaction(signals[i], nullptr, &before[i]);
    sigaction(signals[i], &ours, nullptr);
  }
  return true;
}

#else

bool guarded_resource::install_fault_reports() noexcept {
  return false;
}

#endif

}  // namespace QUARRY_ABI
}  // namespace quarry
