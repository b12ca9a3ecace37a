// Call stacks, each kept once for a copy of the library and named by a number.
//
// Threads    Any number at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class sentence;

/// Lines of a message that has stacks: ahead of all, and ahead of the one that led to the call at fault.
inline constexpr const char* how_to_read_stacks =
    "  stacks    addr2line -Cfpie FILE OFFSET names function and line of FILE+OFFSET\n";
inline constexpr const char* called_by = "    called by\n";

/// Frames that are kept of who allocated and who freed each block, and of a call at fault, of which there is one.
inline constexpr std::size_t frames_of_a_block = 16;
inline constexpr std::size_t frames_of_a_fault = 28;

/// Returns the number of the caller's stack, its innermost frames; 0 where it is unknown, or the table is full.
/// Complexity  O(frames), a microsecond or more.
std::uint32_t current_call_stack(std::size_t most_frames = frames_of_a_block) noexcept;

/// Writes the frames of a stack, one a line, each as module and offset, with the function where its name is known.
void write_call_stack(sentence& out, std::uint32_t number) noexcept;

/// The lock of the table of stacks, for who forks: a leaf.
std::mutex& call_stacks_lock() noexcept;

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
