// again with: -Os
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <quarry/core/slabs/slab.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/slab_memory.hpp"

namespace {

using quarry::core::slab;
using quarry::core::slab_layout;
using quarry_test::slab_memory;

std::vector<void*> take_all(slab& from, const slab_layout& layout) {
  std::vector<void*> slots(from.free_slots());
  from.take(slots.data() + slots.size(), slots.size(), layout);
  return {slots.rbegin(), slots.rend()};
}

/// A slab that covers memory of its own, and its header apart.
class whole_slab {
 public:
  whole_slab(std::size_t slot_bytes, std::size_t slab_bytes)
      : layout(slab::layout(slot_bytes, slab_bytes)),
        memory(slab_bytes),
        header(std::make_unique<std::uint64_t[]>(layout.header_bytes / sizeof(std::uint64_t) + 1)),
        slots(slab::create(header.get(), memory.base(), layout.total_slots)) {}

  slab_layout layout;
  slab_memory memory;
  std::unique_ptr<std::uint64_t[]> header;
  slab* slots;
};

struct geometry {
  std::size_t slot_bytes;
  std::size_t slab_bytes;
};

class SlabGeometry : public testing::TestWithParam<geometry> {};

TEST_P(SlabGeometry, HandsOutAsManySlotsAsFitInOrder) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const whole_slab one(slot_bytes, slab_bytes);
  const std::vector<void*> slots = take_all(*one.slots, one.layout);
  EXPECT_EQ(one.slots->free_slots(), 0U);
  ASSERT_EQ(slots.size(), slab_bytes / slot_bytes);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    ASSERT_EQ(slots[i], one.memory.base() + i * slot_bytes);
    std::memset(slots[i], 0xAB, slot_bytes);
  }
  // Writing every slot left the header alone.
  EXPECT_EQ(one.slots->slots(), slots.size());
  EXPECT_TRUE(one.slots->bitmap().check_invariants());
}

TEST_P(SlabGeometry, FindsTheIndexFromAnyByteOfASlot) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const whole_slab one(slot_bytes, slab_bytes);
  std::size_t index = 0;
  for (void* const each : take_all(*one.slots, one.layout)) {
    ASSERT_EQ(one.slots->slot_at(index, one.layout), each);
    for (const std::size_t byte : {std::size_t{0}, slot_bytes / 2, slot_bytes - 1})
      ASSERT_EQ(one.slots->index_of(static_cast<std::byte*>(each) + byte, one.layout), index);
    ++index;
  }
}

TEST_P(SlabGeometry, HoldsTheBytesOfItsSlotsAndNoOthers) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const whole_slab one(slot_bytes, slab_bytes);
  const auto begin = reinterpret_cast<std::uintptr_t>(one.memory.base());
  const std::uintptr_t end = begin + one.slots->slots() * slot_bytes;
  const auto holds = [&one](std::uintptr_t address) {
    return one.slots->holds(reinterpret_cast<const void*>(address), one.layout);
  };
  EXPECT_TRUE(holds(begin));
  EXPECT_TRUE(holds(end - 1));
  EXPECT_FALSE(holds(begin - 1));
  EXPECT_FALSE(holds(end)) << "the tail is no slot";
  EXPECT_FALSE(one.slots->holds(one.slots, one.layout));
  EXPECT_FALSE(one.slots->holds(nullptr, one.layout));
}

TEST_P(SlabGeometry, IsEmptyAgainWhenEverySlotCameBack) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const whole_slab one(slot_bytes, slab_bytes);
  EXPECT_TRUE(one.slots->empty());
  const std::vector<void*> slots = take_all(*one.slots, one.layout);
  for (void* const each : slots) {
    EXPECT_FALSE(one.slots->empty());
    one.slots->put_one(one.slots->index_of(each, one.layout));
  }
  EXPECT_TRUE(one.slots->empty());
  EXPECT_EQ(take_all(*one.slots, one.layout), slots);
}

TEST_P(SlabGeometry, WalksExactlyTheUsedSlots) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const whole_slab one(slot_bytes, slab_bytes);
  const std::vector<void*> used = take_all(*one.slots, one.layout);
  std::vector<void*> kept;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (i % 3 == 1) {
      one.slots->put_one(one.slots->index_of(used[i], one.layout));
    } else {
      kept.push_back(used[i]);
    }
  }
  std::vector<void*> seen;
  one.slots->for_each_used(one.layout, [&seen](void* slot) { seen.push_back(slot); });
  EXPECT_EQ(seen, kept);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SlabGeometry,
                         testing::Values(geometry{1, 4096}, geometry{8, 1024}, geometry{8, 65536},
                                         geometry{24, 65536}, geometry{48, 65536}, geometry{64, 4096},
                                         geometry{72, 65536}, geometry{520, 65536}, geometry{1000, 16384},
                                         geometry{4096, 65536}, geometry{8192, 65536}, geometry{16384, 65536},
                                         geometry{40, 1U << 20}, geometry{32768, 1U << 20}),
                         [](const testing::TestParamInfo<geometry>& each) {
                           return std::to_string(each.param.slot_bytes) + "in" +
                                  std::to_string(each.param.slab_bytes);
                         });

