#include <gtest/gtest.h>

#include <quarry/core/typed/cache_front.hpp>
#include <quarry/locks.hpp>
#include <stdexcept>
#include <type_traits>

namespace {

using quarry::null_lock;
using quarry::spin_lock;
using quarry::core::cache_front;
using quarry::core::front_pointer;
using quarry::core::lock_holder;
using quarry::core::locked_front;
using quarry::core::transit;

static_assert(sizeof(front_pointer<null_lock, false>) == 4 * sizeof(void*));
static_assert(sizeof(front_pointer<spin_lock, true>) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<lock_holder<null_lock>>);

template <class Pointer, class Lock>
void starts_unopened_and_holds_what_is_stored() {
  Pointer pointer;
  EXPECT_EQ(pointer.load(), nullptr);
  EXPECT_EQ(pointer.pop(), nullptr);
  locked_front<Lock> opened;
  int slot = 0;
  void* entries[] = {nullptr, &slot};
  opened.loaded.load(entries, 1, 1);
  pointer.store(&opened);
  EXPECT_EQ(pointer.load(), &opened);
  EXPECT_EQ(&pointer.opened(), &opened);
  EXPECT_EQ(pointer.pop(), &slot);
  EXPECT_EQ(pointer.pop(), nullptr);
  pointer.store(nullptr);
  EXPECT_EQ(pointer.load(), nullptr);
}

TEST(CacheFront, AHandlesPointerStartsUnopenedAndHoldsWhatIsStored) {
  starts_unopened_and_holds_what_is_stored<front_pointer<null_lock, false>, null_lock>();
  starts_unopened_and_holds_what_is_stored<front_pointer<spin_lock, true>, spin_lock>();
}

TEST(CacheFront, TheFirstOfSeveralThreadsOpensAHandle) {
  front_pointer<spin_lock, true> pointer;
  locked_front<spin_lock> first, second;
  EXPECT_TRUE(pointer.open(&first));
  EXPECT_FALSE(pointer.open(&second));
  EXPECT_EQ(pointer.load(), &first);
}

TEST(CacheFront, SlotsAreInTransitFromEnteringToLeavingInAnyOrder) {
  cache_front front;
  int slots[3];
  transit transits[3];
  for (int i = 0; i < 3; ++i) front.enter(transits[i], &slots[i]);
  for (int& each : slots) EXPECT_TRUE(front.is_in_transit(&each));
  EXPECT_FALSE(front.is_in_transit(&front));
  front.leave(transits[1]);
  EXPECT_FALSE(front.is_in_transit(&slots[1]));
  EXPECT_TRUE(front.is_in_transit(&slots[0]) && front.is_in_transit(&slots[2]));
  front.leave(transits[2]);
  front.leave(transits[0]);
  EXPECT_EQ(front.transits, nullptr);
}

struct late_lock {
  late_lock() { ++constructed; }
  void lock() { ADD_FAILURE() << "no cache is open"; }
  void unlock() {}
  static inline int constructed = 0;
};

TEST(CacheFront, AHandleWithoutACacheTouchesNoLock) {
  EXPECT_EQ((front_pointer<late_lock, true>().pop()), nullptr);
  EXPECT_EQ(late_lock::constructed, 0);
}

struct counted_lock {
  void lock() { ++depth; }
  void unlock() { --depth; }
  int depth = 0;
};

TEST(CacheFront, HoldingUnlocksOnEveryWayOut) {
  counted_lock lock;
  {
    const lock_holder<counted_lock> guard(lock);
    EXPECT_EQ(lock.depth, 1);
  }
  EXPECT_EQ(lock.depth, 0);
  EXPECT_THROW(
      {
        const lock_holder<counted_lock> guard(lock);
        throw std::runtime_error("out");
      },
      std::runtime_error);
  EXPECT_EQ(lock.depth, 0);
}

struct refusing_lock {
  void lock() { throw std::runtime_error("refused"); }
  void unlock() { ADD_FAILURE() << "it was never locked"; }
};

TEST(CacheFront, ALockThatRefusesIsNotUnlocked) {
  refusing_lock lock;
  EXPECT_THROW(const lock_holder<refusing_lock> guard(lock), std::runtime_error);
}

}  // namespace
