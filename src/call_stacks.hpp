// Call stacks, each kept once for the process and named by a number.
//
// Threads    Any number at a time.
#pragma once

#include <cstdint>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class sentence;

/// Returns the number of the caller's stack; 0 where it is unknown, or the table is full.
/// Complexity  O(frames), a microsecond or more.
std::uint32_t current_call_stack() noexcept;

/// Writes the frames of a stack, one a line, each as module and offset, with the function where its name is known.
void write_call_stack(sentence& out, std::uint32_t number) noexcept;

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