TEST(Slab, TakesTheLowestFreeSlotsFirst) {
  const whole_slab one(64, 65536);
  const std::vector<void*> all = take_all(*one.slots, one.layout);
  for (const std::size_t i : {500U, 100U, 300U, 101U}) one.slots->put_one(i);
  void* taken[3];
  one.slots->take(taken + 3, 3, one.layout);
  EXPECT_EQ(taken[2], all[100]);
  EXPECT_EQ(taken[1], all[101]);
  EXPECT_EQ(taken[0], all[300]);
  EXPECT_EQ(one.slots->free_slots(), 1U);
  EXPECT_EQ(one.slots->take_one(one.layout), all[500]);
  EXPECT_EQ(one.slots->free_slots(), 0U);
}

TEST(Slab, MayHaveFewerSlotsThanItsBinsLayout) {
  const slab_layout layout = slab::layout(64, 65536);
  alignas(64) std::byte slots[16 * 64];
  alignas(slab) std::byte header[slab::header_bytes_for(16)];
  slab* const one = slab::create(header, slots, 16);
  EXPECT_EQ(one->slots(), 16U);
  EXPECT_EQ(one->begin(), slots);
  const std::vector<void*> all = take_all(*one, layout);
  EXPECT_EQ(all.front(), slots);
  EXPECT_EQ(all.back(), slots + 15 * 64);
  std::size_t used = 0;
  one->for_each_used(layout, [&used](void*) { ++used; });
  EXPECT_EQ(used, 16U);
}

TEST(Slab, StaysWithinTheBytesThatItsHeaderAsksFor) {
  for (std::size_t slots = 1; slots < 600; ++slots) {
    const std::size_t bytes = slab::header_bytes_for(slots);
    const auto header = std::make_unique<std::uint64_t[]>(bytes / sizeof(std::uint64_t) + 2);
    auto* const behind = reinterpret_cast<unsigned char*>(header.get()) + bytes;
    std::memset(behind, 0x77, 8);
    slab* const one = slab::create(header.get(), nullptr, slots);
    ASSERT_EQ(one->free_slots(), slots);
    for (std::size_t i = 0; i < slots; ++i) one->bitmap().take(i);
    for (std::size_t i = 0; i < slots; ++i) one->put_one(i);
    ASSERT_TRUE(one->bitmap().check_invariants());
    for (int i = 0; i < 8; ++i) ASSERT_EQ(behind[i], 0x77);
  }
}

TEST(Slab, PutTellsWhenTheNoticedNumberOfSlotsIsFree) {
  const whole_slab one(64, 4096);
  const std::vector<void*> all = take_all(*one.slots, one.layout);
  one.slots->bitmap().notice_at(2);
  const std::size_t last = one.slots->index_of(all.back(), one.layout);
  EXPECT_FALSE(one.slots->put_one(last));
  EXPECT_TRUE(one.slots->put(last - 2, 2));
  EXPECT_EQ(one.slots->free_slots(), 3U);
}

TEST(Slab, BeginsWithoutAnOwnerAndUnpinnedWhateverLayThereBefore) {
  alignas(slab) std::byte header[slab::header_bytes_for(64)];
  std::memset(header, 0xFF, sizeof(header));
  const slab* const one = slab::create(header, nullptr, 64);
  EXPECT_EQ(one->next, nullptr);
  EXPECT_EQ(one->previous, nullptr);
  EXPECT_EQ(one->owner, nullptr);
  EXPECT_FALSE(one->pinned);
  EXPECT_EQ(one->granules, 0U);
  EXPECT_TRUE(one->empty());
}

// The slab lies nowhere: only addresses are computed.
TEST(Slab, FindsTheIndexOfEveryByteByMultiplicationInSlabsOfAnySize) {
  std::vector<std::uint64_t> header(slab::header_bytes_for(1) / sizeof(std::uint64_t) + 1);
  auto* const begin = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 30);
  for (std::size_t slab_bytes = 1024; slab_bytes <= std::size_t{1} << 24; slab_bytes *= 4) {
    for (std::size_t slot_bytes = 1; slot_bytes <= 32768 && slot_bytes <= slab_bytes;
         slot_bytes += 1 + slot_bytes / 50) {
      const slab_layout layout = slab::layout(slot_bytes, slab_bytes);
      const slab* const one = slab::create(header.data(), begin, 1);
      const std::size_t slots = layout.total_slots;
      for (const std::size_t index :
           {std::size_t{0}, std::size_t{1}, slots / 3, slots / 2, slots - 2, slots - 1}) {
        if (index >= slots) continue;
        std::byte* const slot = begin + index * slot_bytes;
        ASSERT_EQ(one->slot_at(index, layout), slot);
        ASSERT_EQ(one->index_of(slot, layout), index) << slot_bytes << " bytes in " << slab_bytes;
        ASSERT_EQ(one->index_of(slot + slot_bytes - 1, layout), index) << slot_bytes << " in " << slab_bytes;
      }
    }
  }
}

