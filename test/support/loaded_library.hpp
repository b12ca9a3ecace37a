// A shared library that the program loads and lets go again, none of whose symbols others see.
#pragma once

#include <string>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace quarry_test {

class loaded_library {
 public:
  loaded_library() = default;
  explicit loaded_library(const char* file) { load(file); }
  loaded_library(const loaded_library&) = delete;
  loaded_library& operator=(const loaded_library&) = delete;
  ~loaded_library() { unload(); }

  /// Effects     Loads `file`, which the system looks for where it has no folder.
  /// Returns     False where it was not loaded: error() tells why.
  bool load(const char* file) {
    unload();
#if defined(_WIN32)
    handle_ = LoadLibraryA(file);
    if (handle_ == nullptr) error_ = "error " + std::to_string(GetLastError());
#else
    handle_ = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) error_ = dlerror();
#endif
    return handle_ != nullptr;
  }

  void unload() {
    if (handle_ == nullptr) return;
#if defined(_WIN32)
    FreeLibrary(handle_);
#else
    dlclose(handle_);
#endif
    handle_ = nullptr;
  }

  /// Returns     The function `name` of the library, null where it has none.
  template <class Function>
  Function* find(const char* name) const {
#if defined(_WIN32)
    return reinterpret_cast<Function*>(reinterpret_cast<void*>(GetProcAddress(handle_, name)));
#else
    return reinterpret_cast<Function*>(dlsym(handle_, name));
#endif
  }

  const std::string& error() const {
    return error_;
  }

 private:
#if defined(_WIN32)
  HMODULE handle_ = nullptr;
#else
  void* handle_ = nullptr;
#endif
  std::string error_;
};

}  // namespace quarry_test
