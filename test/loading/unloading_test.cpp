// A library that contains Quarry may be loaded, used by threads and unloaded, again and again.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <thread>
#include <vector>

namespace {

struct loaded {
  void* library = dlopen(QUARRY_MODULE, RTLD_NOW | RTLD_LOCAL);
  void (*run)() = nullptr;
  std::size_t (*live_slots)() = nullptr;

  loaded() {
    if (library == nullptr) return;
    run = reinterpret_cast<void (*)()>(dlsym(library, "quarry_module_run"));
    live_slots = reinterpret_cast<std::size_t (*)()>(dlsym(library, "quarry_module_live_slots"));
  }
};

bool is_loaded() {
  void* const found = dlopen(QUARRY_MODULE, RTLD_NOW | RTLD_NOLOAD);
  if (found != nullptr) dlclose(found);
  return found != nullptr;
}

TEST(Unloading, ALibraryIsUnloadedAfterItsThreadsEndedAndLoadedAgain) {
  for (int round = 0; round < 20; ++round) {
    loaded module;
    ASSERT_NE(module.library, nullptr) << dlerror();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { module.run(); });
    for (std::thread& each : threads) each.join();
    EXPECT_EQ(module.live_slots(), 0U);
    EXPECT_EQ(dlclose(module.library), 0);
    EXPECT_FALSE(is_loaded());
  }
}

TEST(Unloading, AThreadMayEndAfterTheLibraryWasClosed) {
  for (int round = 0; round < 20; ++round) {
    loaded module;
    ASSERT_NE(module.library, nullptr) << dlerror();
    std::thread([&] {
      module.run();
      EXPECT_EQ(dlclose(module.library), 0);
    }).join();  // the thread's end closes its cache, in code that must still be there
  }
}

// Last: the main thread's cache is closed when the process ends, and keeps the library until then.
TEST(Unloading, TheMainThreadMayUseALibraryThatIsClosed) {
  loaded module;
  ASSERT_NE(module.library, nullptr) << dlerror();
  module.run();
  EXPECT_EQ(module.live_slots(), 0U);
  EXPECT_EQ(dlclose(module.library), 0);
}

}  // namespace
