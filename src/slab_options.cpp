#include "quarry/slab_options.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "quarry/core/bins/size_class.hpp"
#include "quarry/detail/environment_checks.hpp"
#include "refusal.hpp"
#include "tools.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

constexpr std::size_t default_slab_bytes = 65536;
constexpr std::size_t smallest_slab_bytes = 1024;
constexpr std::size_t largest_slab_bytes = std::size_t{1} << 24;
constexpr std::size_t default_retain_bytes = std::size_t{32} << 20;
constexpr std::size_t default_thread_cache_bytes = std::size_t{4} << 20;
constexpr std::size_t least_slots = 2;  // of a slab

// What the environment asks of every resource. What it says wrongly is told once, and asks nothing.
check_level least_check_level() noexcept {
  static const check_level level = [] {
    const char* const said = std::getenv("QUARRY_CHECKS");
    if (said == nullptr || std::strcmp(said, "") == 0 || std::strcmp(said, "off") == 0)
      return check_level::off;
    if (std::strcmp(said, "pointers") == 0) return check_level::pointers;
    if (std::strcmp(said, "full") == 0) return check_level::full;
    std::fprintf(stderr,
                 "quarry: QUARRY_CHECKS is '%s'; allowed is off, pointers or full. It changes nothing.\n",
                 said);
    return check_level::off;
  }();
  return level;
}

[[noreturn]] void refuse(const char* field, std::size_t value, const std::string& allowed) {
  detail::refuse<std::invalid_argument>("quarry::slab_options::" + std::string(field) + " is " +
                                        std::to_string(value) + "; allowed is " + allowed + ".");
}

std::size_t power_of_two_from(std::size_t bytes) {
  std::size_t result = 1;
  while (result < bytes) result *= 2;
  return result;
}

}  // namespace

#if QUARRY_MAY_BE_WATCHED
detail::asked_checks detail::checks_of_environment() noexcept {
  return {least_check_level(), &report_violation};
}
#endif

slab_options slab_options::resolved() const {
  slab_options result = *this;
  if (slab_bytes != 0 && ((slab_bytes & (slab_bytes - 1)) != 0 || slab_bytes < smallest_slab_bytes ||
                          slab_bytes > largest_slab_bytes))
    refuse("slab_bytes", slab_bytes,
           "0 (the default) or a power of two from " + std::to_string(smallest_slab_bytes) + " to " +
               std::to_string(largest_slab_bytes));

  // The largest block: rounded up to its class; what no class holds is cut down to the largest one.
  std::size_t& largest = result.largest_required_pool_block;
  const std::size_t slab = slab_bytes != 0 ? slab_bytes : default_slab_bytes;
  if (largest == 0) largest = slab / least_slots;
  largest = largest < core::largest_slot_bytes ? core::slot_bytes_of(core::class_of_bytes(largest))
                                               : core::largest_slot_bytes;
  if (slab_bytes == 0) {
    result.slab_bytes = default_slab_bytes;
  } else if (least_slots * largest > slab_bytes) {
    refuse("slab_bytes", slab_bytes,
           "at least " + std::to_string(power_of_two_from(least_slots * largest)) +
               ", so that a slab holds two slots of largest_required_pool_block (" + std::to_string(largest) +
               ")");
  }
  result.max_blocks_per_chunk = result.slab_bytes / core::smallest_slot_bytes;
  if (checks != check_level::off && checks != check_level::pointers && checks != check_level::full)
    refuse("checks", static_cast<std::size_t>(checks), "check_level::off, pointers or full");
  if (leaks != leak_action::by_level && leaks != leak_action::quiet && leaks != leak_action::report &&
      leaks != leak_action::abort)
    refuse("leaks", static_cast<std::size_t>(leaks), "leak_action::by_level, quiet, report or abort");
  const check_level least = least_check_level();
  if (result.checks < least) result.checks = least;
  // Who looks for errors with a tool wants those too that it cannot see; and at an end it must be known what lives.
  if (result.checks == check_level::off && detail::has_tools()) result.checks = check_level::pointers;
  if (leaks == leak_action::by_level)
    result.leaks = result.checks == check_level::full ? leak_action::report : leak_action::quiet;
  if (retain_bytes == 0) result.retain_bytes = default_retain_bytes;
  if (thread_cache_bytes == 0) result.thread_cache_bytes = default_thread_cache_bytes;
  return result;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
