#include "quarry/slab_allocator.hpp"

#include <new>

namespace quarry::detail {

void throw_bad_array_new_length() {
  throw std::bad_array_new_length();
}

}  // namespace quarry::detail
