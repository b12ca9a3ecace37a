#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <quarry/core/slab_store.hpp>
#include <quarry/resource_page_source.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::resource_page_source;
using quarry::core::arena;
using quarry::core::extent;
using quarry::core::slab_store;
using quarry_test::counting_resource;

constexpr std::size_t slab_bytes = 4096;

struct lent_slab {
  void* base;
  extent* home;
};

class SlabStore : public testing::Test {
 protected:
  lent_slab acquire(slab_store& store) {
    lent_slab lent{nullptr, nullptr};
    lent.base = store.acquire(lent.home, parts, source);
    if (lent.base != nullptr) std::memset(lent.base, 0x11, slab_bytes);
    return lent;
  }
  void release(slab_store& store) {
    store.release(source);
    parts.release(source);
  }

  counting_resource memory;
  resource_page_source source{&memory};
  arena parts;
};

TEST_F(SlabStore, LendsAlignedMemoryThatDoesNotOverlap) {
  slab_store store(slab_bytes, 0);
  std::set<void*> bases;
  for (int i = 0; i < 1000; ++i) {
    const lent_slab lent = acquire(store);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(lent.base) % slab_bytes, 0U);
    EXPECT_TRUE(bases.insert(lent.base).second);
    EXPECT_TRUE(store.owns(lent.base));
    EXPECT_TRUE(store.owns(static_cast<std::byte*>(lent.base) + slab_bytes - 1));
  }
  EXPECT_EQ(store.lent_slabs(), 1000U);
  EXPECT_GE(store.held_slabs(), 1000U);
  EXPECT_LT(memory.allocations(), 200U) << "extents grow with what is held";
  release(store);
  EXPECT_EQ(memory.live_blocks(), 0U);
  EXPECT_FALSE(store.owns(*bases.begin()));
}

TEST_F(SlabStore, LendsWhatCameBackBeforeItAsksTheSource) {
  slab_store store(slab_bytes, SIZE_MAX);
  std::vector<lent_slab> all;
  for (int i = 0; i < 50; ++i) all.push_back(acquire(store));
  const std::size_t calls = memory.calls();
  for (const lent_slab& each : all) store.give_back(each.base, *each.home, source);
  EXPECT_EQ(store.lent_slabs(), 0U);
  for (std::size_t i = 0; i < all.size(); ++i) static_cast<void>(acquire(store));
  EXPECT_EQ(memory.calls(), calls);
  release(store);
}

TEST_F(SlabStore, GivesIdleExtentsAboveTheRetainedBytesBackByItself) {
  slab_store store(slab_bytes, 0);
  std::vector<lent_slab> all;
  for (int i = 0; i < 50; ++i) all.push_back(acquire(store));
  for (const lent_slab& each : all) store.give_back(each.base, *each.home, source);
  EXPECT_EQ(store.held_slabs(), 0U);
  release(store);
}

TEST_F(SlabStore, TrimKeepsTheBytesItIsToldTo) {
  slab_store store(slab_bytes, SIZE_MAX);
  std::vector<lent_slab> all;
  for (int i = 0; i < 500; ++i) all.push_back(acquire(store));
  for (const lent_slab& each : all) store.give_back(each.base, *each.home, source);
  store.trim(100 * slab_bytes, source);
  EXPECT_LE(store.held_slabs(), 100U);
  EXPECT_GT(store.held_slabs(), 0U);
  store.trim(0, source);
  EXPECT_EQ(store.held_slabs(), 0U);
  release(store);
}

TEST_F(SlabStore, NeverGivesAnAdoptedBufferToTheSource) {
  alignas(slab_bytes) static std::byte buffer[4 * slab_bytes];
  slab_store store(slab_bytes, 0);
  extent record;
  store.adopt(record, buffer, 4);
  std::vector<lent_slab> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(acquire(store));
    EXPECT_GE(all.back().base, static_cast<void*>(buffer));
    EXPECT_LT(all.back().base, static_cast<void*>(buffer + sizeof(buffer)));
  }
  EXPECT_EQ(memory.calls(), 0U);
  const lent_slab beyond = acquire(store);
  EXPECT_TRUE(memory.holds(beyond.base));
  for (const lent_slab& each : all) store.give_back(each.base, *each.home, source);
  store.trim(0, source);
  release(store);
  EXPECT_EQ(memory.live_blocks(), 0U);
}

