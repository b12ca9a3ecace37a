// What a check that fails tells, and whom.
//
// Layer      Vocabulary of the public face.
#pragma once

#include <quarry/export.hpp>
#include <quarry/slab_errc.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// An error of a resource's or typed cache's user, found by a check.
/// Threads     A value of the handler's call.
struct violation {
  slab_errc error;      // its kind
  const void* pointer;  // that was passed, or the block that is damaged
  const void* owner;    // the resource or typed cache that found it
  const char* message;  // some lines for a person; they live until the handler returns
};

/// Called where a check fails, by the thread that made the faulting call. When it returns, that call has no effect.
/// Requires    It does not use the owner. It may end the program, or throw where the faulting call is not noexcept.
using violation_handler = void (*)(const violation&);

/// Makes `handler` the one that every violation of the process goes to; null stands for the default, which writes the message to
/// the standard error stream and aborts.
/// Returns     The one before; null for the default.
/// Complexity  O(1).
/// Threads     Any number at a time.
QUARRY_EXPORT violation_handler set_violation_handler(violation_handler handler) noexcept;

namespace detail {

/// Calls the handler.
QUARRY_EXPORT void report_violation(const violation& found);

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
