#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <quarry/core/typed/cache_control.hpp>
#include <quarry/detail/cached_object.hpp>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <stdexcept>
#include <string>

namespace {

using quarry::null_lock;
using quarry::detail::check_cache_arguments;
using quarry::detail::construct_object;
using quarry::detail::object_kind;

// What is refused, and with which sentence, is in test/compile_fail.
struct alignas(2048) aligned_to_half {
  char bytes[2048];
};
struct line_lock {
  char bytes[64];
};
static_assert(check_cache_arguments<char, null_lock, 2>());
static_assert(check_cache_arguments<aligned_to_half, line_lock, 4096>());
static_assert(check_cache_arguments<const std::string, quarry::spin_lock, 4096>());

struct counted {
  static inline int alive = 0;
  explicit counted(bool fails = false) {
    if (fails) throw std::runtime_error("no");
    ++alive;
  }
  ~counted() { --alive; }
  double number = 7;
};

template <class Object, bool MarksKept>
using kind =
    object_kind<Object, quarry::core::cache_control<null_lock, quarry::os_page_source, 8, MarksKept>, 4096>;

static_assert(kind<counted, true>::marks_kept && !kind<int, false>::marks_kept);
static_assert(kind<counted, true>::magazine_slots == 8);
static_assert(kind<int, false>::layout.slabs.slot_bytes == sizeof(int));
static_assert(kind<aligned_to_half, false>::layout.extension.slots == 1);

TEST(CachedObject, IsConstructedInItsSlotAndDestroyedThere) {
  alignas(counted) std::byte slot[sizeof(counted)];
  counted* const made = construct_object<counted>(slot);
  EXPECT_EQ(static_cast<void*>(made), slot);
  EXPECT_EQ(counted::alive, 1);
  EXPECT_EQ(made->number, 7);
  kind<counted, true>::destroy_object(slot);
  EXPECT_EQ(counted::alive, 0);
}

TEST(CachedObject, IsMadeByAConstructorOrFromItsMembers) {
  struct point {
    int x, y;
  };
  alignas(point) std::byte place[sizeof(point)];
  const point* const made = construct_object<point>(place, 1, 2);
  EXPECT_EQ(made->x, 1);
  EXPECT_EQ(made->y, 2);
  alignas(std::string) std::byte slot[sizeof(std::string)];
  std::string* const text = construct_object<std::string>(slot, std::size_t{3}, 'x');
  EXPECT_EQ(*text, "xxx");
  kind<std::string, true>::destroy_object(text);
}

TEST(CachedObject, TakesArgumentsThatCanOnlyBeMoved) {
  using owner = std::unique_ptr<int>;
  alignas(owner) std::byte slot[sizeof(owner)];
  owner* const made = construct_object<owner>(slot, std::make_unique<int>(5));
  EXPECT_EQ(**made, 5);
  kind<owner, true>::destroy_object(made);
}

TEST(CachedObject, PassesOnWhatItsConstructorThrows) {
  alignas(counted) std::byte slot[sizeof(counted)];
  EXPECT_THROW(construct_object<counted>(slot, true), std::runtime_error);
  EXPECT_EQ(counted::alive, 0);
}

}  // namespace
