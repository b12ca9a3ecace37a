#include "quarry/core/magazines/watched_cache.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

namespace quarry::core {
namespace {

TEST(SlabMemo, FindsSlotsOfEverySizeAndTheirBegins) {
  for (class_index index = 0; index < class_count; ++index) {
    const std::size_t slot_bytes = slot_bytes_of(index);
    const std::size_t slots = 65536 / slot_bytes;
    std::vector<std::byte> slab_bytes(65536);
    slab_memo memo;
    memo.begin = slab_bytes.data();
    memo.bytes = static_cast<std::uint32_t>(slots * slot_bytes);
    memo.reciprocal = slab_memo::reciprocal_of(slot_bytes);
    for (std::size_t i = 0; i < slots; i += slots / 16 + 1) {
      std::size_t slot = 0;
      const std::byte* const begin = memo.begin + i * slot_bytes;
      EXPECT_TRUE(memo.find(begin, slot));
      EXPECT_EQ(slot, i);
      for (const std::size_t offset : {std::size_t{1}, slot_bytes / 2, slot_bytes - 1}) {
        EXPECT_FALSE(memo.find(begin + offset, slot)) << slot_bytes << " " << i << " " << offset;
        EXPECT_EQ(slot, i);
      }
    }
  }
}

TEST(SlabMemo, HoldsTheSlotsOfItsSlabUntilTheNextEpoch) {
  std::byte memory[1 + 480 + 1] = {};
  std::byte* const slab_bytes = memory + 1;
  slab_memo memo;
  EXPECT_FALSE(memo.holds(slab_bytes, 0));
  memo.begin = slab_bytes;
  memo.bytes = 480;
  memo.epoch = 7;
  EXPECT_TRUE(memo.holds(slab_bytes, 7));
  EXPECT_TRUE(memo.holds(slab_bytes + 479, 7));
  EXPECT_FALSE(memo.holds(slab_bytes + 480, 7));
  EXPECT_FALSE(memo.holds(slab_bytes - 1, 7));
  EXPECT_FALSE(memo.holds(slab_bytes, 8));
}

TEST(SlabMemo, LeadsBackToTheHeaderOfTheSlabThatItRemembers) {
  for (const std::size_t slots : {1U, 64U, 65U, 4097U, 8192U}) {
    std::vector<std::max_align_t> room(slab::header_bytes_for(slots) / sizeof(std::max_align_t) + 1);
    std::vector<std::byte> slot_memory(slots * slot_bytes_of(0));
    std::byte* const memory = slot_memory.data();
    slab& home = *slab::create(room.data(), memory, slots);
    std::byte* const states = reinterpret_cast<std::byte*>(&home) + slab::header_bytes_for(slots);
    slab_memo memo;
    memo.remember(home, key_of_class(0), states, 3);
    EXPECT_EQ(&memo.home(), &home);
    EXPECT_EQ(memo.slots(), slots);
    EXPECT_EQ(memo.states, states);
    EXPECT_EQ(memo.reciprocal, slab_memo::reciprocal_of(slot_bytes_of(0)));
    EXPECT_TRUE(memo.holds(memory, 3));
    EXPECT_TRUE(memo.holds(memory + slots * 8 - 1, 3));
    EXPECT_FALSE(memo.holds(memory + slots * 8, 3));
    EXPECT_FALSE(memo.holds(memory, 4));
  }
}

TEST(SlabMemo, HasTheReciprocalOfEveryClass) {
  for (class_index index = 0; index < class_count; ++index)
    EXPECT_EQ(slab_memo::reciprocal_at(key_of_class(index)), slab_memo::reciprocal_of(slot_bytes_of(index)));
}

TEST(WatchedCache, CountsWhatRestsBehindAFrontAndInQuarantine) {
  const auto front = std::make_unique<cache>();
  const auto behind = std::make_unique<watched_cache>(65536);
  const auto delayed = std::make_unique<quarantine>();
  EXPECT_EQ(slots_resting_in(*front, 3), 0U);
  front->behind = behind.get();
  behind->delayed = delayed.get();
  int slot = 0;
  delayed->put(&slot, 3);
  EXPECT_EQ(slots_resting_in(*front, 3), 1U);
  EXPECT_EQ(slots_resting_in(*front, 4), 0U);
}

// Returns for how many of `count` neighbouring granules another slab each is remembered.
std::size_t remembered_of(watched_cache& tested, std::size_t granule_bytes, std::size_t count) {
  const auto at = [](std::uintptr_t address) { return reinterpret_cast<const void*>(address); };
  const std::uintptr_t begin = granule_bytes * 1000;
  std::set<const slab_memo*> places;
  for (std::size_t i = 0; i < count; ++i) {
    const slab_memo& place = tested.memo_of(at(begin + i * granule_bytes));
    EXPECT_EQ(&place, &tested.memo_of(at(begin + (i + 1) * granule_bytes - 1)));
    EXPECT_EQ(place.bytes, 0U);
    places.insert(&place);
  }
  return places.size();
}

TEST(WatchedCache, RemembersOneSlabForAllPointersIntoAGranuleAndOthersForItsNeighbours) {
  const auto tested = std::make_unique<watched_cache>(16384);
  EXPECT_EQ(remembered_of(*tested, 16384, 2000), watched_cache::first_memos);
}

TEST(WatchedCache, RemembersMoreOnceManySlabsWereLookedUpAndThereIsRoom) {
  const auto tested = std::make_unique<watched_cache>(65536);
  const auto few = [&] {
    for (std::uint32_t i = 0; i < watched_cache::look_ups_of_few; ++i)
      if (tested->note_look_up()) return false;
    return true;
  };
  EXPECT_TRUE(few());
  EXPECT_TRUE(tested->note_look_up());
  tested->remember_in(nullptr, 0);
  EXPECT_EQ(remembered_of(*tested, 65536, 5000), watched_cache::first_memos);
  std::vector<std::unique_ptr<slab_memo[]>> places;
  for (const std::size_t count : {watched_cache::many_memos, watched_cache::most_memos}) {
    EXPECT_TRUE(few()) << "it is asked for again, but later";
    EXPECT_TRUE(tested->note_look_up());
    places.push_back(std::make_unique<slab_memo[]>(count));
    for (std::size_t i = 0; i < count; ++i) places.back()[i].bytes = 7;
    tested->remember_in(places.back().get(), count);
    EXPECT_EQ(remembered_of(*tested, 65536, 5000), count);
  }
  EXPECT_TRUE(few());
  EXPECT_FALSE(tested->note_look_up());
}

TEST(WatchedCache, AsksForATableThatIsSmallBesideWhatItServes) {
  const auto tested = std::make_unique<watched_cache>(65536);
  constexpr std::size_t many_bytes = watched_cache::many_memos * sizeof(slab_memo) * 64;
  constexpr std::size_t most_bytes = watched_cache::most_memos * sizeof(slab_memo) * 256;
  EXPECT_EQ(tested->next_memo_count(many_bytes - 1), 0U);
  EXPECT_EQ(tested->next_memo_count(many_bytes), watched_cache::many_memos);
  EXPECT_EQ(tested->next_memo_count(most_bytes), watched_cache::many_memos) << "one after the other";
  const auto place = std::make_unique<slab_memo[]>(watched_cache::many_memos);
  tested->remember_in(place.get(), watched_cache::many_memos);
  EXPECT_EQ(tested->next_memo_count(most_bytes - 1), 0U);
  EXPECT_EQ(tested->next_memo_count(most_bytes), watched_cache::most_memos);
}

}  // namespace
}  // namespace quarry::core
