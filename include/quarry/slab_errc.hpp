// Error values of everything in Quarry that reports without throwing.
//
// Layer      Vocabulary of the public face; freestanding, and on hosted builds a std::error_code as well.
#pragma once

#include <quarry/export.hpp>
#include <quarry/version.hpp>

#if __STDC_HOSTED__
#include <system_error>
#include <type_traits>
#endif

namespace quarry {
inline namespace QUARRY_ABI {

/// What is wrong with a pointer or a call.
enum class slab_errc {
  ok,                  // nothing is wrong
  out_of_memory,       // the page source gave no memory
  invalid_pointer,     // not the start of a slot that could have been handed out here
  alignment_mismatch,  // a pointer whose alignment no object of the type has
  size_mismatch,       // a slot of another size class
  double_free,         // the slot is free already
  corrupted            // a slab's header was overwritten
};

/// Returns what `error` means, one sentence, for any build. Complexity O(1).
constexpr const char* describe(slab_errc error) noexcept {
  switch (error) {
    case slab_errc::ok:
      return "nothing is wrong";
    case slab_errc::out_of_memory:
      return "the page source gave no memory";
    case slab_errc::invalid_pointer:
      return "the pointer is not the start of a slot of this cache or resource";
    case slab_errc::alignment_mismatch:
      return "the pointer is not aligned as every slot of its type is";
    case slab_errc::size_mismatch:
      return "the slot belongs to another size class";
    case slab_errc::double_free:
      return "the slot is free already";
    case slab_errc::corrupted:
      return "the header of a slab was overwritten";
  }
  return "not an error of quarry";
}

#if __STDC_HOSTED__

/// Returns the category of slab_errc; its name is "quarry". Complexity O(1).
/// Threads     Any number at a time.
QUARRY_EXPORT const std::error_category& slab_category() noexcept;

/// Returns `error` as a std::error_code; out_of_memory compares equal to std::errc::not_enough_memory, the
/// others to std::errc::invalid_argument, corrupted to std::errc::bad_address. Complexity O(1).
QUARRY_EXPORT std::error_code make_error_code(slab_errc error) noexcept;

#endif

}  // namespace QUARRY_ABI
}  // namespace quarry

#if __STDC_HOSTED__
template <>
struct std::is_error_code_enum<quarry::slab_errc> : std::true_type {};
#endif
