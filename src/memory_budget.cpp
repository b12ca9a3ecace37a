#include "quarry/memory_budget.hpp"

#include <utility>

#include "quarry/portability.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

// The budgets whose on_pressure the calling thread is in, the innermost first.
struct pressed {
  const memory_budget* budget;
  const pressed* outer;
};
QUARRY_THREAD_LOCAL const pressed* innermost = nullptr;

}  // namespace

memory_budget::memory_budget(std::size_t bytes, std::function<void()> on_pressure)
    : limit_bytes_(bytes), on_pressure_(std::move(on_pressure)) {}

bool memory_budget::try_charge(std::size_t bytes) noexcept {
  std::size_t held = held_bytes();
  do {
    if (bytes > limit_bytes_ || held > limit_bytes_ - bytes) {
      refusals_.fetch_add(1, std::memory_order_relaxed);  // Relaxed: as refusals().
      return false;
    }
    // Relaxed: as held_bytes().
  } while (!held_bytes_.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  return true;
}

bool memory_budget::relieve() {
  if (!on_pressure_) return false;
  for (const pressed* each = innermost; each != nullptr; each = each->outer)
    if (each->budget == this) return false;
  struct entered {
    explicit entered(const memory_budget& budget) noexcept : here{&budget, innermost} { innermost = &here; }
    ~entered() { innermost = here.outer; }
    entered(const entered&) = delete;
    entered& operator=(const entered&) = delete;
    pressed here;
  };
  const entered inside(*this);
  on_pressure_();
  return true;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
