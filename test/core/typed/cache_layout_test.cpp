#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <quarry/core/typed/cache_layout.hpp>
#include <set>
#include <string>

#include "support/slab_memory.hpp"

namespace {

using quarry::core::cache_layout;
using quarry::core::cache_parts;
using quarry::core::choose_slab_bytes;
using quarry::core::clear_marks;
using quarry::core::control_of;
using quarry::core::create_cache_slab;
using quarry::core::is_power_of_two;
using quarry::core::kept_bytes_for;
using quarry::core::kept_of;
using quarry::core::make_cache_layout;
using quarry::core::round_up;
using quarry::core::slab;
using quarry::core::slab_contents;
using quarry::core::slot_bitmap;
using quarry_test::slab_memory;

static_assert(round_up(0, 8) == 0 && round_up(1, 8) == 8 && round_up(8, 8) == 8 && round_up(9, 8) == 16);
static_assert(round_up(5, 1) == 5);
static_assert(!is_power_of_two(0) && is_power_of_two(1) && is_power_of_two(4096) && !is_power_of_two(4097));
static_assert(is_power_of_two(SIZE_MAX / 2 + 1) && !is_power_of_two(SIZE_MAX));

constexpr std::size_t control_bytes = 240;

struct geometry {
  std::size_t slot_bytes;
  std::size_t slot_alignment;
  std::size_t slab_bytes;
  bool marks_kept;

  cache_parts parts() const { return {slot_bytes, slot_alignment, control_bytes, marks_kept}; }
  cache_layout layout() const { return make_cache_layout(parts(), slab_bytes); }
};

void PrintTo(const geometry& one, std::ostream* out) {
  *out << one.slot_bytes << " bytes aligned to " << one.slot_alignment << " in " << one.slab_bytes
       << (one.marks_kept ? " with marks" : "");
}

class CacheGeometry : public ::testing::TestWithParam<geometry> {
 protected:
  const geometry& of = GetParam();
  const cache_layout layout = of.layout();
};

TEST_P(CacheGeometry, PartsOfARootAndOfAnExtensionSlabLieBesideEachOtherInTheSlab) {
  for (const bool is_root : {true, false}) {
    // Neighbours differ in the colour of their headers.
    const slab_memory first(of.slab_bytes), second(of.slab_bytes), third(of.slab_bytes);
    for (const slab_memory* memory : {&first, &second, &third}) {
      const slab_contents& contents = is_root ? layout.root : layout.extension;
      const std::size_t slots = contents.slots;
      const std::size_t gap_bytes = is_root ? control_bytes : 0;
      ASSERT_GT(slots, 0U);
      slab* const fresh = create_cache_slab(memory->base(), layout, contents);
      const auto* const header = reinterpret_cast<const std::byte*>(fresh);
      const auto* const control =
          reinterpret_cast<const std::byte*>(fresh) + contents.behind_bytes - gap_bytes;
      ASSERT_TRUE(!is_root || control_of(*fresh, layout, control_bytes) == control);
      ASSERT_GE(header, memory->base());
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(control) % alignof(void*), 0U);
      ASSERT_GE(control, header + slab::header_bytes_for(slots));
      if (of.marks_kept) {
        const auto* const marks = reinterpret_cast<const std::byte*>(&kept_of(*fresh));
        ASSERT_GE(marks, header + slab::header_bytes_for(slots));
        ASSERT_GE(control, marks + kept_bytes_for(slots));
        clear_marks(*fresh);
        ASSERT_EQ(kept_of(*fresh).bits.count(), 0U);
      }
      ASSERT_GE(fresh->begin(), control + gap_bytes);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(fresh->begin()) % of.slot_alignment, 0U);
      ASSERT_LE(fresh->begin() + slots * of.slot_bytes, memory->base() + of.slab_bytes);
      ASSERT_EQ(fresh->free_slots(), slots);
    }
  }
}

TEST_P(CacheGeometry, ASlabThatIsWrittenFullFindsItsHeaderFromEveryByte) {
  const slab_memory memory(of.slab_bytes);
  slab* const fresh = create_cache_slab(memory.base(), layout, layout.root);
  std::memset(control_of(*fresh, layout, control_bytes), 0xC0, control_bytes);
  std::memset(fresh->begin(), 0xAB, layout.root.slots * of.slot_bytes);
  ASSERT_TRUE(fresh->bitmap().check_invariants());
  ASSERT_EQ(fresh->free_slots(), layout.root.slots);
  for (std::size_t i = 0; i < layout.root.slots; ++i) {
    auto* const slot = static_cast<std::byte*>(fresh->slot_at(i, layout.slabs));
    for (const std::size_t byte : {std::size_t{0}, of.slot_bytes / 2, of.slot_bytes - 1}) {
      ASSERT_EQ(home_of(slot + byte, layout.slabs), fresh);
      ASSERT_EQ(fresh->index_of(slot + byte, layout.slabs), i);
    }
  }
}

TEST_P(CacheGeometry, OneMoreSlotWouldNotFitAtTheLastColour) {
  const std::size_t colour_bytes = layout.slabs.colours.mask;
  const auto end_of = [&](std::size_t slots, std::size_t gap_bytes) {
    const std::size_t behind = slab::header_bytes_for(slots) + (of.marks_kept ? kept_bytes_for(slots) : 0);
    return round_up(colour_bytes + behind + gap_bytes, of.slot_alignment) + slots * of.slot_bytes;
  };
  EXPECT_LE(end_of(layout.root.slots, control_bytes), of.slab_bytes);
  EXPECT_LE(end_of(layout.extension.slots, 0), of.slab_bytes);
  if (layout.extension.slots == slot_bitmap::most_slots) return;
  // Rounding the number of marks up may cost a few slots of the smallest sizes, never more than a word's bytes of them.
  const std::size_t spare = 3 * sizeof(void*) / of.slot_bytes + 1;
  EXPECT_GT(end_of(layout.root.slots + spare, control_bytes), of.slab_bytes);
  EXPECT_GT(end_of(layout.extension.slots + spare, 0), of.slab_bytes);
}

