// Which headers of a store are believed, through sealed_memory alone.
#include <gtest/gtest.h>

#include <cstddef>
#include <quarry/core/engine/store.hpp>
#include <quarry/locks.hpp>
#include <set>
#include <vector>

#include "support/fake_pages.hpp"

namespace {

using quarry::core::class_index;
using quarry::core::class_of_bytes;
using quarry::core::directory;
using quarry::core::engine_limits;
using quarry::core::plain_supply;
using quarry::core::slab;
using quarry::core::slab_layout;
using quarry::core::slot_detail;
using quarry_test::discarding_pages;
using quarry_test::page_log;

constexpr std::size_t granule_bytes = 4096;
constexpr std::size_t slot_bytes = 64;
constexpr class_index index = class_of_bytes(slot_bytes);

/// A store that keeps `detail` of each slot.
class sealed_store {
 public:
  using store_type = quarry::core::store<plain_supply<discarding_pages>, quarry::null_lock>;

  explicit sealed_store(slot_detail detail, bool tells_tools = false)
      : store_(plain_supply<discarding_pages>(discarding_pages(pages_)), limits(detail, tells_tools)) {}

  slab* take() { return store_.take_slab(seen().layout_of(slot_bytes, granule_bytes), index, 1); }
  const quarry::core::sealed_memory<quarry::null_lock>& seen() const { return store_; }

 private:
  static engine_limits limits(slot_detail detail, bool tells_tools) {
    engine_limits result;
    result.granule_bytes = granule_bytes;
    result.detail = detail;
    result.tells_tools = tells_tools;
    return result;
  }

  page_log pages_;
  store_type store_;
};

/// Writes over the seal of a header until the end of its life.
class broken_seal {
 public:
  explicit broken_seal(slab& of) : of_(of) { of_.number ^= 1; }
  ~broken_seal() { of_.number ^= 1; }
  broken_seal(const broken_seal&) = delete;
  broken_seal& operator=(const broken_seal&) = delete;

 private:
  slab& of_;
};

TEST(SealedMemory, BelievesAHeaderByItsSeal) {
  sealed_store of(slot_detail::state);
  slab* const first = of.take();
  slab* const second = of.take();
  ASSERT_NE(second, nullptr);
  EXPECT_TRUE(of.seen().is_header(first));
  EXPECT_EQ(of.seen().sound_slab_of(first->begin()), first);
  {
    const broken_seal of_first(*first);
    EXPECT_FALSE(of.seen().is_header(first));
    EXPECT_EQ(of.seen().sound_slab_of(first->begin()), nullptr);
    EXPECT_EQ(of.seen().slab_of(first->begin()), first) << "the directory knows nothing of it";
    EXPECT_EQ(of.seen().sound_slab_of(second->begin()), second);
  }
  EXPECT_TRUE(of.seen().is_header(first));
}

TEST(SealedMemory, FindsNoHeaderWhereNoneLies) {
  sealed_store of(slot_detail::state);
  slab* const only = of.take();
  ASSERT_NE(only, nullptr);
  const auto at = [only](std::ptrdiff_t bytes) {
    return reinterpret_cast<const slab*>(reinterpret_cast<const std::byte*>(only) + bytes);
  };
  EXPECT_FALSE(of.seen().is_header(at(1)));
  EXPECT_FALSE(of.seen().is_header(reinterpret_cast<const slab*>(only->begin())));
  EXPECT_FALSE(of.seen().is_header(nullptr));
  const int elsewhere = 0;
  EXPECT_EQ(of.seen().sound_slab_of(&elsewhere), nullptr);
}

TEST(SealedMemory, VisitsSoundSlabsAndTellsOfTheOthers) {
  sealed_store of(slot_detail::state);
  std::vector<slab*> taken;
  for (int i = 0; i < 5; ++i) taken.push_back(of.take());
  ASSERT_NE(taken.back(), nullptr);
  const broken_seal of_one(*taken[2]);
  std::multiset<const slab*> met;
  int damaged = 0;
  directory::visit from;
  const auto meet = [&met](const slab& each) { return met.insert(&each), true; };
  while (of.seen().visit_slabs(from, meet, [&damaged] { ++damaged; })) continue;
  EXPECT_EQ(met, (std::multiset<const slab*>{taken[0], taken[1], taken[3], taken[4]}));
  EXPECT_EQ(damaged, 1);
  met.clear();
  directory::visit again;
  while (of.seen().visit_slabs(again, meet)) continue;
  EXPECT_EQ(met.size(), 4U);
}

TEST(SealedMemory, VisitsEverySlabWhereNothingIsKept) {
  sealed_store of(slot_detail::none);
  slab* const only = of.take();
  ASSERT_NE(only, nullptr);
  const broken_seal that_nobody_has_made(*only);
  int met = 0;
  int damaged = 0;
  directory::visit from;
  while (of.seen().visit_slabs(
      from, [&met](const slab&) { return ++met != 0; }, [&damaged] { ++damaged; }))
    continue;
  EXPECT_EQ(met, 1);
  EXPECT_EQ(damaged, 0);
}

TEST(SealedMemory, HasRoomInHeadersForWhatIsKeptOfEachSlot) {
  const std::size_t without =
      sealed_store(slot_detail::none).seen().layout_of(slot_bytes, granule_bytes).header_bytes;
  const std::size_t states =
      sealed_store(slot_detail::state).seen().layout_of(slot_bytes, granule_bytes).header_bytes;
  const std::size_t records =
      sealed_store(slot_detail::record).seen().layout_of(slot_bytes, granule_bytes).header_bytes;
  EXPECT_EQ(without, slab::layout(slot_bytes, granule_bytes).header_bytes);
  EXPECT_GE(states, without + granule_bytes / slot_bytes / 4) << "four states in a byte";
  EXPECT_GT(records, states);
}

TEST(SealedMemory, RemembersSlabsWhereStatesAloneAreKept) {
  EXPECT_FALSE(sealed_store(slot_detail::none).seen().remembers_slabs());
  EXPECT_TRUE(sealed_store(slot_detail::state).seen().remembers_slabs());
  EXPECT_FALSE(sealed_store(slot_detail::record).seen().remembers_slabs());
  EXPECT_FALSE(sealed_store(slot_detail::state, true).seen().remembers_slabs())
      << "tools are told of each call";
  EXPECT_TRUE(sealed_store(slot_detail::state, true).seen().tells_tools());
  EXPECT_FALSE(sealed_store(slot_detail::state).seen().tells_tools());
}

}  // namespace
