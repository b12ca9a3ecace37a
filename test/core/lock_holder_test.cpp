// A lock is held from the line on that names it to the end of its block.
#include <quarry/core/lock_holder.hpp>

#include <gtest/gtest.h>

namespace {

struct counting_lock {
  int held = 0;
  void lock() { ++held; }
  void unlock() { --held; }
};

TEST(LockHolder, HoldsUntilTheEndOfItsBlock) {
  counting_lock lock;
  {
    const quarry::core::lock_holder holder(lock);
    EXPECT_EQ(lock.held, 1);
  }
  EXPECT_EQ(lock.held, 0);
}

TEST(LockHolder, LetsGoWhenAnExceptionLeavesTheBlock) {
  counting_lock lock;
  try {
    const quarry::core::lock_holder holder(lock);
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(lock.held, 0);
}

}  // namespace
