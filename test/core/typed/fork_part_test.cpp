#include <gtest/gtest.h>

#include <quarry/core/typed/fork_part.hpp>
#include <quarry/locks.hpp>
#include <type_traits>

namespace {

using quarry::core::fork_part;
using quarry::core::is_taken_by_forks;

struct control {
  quarry::spin_lock lock;
};

// detail/fork_part.hpp, which says more, is not included.
static_assert(!is_taken_by_forks<quarry::spin_lock> && !is_taken_by_forks<quarry::null_lock>);
static_assert(std::is_empty_v<fork_part<control, quarry::spin_lock>>);
static_assert(std::is_trivially_destructible_v<fork_part<control, quarry::spin_lock>>);

TEST(ForkPart, LeavesTheLockAloneWhereNobodySaysMore) {
  control block;
  {
    const fork_part<control, quarry::spin_lock> part(block);
    EXPECT_TRUE(block.lock.try_lock());
  }
  EXPECT_FALSE(block.lock.try_lock());
  block.lock.unlock();
}

}  // namespace
