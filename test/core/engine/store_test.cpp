#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/engine/store.hpp>
#include <quarry/locks.hpp>
#include <random>
#include <thread>
#include <vector>

#include "support/fake_pages.hpp"
#include "support/slab_memory.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::core::class_index;
using quarry::core::class_of_bytes;
using quarry::core::engine_limits;
using quarry::core::extents;
using quarry::core::insist;
using quarry::core::oversize_blocks;
using quarry::core::plain_supply;
using quarry::core::slab;
using quarry::core::slab_layout;
using quarry_test::discarding_pages;
using quarry_test::fake_pages;
using quarry_test::page_log;
using quarry_test::slab_memory;
using quarry_test::upstream_failure;

constexpr std::size_t granule_bytes = 4096;
constexpr std::size_t slot_bytes = 64;
constexpr class_index index = class_of_bytes(slot_bytes);
constexpr slab_layout layout = slab::layout(slot_bytes, granule_bytes);

/// A plain supply that keeps freed blocks.
struct keeping_supply : plain_supply<discarding_pages> {
  using plain_supply::plain_supply;
  bool keeps_blocks() const noexcept { return true; }
};

template <class Supply, class Lock = quarry::null_lock>
struct store_on_pages {
  explicit store_on_pages(page_log& log, std::size_t retain_bytes = 0, std::size_t max_bytes = 0)
      : pages(log), slabs(supply_of(log), limits_of(retain_bytes, max_bytes)) {}
  static engine_limits limits_of(std::size_t retain_bytes, std::size_t max_bytes) {
    engine_limits limits;
    limits.granule_bytes = granule_bytes;
    limits.retain_bytes = retain_bytes;
    limits.max_bytes = max_bytes;
    return limits;
  }
  static Supply supply_of(page_log& log) {
    if constexpr (std::is_same_v<Supply, plain_supply<fake_pages>>)
      return Supply(fake_pages(log));
    else
      return Supply(discarding_pages(log));
  }
  std::vector<slab*> take(std::size_t count) {
    std::vector<slab*> taken;
    for (std::size_t i = 0; i < count; ++i) taken.push_back(slabs.take_slab(layout, index, 1));
    return taken;
  }
  /// Takes what is left of parts, so that the next part costs a call of the supply.
  void use_up_parts() {
    pages.fails_always = true;
    while (slabs.take_part(8, 8) != nullptr) {
    }
    pages.fails_always = false;
  }
  std::size_t discarded_bytes() const { return slabs.inspect().discarded_bytes; }
  /// Bytes of granules that are not lent while `slabs_out` slabs of one granule are, and were not discarded.
  std::size_t free_bytes(std::size_t slabs_out) const {
    std::size_t part_bytes = 0;
    for (const auto& each : pages.memory.history())
      if (each.alignment != granule_bytes) part_bytes += each.bytes;
    return slabs.held_bytes() - part_bytes - discarded_bytes() - slabs_out * granule_bytes;
  }
  /// The granules of each extent that was taken so far.
  std::vector<std::size_t> extent_granules() const {
    std::vector<std::size_t> granules;
    for (const auto& each : pages.memory.history())
      if (each.alignment == granule_bytes) granules.push_back(each.bytes / granule_bytes);
    return granules;
  }

  page_log& pages;
  quarry::core::store<Supply, Lock> slabs;
};

template <class Supply, class Lock = quarry::null_lock>
class StoreOn : public testing::Test {
 protected:
  explicit StoreOn(std::size_t retain_bytes = 0, std::size_t max_bytes = 0)
      : on(pages, retain_bytes, max_bytes) {}
  void TearDown() override {
    EXPECT_TRUE(on.slabs.check_invariants());
    EXPECT_EQ(on.slabs.held_bytes(), pages.memory.live_bytes());
    on.slabs.release();
    EXPECT_EQ(pages.memory.live_blocks(), 0U);
    EXPECT_EQ(on.slabs.held_bytes(), 0U);
  }

  page_log pages;
  store_on_pages<Supply, Lock> on;
};

class Store : public StoreOn<plain_supply<fake_pages>> {};
class DiscardingStore : public StoreOn<plain_supply<discarding_pages>> {};
class RetainingStore : public StoreOn<plain_supply<discarding_pages>> {
 protected:
  RetainingStore() : StoreOn(8 * granule_bytes) {}
};
class KeepingStore : public StoreOn<keeping_supply> {
 protected:
  KeepingStore() : StoreOn(65536) {}
};
class LimitedStore : public StoreOn<plain_supply<fake_pages>> {
 protected:
  LimitedStore() : StoreOn(0, 40000) {}
};

TEST_F(Store, TakesNothingUntilItIsUsed) {
  EXPECT_TRUE(on.slabs.untouched());
  EXPECT_EQ(on.slabs.trim(0), 0U);
  EXPECT_EQ(on.slabs.slab_of(&pages), nullptr);
  EXPECT_FALSE(on.slabs.holds(&pages));
  EXPECT_FALSE(on.slabs.give_back_oversize(&pages));
  on.slabs.release();
  EXPECT_EQ(pages.calls, 0U);
}

TEST_F(Store, GivesSlabsOfFreeSlotsThatAreFoundByEveryAddressInThem) {
  const std::vector<slab*> taken = on.take(100);
  for (slab* const each : taken) {
    ASSERT_NE(each, nullptr);
    EXPECT_TRUE(each->empty());
    EXPECT_EQ(each->slots(), granule_bytes / slot_bytes);
    EXPECT_EQ(each->size_class, index);
    EXPECT_EQ(each->granules, 1U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(each->begin()) % granule_bytes, 0U);
    std::memset(each->begin(), 1, granule_bytes);
    for (std::size_t at = 0; at < granule_bytes; at += 509)
      ASSERT_EQ(on.slabs.slab_of(each->begin() + at), each);
    EXPECT_TRUE(on.slabs.holds(each->begin() + granule_bytes - 1));
    EXPECT_TRUE(on.slabs.holds(each)) << "the header too";
  }
  EXPECT_FALSE(on.slabs.untouched());
}

