#include <gtest/gtest.h>

#include <mutex>
#include <quarry/core/engine/supply_lock_of.hpp>
#include <quarry/core/lock_holder.hpp>
#include <quarry/locks.hpp>
#include <type_traits>

namespace {

using quarry::core::call_depth;
using quarry::core::lock_holder;
using quarry::core::supply_lock_of;

struct named {
  struct across_calls {};
  int state;
};

TEST(SupplyLockOf, IsTheOneThatTheLockNamesElseAnotherOfItsKindAndACountWhereNothingLocks) {
  EXPECT_TRUE((std::is_same_v<supply_lock_of<named>::type, named::across_calls>));
  EXPECT_TRUE((std::is_same_v<supply_lock_of<std::mutex>::type, std::mutex>));
  EXPECT_TRUE((std::is_same_v<supply_lock_of<quarry::null_lock>::type, call_depth>));
}

TEST(CallDepth, IsLockedAsLongAsACallIsUnderWayHoweverDeep) {
  call_depth calls;
  EXPECT_FALSE(calls.is_locked());
  {
    const lock_holder outer(calls);
    {
      const lock_holder inner(calls);
      EXPECT_TRUE(calls.is_locked());
    }
    EXPECT_TRUE(calls.is_locked()) << "the outer call goes on";
    EXPECT_TRUE(calls.try_lock()) << "it keeps nobody out";
    calls.unlock();
  }
  EXPECT_FALSE(calls.is_locked());
}

}  // namespace
