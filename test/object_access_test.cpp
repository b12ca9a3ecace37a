#include <gtest/gtest.h>

#include <cstddef>
#include <new>
#include <quarry/object_access.hpp>

namespace {

using quarry::object_access;

class befriended {
  friend object_access;
  ~befriended() { ++ended; }

 public:
  static inline int ended = 0;
};

class closed {
  ~closed() = default;
};

struct throwing {
  ~throwing() noexcept(false) {}
};

struct with_throwing_member {
  throwing member;
};

static_assert(object_access::can_destroy<int> && object_access::can_destroy<const befriended>);
static_assert(object_access::can_destroy<befriended>);
static_assert(!object_access::can_destroy<closed>);
static_assert(!object_access::can_destroy<throwing> && !object_access::can_destroy<with_throwing_member>);

TEST(ObjectAccess, DestroysAnObjectOnce) {
  befriended::ended = 0;
  alignas(befriended) std::byte place[sizeof(befriended)];
  object_access::destroy(::new (static_cast<void*>(place)) befriended);
  EXPECT_EQ(befriended::ended, 1);
  object_access::destroy(static_cast<const befriended*>(::new (static_cast<void*>(place)) befriended));
  EXPECT_EQ(befriended::ended, 2);
}

}  // namespace