TEST_F(Store, CoversEveryGranuleOfALargerSlab) {
  const slab_layout large = slab::layout(24576, 6 * granule_bytes);
  for (int i = 0; i < 10; ++i) {
    slab* const each = on.slabs.take_slab(large, class_of_bytes(24576), 1);
    ASSERT_NE(each, nullptr);
    EXPECT_EQ(each->granules, 6U);
    for (std::size_t granule = 0; granule < 6; ++granule)
      EXPECT_EQ(on.slabs.slab_of(each->begin() + granule * granule_bytes), each);
    std::memset(each->begin(), 1, 6 * granule_bytes);
  }
}

TEST_F(Store, AsksForAnExtentOfOneSlabWhenTheSupplyRefusesALargerOne) {
  const slab_layout large = slab::layout(slot_bytes, 3 * granule_bytes);
  ASSERT_NE(on.slabs.take_slab(large, index, 1), nullptr);
  on.slabs.insist_on_part(4096, 8);  // for what the next slab has beside it
  pages.fail_next();
  ASSERT_NE(on.slabs.take_slab(large, index, 1), nullptr);
  EXPECT_EQ(on.extent_granules(), (std::vector<std::size_t>{4, 3}));
}

TEST_F(Store, TakesLargerExtentsTheMoreItHoldsAndAtMostFourGranulesWhereNoneCanBeDiscarded) {
  (void)on.take(200);
  const std::vector<std::size_t> granules = on.extent_granules();
  EXPECT_EQ(granules.front(), 1U);
  EXPECT_TRUE(std::is_sorted(granules.begin(), granules.end()));
  EXPECT_EQ(granules.back(), 4U);
}

TEST_F(Store, TakesThePartsOfSomeSlabsBeforeTheFirstExtentWhereNothingIsKnownOfTheSupply) {
  constexpr slab_layout small_slots = slab::layout(8, granule_bytes);
  for (int i = 0; i < 8; ++i) ASSERT_NE(on.slabs.take_slab(small_slots, class_of_bytes(8), 1), nullptr);
  bool has_extent = false;
  for (const auto& each : pages.memory.history()) {
    EXPECT_TRUE(each.alignment == granule_bytes || !has_extent) << "parts between extents";
    has_extent = has_extent || each.alignment == granule_bytes;
  }
}

TEST_F(DiscardingStore, TakesExtentsOfUpTo64GranulesWhereTheyCanBeDiscarded) {
  (void)on.take(1000);
  const std::vector<std::size_t> granules = on.extent_granules();
  EXPECT_EQ(granules.front(), 1U);
  EXPECT_TRUE(std::is_sorted(granules.begin(), granules.end()));
  EXPECT_EQ(granules.back(), 64U);
  std::size_t held = 0;
  for (const std::size_t each : granules) {
    EXPECT_LE(each, std::max<std::size_t>(1, held / 2)) << "no more than half of what is held";
    held += each;
  }
}

TEST_F(Store, GivesAnExtentBackWithItsLastSlab) {
  std::vector<slab*> taken = on.take(100);
  const std::size_t extents_held = on.extent_granules().size();
  std::size_t given = 0;
  for (slab* const each : taken) {
    each->next = nullptr;
    std::byte* const begin = each->begin();
    const std::size_t before = pages.memory.deallocations();
    on.slabs.give_back(each);
    EXPECT_EQ(on.slabs.slab_of(begin), nullptr);
    given += pages.memory.deallocations() - before;
  }
  EXPECT_EQ(given, extents_held);
}

TEST_F(Store, TakesAChainOfSlabsBackAtOnce) {
  std::vector<slab*> taken = on.take(5);
  for (std::size_t i = 0; i < 5; ++i) taken[i]->next = i == 4 ? nullptr : taken[i + 1];
  const std::size_t before = on.slabs.held_bytes();
  on.slabs.give_back(taken[0]);
  EXPECT_GE(before - on.slabs.held_bytes(), 4 * granule_bytes);
  on.slabs.give_back(nullptr);
}

TEST_F(DiscardingStore, DiscardsGranulesOfAnExtentThatIsInUseAndGivesItBackWithoutWhenItIsNot) {
  std::vector<slab*> taken = on.take(1000);  // the last ones share an extent
  slab* const one = taken[taken.size() - 1];
  slab* const other = taken[taken.size() - 2];
  ASSERT_EQ(one->owner, other->owner);
  std::byte* const begin = one->begin();
  std::memset(begin, 1, granule_bytes);
  one->next = nullptr;
  const std::size_t held = on.slabs.held_bytes();
  on.slabs.give_back(one);
  EXPECT_EQ(pages.discards, 1U);
  EXPECT_EQ(on.discarded_bytes(), granule_bytes);
  EXPECT_EQ(*begin, std::byte{0xDD});
  EXPECT_EQ(on.slabs.held_bytes(), held) << "its addresses are held";
  void* const home = taken.back()->owner;
  std::vector<slab*> same;
  for (std::size_t i = 0; i + 1 < taken.size(); ++i)
    if (taken[i]->owner == home) same.push_back(taken[i]);
  for (slab* const each : same) {
    each->next = nullptr;
    on.slabs.give_back(each);
  }
  EXPECT_EQ(pages.discards, same.size()) << "but for the last one, with which all goes";
  EXPECT_LT(on.slabs.held_bytes(), held);
  EXPECT_EQ(on.discarded_bytes(), 0U);
}

TEST_F(DiscardingStore, UsesDiscardedGranulesAgainWithoutTheSupply) {
  std::vector<slab*> taken = on.take(1000);
  taken.back()->next = nullptr;
  on.slabs.give_back(taken.back());
  ASSERT_EQ(on.discarded_bytes(), granule_bytes);
  pages.fails_always = true;
  std::size_t more = 0;
  while (on.slabs.take_slab(layout, index, 1) != nullptr) ++more;
  pages.fails_always = false;
  EXPECT_GE(more, 1U);
  EXPECT_EQ(on.discarded_bytes(), 0U);
}

TEST_F(DiscardingStore, KeepsGranulesThatTheSystemRefusesToDiscard) {
  pages.refuses_discards = true;
  std::vector<slab*> taken = on.take(1000);
  taken.back()->next = nullptr;
  on.slabs.give_back(taken.back());
  EXPECT_EQ(on.discarded_bytes(), 0U);
  EXPECT_EQ(on.slabs.trim(0), 0U) << "it gives up";
  pages.refuses_discards = false;
  EXPECT_EQ(on.slabs.trim(0), granule_bytes);
  EXPECT_EQ(on.discarded_bytes(), granule_bytes);
}

