#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <quarry/core/engine/shelf.hpp>
#include <quarry/locks.hpp>
#include <vector>

#include "support/slab_memory.hpp"

namespace {

using quarry::core::class_index;
using quarry::core::class_of_bytes;
using quarry::core::magazine;
using quarry::core::slab;
using quarry::core::slab_layout;
using quarry_test::slab_memory;
using shelf = quarry::core::shelf<quarry::null_lock>;

constexpr std::size_t slot_bytes = 64;
constexpr std::size_t slab_bytes = 4096;
constexpr std::size_t slab_slots = slab_bytes / slot_bytes;

class Shelf : public testing::Test {
 protected:
  void add_slab() {
    memory.push_back(std::make_unique<slab_memory>(slab_bytes));
    headers.push_back(std::make_unique<slab_memory>(slab_bytes));
    of_slots.slots.adopt(slab::create(headers.back()->base(), memory.back()->base(), slab_slots));
  }
  /// Takes `count` slots from the bin, the first to hand out last.
  std::vector<void*> draw(std::size_t count) {
    std::vector<void*> drawn(count);
    for (std::size_t taken = 0; taken < count;) {
      const std::size_t more = of_slots.slots.refill(drawn.data() + count - taken, count - taken);
      EXPECT_NE(more, 0U) << "too few slots";
      taken += more;
    }
    return drawn;
  }
  /// Parks slots that were drawn.
  void park(const std::vector<void*>& slots) {
    while (of_slots.parked.resting() * of_slots.magazine_slots < slots.size()) {
      magazines.push_back(std::make_unique<magazine>());
      of_slots.parked.rest(*magazines.back());
    }
    ASSERT_EQ(of_slots.parked.park_slots(slots.data(), slots.size(), 0), slots.size());
  }

