// again with: -Os
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory_resource>
#include <quarry/core/slab.hpp>
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

struct geometry {
  std::size_t slot_bytes;
  std::size_t slab_bytes;
};

class SlabGeometry : public testing::TestWithParam<geometry> {};

TEST_P(SlabGeometry, HandsOutSlotsInOrderThatOverlapNeitherEachOtherNorTheHeader) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const slab_memory memory(slab_bytes);
  const slab_layout layout = slab::layout(slot_bytes, slab_bytes);
  slab* const one = slab::create(memory.base(), layout);
  ASSERT_GT(one->slots(), 0U);
  const auto* const header = reinterpret_cast<const std::byte*>(one);
  const std::vector<void*> slots = take_all(*one, layout);
  EXPECT_EQ(one->free_slots(), 0U);
  const std::byte* previous_end = memory.base();
  for (void* const each : slots) {
    auto* const slot = static_cast<std::byte*>(each);
    ASSERT_GE(slot, previous_end);
    ASSERT_EQ(static_cast<std::size_t>(slot - memory.base()) % slot_bytes, 0U);
    ASSERT_LE(slot + slot_bytes, memory.base() + slab_bytes);
    ASSERT_TRUE(slot + slot_bytes <= header || slot >= header + layout.header_bytes)
        << "a slot lies over the header";
    std::memset(slot, 0xAB, slot_bytes);
    previous_end = slot + slot_bytes;
  }
  // Writing every slot left the header alone.
  EXPECT_EQ(one->slots(), slots.size());
  EXPECT_TRUE(one->bitmap().check_invariants());
}

TEST_P(SlabGeometry, FindsHeaderAndIndexFromAnyByteOfASlot) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const slab_memory memory(slab_bytes);
  const slab_layout layout = slab::layout(slot_bytes, slab_bytes);
  slab* const one = slab::create(memory.base(), layout);
  for (void* const each : take_all(*one, layout)) {
    const std::size_t index = one->index_of(each, layout);
    ASSERT_EQ(one->slot_at(index, layout), each);
    for (const std::size_t byte : {std::size_t{0}, slot_bytes / 2, slot_bytes - 1}) {
      const void* const inside = static_cast<std::byte*>(each) + byte;
      ASSERT_EQ(slab::of(inside, layout), one);
      ASSERT_EQ(one->index_of(inside, layout), index);
    }
  }
}

TEST_P(SlabGeometry, IsEmptyAgainWhenEverySlotCameBack) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const slab_memory memory(slab_bytes);
  const slab_layout layout = slab::layout(slot_bytes, slab_bytes);
  slab* const one = slab::create(memory.base(), layout);
  EXPECT_TRUE(one->empty());
  const std::vector<void*> slots = take_all(*one, layout);
  EXPECT_FALSE(one->empty());
  for (void* const each : slots) one->put_one(one->index_of(each, layout));
  EXPECT_TRUE(one->empty());
  EXPECT_EQ(take_all(*one, layout), slots);
}

TEST_P(SlabGeometry, WalksExactlyTheUsedSlots) {
  const auto [slot_bytes, slab_bytes] = GetParam();
  const slab_memory memory(slab_bytes);
  const slab_layout layout = slab::layout(slot_bytes, slab_bytes);
  slab* const one = slab::create(memory.base(), layout);
  std::vector<void*> used = take_all(*one, layout);
  std::vector<void*> kept;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (i % 3 == 1) {
      one->put_one(one->index_of(used[i], layout));
    } else {
      kept.push_back(used[i]);
    }
  }
  std::vector<void*> seen;
  one->for_each_used(layout, [&seen](void* slot) { seen.push_back(slot); });
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

TEST(Slab, SpreadsItsHeaderOverTheCacheSets) {
  const slab_layout layout = slab::layout(48, 65536);
  const slab_memory memory(16 * 65536);
  std::map<std::size_t, int> offsets;
  for (std::size_t i = 0; i < 16; ++i) {
    std::byte* const base = memory.base() + i * 65536;
    ++offsets[static_cast<std::size_t>(reinterpret_cast<std::byte*>(slab::create(base, layout)) - base) %
              4096 / 64];
  }
  EXPECT_GE(offsets.size(), 8U);
}

TEST(Slab, TakesTheLowestFreeSlotsFirst) {
  const slab_layout layout = slab::layout(64, 65536);
  const slab_memory memory(65536);
  slab* const one = slab::create(memory.base(), layout);
  const std::vector<void*> all = take_all(*one, layout);
  for (const std::size_t i : {500U, 100U, 300U, 101U}) one->put_one(one->index_of(all[i], layout));
  void* taken[3];
  one->take(taken + 3, 3, layout);
  EXPECT_EQ(taken[2], all[100]);
  EXPECT_EQ(taken[1], all[101]);
  EXPECT_EQ(taken[0], all[300]);
  EXPECT_EQ(one->free_slots(), 1U);
}

TEST(Slab, MayKeepItsHeaderApart) {
  const slab_layout layout = slab::layout(64, 65536);
  alignas(64) std::byte slots[16 * 64];
  alignas(slab) std::byte header[slab::header_bytes_for(16)];
  slab* const one = slab::create_apart(header, slots, 16, layout);
  EXPECT_EQ(one->slots(), 16U);
  const std::vector<void*> all = take_all(*one, layout);
  EXPECT_EQ(all.front(), slots);
  EXPECT_EQ(all.back(), slots + 15 * 64);
  std::size_t used = 0;
  one->for_each_used(layout, [&used](void*) { ++used; });
  EXPECT_EQ(used, 16U);
}

