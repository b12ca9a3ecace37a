// What the environment asks of typed caches: QUARRY_CHECKS, which the compiled library reads.
//
// Layer      1, behind the public face. A program without the library, or without weak names, is asked for nothing.
// Threads    Any number at a time.
#pragma once

#include <quarry/check_level.hpp>
#include <quarry/core/poison.hpp>
#include <quarry/portability.hpp>
#include <quarry/violation.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

struct asked_checks {
  check_level level = check_level::off;
  violation_handler handler = nullptr;
};

#if QUARRY_MAY_BE_WATCHED
/// Returns the least level of every cache, and who is told. Null where the program has no library.
QUARRY_EXPORT QUARRY_WEAK asked_checks checks_of_environment() noexcept;

inline asked_checks checks_asked_for() noexcept {
  return checks_of_environment != nullptr ? checks_of_environment() : asked_checks();
}
#else
inline asked_checks checks_asked_for() noexcept {
  return {};
}
#endif

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
