// What a resource throws when its upstream does what no upstream may.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Its what() names the upstream, what it did, and the values. Takes no memory.
class upstream_fault final : public std::bad_alloc {
 public:
  /// `upstream` returned `memory` for a request.
  upstream_fault(const std::pmr::memory_resource& upstream, const void* memory, std::size_t bytes,
                 std::size_t alignment) noexcept;

  /// `upstream` came back into the resource while it served a request, with one that takes another call of it.
  upstream_fault(const std::pmr::memory_resource& upstream, std::size_t bytes) noexcept;

  const char* what() const noexcept override { return text_; }

 private:
  char text_[320];  // ends with 0
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
