// What a typed cache is locked with, where nothing more is known.

#include <quarry/core/typed/cache_lock.hpp>

#include <gtest/gtest.h>

#include <type_traits>

#include "support/watching_lock.hpp"

namespace {

using quarry::core::begin_visit;
using quarry::core::end_visit;
using quarry_test::watching_lock;

// detail/visited_lock.hpp, which says more, is not included.
static_assert(std::is_same_v<quarry::core::cache_lock<watching_lock>::type, watching_lock>);

TEST(CacheLock, IsHeldDuringAVisit) {
  watching_lock lock;
  const auto outer = begin_visit(lock);
  EXPECT_EQ(watching_lock::depth, 1);
  end_visit(lock, outer);
  EXPECT_EQ(watching_lock::depth, 0);
}

}  // namespace
