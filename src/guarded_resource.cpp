#include "quarry/guarded_resource.hpp"

#include <algorithm>
#include <chrono>
#include <quarry/detail/resource_setup.hpp>
#include <quarry/portability.hpp>

#include "guarded_pool.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

// A thread counts down by the weight of each allocation, whichever resource makes it, and one that passes 0 is guarded. So each
// resource has its rate with one number for all. `unit` is the weight of an allocation that is guarded each time it is made.
constexpr std::int64_t unit = std::int64_t{1} << 40;
constexpr std::int64_t always = std::int64_t{1}
                                << 62;  // passes 0 wherever the countdown is, and leaves it there

struct countdown_of_thread {
  std::int64_t left;     // never negative between calls
  std::uint64_t random;  // 0: no allocation was seen yet
};
QUARRY_THREAD_LOCAL countdown_of_thread countdown QUARRY_INITIAL_EXEC = {0, 0};

std::int64_t weight_of(std::size_t every) noexcept {
  if (every == 0) return 0;
  if (every == 1) return always;
  return every >= static_cast<std::uint64_t>(unit) ? 1 : unit / static_cast<std::int64_t>(every);
}

std::int64_t now_ns() noexcept {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::uint64_t next_random() noexcept {  // Marsaglia 2003, xorshift
  std::uint64_t& state = countdown.random;
  if (state == 0)
    state = (reinterpret_cast<std::uintptr_t>(&state) ^ static_cast<std::uint64_t>(now_ns())) | 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// Passed after 1 to 2 * every - 1 allocations of this weight, each as likely.
std::int64_t draw_countdown(std::int64_t weight) noexcept {
  return static_cast<std::int64_t>(next_random() % static_cast<std::uint64_t>(2 * unit - weight));
}

// Starts the countdown anew. Returns whether it was passed. A thread's first one is what is left of one that runs since long, or
// threads that make few allocations would have fewer guarded: of an interval of any length up to a most, cut anywhere, the rest is
// as long as the shorter of two.
bool restart_countdown(std::int64_t weight) noexcept {
  if (weight == always) {
    countdown.left += always;
    return true;
  }
  const bool was_running = countdown.random != 0;
  countdown.left = draw_countdown(weight);
  if (was_running) return true;
  countdown.left = std::min(countdown.left, draw_countdown(weight)) - weight;
  if (countdown.left >= 0) return false;
  countdown.left = draw_countdown(weight);
  return true;
}

}  // namespace

guarded_resource::guarded_resource(const guard_options& options, std::pmr::memory_resource* upstream)
    : upstream_(detail::checked_upstream(upstream)) {
  if (options.every != 0) pool_ = detail::guarded_pool::create(options, this);
  if (pool_ == nullptr) return;
  weight_ = weight_of(options.every);
  pool_begin_ = pool_->begin();
  pool_bytes_ = pool_->bytes();
}

guarded_resource::~guarded_resource() {
  if (pool_ != nullptr) pool_->destroy();
}

std::size_t guarded_resource::places() const noexcept {
  return pool_ != nullptr ? pool_->places() : 0;
}

std::size_t guarded_resource::guarded_allocations() const noexcept {
  return pool_ != nullptr ? pool_->allocations() : 0;
}

bool guarded_resource::describe(const void* address) noexcept {
  return detail::describe_guarded(address, false);
}

void* guarded_resource::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (QUARRY_UNLIKELY((countdown.left -= weight_) < 0)) return allocate_slow(bytes, alignment);
  return upstream_->allocate(bytes, alignment);
}

QUARRY_NOINLINE void* guarded_resource::allocate_slow(std::size_t bytes, std::size_t alignment) {
  if (restart_countdown(weight_) && pool_->can_hold(bytes, alignment)) {
    const std::int64_t now = pool_->has_pause() ? now_ns() : 0;
    if (void* const block = pool_->allocate(bytes, alignment, now)) return block;
  }
  return upstream_->allocate(bytes, alignment);
}

void guarded_resource::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  if (QUARRY_UNLIKELY(guards(block))) return pool_->deallocate(block, bytes, alignment);
  upstream_->deallocate(block, bytes, alignment);
}

}  // namespace QUARRY_ABI
}  // namespace quarry
