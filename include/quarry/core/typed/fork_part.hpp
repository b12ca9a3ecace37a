// What a control block has for forks: nothing, but where detail/fork_part.hpp says more.
//
// Layer      4. Freestanding.
#pragma once

#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Whether a fork takes locks of this type.
template <class Lock, class = void>
inline constexpr bool is_taken_by_forks = false;

/// Begins with a control block, and ends before its lock does.
template <class Control, class Lock, bool Taken = is_taken_by_forks<Lock>>
struct fork_part {
  explicit fork_part(Control&) noexcept {}

  /// Lets a fork that waits for the lock go first, for a while. Requires that the caller does not hold it.
  static void let_forks_pass() noexcept {}
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