  std::vector<std::unique_ptr<slab_memory>> memory;
  std::vector<std::unique_ptr<slab_memory>> headers;
  std::vector<std::unique_ptr<magazine>> magazines;
  shelf of_slots{class_of_bytes(slot_bytes), slab::layout(slot_bytes, slab_bytes)};
};

TEST_F(Shelf, HasNothingAtFirst) {
  void* place = nullptr;
  EXPECT_EQ(of_slots.refill(&place, 1, 0), 0U);
  EXPECT_EQ(of_slots.resting_limit(), magazine::capacity);
  EXPECT_FALSE(of_slots.is_tight.load());
  EXPECT_EQ(of_slots.magazine_slots, quarry::core::full_magazine_slots(slot_bytes));
  magazine full;
  of_slots.parked.park(full, 0);
  EXPECT_EQ(of_slots.parked.slots(), of_slots.magazine_slots);
  EXPECT_EQ(of_slots.parked.take(0), &full);
}

TEST_F(Shelf, ParksWholeMagazinesOf128KiBForEachCacheAndAtMost32) {
  EXPECT_EQ(shelf::parked_for(8), 32U * 63U);
  EXPECT_EQ(shelf::parked_for(64), 32U * 63U);
  EXPECT_EQ(shelf::parked_for(512), 4U * 63U);
  EXPECT_EQ(shelf::parked_for(32768), 4U) << "one magazine of four";
}

TEST_F(Shelf, MayParkAsMuchAsItsCachesAddUpToAndEightCachesCount) {
  const std::size_t each = of_slots.parked_slots_per_cache;
  for (const std::size_t caches : {1U, 2U, 8U}) {
    EXPECT_TRUE(of_slots.may_park(each * caches, caches));
    EXPECT_FALSE(of_slots.may_park(each * caches + 1, caches));
  }
  EXPECT_TRUE(of_slots.may_park(8 * each, 100));
  EXPECT_FALSE(of_slots.may_park(8 * each + 1, 100));
  EXPECT_FALSE(of_slots.may_park(1, 0));
}

TEST_F(Shelf, CountsWhatIsParkedAlready) {
  add_slab();
  park(draw(10));
  EXPECT_TRUE(of_slots.may_park(of_slots.parked_slots_per_cache - 10, 1));
  EXPECT_FALSE(of_slots.may_park(of_slots.parked_slots_per_cache - 9, 1));
}

TEST_F(Shelf, PinsNothingInTwoSlabs) {
  add_slab();
  add_slab();
  park(draw(20));
  EXPECT_FALSE(of_slots.pins_too_much(100));
}

TEST_F(Shelf, PinsTooMuchInThreeSlabsWhenMoreThanAnEighthOfWhatIsInUseIsParked) {
  for (int i = 0; i < 3; ++i) add_slab();
  (void)draw(60);
  park(draw(4));  // 64 are in no bin
  EXPECT_FALSE(of_slots.pins_too_much(0));
  EXPECT_FALSE(of_slots.pins_too_much(4));
  EXPECT_TRUE(of_slots.pins_too_much(5));
  EXPECT_TRUE(of_slots.may_park(4, 1));
  EXPECT_FALSE(of_slots.may_park(5, 1));
}

TEST(SharedShelf, MayPinSlabsOf128KiBForEachHomeThatLatelyCame) {
  using quarry::core::few_slabs;
  for (const std::size_t bytes : {65536U, 262144U, 16777216U}) {
    quarry::core::shelf<std::mutex> of_slots(class_of_bytes(slot_bytes), slab::layout(slot_bytes, bytes));
    EXPECT_EQ(of_slots.few, few_slabs);
    for (std::size_t i = 0; i < 256; ++i) of_slots.note_visit(i % 6);
    EXPECT_EQ(of_slots.few, bytes == 65536 ? 12 : bytes == 262144 ? 3 : few_slabs) << bytes;
    for (std::size_t i = 0; i < 256; ++i) of_slots.note_home(5);
    EXPECT_EQ(of_slots.few, few_slabs) << "the others are idle";
    EXPECT_EQ(of_slots.visits, 256U);
  }
}

TEST_F(Shelf, MayPinMoreSlabsWhenMoreHomesCome) {
  quarry::core::shelf<std::mutex> shared(class_of_bytes(slot_bytes), slab::layout(slot_bytes, slab_bytes));
  for (int i = 0; i < 4; ++i) {
    memory.push_back(std::make_unique<slab_memory>(slab_bytes));
    headers.push_back(std::make_unique<slab_memory>(slab_bytes));
    shared.slots.adopt(slab::create(headers.back()->base(), memory.back()->base(), slab_slots));
  }
  while (shared.slots.used_slots() < 80) ASSERT_NE(shared.slots.take_one(), nullptr);
  shared.note_limit();
  EXPECT_TRUE(shared.pins_too_much(11) && shared.is_tight.load());
  EXPECT_EQ(shared.resting_limit(), 10U);
  for (std::size_t i = 0; i < 256; ++i) shared.note_visit(i % 2);
  shared.note_limit();
  EXPECT_FALSE(shared.pins_too_much(11) || shared.is_tight.load());
  EXPECT_EQ(shared.resting_limit(), magazine::capacity);
}

TEST_F(Shelf, NotesALimitOfAnEighthOfWhatIsInUseInThreeSlabs) {
  for (int i = 0; i < 3; ++i) add_slab();
  (void)draw(80);
  of_slots.note_limit();
  EXPECT_EQ(of_slots.resting_limit(), 10U);
  EXPECT_TRUE(of_slots.is_tight.load()) << "no full magazine may rest";
  for (int i = 0; i < 6; ++i) add_slab();
  (void)draw(8 * 63 - 80);
  of_slots.note_limit();
  EXPECT_EQ(of_slots.resting_limit(), 63U);
  EXPECT_FALSE(of_slots.is_tight.load());
}

TEST_F(Shelf, IsTightWhenTheDepotPinsTooMuchThoughAMagazineMayBeFull) {
  for (int i = 0; i < 9; ++i) add_slab();
  (void)draw(8 * 63 - 64);
  park(draw(64));
  of_slots.note_limit();
  EXPECT_EQ(of_slots.resting_limit(), 63U);
  EXPECT_TRUE(of_slots.is_tight.load());
}

TEST_F(Shelf, RefillsFromTheDepotFirstAndLeavesTheBinAloneWhenThatGivesHalf) {
  add_slab();
  const std::vector<void*> slots = draw(5);
  park(slots);
  const std::size_t used = of_slots.slots.used_slots();
  std::vector<void*> taken(10);
  EXPECT_EQ(of_slots.refill(taken.data(), 10, 0), 5U);
  EXPECT_EQ(of_slots.slots.used_slots(), used);
  EXPECT_TRUE(std::equal(slots.begin(), slots.end(), taken.begin()));
  EXPECT_EQ(of_slots.parked.slots(), 0U);
}

TEST_F(Shelf, RefillsFromTheBinWhatTheDepotLeavesShort) {
  add_slab();
  const std::vector<void*> slots = draw(4);
  park(slots);
  std::vector<void*> taken(10);
  ASSERT_EQ(of_slots.refill(taken.data(), 10, 0), 10U);
  EXPECT_TRUE(std::equal(slots.begin(), slots.end(), taken.begin()))
      << "those of the depot are handed out last";
  const std::byte* const begin = memory[0]->base();
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(taken[9 - i], begin + (4 + i) * slot_bytes) << "the lowest address first";
}

TEST_F(Shelf, ClosesTheGapWhenTheBinHasTooFew) {
  add_slab();
  (void)draw(slab_slots - 3);
  std::vector<void*> taken(10, nullptr);
  ASSERT_EQ(of_slots.refill(taken.data(), 10, 0), 3U);
  const std::byte* const begin = memory[0]->base();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(taken[i], begin + (slab_slots - 1 - i) * slot_bytes);
  EXPECT_EQ(of_slots.refill(taken.data(), 10, 0), 0U);
}

TEST_F(Shelf, ClosesTheGapBehindThoseOfTheDepotToo) {
  add_slab();
  (void)draw(slab_slots - 4);
  const std::vector<void*> slots = draw(2);
  park(slots);
  std::vector<void*> taken(10, nullptr);
  ASSERT_EQ(of_slots.refill(taken.data(), 10, 0), 4U);
  EXPECT_TRUE(std::equal(slots.begin(), slots.end(), taken.begin()));
  const std::byte* const begin = memory[0]->base();
  EXPECT_EQ(taken[2], begin + (slab_slots - 1) * slot_bytes);
  EXPECT_EQ(taken[3], begin + (slab_slots - 2) * slot_bytes);
}

}  // namespace
