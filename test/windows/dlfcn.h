// The four functions by which tests load modules, as Windows has them.
#pragma once

#include <libloaderapi.h>

enum { RTLD_LAZY = 0, RTLD_NOW = 0, RTLD_LOCAL = 0, RTLD_GLOBAL = 0 };

inline void* dlopen(const char* file, int) {
  return reinterpret_cast<void*>(LoadLibraryA(file));
}

inline void* dlsym(void* module, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(module), name));
}

inline int dlclose(void* module) {
  return FreeLibrary(static_cast<HMODULE>(module)) != 0 ? 0 : -1;
}

inline const char* dlerror() {
  return "LoadLibrary or GetProcAddress found nothing";
}
