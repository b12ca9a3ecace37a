// What a memory resource is, for messages and comparisons.
#pragma once

#include <memory_resource>
#include <quarry/version.hpp>

#if defined(__cpp_rtti)
#include <typeinfo>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Returns the name of the type that `resource` has; a remark where that code or this was compiled without RTTI.
inline const char* type_name_of([[maybe_unused]] const std::pmr::memory_resource& resource) noexcept {
#if defined(__cpp_rtti)
  const std::type_info* type = &typeid(resource);
  // Null where the virtual table was compiled without RTTI, which compilers do not expect.
  __asm__("" : "+r"(type));
  if (type != nullptr) return type->name();
#endif
  return "compiled without RTTI";
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
