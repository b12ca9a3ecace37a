// Text that is put together without taking memory.
//
// Invariant  What does not fit is left out, and the text ends with a zero.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class sentence {
 public:
  static constexpr std::size_t most_bytes = 8192;  // three call stacks of functions with long names

  sentence() noexcept { text_[0] = '\0'; }

  /// Appends as std::printf does.
  QUARRY_PRINTF_FORMAT(2, 3)
  sentence& add(const char* format, ...) noexcept {
    std::va_list arguments;
    va_start(arguments, format);
    const int wanted = std::vsnprintf(text_ + bytes_, most_bytes - bytes_, format, arguments);
    va_end(arguments);
    if (wanted > 0) bytes_ += static_cast<std::size_t>(wanted);
    if (bytes_ >= most_bytes) bytes_ = most_bytes - 1;
    return *this;
  }

  const char* text() const noexcept { return text_; }

 private:
  char text_[most_bytes];
  std::size_t bytes_ = 0;  // without the zero
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
