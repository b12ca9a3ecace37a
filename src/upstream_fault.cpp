#include "upstream_fault.hpp"

#include <cstdio>

#include "quarry/detail/type_of.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

const char* name_of(const std::pmr::memory_resource& upstream) noexcept {
  const char* const name = type_name_of(upstream);
  return name != nullptr ? name : "of a type compiled without RTTI";
}

}  // namespace

upstream_fault::upstream_fault(const std::pmr::memory_resource& upstream, const void* memory,
                               std::size_t bytes, std::size_t alignment) noexcept {
  std::snprintf(
      text_, sizeof text_,
      "quarry: upstream %p (%.100s) returned %p for %zu bytes aligned to %zu; allowed is memory that is "
      "aligned as asked for, or an exception.",
      static_cast<const void*>(&upstream), name_of(upstream), memory, bytes, alignment);
}

upstream_fault::upstream_fault(const std::pmr::memory_resource& upstream, std::size_t bytes) noexcept {
  std::snprintf(
      text_, sizeof text_,
      "quarry: upstream %p (%.100s) was asked for %zu bytes while it served a request of the same resource; "
      "allowed is an upstream that takes its own memory elsewhere.",
      static_cast<const void*>(&upstream), name_of(upstream), bytes);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
