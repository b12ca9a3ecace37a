#include "malloc_library.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace bench {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool can_open_mallocs = false;  // a sanitizer's own malloc and RTLD_DEEPBIND exclude each other
#else
constexpr bool can_open_mallocs = true;
#endif

struct symbol_names {
  const char* file;
  const char* allocate;
  const char* allocate_aligned;
  const char* free;
  const char* free_sized;
};

malloc_calls open_library(const symbol_names& names) {
  malloc_calls calls;
  void* const library =
      can_open_mallocs ? dlopen(names.file, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) : nullptr;
  if (library == nullptr) return calls;
  const auto find = [library](auto& function, const char* name) {
    if (name != nullptr) function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
    return name == nullptr || function != nullptr;
  };
  const bool complete = find(calls.allocate, names.allocate) &&
                        find(calls.allocate_aligned, names.allocate_aligned) &&
                        find(calls.free, names.free) && find(calls.free_sized, names.free_sized);
  return complete ? calls : malloc_calls{};
}

malloc_calls glibc_calls() {
  malloc_calls calls;
  calls.allocate = std::malloc;
  calls.allocate_aligned = std::aligned_alloc;
  calls.free = std::free;
  return calls;
}

}  // namespace

const malloc_calls& calls_of(malloc_library library) {
  static const malloc_calls glibc = glibc_calls();
  static const malloc_calls mimalloc =
      open_library({"libmimalloc.so.2.0", "mi_malloc", "mi_aligned_alloc", "mi_free", nullptr});
  static const malloc_calls jemalloc =
      open_library({"libjemalloc.so.2", "malloc", "aligned_alloc", "free", "sdallocx"});
  static const malloc_calls gperftools =
      open_library({"libtcmalloc_minimal.so.4", "tc_malloc", "tc_memalign", "tc_free", "tc_free_sized"});
  static const malloc_calls tbb = open_library(
      {"libtbbmalloc.so.2", "scalable_malloc", "scalable_aligned_malloc", "scalable_free", nullptr});
  switch (library) {
    case malloc_library::glibc:
      return glibc;
    case malloc_library::mimalloc:
      return mimalloc;
    case malloc_library::jemalloc:
      return jemalloc;
    case malloc_library::gperftools:
      return gperftools;
    case malloc_library::tbb:
      return tbb;
  }
  return glibc;
}

}  // namespace bench
