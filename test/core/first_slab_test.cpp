#include <gtest/gtest.h>

#include <cstdint>
#include <quarry/core/first_slab.hpp>
#include <vector>

namespace {

using quarry::core::arena;
using quarry::core::bin;
using quarry::core::first_slab_bytes;
using quarry::core::slab;

constexpr std::size_t slab_bytes = 65536;

class FirstSlab : public testing::Test {
 protected:
  void give_room(std::size_t bytes) { parts.start_in(room, bytes); }

  alignas(64) std::byte room[4096];
  arena parts;
};

TEST_F(FirstSlab, LiesInTheArenaAndItsSlotsAreAligned) {
  give_room(sizeof(room));
  bin slots(slab::layout(96, slab_bytes));
  quarry::core::adopt_first_slab(slots, parts);
  std::size_t taken = 0;
  for (void* slot = nullptr; slots.refill(&slot + 1, 1) != 0; ++taken) {
    EXPECT_GE(static_cast<std::byte*>(slot), room);
    EXPECT_LE(static_cast<std::byte*>(slot) + 96, room + sizeof(room));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slot) % 32, 0U);
  }
  EXPECT_EQ(taken, first_slab_bytes / 96);
}

TEST_F(FirstSlab, IsNotMadeForLargeSlots) {
  give_room(sizeof(room));
  bin slots(slab::layout(272, slab_bytes));
  quarry::core::adopt_first_slab(slots, parts);
  EXPECT_FALSE(slots.any_free());
  EXPECT_TRUE(parts.untouched());
}

TEST_F(FirstSlab, IsLeftOutWhereTheArenaHasNoRoom) {
  for (const std::size_t bytes : {std::size_t{16}, first_slab_bytes}) {
    arena small;
    small.start_in(room, bytes);
    bin slots(slab::layout(64, slab_bytes));
    quarry::core::adopt_first_slab(slots, small);
    EXPECT_FALSE(slots.any_free());
  }
}

}  // namespace
