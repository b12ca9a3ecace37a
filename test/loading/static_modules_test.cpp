// A module that hides its symbols has a resource of its own for each tag.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <quarry/violation.hpp>

#include "static_module.hpp"

namespace {

using quarry_test::module_map;

TEST(StaticModules, AModuleThatHidesItsSymbolsHasAResourceOfItsOwn) {
  void* const library = dlopen(QUARRY_STATIC_MODULE, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto find =
      reinterpret_cast<const quarry_test::static_module* (*)()>(dlsym(library, "quarry_static_module"));
  ASSERT_NE(find, nullptr) << dlerror();
  module_map mine;
  mine[1] = 1;
  auto& resource = module_map::allocator_type::resource();
  EXPECT_NE(find()->resource(), &resource);
  EXPECT_EQ(find()->fill(), 100U);
  EXPECT_EQ(resource.stats().live_slots, 1U);
}

std::size_t told_of_wrong_pointers = 0;

TEST(StaticModules, AContainerThatMovedFromAModuleIsToldWhereItIsFreed) {
  void* const library = dlopen(QUARRY_STATIC_MODULE, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto find =
      reinterpret_cast<const quarry_test::static_module* (*)()>(dlsym(library, "quarry_static_module"));
  ASSERT_NE(find, nullptr) << dlerror();
  quarry::slab_options options;
  options.checks = quarry::check_level::pointers;
  if (!module_map::allocator_type::configure(options)) GTEST_SKIP() << "only in a process of its own";
  quarry::set_violation_handler([](const quarry::violation& found) {
    told_of_wrong_pointers += found.error == quarry::slab_errc::invalid_pointer ? 1 : 0;
  });
  {
    const module_map moved = find()->make();
    EXPECT_EQ(moved.size(), 2U);
  }
  quarry::set_violation_handler(nullptr);
  EXPECT_EQ(told_of_wrong_pointers, 2U);
}

}  // namespace