TEST_F(RetainingStore, KeepsFreeMemoryUpToWhatItRetainsAndUsesItAgain) {
  std::vector<slab*> taken = on.take(8);
  for (slab* const each : taken) {
    each->next = nullptr;
    on.slabs.give_back(each);
  }
  EXPECT_EQ(pages.memory.deallocations(), 0U);
  EXPECT_EQ(pages.discards, 0U);
  const std::size_t calls = pages.calls;
  (void)on.take(8);
  EXPECT_EQ(pages.calls, calls);
}

TEST_F(RetainingStore, KeepsNoMoreThanItRetains) {
  std::vector<slab*> taken = on.take(300);
  const std::size_t unused_bytes = on.free_bytes(300);
  while (!taken.empty()) {
    taken.back()->next = nullptr;
    on.slabs.give_back(taken.back());
    taken.pop_back();
    ASSERT_LE(on.free_bytes(taken.size()), unused_bytes + 8 * granule_bytes);
  }
  EXPECT_GT(pages.discards, 0U);
  EXPECT_GT(pages.memory.deallocations(), 0U);
}

TEST_F(RetainingStore, TrimsToWhatItIsToldAndSaysHowMuchThatWas) {
  std::vector<slab*> taken = on.take(8);
  for (slab* const each : taken) {
    each->next = nullptr;
    on.slabs.give_back(each);
  }
  const std::size_t held = on.slabs.held_bytes();
  EXPECT_EQ(on.slabs.trim(8 * granule_bytes), 0U);
  const std::size_t given = on.slabs.trim(4 * granule_bytes);
  EXPECT_EQ(given, held - on.slabs.held_bytes());
  EXPECT_GE(given, 4 * granule_bytes);
  EXPECT_LE(given, 8 * granule_bytes);
  const std::size_t rest = on.slabs.trim(0);
  EXPECT_EQ(rest, held - given - on.slabs.held_bytes());
  EXPECT_EQ(on.free_bytes(0), 0U);
}

TEST_F(Store, HoldsPartsUntilItIsReleased) {
  auto* const part = static_cast<std::byte*>(on.slabs.take_part(100, 64));
  ASSERT_NE(part, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(part) % 64, 0U);
  std::memset(part, 1, 100);
  EXPECT_TRUE(on.slabs.holds(part));
  EXPECT_EQ(on.slabs.slab_of(part), nullptr);
  (void)on.slabs.trim(0);
  EXPECT_TRUE(on.slabs.holds(part));
  on.slabs.release();
  EXPECT_FALSE(on.slabs.holds(part));
  EXPECT_TRUE(on.slabs.untouched());
}

TEST_F(RetainingStore, UsesHeadersAgainWithoutAnyMemory) {
  for (int round = 0; round < 20; ++round) {
    if (round == 3) on.use_up_parts();
    pages.fails_always = round >= 3;
    for (slab* const each : on.take(6)) {
      ASSERT_NE(each, nullptr) << round;
      each->next = nullptr;
      on.slabs.give_back(each);
    }
  }
  pages.fails_always = false;
}

TEST_F(RetainingStore, PutsAHeaderWhereALargerOneWasRatherThanToAskForRoom) {
  constexpr std::size_t small_bytes = 16, large_bytes = 1024;  // slots: headers of many and of few bits
  constexpr std::size_t slab_bytes = 8 * granule_bytes;
  ASSERT_GT(slab::layout(small_bytes, slab_bytes).header_bytes,
            slab::layout(large_bytes, slab_bytes).header_bytes + 64);
  const auto take_and_give_back = [&](std::size_t bytes) {
    slab* const each = on.slabs.take_slab(slab::layout(bytes, slab_bytes), class_of_bytes(bytes), 1);
    ASSERT_NE(each, nullptr) << bytes;
    std::memset(each->begin(), 1, slab_bytes);
    each->next = nullptr;
    on.slabs.give_back(each);
  };
  slab* const first =
      on.slabs.take_slab(slab::layout(small_bytes, slab_bytes), class_of_bytes(small_bytes), 1);
  // More than is retained: the record of its extent is spare. So often that the directory has tables to change between.
  for (int round = 0; round < 16; ++round) take_and_give_back(small_bytes);
  first->next = nullptr;
  on.slabs.give_back(first);
  on.use_up_parts();
  pages.fails_always = true;
  take_and_give_back(large_bytes);
  pages.fails_always = false;
}

/// Hands out a piece of memory in a row, `between` bytes beside what came last, from its begin on or from its end.
struct row {
  std::uintptr_t next = 0;
  std::size_t between = 0;
  bool is_upward = true;
};
class pages_in_a_row {
 public:
  explicit pages_in_a_row(row& from) noexcept : row_(&from) {}
  void* allocate_pages(std::size_t bytes, std::size_t alignment) noexcept {
    if (row_->is_upward) {
      const std::uintptr_t begin = (row_->next + row_->between + alignment - 1) / alignment * alignment;
      row_->next = begin + bytes;
      return reinterpret_cast<void*>(begin);
    }
    row_->next = (row_->next - row_->between - bytes) / alignment * alignment;
    return reinterpret_cast<void*>(row_->next);
  }
  void deallocate_pages(void*, std::size_t, std::size_t) noexcept {}

 private:
  row* row_;
};

TEST(StoreOnARow, KnowsWhatWouldBeLostBeforeTheFirstExtent) {
  constexpr std::size_t extent_bytes = 65536;
  std::vector<std::byte> memory(8 * extent_bytes);
  const std::uintptr_t middle =
      (reinterpret_cast<std::uintptr_t>(memory.data()) / extent_bytes + 4) * extent_bytes;
  for (const bool is_upward : {true, false})
    for (const std::size_t between : {std::size_t{0}, std::size_t{16}, std::size_t{4096}}) {
      SCOPED_TRACE(testing::Message() << (is_upward ? "upward, " : "downward, ") << between << " between");
      row from{middle, between, is_upward};
      const auto left = [&] {  // until the next boundary
        return is_upward ? middle + extent_bytes - from.next : from.next - (middle - extent_bytes);
      };
      engine_limits limits;
      limits.granule_bytes = extent_bytes;
      quarry::core::store<plain_supply<pages_in_a_row>, quarry::null_lock> slabs(
          plain_supply<pages_in_a_row>(pages_in_a_row(from)), limits);
      const slab_layout whole = slabs.layout_of(slot_bytes, extent_bytes);
      EXPECT_EQ(slabs.gap_before_extent(whole), 0U) << "nothing came yet, or only one block";
      for (int i = 0; i < 3; ++i) ASSERT_NE(slabs.take_oversize(5000, 16), nullptr);
      const std::size_t gap = slabs.gap_before_extent(whole);
      if (between > 64) {
        EXPECT_EQ(gap, 0U);
        continue;
      }
      ASSERT_GT(gap, 0U);
      ASSERT_NE(slabs.take_slab_loose(whole, index, gap), nullptr);
      EXPECT_LT(left(), 256U);
      EXPECT_EQ(slabs.gap_before_extent(whole), 0U) << "too little is left";
      ASSERT_NE(slabs.take_slab(whole, index, 1), nullptr);
      EXPECT_EQ(from.next, is_upward ? middle + 2 * extent_bytes : middle - 2 * extent_bytes);
      ASSERT_NE(slabs.take_oversize(5000, 16), nullptr);
      EXPECT_EQ(slabs.gap_before_extent(whole), 0U) << "there is an extent";
      slabs.release();
    }
}

