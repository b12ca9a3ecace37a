#include "quarry/violation.hpp"

#include <atomic>

#include "refusal.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

std::atomic<violation_handler> installed{nullptr};  // null: the default; any thread

}  // namespace

violation_handler set_violation_handler(violation_handler handler) noexcept {
  return installed.exchange(handler,
                            std::memory_order_acq_rel);  // Both: pairs with report_violation() and itself.
}

namespace detail {

void report_violation(const violation& found) {
  // Acquire: pairs with set_violation_handler(): what the handler uses is seen.
  if (const violation_handler handler = installed.load(std::memory_order_acquire)) return handler(found);
  end_program(found.message);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