TEST_P(CacheGeometry, TheHeadersPlaceDependsOnTheSlabsSizeAlone) {
  const slab_memory memory(of.slab_bytes);
  const cache_layout plain = make_cache_layout({1, 1, 0, false}, of.slab_bytes);
  EXPECT_EQ(home_of(memory.base(), layout.slabs), home_of(memory.base(), plain.slabs));
}

INSTANTIATE_TEST_SUITE_P(, CacheGeometry,
                         ::testing::Values(geometry{1, 1, 1024, false}, geometry{1, 1, 65536, true},
                                           geometry{7, 1, 4096, true}, geometry{48, 8, 4096, false},
                                           geometry{32, 4, 1024, false}, geometry{64, 64, 4096, true},
                                           geometry{256, 256, 4096, false}, geometry{100, 4, 65536, true},
                                           geometry{1024, 1024, 4096, false}, geometry{2048, 8, 4096, true},
                                           geometry{32768, 32768, 65536, false},
                                           geometry{32700, 4, 65536, true}));

TEST(CacheLayout, TheHeadersOfNeighbouringSlabsLieAtDifferentPlaces) {
  for (const std::size_t bytes : {std::size_t{16384}, std::size_t{65536}, std::size_t{1} << 20}) {
    const auto slabs = quarry::core::make_typed_slab_layout(64, bytes);
    std::set<std::uintptr_t> places;
    for (std::uintptr_t number = 1; number <= 16; ++number)
      places.insert(
          reinterpret_cast<std::uintptr_t>(home_of(reinterpret_cast<void*>(number * bytes), slabs)) % bytes);
    EXPECT_EQ(places.size(), slabs.colours.mask / 64U + 1) << bytes;
    EXPECT_GT(places.size(), 1U) << bytes;
  }
}

TEST(CacheLayout, TheControlBlockCostsTheRootSlabSlotsAndNoOther) {
  const cache_layout none = make_cache_layout({32, 8, 0, false}, 4096);
  const cache_layout some = make_cache_layout({32, 8, control_bytes, false}, 4096);
  EXPECT_EQ(none.root.slots, none.extension.slots);
  EXPECT_EQ(some.extension.slots, none.extension.slots);
  EXPECT_GE(none.root.slots - some.root.slots, control_bytes / 32);
  EXPECT_LE(none.root.slots - some.root.slots, control_bytes / 32 + 1);
}

TEST(CacheLayout, WhatDoesNotFitLeavesNoSlots) {
  EXPECT_EQ(make_cache_layout({8, 8, 1024, false}, 1024).root.slots, 0U);
  EXPECT_EQ(make_cache_layout({8, 8, SIZE_MAX / 2, false}, 1024).root.slots, 0U);
  EXPECT_EQ(make_cache_layout({64, 8, 0, false}, 64).extension.slots, 0U);
  EXPECT_EQ(make_cache_layout({1024, 8, 0, false}, 1024).extension.slots, 0U) << "the header needs room";
  EXPECT_EQ(make_cache_layout({600, 512, 0, false}, 1024).extension.slots, 0U)
      << "behind the header the next place of this alignment leaves 512 bytes";
}

TEST(CacheLayout, NoSlabHasMoreSlotsThanABitmapMarks) {
  const cache_layout layout = make_cache_layout({1, 1, 0, true}, std::size_t{1} << 24);
  EXPECT_EQ(layout.extension.slots, slot_bitmap::most_slots);
  EXPECT_EQ(layout.slabs.total_slots, slot_bitmap::most_slots);
}

TEST(CacheLayout, ChoosesTheSmallestSlabOfEightSlotsAndAnEighthOfWaste) {
  const auto is_good = [](const cache_parts& parts, std::size_t slab_bytes) {
    const std::size_t slots = make_cache_layout(parts, slab_bytes).extension.slots;
    const std::size_t used = slots * parts.slot_bytes + slab::header_bytes_for(slots) +
                             (parts.marks_kept ? kept_bytes_for(slots) : 0);
    return slots >= 8 && (slab_bytes - used) * 8 <= slab_bytes;
  };
  for (const bool marks_kept : {false, true})
    for (const std::size_t smallest_bytes : {std::size_t{1024}, std::size_t{4096}, std::size_t{65536}})
      for (std::size_t bytes = 1; bytes < 200000; bytes += bytes / 3 + 1)
        for (std::size_t alignment = 1; alignment <= bytes && bytes % alignment == 0; alignment *= 2) {
          const cache_parts parts{bytes, alignment, 0, marks_kept};
          const std::size_t chosen = choose_slab_bytes(parts, smallest_bytes);
          SCOPED_TRACE(std::to_string(bytes) + " bytes aligned to " + std::to_string(alignment));
          ASSERT_TRUE(is_power_of_two(chosen));
          ASSERT_GE(chosen, smallest_bytes);
          ASSERT_TRUE(is_good(parts, chosen));
          ASSERT_TRUE(chosen == smallest_bytes || !is_good(parts, chosen / 2));
        }
}

TEST(CacheLayout, AnObjectTooLargeForEverySlabGetsTheLargest) {
  EXPECT_EQ(choose_slab_bytes({std::size_t{1} << 22, 8, 0, false}, 4096), std::size_t{1} << 24);
}

}  // namespace