TEST_F(Store, UsesRecordsOfBlocksAgain) {
  for (int round = 0; round < 20; ++round) {
    if (round == 2) on.use_up_parts();
    const std::size_t calls = pages.calls;
    void* const block = on.slabs.take_oversize(10000, 16);
    ASSERT_NE(block, nullptr);
    if (round >= 2) {
      EXPECT_EQ(pages.calls, calls + 1) << "for the block, not for its record, " << round;
    }
    EXPECT_TRUE(on.slabs.give_back_oversize(block));
  }
}

TEST_F(KeepingStore, UsesAKeptBlockAgainWithoutAnyMemory) {
  for (int round = 0; round < 2; ++round)  // the second one leaves a spare record
    EXPECT_TRUE(on.slabs.give_back_oversize(on.slabs.take_oversize(10000, 16)));
  on.use_up_parts();
  pages.fails_always = true;
  for (int round = 0; round < 20; ++round) {
    void* const block = on.slabs.take_oversize(10000, 16);
    ASSERT_NE(block, nullptr) << round;
    EXPECT_TRUE(on.slabs.give_back_oversize(block));
  }
  pages.fails_always = false;
}

TEST_F(Store, AsksForTheLeastThatWillDoWhenTheSupplyRefusesMore) {
  pages.fail_next();
  EXPECT_NE(on.slabs.take_part(100, 8), nullptr);
  ASSERT_EQ(pages.memory.history().size(), 1U);
  EXPECT_LE(pages.memory.history()[0].bytes, 100 + 64U);
  EXPECT_EQ(pages.calls, 2U);
}

TEST_F(Store, ABlockThatTheSupplyRefusesTakesNoMemory) {
  void* const block =
      on.slabs.take_oversize(100000, 8);  // brings the index, and a record that is spare afterwards
  ASSERT_TRUE(on.slabs.give_back_oversize(block));
  on.use_up_parts();
  pages.fails_always = true;
  for (int i = 0; i < 100; ++i) ASSERT_EQ(on.slabs.take_oversize(100000, 8), nullptr);
  pages.fails_always = false;
  const std::size_t held_bytes = on.slabs.held_bytes();
  void* const served = on.slabs.take_oversize(100000, 8);
  ASSERT_NE(served, nullptr);
  EXPECT_EQ(on.slabs.held_bytes(), held_bytes + 100000) << "the record was still there";
  EXPECT_TRUE(on.slabs.give_back_oversize(served));
}

TEST_F(Store, CutsSlabsApartFromItsParts) {
  const slab_layout odd = slab::layout(192, granule_bytes);
  slab* const apart = on.slabs.take_slab_apart(odd, class_of_bytes(192), 1024);
  ASSERT_NE(apart, nullptr);
  EXPECT_EQ(apart->slots(), 1024U / 192U);
  EXPECT_EQ(apart->granules, 0U);
  EXPECT_EQ(apart->size_class, class_of_bytes(192));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(apart->begin()) % 64, 0U) << "192 is a multiple of 64";
  EXPECT_EQ(on.slabs.slab_of(apart->begin()), nullptr) << "its bin finds it";
  EXPECT_TRUE(on.slabs.holds(apart->begin()));
  std::memset(apart->begin(), 1, apart->slots() * 192);
  EXPECT_EQ(on.slabs.take_slab_apart(odd, class_of_bytes(192), 191), nullptr) << "no room for a slot";
}

TEST_F(Store, TellsHowLargeASlabApartNeedsNoSupply) {
  for (const std::size_t bytes : {8U, 64U, 200U}) {
    on.slabs.insist_on_part(3000, 8);
    const std::size_t room = on.slabs.room_apart(bytes);
    ASSERT_GE(room, 2500U);
    const std::size_t calls = pages.calls;
    const slab* const apart =
        on.slabs.take_slab_apart(slab::layout(bytes, granule_bytes), class_of_bytes(bytes), room);
    ASSERT_NE(apart, nullptr);
    EXPECT_EQ(apart->slots(), room / bytes);
    EXPECT_EQ(pages.calls, calls);
  }
}

TEST_F(Store, GivesALooseSlabsBlockBackWhenItIsEmpty) {
  const std::size_t calls = pages.calls;
  slab* const loose = on.slabs.take_slab_loose(layout, index, 2048);
  ASSERT_NE(loose, nullptr);
  EXPECT_GT(pages.calls, calls);
  EXPECT_EQ(loose->slots(), 2048 / slot_bytes);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(loose->begin()) % slot_bytes, 0U);
  std::memset(loose->begin(), 1, 2048);
  EXPECT_FALSE(on.slabs.has_oversize(loose->begin())) << "it is none of the user's";
  EXPECT_EQ(on.slabs.inspect().oversize_blocks, 0U) << "the user's blocks are counted";
  EXPECT_EQ(on.slabs.inspect().oversize_bytes, 0U);
  loose->next = nullptr;
  const std::size_t blocks = pages.memory.live_blocks();
  on.slabs.give_back(loose);
  EXPECT_EQ(pages.memory.live_blocks(), blocks - 1);
  EXPECT_EQ(on.slabs.inspect().oversize_bytes, 0U);
}