TEST_F(SlabStore, LendsOneSlabWhereThereIsNoMoreRoom) {
  quarry_test::null_on_failure_source::state state;
  quarry_test::null_on_failure_source failing(state);
  arena records;
  slab_store store(slab_bytes, 0);
  extent* home = nullptr;
  for (int i = 0; i < 200; ++i) ASSERT_NE(store.acquire(home, records, failing), nullptr);
  while (store.lent_slabs() < store.held_slabs()) ASSERT_NE(store.acquire(home, records, failing), nullptr);
  state.calls = 0;
  state.fail_at_call = 1;  // the large extent is refused, a single slab is not
  const std::size_t held = store.held_slabs();
  EXPECT_NE(store.acquire(home, records, failing), nullptr);
  EXPECT_EQ(store.held_slabs(), held + 1);
  store.release(failing);
  records.release(failing);
}

TEST_F(SlabStore, LendsAndTakesBackInAnyOrder) {
  slab_store store(slab_bytes, 20 * slab_bytes);
  std::vector<lent_slab> lent;
  std::mt19937 random(9);
  for (int i = 0; i < 20000; ++i) {
    if (lent.empty() || random() % 200 > lent.size()) {
      lent.push_back(acquire(store));
    } else {
      const lent_slab freed = quarry_test::take_any(lent, random);
      store.give_back(freed.base, *freed.home, source);
    }
    ASSERT_EQ(store.lent_slabs(), lent.size());
    ASSERT_GE(store.held_slabs(), lent.size());
  }
  std::set<void*> distinct;
  for (const lent_slab& each : lent) distinct.insert(each.base);
  EXPECT_EQ(distinct.size(), lent.size());
  release(store);
}

TEST_F(SlabStore, TakesExtentsOfAQuarterOfWhatItHoldsUpToTwoMebibytes) {
  slab_store store(slab_bytes, 0);
  std::size_t held = 0;
  std::size_t largest = 0;
  while (held < 4096) {
    static_cast<void>(acquire(store));
    if (store.held_slabs() == held) continue;
    const std::size_t extent_slabs = store.held_slabs() - held;
    EXPECT_EQ(extent_slabs,
              std::min<std::size_t>(std::max<std::size_t>(held / 4, 1), (2U << 20) / slab_bytes));
    held = store.held_slabs();
    largest = std::max(largest, extent_slabs);
  }
  EXPECT_EQ(largest * slab_bytes, 2U << 20);
  release(store);
}

TEST_F(SlabStore, RetainsIdleExtentsOfUpToTheBytesItIsTold) {
  slab_store store(slab_bytes, 3 * slab_bytes);
  std::vector<lent_slab> all;
  for (int i = 0; i < 7; ++i) all.push_back(acquire(store));  // the first seven extents are of one slab
  ASSERT_EQ(store.held_slabs(), 7U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    store.give_back(all[i].base, *all[i].home, source);
    EXPECT_EQ(store.held_slabs(), 7 - (i < 3 ? 0 : i - 2));
  }
  release(store);
}

TEST_F(SlabStore, TrimLeavesWhatIsLentAlone) {
  slab_store store(slab_bytes, SIZE_MAX);
  std::vector<lent_slab> all;
  for (int i = 0; i < 100; ++i) all.push_back(acquire(store));
  for (std::size_t i = 0; i < all.size(); i += 2) store.give_back(all[i].base, *all[i].home, source);
  store.trim(0, source);
  EXPECT_EQ(store.lent_slabs(), 50U);
  for (std::size_t i = 1; i < all.size(); i += 2) {
    EXPECT_TRUE(store.owns(all[i].base));
    for (std::size_t byte = 0; byte < slab_bytes; byte += 512)
      ASSERT_EQ(static_cast<unsigned char*>(all[i].base)[byte], 0x11);
    store.give_back(all[i].base, *all[i].home, source);
  }
  store.trim(0, source);
  EXPECT_EQ(store.held_slabs(), 0U);
  release(store);
}

