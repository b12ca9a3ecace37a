// A module that hides its symbols has a resource of its own for each tag.
#include <dlfcn.h>
#include <gtest/gtest.h>

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

}  // namespace