TEST_F(Store, FindsAnOversizeBlockByAnyOfItsAddressesAndFreesItByItsFirst) {
  auto* const block = static_cast<std::byte*>(on.slabs.take_oversize(100000, 4096));
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 4096, 0U);
  std::memset(block, 1, 100000);
  for (const std::size_t at : {0U, 1U, 50000U, 99999U}) {
    EXPECT_EQ(on.slabs.oversize_bytes_of(block + at), 100000U);
    EXPECT_TRUE(on.slabs.has_oversize(block + at));
  }
  EXPECT_EQ(on.slabs.oversize_bytes_of(block + 100000), 0U);
  EXPECT_FALSE(on.slabs.give_back_oversize(block + 1));
  EXPECT_TRUE(on.slabs.give_back_oversize(block));
  EXPECT_FALSE(on.slabs.give_back_oversize(block)) << "it is gone";
  EXPECT_FALSE(on.slabs.has_oversize(block));
  EXPECT_FALSE(pages.memory.holds(block));
}

TEST_F(Store, GivesBlocksBackOnRelease) {
  for (int i = 0; i < 100; ++i) ASSERT_NE(on.slabs.take_oversize(70000, 16), nullptr);
  EXPECT_GE(on.slabs.held_bytes(), 7000000U);
}

TEST_F(KeepingStore, GivesAKeptBlockToARequestOfAboutItsSize) {
  void* const block = on.slabs.take_oversize(50000, 16);
  ASSERT_TRUE(on.slabs.give_back_oversize(block));
  EXPECT_TRUE(pages.memory.holds(block));
  EXPECT_FALSE(on.slabs.has_oversize(block)) << "nobody has it";
  const std::size_t calls = pages.calls;
  EXPECT_EQ(on.slabs.take_oversize(48000, 16), block);
  EXPECT_EQ(pages.calls, calls);
  EXPECT_EQ(on.slabs.oversize_bytes_of(block), 48000U);
  ASSERT_TRUE(on.slabs.give_back_oversize(block));
  EXPECT_EQ(on.slabs.inspect().oversize_blocks, 0U);
  EXPECT_NE(on.slabs.take_oversize(20000, 16), block) << "too much would be wasted";
}

TEST_F(KeepingStore, GivesTheOldestBlocksBackAboveWhatItRetains) {
  void* const first = on.slabs.take_oversize(30000, 16);
  void* const second = on.slabs.take_oversize(30000, 16);
  void* const third = on.slabs.take_oversize(30000, 16);
  void* const huge = on.slabs.take_oversize(70000, 16);
  ASSERT_TRUE(on.slabs.give_back_oversize(first));
  ASSERT_TRUE(on.slabs.give_back_oversize(second));
  EXPECT_TRUE(pages.memory.holds(first));
  ASSERT_TRUE(on.slabs.give_back_oversize(third));
  EXPECT_FALSE(pages.memory.holds(first));
  EXPECT_TRUE(pages.memory.holds(second));
  ASSERT_TRUE(on.slabs.give_back_oversize(huge));
  EXPECT_FALSE(pages.memory.holds(huge)) << "more than may be kept";
  EXPECT_TRUE(pages.memory.holds(second));
  EXPECT_EQ(on.slabs.trim(30000), 30000U);
  EXPECT_FALSE(pages.memory.holds(second));
  EXPECT_TRUE(pages.memory.holds(third));
}

TEST_F(Store, ReservesMemoryForSlabs) {
  ASSERT_TRUE(on.slabs.reserve(100 * granule_bytes - 1, true));
  const std::vector<std::size_t> extents_taken = on.extent_granules();
  EXPECT_EQ(extents_taken, (std::vector<std::size_t>{64, 36})) << "an extent has 64 granules at most";
  (void)on.take(100);
  EXPECT_EQ(on.extent_granules(), extents_taken);
  (void)on.take(1);
  EXPECT_GT(on.extent_granules().size(), extents_taken.size());
  EXPECT_TRUE(on.slabs.reserve(0, false));
}

TEST_F(Store, SaysWhenItCouldNotReserve) {
  for (std::size_t call = 1; call <= 2; ++call) {
    pages.fail_next(call);
    const bool reserved = on.slabs.reserve(granule_bytes, false);
    EXPECT_TRUE(!reserved || call == 1) << "an extent cannot be smaller";
    EXPECT_TRUE(on.slabs.check_invariants());
  }
  EXPECT_TRUE(on.slabs.reserve(granule_bytes, false)) << "the supply serves again";
}

TEST_F(LimitedStore, HoldsNoMoreThanItsLimit) {
  std::size_t taken = 0;
  while (taken < 1000 && on.slabs.take_slab(layout, index, 1) != nullptr) ++taken;
  EXPECT_GE(taken, 8U) << "near the limit extents are small";
  EXPECT_LE(pages.memory.peak_bytes(), 40000U);
  EXPECT_EQ(on.slabs.take_oversize(granule_bytes, 8), nullptr);
  EXPECT_FALSE(on.slabs.reserve(granule_bytes, false));
  EXPECT_FALSE(on.slabs.insist_on_slab(layout)) << "the limit is no exception";
  on.slabs.release();
  EXPECT_NE(on.slabs.take_slab(layout, index, 1), nullptr);
}

TEST_F(LimitedStore, TakesNoPartForABlockPastItsLimit) {
  EXPECT_EQ(on.slabs.take_oversize(50000, 8), nullptr);
  EXPECT_EQ(pages.calls, 0U);
}

TEST_F(Store, AsksForNoBlockThatNoMemoryHolds) {
  EXPECT_FALSE(on.slabs.is_possible(SIZE_MAX, 8));
  EXPECT_FALSE(on.slabs.is_possible(8, SIZE_MAX / 2 + 1));
  EXPECT_FALSE(on.slabs.is_possible(SIZE_MAX / 2 - 4095, 4096)) << "rounded up it is too large";
  EXPECT_TRUE(on.slabs.is_possible(SIZE_MAX / 2 - 4096, 4096));
  const std::size_t calls = pages.calls;
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2})
    EXPECT_EQ(on.slabs.take_oversize(bytes, 8), nullptr);
  EXPECT_EQ(pages.calls, calls);
  pages.fails_always = pages.throws = true;
  EXPECT_THROW((void)on.slabs.take_oversize(SIZE_MAX - 4096, 8, 0, insist()), upstream_failure)
      << "its own error";
}