TEST_F(SlabStore, LendsAnAdoptedBufferAgainOnceItCameBack) {
  alignas(slab_bytes) static std::byte buffer[2 * slab_bytes];
  slab_store store(slab_bytes, 0);
  extent record;
  store.adopt(record, buffer, 2);
  for (int round = 0; round < 3; ++round) {
    const lent_slab first = acquire(store);
    const lent_slab second = acquire(store);
    EXPECT_TRUE(store.owns(first.base));
    store.give_back(first.base, *first.home, source);
    store.give_back(second.base, *second.home, source);
    store.trim(0, source);
  }
  EXPECT_EQ(memory.calls(), 0U);
  EXPECT_EQ(store.held_slabs(), 2U);
  release(store);
}

TEST_F(SlabStore, AnIdleBufferDoesNotCountAgainstTheRetainedBytes) {
  alignas(slab_bytes) static std::byte buffer[4 * slab_bytes];
  slab_store store(slab_bytes, slab_bytes);
  extent record;
  store.adopt(record, buffer, 4);
  std::vector<lent_slab> all;
  for (int i = 0; i < 5; ++i) all.push_back(acquire(store));
  for (const lent_slab& each : all) store.give_back(each.base, *each.home, source);
  EXPECT_EQ(memory.live_blocks(), 2U) << "the extent and the arena's block stay";
  release(store);
}

TEST_F(SlabStore, StaysAsItWasWhenTheSourceFailsAtAnyCall) {
  for (std::size_t fail_at_call = 1; fail_at_call <= 20; ++fail_at_call) {
    counting_resource counted;
    quarry_test::failing_resource failing(&counted, fail_at_call);
    resource_page_source throwing(&failing);
    arena records;
    slab_store store(slab_bytes, SIZE_MAX);
    std::set<void*> lent;
    while (!failing.failed()) {
      const std::size_t held = store.held_slabs();
      extent* home = nullptr;
      try {
        lent.insert(store.acquire(home, records, throwing));
      } catch (const quarry_test::upstream_failure&) {
        EXPECT_EQ(store.held_slabs(), held);
        EXPECT_EQ(home, nullptr);
      }
      ASSERT_EQ(store.lent_slabs(), lent.size());
    }
    extent* home = nullptr;
    EXPECT_TRUE(lent.insert(store.acquire(home, records, throwing)).second) << "and serves again";
    store.release(throwing);
    records.release(throwing);
    EXPECT_EQ(counted.live_blocks(), 0U);
  }
}

TEST_F(SlabStore, IsUsableAfterRelease) {
  slab_store store(slab_bytes, SIZE_MAX);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 30; ++i) static_cast<void>(acquire(store));
    release(store);
    EXPECT_EQ(store.held_slabs() + store.lent_slabs(), 0U);
    EXPECT_EQ(memory.live_blocks(), 0U);
  }
}

TEST_F(SlabStore, TrimStopsAsSoonAsNoMoreThanTheKeptBytesAreIdle) {
  slab_store store(slab_bytes, SIZE_MAX);
  std::vector<lent_slab> all;
  for (int i = 0; i < 5; ++i) all.push_back(acquire(store));  // five extents of one slab
  for (const lent_slab& each : all) store.give_back(each.base, *each.home, source);
  store.trim(5 * slab_bytes, source);
  EXPECT_EQ(store.held_slabs(), 5U);
  store.trim(3 * slab_bytes, source);
  EXPECT_EQ(store.held_slabs(), 3U);
  release(store);
}

}  // namespace
