// Whether a tool that watches memory is to be told of slots.
#pragma once

#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Returns whether a tool runs that wants to know which memory rests. QUARRY_TOOLS=off in the environment keeps it from asking.
/// Complexity  O(1).
/// Threads     Any number at a time.
bool has_tools() noexcept;

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
