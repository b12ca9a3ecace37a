#include "quarry/slab_allocator.hpp"

#include <new>

#include "refusal.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

void throw_bad_array_new_length() {
  refuse<std::bad_array_new_length>();
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
