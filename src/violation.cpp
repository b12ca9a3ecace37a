#include "quarry/violation.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "call_stacks.hpp"
#include "sentence.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

std::atomic<violation_handler> installed{nullptr};  // null: the default; any thread

// Writes the message, and who is in the call where it does not say so: what a typed cache tells, and what is found in a call that is
// not at fault.
[[noreturn]] void end_program_over(const char* message) {
  std::fputs(message, stderr);
  if (std::strstr(message, detail::called_by) == nullptr) {
    detail::sentence stack;
    if (const std::uint32_t number = detail::current_call_stack(detail::frames_of_a_fault)) {
      if (std::strstr(message, detail::how_to_read_stacks) == nullptr)
        stack.add("%s", detail::how_to_read_stacks);
      stack.add("    found in a call by\n");
      detail::write_call_stack(stack, number);
    }
    std::fputs(stack.text(), stderr);
  }
  std::abort();
}

}  // namespace

violation_handler set_violation_handler(violation_handler handler) noexcept {
  return installed.exchange(handler,
                            std::memory_order_acq_rel);  // Both: pairs with report_violation() and itself.
}

namespace detail {

void report_violation(const violation& found) {
  // Acquire: pairs with set_violation_handler(): what the handler uses is seen.
  if (const violation_handler handler = installed.load(std::memory_order_acquire)) return handler(found);
  end_program_over(found.message);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