TEST_F(Store, RemembersTheMostItHeld) {
  void* const block = on.slabs.take_oversize(1000000, 8);
  const std::size_t most = on.slabs.held_bytes();
  ASSERT_TRUE(on.slabs.give_back_oversize(block));
  EXPECT_EQ(on.slabs.peak_bytes(), most);
  EXPECT_LT(on.slabs.held_bytes(), most);
  EXPECT_EQ(most, pages.memory.peak_bytes());
}

TEST_F(Store, InsistingLetsWhatTheSupplyThrowsPass) {
  pages.throws = true;
  pages.fails_always = true;
  EXPECT_EQ(on.slabs.take_slab(layout, index, 1), nullptr);
  EXPECT_EQ(on.slabs.take_part(100, 8), nullptr);
  EXPECT_EQ(on.slabs.take_oversize(100000, 8), nullptr);
  EXPECT_THROW(on.slabs.insist_on_part(100, 8), upstream_failure);
  EXPECT_THROW((void)on.slabs.insist_on_slab(layout), upstream_failure);
  pages.fails_always = false;
  on.slabs.insist_on_part(5000, 8);
  const std::size_t calls = pages.calls;
  EXPECT_NE(on.slabs.take_part(5000, 8), nullptr);
  EXPECT_EQ(pages.calls, calls) << "the memory was there";
}

TEST_F(Store, InsistingOnABlockLetsWhatTheSupplyThrowsPassAndLosesNoRecord) {
  pages.throws = true;
  void* const first = on.slabs.take_oversize(100000, 8);
  ASSERT_TRUE(on.slabs.give_back_oversize(first));  // its record is spare
  const std::size_t calls = pages.calls;
  for (int i = 0; i < 100; ++i) {
    pages.fail_next();
    EXPECT_THROW((void)on.slabs.take_oversize(100000, 8, 0, insist()), upstream_failure);
  }
  EXPECT_EQ(pages.calls, calls + 100) << "a lost record would cost a part";
  EXPECT_NE(on.slabs.take_oversize(100000, 8, 0, insist()), nullptr);
  EXPECT_EQ(pages.calls, calls + 101);
}

/// Uses every verb that takes memory; returns how many of them failed.
template <class Slabs>
std::size_t take_some_of_everything(Slabs& slabs) {
  std::size_t failures = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    failures += slabs.take_slab(layout, index, i) == nullptr;
    failures += slabs.take_slab_apart(layout, index, 1000) == nullptr;
    failures += slabs.take_part(100, 64) == nullptr;
    failures += slabs.take_oversize(50000, 64) == nullptr;
  }
  failures += !slabs.reserve(3 * granule_bytes, false);
  return failures;
}

TEST(StoreOnAFailingSupply, LeavesItsStateAsItWasAtWhicheverCallItFails) {
  for (const bool throws : {false, true}) {
    std::size_t failures = 0;
    bool reached_the_end = false;
    for (std::size_t fail_at_call = 1; !reached_the_end; ++fail_at_call) {
      ASSERT_LT(fail_at_call, 1000U);
      page_log pages;
      pages.throws = throws;
      pages.fail_at_call = fail_at_call;
      store_on_pages<plain_supply<discarding_pages>> on(pages, 1U << 20);
      failures += take_some_of_everything(on.slabs);
      EXPECT_TRUE(on.slabs.check_invariants());
      EXPECT_EQ(on.slabs.held_bytes(), pages.memory.live_bytes());
      reached_the_end = !pages.failed;
    }
    EXPECT_GE(failures, 40U) << "every block's call and more";
  }
}

class StoreInABuffer : public testing::Test {
 protected:
  static constexpr std::size_t most_bytes = 20 * granule_bytes;
  StoreInABuffer() { std::memset(memory.base(), 0x5A, most_bytes); }
  bool is_inside(const void* pointer, std::size_t bytes) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - memory.base()) < bytes;
  }

  slab_memory memory{32 * granule_bytes};
  page_log pages;
  store_on_pages<plain_supply<discarding_pages>> on{pages};
};

TEST_F(StoreInABuffer, UsesAllOfItBeforeTheSupplyAndAgainAfterRelease) {
  on.slabs.start_in(memory.base(), most_bytes);
  std::size_t inside[2] = {};
  for (std::size_t& each_inside : inside) {
    const std::size_t calls = pages.calls;
    EXPECT_TRUE(is_inside(on.slabs.take_part(100, 8), most_bytes));
    while (pages.calls == calls) {
      slab* const each = on.slabs.take_slab(layout, index, 1);
      ASSERT_NE(each, nullptr);
      each_inside += is_inside(each->begin(), most_bytes);
    }
    EXPECT_GE(each_inside, 17U) << "of twenty granules";
    EXPECT_EQ(on.slabs.held_bytes(), pages.memory.live_bytes()) << "the buffer is the user's";
    on.slabs.release();
    EXPECT_EQ(pages.memory.live_blocks(), 0U);
  }
  EXPECT_EQ(inside[0], inside[1]);
}

TEST_F(StoreInABuffer, LeavesGranulesThatLieElsewhereToSlabs) {
  on.slabs.start_in(memory.base(), most_bytes);
  slab* const gone = on.take(60)[40];
  ASSERT_FALSE(is_inside(gone->begin(), most_bytes));
  pages.fails_always = true;
  while (on.slabs.take_slab(layout, index, 1) != nullptr) {
  }
  gone->next = nullptr;
  on.slabs.give_back(gone);
  on.use_up_parts();
  pages.fails_always = true;
  EXPECT_NE(on.slabs.take_slab(layout, index, 1), nullptr);
  pages.fails_always = false;
}

TEST_F(StoreInABuffer, NeverGivesItToTheSupplyNorDiscardsIt) {
  on.slabs.start_in(memory.base(), most_bytes);
  std::vector<slab*> taken = on.take(17);
  for (slab* const each : taken) {
    each->next = nullptr;
    on.slabs.give_back(each);
  }
  EXPECT_EQ(on.slabs.trim(0), 0U);
  EXPECT_EQ(pages.discards, 0U);
  EXPECT_EQ(pages.memory.deallocations(), 0U);
  for (slab* const each : on.take(17)) EXPECT_TRUE(is_inside(each->begin(), most_bytes));
  EXPECT_TRUE(on.extent_granules().empty());
}

