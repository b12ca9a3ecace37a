// The lock that lets the thread of a visit pass.

#include <quarry/detail/visited_lock.hpp>

#include <gtest/gtest.h>

#include <mutex>
#include <type_traits>

#include "support/another_thread.hpp"
#include "support/watching_lock.hpp"

namespace {

using quarry::null_lock;
using quarry::core::begin_visit;
using quarry::core::cache_lock;
using quarry::core::end_visit;
using quarry::core::visited_lock;
using quarry_test::another_thread_gets;
using quarry_test::watching_lock;

static_assert(std::is_same_v<cache_lock<null_lock>::type, null_lock>);
static_assert(std::is_same_v<cache_lock<std::mutex>::type, visited_lock<std::mutex>>);

TEST(VisitedLock, LocksAsItsLockDoes) {
  visited_lock<watching_lock> lock;
  lock.lock();
  EXPECT_EQ(watching_lock::depth, 1);
  lock.unlock();
  EXPECT_EQ(watching_lock::depth, 0);
}

TEST(VisitedLock, LetsTheVisitingThreadPassAndStaysTakenUntilTheOuterVisitEnds) {
  visited_lock<watching_lock> lock;
  const auto none = begin_visit(lock);
  EXPECT_EQ(none, 0U);
  lock.lock();
  lock.unlock();
  EXPECT_EQ(watching_lock::depth, 1);
  const auto outer = begin_visit(lock);
  EXPECT_NE(outer, 0U);
  end_visit(lock, outer);
  EXPECT_EQ(watching_lock::depth, 1);
  lock.lock();
  lock.unlock();
  EXPECT_EQ(watching_lock::depth, 1);
  end_visit(lock, none);
  EXPECT_EQ(watching_lock::depth, 0);
}

TEST(VisitedLock, LetsNoOtherThreadPass) {
  visited_lock<std::mutex> lock;
  const auto none = begin_visit(lock);
  EXPECT_TRUE(lock.try_lock()) << "this thread's visit";
  lock.unlock();
  EXPECT_FALSE(another_thread_gets(lock));
  end_visit(lock, none);
  EXPECT_TRUE(another_thread_gets(lock));
}

TEST(VisitedLock, IsOpenAfterVisitsAndHoldersOfALockThatAThreadMayTakeAgain) {
  visited_lock<std::recursive_mutex> lock;
  const auto none = begin_visit(lock);
  {
    const quarry::core::lock_holder guard(lock);
    const auto outer = begin_visit(lock);
    const quarry::core::lock_holder inner(lock);
    EXPECT_FALSE(another_thread_gets(lock));
    end_visit(lock, outer);
  }
  EXPECT_FALSE(another_thread_gets(lock));
  end_visit(lock, none);
  EXPECT_TRUE(another_thread_gets(lock));
}

TEST(VisitedLock, LetsAHolderPassInAVisitAndNobodyElse) {
  visited_lock<std::mutex> lock;
  const auto none = begin_visit(lock);
  { const quarry::core::lock_holder passed(lock); }
  EXPECT_FALSE(another_thread_gets(lock)) << "what was let pass opens nothing";
  end_visit(lock, none);
  const quarry::core::lock_holder guard(lock);
  EXPECT_FALSE(another_thread_gets(lock));
}

}  // namespace
