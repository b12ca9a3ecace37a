#include "quarry/slab_allocator.hpp"

#include <new>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

void throw_bad_array_new_length() {
  throw std::bad_array_new_length();
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
