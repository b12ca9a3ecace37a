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
  EXPECT_EQ(shared.take(taken + 4, 4), 0U);
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

TEST_F(SharedShelf, FlushesAParkedMagazineWhenTheBinHasNothingAndKeepsItsSlab) {
  adopt();
  std::vector<void*> all;
  void* taken[magazine::capacity];
  while (const std::size_t found = shared.take(taken + magazine::capacity, magazine::capacity))
    all.insert(all.end(), taken + magazine::capacity - found, taken + magazine::capacity);
  ASSERT_GT(all.size(), shared.magazine_slots);
  magazine parked;
  std::copy_n(all.begin(), shared.magazine_slots, parked.entries + 1);
  shared.full.park(parked);
  // Everything else is freed first, so that the magazine's slots are the last of the slab and empty it.
  EXPECT_EQ(shared.slots.flush(all.data() + shared.magazine_slots, all.size() - shared.magazine_slots),
            nullptr);
  std::set<void*> again;
  while (const std::size_t found = shared.take(taken + magazine::capacity, magazine::capacity))
    again.insert(taken + magazine::capacity - found, taken + magazine::capacity);
  EXPECT_EQ(again, std::set<void*>(all.begin(), all.end()));
  EXPECT_EQ(shared.full.size(), 0U);
  EXPECT_EQ(shared.empty.pop(), &parked);
}

TEST(SharedShelfOfSmallSlabs, KeepsASlabThatAParkedMagazineEmpties) {
  quarry_test::counting_resource memory;
  void* const block = memory.allocate(2 * slab_bytes, 2 * slab_bytes);
  shelf shared(slab::layout(64, slab_bytes));
  const auto take_all = [&shared] {
    std::vector<void*> all;
    void* taken[magazine::capacity];
    while (const std::size_t found = shared.take(taken + magazine::capacity, magazine::capacity))
      all.insert(all.end(), taken + magazine::capacity - found, taken + magazine::capacity);
    std::sort(all.begin(), all.end());
    return all;
  };
  for (const std::size_t offset : {std::size_t{0}, slab_bytes})
    shared.slots.adopt(slab::create(static_cast<std::byte*>(block) + offset, shared.slots.layout()));
  const std::vector<void*> all = take_all();
  magazine parked;  // every slot of the first slab, and some of the second
  std::copy_n(all.begin(), shared.magazine_slots, parked.entries + 1);
  ASSERT_NE(slab::of(all.front(), shared.slots.layout()),
            slab::of(all[shared.magazine_slots - 1], shared.slots.layout()));
  shared.full.park(parked);
  EXPECT_EQ(take_all(), std::vector<void*>(all.begin(), all.begin() + shared.magazine_slots));
  memory.deallocate(block, 2 * slab_bytes, 2 * slab_bytes);
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
