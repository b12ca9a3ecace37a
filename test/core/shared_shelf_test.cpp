#include <gtest/gtest.h>

#include <algorithm>
#include <quarry/core/shared_shelf.hpp>
#include <quarry/locks.hpp>
#include <set>
#include <vector>

#include "support/counting_resource.hpp"

namespace {

using quarry::core::magazine;
using quarry::core::slab;
using shelf = quarry::core::shared_shelf<quarry::null_lock>;

constexpr std::size_t slab_bytes = 4096;

class SharedShelf : public testing::Test {
 protected:
  ~SharedShelf() override { memory.deallocate(base, slab_bytes, slab_bytes); }
  void adopt() { shared.slots.adopt(slab::create(base, shared.slots.layout())); }

  quarry_test::counting_resource memory;
  void* base = memory.allocate(slab_bytes, slab_bytes);
  shelf shared{slab::layout(32, slab_bytes)};
};

TEST_F(SharedShelf, HasNothingToTakeWithoutASlab) {
  void* taken[4];
  EXPECT_EQ(shared.refill(taken, 4), 0U);
  EXPECT_EQ(shared.take_one(), nullptr);
}

TEST_F(SharedShelf, RefillsFromTheFrontWhatTheBinHas) {
  adopt();
  const std::size_t slots = shared.slots.layout().total_slots;
  std::vector<void*> entries(2 * slots);
  const std::size_t taken = shared.refill(entries.data(), entries.size());
  ASSERT_GT(taken, 0U);
  ASSERT_LT(taken, slots) << "the header lies over some";
  for (std::size_t i = 1; i < taken; ++i)
    EXPECT_LT(entries[i], entries[i - 1]) << "the last is handed out first";
}

TEST_F(SharedShelf, RefillsWithParkedSlotsBeforeThoseOfTheBin) {
  adopt();
  magazine rested;
  shared.parked.rest(rested);
  void* first[8];
  ASSERT_EQ(shared.refill(first, 8), 8U);
  ASSERT_EQ(shared.parked.park_slots(first, 8), 8U);
  void* again[12];
  EXPECT_EQ(shared.refill(again, 12), 8U) << "more than half: enough";
  EXPECT_TRUE(std::equal(first, first + 8, again)) << "in the order in which they were parked";
  ASSERT_EQ(shared.parked.park_slots(first, 4), 4U);
  EXPECT_EQ(shared.refill(again, 12), 12U) << "less than half: the bin adds the others";
  EXPECT_TRUE(std::equal(first, first + 4, again));
  EXPECT_EQ(std::set<void*>(again, again + 12).size(), 12U);
  EXPECT_EQ(shared.parked.slots(), 0U);
}

TEST_F(SharedShelf, TakesSingleSlotsOfTheBinAndThenThoseParked) {
  adopt();
  magazine rested;
  shared.parked.rest(rested);
  void* const parked = shared.take_one();
  ASSERT_EQ(shared.parked.park_slots(&parked, 1), 1U);
  std::set<void*> all;
  while (void* const slot = shared.take_one()) {
    EXPECT_TRUE(all.insert(slot).second) << "handed out twice";
    EXPECT_EQ(slot == parked, !shared.slots.any_free() && shared.parked.slots() == 0);
  }
  EXPECT_EQ(all.count(parked), 1U);
  EXPECT_EQ(all.size(), shared.slots.used_slots());
}

TEST_F(SharedShelf, ParksNoMoreThanItsBytesForEachCache) {
  for (std::size_t slot_bytes = 8; slot_bytes <= 32768; slot_bytes += 8) {
    const std::size_t magazines = shelf::parked_for(slot_bytes);
    ASSERT_LE(magazines, shelf::most_parked_per_cache);
    ASSERT_LE(magazines * quarry::core::shelf::slots_for(slot_bytes) * slot_bytes,
              shelf::depot_bytes_per_cache);
  }
}

}  // namespace
