// The two functions that compilers expect of every environment.
#include <cstddef>

extern "C" {

void* memset(void* target, int value, std::size_t bytes) {
  auto* const to = static_cast<volatile unsigned char*>(target);
  for (std::size_t i = 0; i < bytes; ++i) to[i] = static_cast<unsigned char>(value);
  return target;
}

void* memcpy(void* target, const void* source, std::size_t bytes) {
  auto* const to = static_cast<volatile unsigned char*>(target);
  const auto* const from = static_cast<const unsigned char*>(source);
  for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
  return target;
}
}
