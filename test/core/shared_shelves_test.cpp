// One thread plays several here, so that every step is repeatable; test/concurrent/ has the threads.
#include <gtest/gtest.h>

#include <quarry/core/shared_shelves.hpp>
#include <quarry/locks.hpp>
#include <quarry/resource_page_source.hpp>
#include <set>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"

namespace {

using quarry::core::class_index;
using quarry::core::class_of_bytes;
using quarry::core::magazine;
using shelves =
    quarry::core::shared_shelves<quarry::resource_page_source, quarry::null_lock, quarry::null_lock>;

class SharedShelves : public testing::Test {
 protected:
  std::vector<void*> allocate(class_index of, std::size_t count) {
    std::vector<void*> made(count);
    for (void*& each : made) each = shared.allocate_direct(of);
    return made;
  }
  std::size_t used_slots(class_index of) { return shared.shelf_of(of)->slots.used_slots(); }

  quarry_test::counting_resource memory;
  quarry_test::failing_resource failing{&memory};
  shelves shared{quarry::resource_page_source(&failing), 0, 65536, 1U << 20};
  const class_index index = class_of_bytes(64);
};

TEST_F(SharedShelves, OpenAShelfWhenItsClassIsFirstUsed) {
  EXPECT_EQ(shared.shelf_of(index), nullptr);
  void* const slot = shared.allocate_direct(index);
  ASSERT_NE(shared.shelf_of(index), nullptr);
  EXPECT_EQ(shared.opened_shelf_of(index), shared.shelf_of(index));
  std::size_t shelves_seen = 0;
  shared.for_each_shelf([&](class_index seen, shelves::shelf_type&) {
    EXPECT_EQ(seen, index);
    ++shelves_seen;
  });
  EXPECT_EQ(shelves_seen, 1U);
  shared.deallocate_direct(slot, index);
  EXPECT_EQ(used_slots(index), 0U);
}

TEST_F(SharedShelves, HandOutEverySlotOnceAndTakeItBack) {
  const std::vector<void*> made = allocate(index, 5000);
  EXPECT_EQ(std::set<void*>(made.begin(), made.end()).size(), made.size());
  EXPECT_EQ(used_slots(index), made.size());
  for (void* const each : made) shared.deallocate_direct(each, index);
  EXPECT_EQ(used_slots(index), 0U);
}

TEST_F(SharedShelves, ParkWhatTheDepotHasRoomForAndFlushTheRest) {
  ASSERT_NE(shared.store().open_cache(), nullptr);
  const std::vector<void*> made = allocate(index, 4000);
  shelves::shelf_type& shelf = *shared.shelf_of(index);
  const std::size_t most = std::size_t{shelf.parked_per_cache} * shelf.magazine_slots;
  ASSERT_LT(most, made.size());
  for (std::size_t i = 0; i < made.size(); i += 8) shared.park(shelf, made.data() + i, 8);
  EXPECT_LE(shelf.parked.slots(), most);
  EXPECT_GT(shelf.parked.slots() + 8, most);
  EXPECT_EQ(used_slots(index), shelf.parked.slots()) << "what is not parked is in the bin";
  shared.flush_depots();
  EXPECT_EQ(shelf.parked.slots(), 0U);
  EXPECT_EQ(used_slots(index), 0U);
}

TEST_F(SharedShelves, ParkNothingBeforeACacheIsOpen) {
  const std::vector<void*> made = allocate(index, 100);
  shared.park(*shared.shelf_of(index), made.data(), made.size());
  EXPECT_EQ(shared.shelf_of(index)->parked.slots(), 0U);
  EXPECT_EQ(used_slots(index), 0U);
}

TEST_F(SharedShelves, FlushWhereTheSourceHasNoMemoryForAMagazine) {
  ASSERT_NE(shared.store().open_cache(), nullptr);
  const std::vector<void*> made = allocate(index, 100);
  failing.fail_always(true);
  while (shared.store().try_take_magazine() != nullptr) {  // what the arena still has
  }
  shared.park(*shared.shelf_of(index), made.data(), made.size());
  EXPECT_EQ(shared.shelf_of(index)->parked.slots(), 0U);
  EXPECT_EQ(used_slots(index), 0U);
}

TEST_F(SharedShelves, TakeAFullMagazineForAnEmptyOne) {
  ASSERT_NE(shared.store().open_cache(), nullptr);
  const std::vector<void*> made = allocate(index, 63);
  shelves::shelf_type& shelf = *shared.shelf_of(index);
  ASSERT_EQ(shelf.magazine_slots, made.size());
  magazine* const full = shared.store().take_magazine();
  for (std::size_t i = 0; i < made.size(); ++i) full->entries[1 + i] = made[i];
  EXPECT_NE(&shared.hand_in(shelf, *full, made.size()), full);
  EXPECT_EQ(shelf.parked.take(), full);
  EXPECT_EQ(&shared.hand_in(shelf, *full, 20), full) << "not full: its slots go to the bin";
  EXPECT_EQ(used_slots(index), made.size() - 20);
}

}  // namespace