TEST_F(StoreInABuffer, OwnsEveryByteOfItAndWritesNowhereElse) {
  for (const std::size_t offset : {0U, 1U, 8U, 1000U, 4095U}) {
    for (std::size_t bytes = 0; bytes + offset <= most_bytes; bytes += 1009) {
      std::memset(memory.base(), 0x5A, most_bytes);
      std::byte* const buffer = memory.base() + offset;
      store_on_pages<plain_supply<discarding_pages>> other(pages);
      other.slabs.start_in(buffer, bytes);
      for (int i = 0; i < 25; ++i) {
        void* const part = other.slabs.take_part(200, 8);
        std::memset(part, 0xC3, 200);
        slab* const each = other.slabs.take_slab(layout, index, 1);
        std::memset(each->begin(), 0xC3, granule_bytes);
      }
      if (bytes != 0) {
        EXPECT_TRUE(other.slabs.holds(buffer) && other.slabs.holds(buffer + bytes - 1));
        EXPECT_FALSE(other.slabs.holds(buffer - 1) || other.slabs.holds(buffer + bytes));
      }
      EXPECT_TRUE(other.slabs.check_invariants());
      other.slabs.release();
      std::size_t written_outside = 0;
      for (std::size_t i = 0; i < most_bytes; ++i)
        written_outside += (i < offset || i >= offset + bytes) && memory.base()[i] != std::byte{0x5A};
      ASSERT_EQ(written_outside, 0U) << offset << ' ' << bytes;
    }
  }
}

// A store that threads share; each of its blocks is of the shard that the taker has for home.
constexpr std::size_t shared_retain_bytes = 320'000;
class SharedStore : public StoreOn<keeping_supply, quarry::spin_lock> {
 protected:
  SharedStore() : StoreOn(shared_retain_bytes) {}
  void* take(std::size_t bytes, std::size_t home) { return on.slabs.take_oversize(bytes, 16, home); }
  bool give_back(void* block, std::size_t bytes, std::size_t home) {
    return on.slabs.give_back_oversize(block, bytes, home);
  }
};

