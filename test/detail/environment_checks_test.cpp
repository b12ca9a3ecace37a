#include "quarry/detail/environment_checks.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "quarry/slab_cache.hpp"
#include "quarry/slab_options.hpp"
#include "support/in_child.hpp"

namespace quarry {
namespace {

int told = 0;

void count(const violation& found) {
  told += found.error == slab_errc::double_free ? 1 : 100;
}

// Violations of a cache that asks for `own` where the environment says `said`; -1 when the child ends otherwise.
int violations_with(const char* said, check_level own) {
  return quarry_test::run_in_child(10, [&] {
    setenv("QUARRY_CHECKS", said, 1);
    set_violation_handler(count);
    slab_cache<long> cache;
    if (own != check_level::off && cache.set_checks(own) != slab_errc::ok) return 100;
    long* const one = cache.allocate();
    cache.deallocate(one);
    if (detail::checks_asked_for().level == check_level::off && own == check_level::off) return told;
    cache.deallocate(one);
    (void)cache.set_checks(check_level::off);
    if (detail::checks_asked_for().level != check_level::off) cache.deallocate(one);
    return told;
  });
}

TEST(EnvironmentChecks, RaiseTheLevelOfEveryTypedCache) {
  const int when_raised =
      QUARRY_MAY_BE_WATCHED ? 2 : 0;  // without weak names the environment asks for nothing
  EXPECT_EQ(violations_with("pointers", check_level::off), when_raised);
  EXPECT_EQ(violations_with("full", check_level::off), when_raised);
  EXPECT_EQ(violations_with("off", check_level::pointers), 1);
  EXPECT_EQ(violations_with("off", check_level::off), 0);
}

// The level of a resource that asks for `own` where the environment says `said`.
check_level level_with(const char* said, check_level own) {
  return static_cast<check_level>(quarry_test::run_in_child(10, [&] {
    setenv("QUARRY_CHECKS", said, 1);
    slab_options options;
    options.checks = own;
    return static_cast<int>(options.resolved().checks);
  }));
}

TEST(EnvironmentChecks, RaiseTheLevelOfEveryResourceAndLowerNone) {
  EXPECT_EQ(level_with("pointers", check_level::off), check_level::pointers);
  EXPECT_EQ(level_with("full", check_level::pointers), check_level::full);
  EXPECT_EQ(level_with("pointers", check_level::full), check_level::full);
  EXPECT_EQ(level_with("off", check_level::full), check_level::full);
}

TEST(EnvironmentChecks, LeaveAResourceUncheckedWhereNoToolWatches) {
  setenv("QUARRY_TOOLS", "on", 1);
  EXPECT_EQ(level_with("off", check_level::off),
            core::is_watched() ? check_level::pointers : check_level::off);
  unsetenv("QUARRY_TOOLS");
}

}  // namespace
}  // namespace quarry
