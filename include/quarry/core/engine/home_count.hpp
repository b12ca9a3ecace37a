// How many homes the caches of one engine are spread over. A cache's home says which shard its owner takes blocks of their own
// from, and which of the depots' magazines it gets first.
//
// Layer      2. Freestanding.
#pragma once

#include <cstddef>
#include <quarry/version.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Threads that share an engine have one of eight homes, in turn.
template <class Lock>
inline constexpr std::size_t home_count = std::is_empty_v<Lock> ? 1 : 8;

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
