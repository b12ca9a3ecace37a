#include <gtest/gtest.h>

#include <quarry/core/typed/cache_front.hpp>
#include <quarry/locks.hpp>
#include <stdexcept>
#include <type_traits>

namespace {

using quarry::null_lock;
using quarry::spin_lock;
using quarry::core::front_pointer;
using quarry::core::holding;
using quarry::core::locked_front;
using quarry::core::unopened_front;

static_assert(sizeof(front_pointer<null_lock, false>) == sizeof(void*));
static_assert(sizeof(front_pointer<spin_lock, true>) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<holding<null_lock>>);

TEST(CacheFront, TheUnopenedFrontIsEmptyAndFullAtOnce) {
  void* const slot = &unopened_front<null_lock>;
  EXPECT_EQ(unopened_front<null_lock>.loaded.pop(), nullptr);
  EXPECT_FALSE(unopened_front<null_lock>.loaded.push(slot));
  EXPECT_EQ(unopened_front<null_lock>.loaded.pop(), nullptr);
  EXPECT_EQ(unopened_front<null_lock>.destroy, nullptr);
}

template <class Pointer, class Lock>
void starts_unopened_and_holds_what_is_stored() {
  Pointer pointer;
  EXPECT_EQ(pointer.load(), &unopened_front<Lock>);
  locked_front<Lock> opened;
  pointer.store(&opened);
  EXPECT_EQ(pointer.load(), &opened);
}

TEST(CacheFront, AHandlesPointerStartsUnopenedAndHoldsWhatIsStored) {
  starts_unopened_and_holds_what_is_stored<front_pointer<null_lock, false>, null_lock>();
  starts_unopened_and_holds_what_is_stored<front_pointer<spin_lock, true>, spin_lock>();
}

struct counted_lock {
  void lock() { ++depth; }
  void unlock() { --depth; }
  int depth = 0;
};

TEST(CacheFront, HoldingUnlocksOnEveryWayOut) {
  counted_lock lock;
  {
    const holding<counted_lock> guard(lock);
    EXPECT_EQ(lock.depth, 1);
  }
  EXPECT_EQ(lock.depth, 0);
  EXPECT_THROW(
      {
        const holding<counted_lock> guard(lock);
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
  EXPECT_THROW(const holding<refusing_lock> guard(lock), std::runtime_error);
}

}  // namespace
