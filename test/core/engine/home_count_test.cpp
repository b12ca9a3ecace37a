#include <gtest/gtest.h>

#include <quarry/core/engine/home_count.hpp>
#include <quarry/locks.hpp>

namespace {

TEST(HomeCount, IsOneWhereNothingIsShared) {
  static_assert(quarry::core::home_count<quarry::null_lock> == 1);
  EXPECT_GT(quarry::core::home_count<quarry::spin_lock>, 1U);
}

}  // namespace