TEST(Slab, TakesRunsAndScatteredSlotsAlikeAcrossWords) {
  constexpr std::size_t slots = 200;  // three full words and a part
  constexpr std::size_t slot_bytes = 16;
  const slab_layout layout = slab::layout(slot_bytes, 4096);
  alignas(16) static std::byte place[slots * slot_bytes];
  alignas(slab) std::byte header[slab::header_bytes_for(slots)];
  const auto expect_taken_are_the_lowest = [&](slab& from, std::set<std::size_t>& is_free,
                                               std::size_t count) {
    std::vector<void*> taken(count);
    from.take(taken.data() + count, count, layout);
    for (std::size_t i = count; i-- > 0;) {
      ASSERT_EQ(taken[i], place + *is_free.begin() * slot_bytes);
      is_free.erase(is_free.begin());
    }
    ASSERT_EQ(from.free_slots(), is_free.size());
    ASSERT_TRUE(from.bitmap().check_invariants());
  };
  for (const std::size_t every : {1U, 2U, 3U, 63U}) {  // 1: runs only
    for (const std::size_t first : {0U, 1U, 63U, 64U, 65U}) {
      slab* const one = slab::create(header, place, slots);
      std::vector<void*> all(slots);
      one->take(all.data() + slots, slots, layout);
      std::set<std::size_t> is_free;
      for (std::size_t i = first; i < slots; i += every) {
        one->put_one(i);
        is_free.insert(i);
      }
      for (std::size_t count = 1; !is_free.empty(); count += 7)
        expect_taken_are_the_lowest(*one, is_free, std::min(count, is_free.size()));
    }
  }
}

TEST(Slab, TakesTheLowestRunWhereItIsLongEnoughOrAWordCutsIt) {
  constexpr std::size_t slots = 200;
  constexpr std::size_t slot_bytes = 16;
  const slab_layout layout = slab::layout(slot_bytes, 4096);
  alignas(16) static std::byte place[slots * slot_bytes];
  alignas(slab) std::byte header[slab::header_bytes_for(slots)];
  for (const std::size_t first : {0U, 5U, 60U, 63U, 64U, 100U, 192U}) {
    for (const std::size_t length : {1U, 3U, 4U, 8U, 63U, 64U, 65U, 100U}) {
      if (first + length > slots) continue;
      for (const std::size_t most : {4U, 64U, 200U}) {
        slab* const one = slab::create(header, place, slots);
        static_cast<void>(take_all(*one, layout));
        one->put(first, length);
        const quarry::core::slot_run run = one->take_run(4, most, layout);
        const bool too_short = std::min(length, most) < 4;
        const bool cut_by_a_word = first % 64 + length >= 64;
        if (too_short && !cut_by_a_word) {
          EXPECT_EQ(run.first, nullptr);
          EXPECT_EQ(one->free_slots(), length);
        } else {
          EXPECT_EQ(run.first, place + first * slot_bytes);
          EXPECT_EQ(run.slots, std::min(length, most)) << first << ", " << length << ", " << most;
          EXPECT_EQ(one->free_slots(), length - run.slots);
        }
        EXPECT_TRUE(one->bitmap().check_invariants());
      }
    }
  }
}

TEST(Slab, ARunEndsWithItsWordWhenTheNextWordBeginsInUse) {
  constexpr std::size_t slots = 128;
  const slab_layout layout = slab::layout(16, 4096);
  alignas(16) static std::byte place[slots * 16];
  alignas(slab) std::byte header[slab::header_bytes_for(slots)];
  slab* const one = slab::create(header, place, slots);
  static_cast<void>(take_all(*one, layout));
  one->put(60, 4);
  one->put_one(66);
  const quarry::core::slot_run run = one->take_run(4, 100, layout);
  EXPECT_EQ(run.first, place + 60 * 16);
  EXPECT_EQ(run.slots, 4U);
  EXPECT_EQ(one->free_slots(), 1U);
  EXPECT_TRUE(one->bitmap().is_free(66));
  EXPECT_TRUE(one->bitmap().check_invariants());
}

}  // namespace