TEST_F(SharedStore, GivesEachHomeTheBlockThatItFreedLast) {
  void* const first = take(50'000, 1);
  void* const second = take(50'000, 2);
  EXPECT_TRUE(give_back(first, 50'000, 1));
  EXPECT_TRUE(give_back(second, 50'000, 2));
  const std::size_t calls = pages.calls;
  EXPECT_EQ(take(50'000, 1), first) << "though the other one came later";
  EXPECT_EQ(take(50'000, 2), second);
  EXPECT_EQ(pages.calls, calls);
}

TEST_F(SharedStore, TakesABlockBackWhoeverFreesIt) {
  void* const block = take(50'000, 1);
  EXPECT_FALSE(give_back(static_cast<std::byte*>(block) + 1, 50'000, 3));
  EXPECT_TRUE(give_back(block, 50'000, 3));
  EXPECT_FALSE(give_back(block, 50'000, 1)) << "nobody has it";
  EXPECT_EQ(take(50'000, 1), block);
  EXPECT_TRUE(give_back(block, 7, 2)) << "with bytes that it was never asked for with";
  EXPECT_EQ(on.slabs.inspect().oversize_blocks, 0U);
}

TEST_F(SharedStore, GivesAHomeWithoutABlockThatOfAnotherWhichIsItsOwnThen) {
  EXPECT_TRUE(give_back(take(20'000, 7), 20'000, 7));
  void* const block = take(50'000, 1);
  EXPECT_TRUE(give_back(block, 50'000, 1));
  EXPECT_EQ(take(48'000, 7), block);
  EXPECT_EQ(on.slabs.oversize_bytes_of(block), 48'000U);
  EXPECT_TRUE(give_back(block, 48'000, 7));
  EXPECT_EQ(take(50'000, 7), block) << "all of it is known";
  EXPECT_TRUE(give_back(block, 50'000, 7));
  EXPECT_EQ(on.slabs.reuse_oversize(50'000, 16, 1), nullptr) << "it has changed shards";
  EXPECT_EQ(on.slabs.reuse_oversize(50'000, 16, 7), block);
}

TEST_F(SharedStore, KeepsNoMoreThanItRetainsInAllShardsTogether) {
  constexpr std::size_t bytes = 50'000, homes = 8;
  std::vector<void*> taken;
  for (std::size_t i = 0; i < 3 * homes; ++i) taken.push_back(take(bytes, i % homes));
  const std::size_t others = on.slabs.held_bytes() - taken.size() * bytes;
  for (std::size_t i = 0; i < taken.size(); ++i) ASSERT_TRUE(give_back(taken[i], bytes, i % homes));
  EXPECT_LE(on.slabs.held_bytes() - others, shared_retain_bytes);
  EXPECT_GT(on.slabs.held_bytes() - others, shared_retain_bytes / 2);
  EXPECT_GT(on.slabs.trim(0), shared_retain_bytes / 2);
  EXPECT_EQ(on.slabs.held_bytes(), others);
}

TEST_F(SharedStore, MakesRoomForAHomeThatOthersCrowdOut) {
  constexpr std::size_t bytes = 50'000;
  std::vector<void*> taken;
  for (std::size_t i = 0; i < shared_retain_bytes / bytes; ++i) taken.push_back(take(bytes, 1));
  void* late = take(bytes, 2);
  for (void* const each : taken) ASSERT_TRUE(give_back(each, bytes, 1));
  EXPECT_TRUE(give_back(late, bytes, 2));
  late = take(2 * bytes, 2);  // of a size that nobody keeps
  EXPECT_TRUE(give_back(late, 2 * bytes, 2));
  for (int round = 0; round < 4 && take(2 * bytes, 2) != late; ++round) {
    late = take(2 * bytes, 2);
    EXPECT_TRUE(give_back(late, 2 * bytes, 2));
  }
  const std::size_t calls = pages.calls;
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(give_back(late, 2 * bytes, 2));
    ASSERT_EQ(take(2 * bytes, 2), late) << round;
  }
  EXPECT_EQ(pages.calls, calls) << "what is used again and again is kept, not what rests";
}

TEST_F(SharedStore, IsNotMisledByWhatAShardMayKeepAndDoesNotWhenItTrims) {
  void* const block = take(15'000, 1);
  EXPECT_TRUE(give_back(block, 15'000, 1));
  EXPECT_EQ(take(15'000, 1), block);  // the shard is still granted its bytes
  slab* const idle = on.slabs.take_slab(layout, index, 1);
  idle->next = nullptr;
  on.slabs.give_back(idle);
  const std::size_t held = on.slabs.held_bytes();
  std::size_t idle_bytes = 0;
  on.slabs.visit_extents(
      [&](const quarry::core::extent& each) { idle_bytes += each.granules * granule_bytes; });
  ASSERT_GT(idle_bytes, 0U);
  EXPECT_EQ(on.slabs.trim(idle_bytes), 0U);
  EXPECT_EQ(on.slabs.held_bytes(), held);
}

TEST_F(SharedStore, LeavesRoomThatAShardUsesNoMoreToOthers) {
  constexpr std::size_t bytes = 50'000, count = shared_retain_bytes / bytes;
  void* blocks[2][count];
  for (std::size_t home = 1; home <= 2; ++home)
    for (void*& each : blocks[home - 1]) each = take(bytes, home);
  for (void* const each : blocks[0]) ASSERT_TRUE(give_back(each, bytes, 1));
  for (void*& each : blocks[0]) each = take(bytes, 1);  // nothing is kept now
  for (void* const each : blocks[1]) ASSERT_TRUE(give_back(each, bytes, 2));
  const std::size_t calls = pages.calls;
  for (std::size_t i = 0; i < count; ++i) EXPECT_NE(take(bytes, 2), nullptr);
  EXPECT_EQ(pages.calls, calls) << "all of them were kept";
}

TEST_F(SharedStore, DoesWithTheFirstShardWhereThereIsNoMemoryForAnother) {
  EXPECT_TRUE(give_back(take(10'000, 0), 10'000, 0));
  EXPECT_TRUE(give_back(take(10'000, 0), 10'000, 0));
  on.use_up_parts();
  pages.fails_always = true;
  EXPECT_EQ(take(20'000, 5), nullptr);
  void* const kept = take(10'000, 5);
  EXPECT_NE(kept, nullptr);
  EXPECT_TRUE(give_back(kept, 10'000, 5));
  pages.fails_always = false;
  EXPECT_EQ(on.slabs.inspect().oversize_blocks, 0U);
}

TEST_F(SharedStore, WaitsForEveryShardWhereAForkTakesAllLocks) {
  for (const std::size_t home : {0U, 3U}) {
    void* const block = take(10'000, home);
    std::atomic<bool> is_held{false}, is_left{false};
    std::thread holder([&] {
      on.slabs.for_each_oversize([&](void*, std::size_t) {
        is_held = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        is_left = true;
      });
    });
    while (!is_held) std::this_thread::yield();
    EXPECT_TRUE(on.slabs.try_lock_all());
    EXPECT_TRUE(is_left) << home;
    on.slabs.unlock_all();
    holder.join();
    EXPECT_TRUE(give_back(block, 10'000, home));
  }
}

TEST_F(SharedStore, SeesTheBlocksOfEveryShard) {
  std::vector<std::byte*> taken;
  for (std::size_t home = 0; home < 8; ++home)
    taken.push_back(static_cast<std::byte*>(take(10'000 + home, home)));
  EXPECT_EQ(on.slabs.inspect().oversize_blocks, 8U);
  EXPECT_EQ(on.slabs.inspect().oversize_bytes, 80'028U);
  std::size_t visited = 0;
  decltype(on.slabs)::oversize_place place;
  for (bool has_more = true; has_more;)
    has_more = on.slabs.visit_oversize(place, [&](const quarry::core::oversize_block&) { ++visited; });
  EXPECT_EQ(visited, 8U);
  std::size_t bytes = 0;
  on.slabs.for_each_oversize([&](void*, std::size_t each) { bytes += each; });
  EXPECT_EQ(bytes, 80'028U);
  for (std::size_t home = 0; home < 8; ++home) {
    EXPECT_TRUE(on.slabs.has_oversize(taken[home] + 9'999));
    EXPECT_EQ(on.slabs.oversize_bytes_of(taken[home] + 9'999), 10'000 + home);
    EXPECT_TRUE(give_back(taken[home], 10'000 + home, 0));
  }
  EXPECT_EQ(on.slabs.inspect().oversize_blocks, 0U);
}

template <class On>
void match_a_model(On& on, page_log& pages) {
  struct block {
    std::byte* memory;
    std::size_t bytes;
  };
  std::mt19937 random(5);
  std::vector<slab*> slabs;
  std::vector<block> blocks;
  for (int i = 0; i < 20000; ++i) {
    pages.fail_at_call = random() % 20 == 0 ? pages.calls + 1 : 0;
    const bool fill = (i / 2000) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
    if (fill && random() % 4 != 0) {
      if (slab* const each = on.slabs.take_slab(layout, index, slabs.size())) {
        std::memset(each->begin(), 1, granule_bytes);
        slabs.push_back(each);
      }
    } else if (fill) {
      const std::size_t bytes = 1 + random() % 100000;
      if (auto* const each =
              static_cast<std::byte*>(on.slabs.take_oversize(bytes, 1U << random() % 13, random() % 8))) {
        std::memset(each, 2, bytes);
        blocks.push_back({each, bytes});
      }
    } else if (!slabs.empty() && random() % 4 != 0) {
      slab* const each = quarry_test::take_any(slabs, random);
      ASSERT_EQ(*each->begin(), std::byte{1});
      ASSERT_EQ(on.slabs.slab_of(each->begin() + random() % granule_bytes), each);
      each->next = nullptr;
      on.slabs.give_back(each);
    } else if (!blocks.empty()) {
      const block each = quarry_test::take_any(blocks, random);
      ASSERT_EQ(each.memory[each.bytes - 1], std::byte{2});
      ASSERT_EQ(on.slabs.oversize_bytes_of(each.memory + random() % each.bytes), each.bytes);
      ASSERT_TRUE(on.slabs.give_back_oversize(each.memory, random() % 2 * each.bytes, random() % 8));
    }
    if (i % 1000 == 0) {
      ASSERT_TRUE(on.slabs.check_invariants());
      (void)on.slabs.trim(random() % 65536);
    }
  }
  pages.fail_at_call = 0;
}

TEST_F(KeepingStore, MatchesAModelUnderRandomUse) {
  match_a_model(on, pages);
}
TEST_F(SharedStore, MatchesAModelUnderRandomUse) {
  match_a_model(on, pages);
}

}  // namespace
