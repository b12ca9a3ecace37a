#include "malloc_library.hpp"

#include <dlfcn.h>
#include <glob.h>
#include <malloc.h>

#include <cstdlib>
#include <string>

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

// clang's hardened allocator lies among the files of the newest clang installed; an empty name where there is none.
std::string scudo_file() {
  glob_t found{};
  std::string newest;
  if (glob("/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-x86_64.so", 0, nullptr,
           &found) == 0)
    newest = found.gl_pathv[found.gl_pathc - 1];
  globfree(&found);
  return newest;
}

// A function of a library that `calls_of` opened; null where it has none of that name.
template <class Function>
Function* function_of(const char* file, const char* name) {
  void* const library = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
  return library == nullptr ? nullptr : reinterpret_cast<Function*>(dlsym(library, name));
}

constexpr const char* mimalloc_file = "libmimalloc.so.2.0";
constexpr const char* jemalloc_file = "libjemalloc.so.2";
constexpr const char* gperftools_file = "libtcmalloc_minimal.so.4";
constexpr const char* tbb_file = "libtbbmalloc.so.2";

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
  const auto open_mimalloc = [](const char* file) {
    return open_library({file, "mi_malloc", "mi_aligned_alloc", "mi_free", nullptr});
  };
  switch (library) {
    case malloc_library::glibc:
      break;
    case malloc_library::mimalloc: {
      static const malloc_calls calls = open_mimalloc(mimalloc_file);
      return calls;
    }
    case malloc_library::jemalloc: {
      static const malloc_calls calls =
          open_library({jemalloc_file, "malloc", "aligned_alloc", "free", "sdallocx"});
      return calls;
    }
    case malloc_library::gperftools: {
      static const malloc_calls calls =
          open_library({gperftools_file, "tc_malloc", "tc_memalign", "tc_free", "tc_free_sized"});
      return calls;
    }
    case malloc_library::tbb: {
      static const malloc_calls calls =
          open_library({tbb_file, "scalable_malloc", "scalable_aligned_malloc", "scalable_free", nullptr});
      return calls;
    }
    case malloc_library::mimalloc_secure: {
      static const malloc_calls calls = open_mimalloc("libmimalloc-secure.so.2.0");
      return calls;
    }
    case malloc_library::scudo: {
      static const malloc_calls calls =
          open_library({scudo_file().c_str(), "malloc", "aligned_alloc", "free", nullptr});
      return calls;
    }
  }
  return glibc;
}

void trim_malloc(malloc_library library) {
  switch (library) {
    case malloc_library::glibc:
      malloc_trim(0);
      return;
    case malloc_library::mimalloc:
      if (auto* const collect = function_of<void(bool)>(mimalloc_file, "mi_collect")) collect(true);
      return;
    case malloc_library::jemalloc: {
      using control = int(const char* name, void* read, std::size_t* read_bytes, void* written,
                          std::size_t written_bytes);
      auto* const call = function_of<control>(jemalloc_file, "mallctl");
      if (call == nullptr) return;
      call("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
      call("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096: all arenas
      return;
    }
    case malloc_library::gperftools:
      if (auto* const release = function_of<void()>(gperftools_file, "MallocExtension_ReleaseFreeMemory"))
        release();
      return;
    case malloc_library::tbb:
      if (auto* const command = function_of<int(int, void*)>(tbb_file, "scalable_allocation_command"))
        command(0, nullptr);  // TBBMALLOC_CLEAN_ALL_BUFFERS
      return;
    case malloc_library::mimalloc_secure:
    case malloc_library::scudo:
      return;  // nobody measures their memory
  }
}

}  // namespace bench
