// How the library refuses what it cannot do: by an exception, or, where it is compiled without them, by a sentence and the end
// of the program. So no caller ever goes on with what it did not get.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>
#include <stdexcept>
#include <string>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Writes `sentence` to the standard error stream and aborts. Takes no memory.
[[noreturn]] inline void end_program(const char* sentence) noexcept {
  std::fprintf(stderr, "%s\n", sentence);
  std::abort();
}

/// Throws Error(arguments...); without exceptions its what() is the sentence.
template <class Error, class... Arguments>
[[noreturn]] void refuse(const Arguments&... arguments) {
#if defined(__cpp_exceptions)
  throw Error(arguments...);
#else
  end_program(Error(arguments...).what());
#endif
}

/// Throws std::bad_alloc.
[[noreturn]] inline void refuse_memory() {
#if defined(__cpp_exceptions)
  throw std::bad_alloc();
#else
  end_program(
      "quarry: there is no memory, and the call may not return null; this library is compiled without "
      "exceptions, where try_allocate() and slab_cache's members that start with try_ say so by null.");
#endif
}

constexpr bool is_alignment(std::size_t number) noexcept {
  return number != 0 && (number & (number - 1)) == 0;
}

[[noreturn]] QUARRY_NOINLINE inline void refuse_alignment(std::size_t alignment) {
  refuse<std::invalid_argument>("quarry: an alignment is " + std::to_string(alignment) +
                                "; allowed is a power of two.");
}

/// Throws std::invalid_argument where `alignment` is none.
inline void require_alignment(std::size_t alignment) {
  if (QUARRY_UNLIKELY(!is_alignment(alignment))) refuse_alignment(alignment);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
