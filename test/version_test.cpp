// version.hpp: the numbers, the one that CMake made of them, and the inline namespace.
#include <quarry/version.hpp>

#include <gtest/gtest.h>

#include <quarry/slab_errc.hpp>
#include <string>
#include <type_traits>

#define QUARRY_AS_TEXT(name) QUARRY_AS_TEXT_2(name)
#define QUARRY_AS_TEXT_2(name) #name

namespace {

std::string text_of(int number) {
  return std::to_string(number);
}

TEST(Version, IsTheOneThatCMakeHas) {
  EXPECT_EQ(text_of(QUARRY_VERSION_MAJOR) + "." + text_of(QUARRY_VERSION_MINOR) + "." +
                text_of(QUARRY_VERSION_PATCH),
            QUARRY_VERSION_OF_CMAKE);
}

TEST(Version, IsOneNumberThatThePreprocessorCompares) {
#if QUARRY_VERSION < 100 || \
    QUARRY_VERSION != 10000 * QUARRY_VERSION_MAJOR + 100 * QUARRY_VERSION_MINOR + QUARRY_VERSION_PATCH
  ADD_FAILURE();
#endif
  EXPECT_LT(QUARRY_VERSION_MINOR, 100);
  EXPECT_LT(QUARRY_VERSION_PATCH, 100);
}

TEST(Version, NamesTheInlineNamespaceForWhatChangesLayouts) {
  const std::string expected =
      QUARRY_VERSION_MAJOR == 0 ? "v0_" + text_of(QUARRY_VERSION_MINOR) : "v" + text_of(QUARRY_VERSION_MAJOR);
  EXPECT_EQ(QUARRY_AS_TEXT(QUARRY_ABI), expected);
  EXPECT_TRUE((std::is_same_v<quarry::slab_errc, quarry::QUARRY_ABI::slab_errc>));
}

}  // namespace
