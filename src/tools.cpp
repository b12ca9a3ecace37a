#include "tools.hpp"

#include <cstdlib>
#include <cstring>

#include "quarry/core/poison.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

bool has_tools() noexcept {
  static const bool is_told = [] {
    const char* const said = std::getenv("QUARRY_TOOLS");
    return (said == nullptr || std::strcmp(said, "off") != 0) && core::is_watched();
  }();
  return is_told;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