TEST(Slab, NeighboursHaveTheirHeadersOnCacheLinesOfTheirOwn) {
  const slab_layout layout = slab::layout(48, 65536);
  const std::size_t colours = layout.colour_mask / 64 + 1;
  EXPECT_EQ(colours, 16U);
  const slab_memory memory(16 * 65536);
  std::set<std::size_t> offsets;
  for (std::size_t i = 0; i < 16; ++i) {
    std::byte* const base = memory.base() + i * 65536;
    const auto* const header = reinterpret_cast<const std::byte*>(slab::create(base, layout));
    offsets.insert(static_cast<std::size_t>(header - base));
  }
  EXPECT_EQ(offsets.size(), colours);
}

TEST(Slab, AHeaderInTheTailCostsNoSlot) {
  for (const geometry each : {geometry{2000, 65536}, geometry{1000, 16384}, geometry{400, 1024}}) {
    const slab_memory memory(each.slab_bytes);
    const slab_layout layout = slab::layout(each.slot_bytes, each.slab_bytes);
    const slab* const one = slab::create(memory.base(), layout);
    EXPECT_EQ(one->slots(), each.slab_bytes / each.slot_bytes);
    EXPECT_EQ(one->slots(), one->extent_slots());
  }
}

TEST(Slab, AHeaderOverSlotsReservesExactlyThoseThatItTouches) {
  for (const geometry each :
       {geometry{8, 1024}, geometry{24, 65536}, geometry{64, 4096}, geometry{4096, 65536}}) {
    const slab_memory memory(2 * each.slab_bytes);
    const slab_layout layout = slab::layout(each.slot_bytes, each.slab_bytes);
    for (std::byte* const base : {memory.base(), memory.base() + each.slab_bytes}) {  // two colours
      const slab* const one = slab::create(base, layout);
      const auto header = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(one) - base);
      std::size_t touched = 0;
      for (std::size_t i = 0; i < one->extent_slots(); ++i) {
        const std::size_t begin = i * each.slot_bytes;
        const bool touches = begin < header + layout.header_bytes && header < begin + each.slot_bytes;
        EXPECT_EQ(one->is_reserved(i, layout), touches) << "slot " << i << " of " << each.slot_bytes;
        EXPECT_EQ(one->bitmap().is_free(i), !touches) << "slot " << i << " of " << each.slot_bytes;
        touched += touches ? 1 : 0;
      }
      EXPECT_GT(touched, 0U);
      EXPECT_EQ(one->slots(), one->extent_slots() - touched);
    }
  }
}

TEST(Slab, KeepsTheBytesThatItsOwnerAsksForBehindTheBitmap) {
  for (const std::size_t slot_bytes : {8U, 48U, 600U, 2000U}) {
    const slab_layout plain = slab::layout(slot_bytes, 4096);
    const slab_layout layout = slab::layout(slot_bytes, 4096, 100);
    EXPECT_GE(layout.header_bytes, plain.header_bytes + 100);
    const slab_memory memory(4096);
    slab* const one = slab::create(memory.base(), layout);
    auto* const header = reinterpret_cast<std::byte*>(one);
    EXPECT_LE(header + layout.header_bytes, memory.base() + 4096);
    std::memset(header + plain.header_bytes, 0x77, 100);
    for (void* const each : take_all(*one, layout)) std::memset(each, 0, slot_bytes);
    EXPECT_TRUE(one->bitmap().check_invariants());
    for (std::size_t i = 0; i < 100; ++i) ASSERT_EQ(header[plain.header_bytes + i], std::byte{0x77});
  }
}

// The slab lies nowhere: only addresses are computed.
TEST(Slab, FindsTheIndexOfEveryByteByMultiplicationInSlabsOfAnySize) {
  std::vector<std::uint64_t> header(slab::header_bytes_for(1) / sizeof(std::uint64_t) + 1);
  auto* const begin = reinterpret_cast<std::byte*>(std::uintptr_t{1} << 30);
  for (std::size_t slab_bytes = 1024; slab_bytes <= std::size_t{1} << 24; slab_bytes *= 4) {
    for (std::size_t slot_bytes = 1; slot_bytes <= 32768 && slot_bytes <= slab_bytes;
         slot_bytes += 1 + slot_bytes / 50) {
      const slab_layout layout = slab::layout(slot_bytes, slab_bytes);
      const slab* const one = slab::create_apart(header.data(), begin, 1, layout);
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
      slab* const one = slab::create_apart(header, place, slots, layout);
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

TEST(Slab, PutTellsWhenTheNoticedNumberOfSlotsIsFree) {
  const slab_layout layout = slab::layout(64, 4096);
  const slab_memory memory(4096);
  slab* const one = slab::create(memory.base(), layout);
  const std::vector<void*> all = take_all(*one, layout);
  one->bitmap().notice_at(2);
  const std::size_t last = one->index_of(all.back(), layout);
  EXPECT_FALSE(one->put_one(last));
  EXPECT_TRUE(one->put(last - 2, 2));
  EXPECT_EQ(one->free_slots(), 3U);
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
        slab* const one = slab::create_apart(header, place, slots, layout);
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
  slab* const one = slab::create_apart(header, place, slots, layout);
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
