#include <gtest/gtest.h>

#include <cstdint>
#include <quarry/core/shared_shelf.hpp>
#include <quarry/core/shared_store.hpp>
#include <quarry/locks.hpp>
#include <set>

#include "support/page_sources.hpp"

namespace {

using quarry::core::magazine;
using quarry::core::slab;
using quarry::core::thread_cache;
using quarry_test::null_on_failure_source;

/// Counts how often it is taken and fails when that happens twice at once.
struct watched_lock {
  void lock() {
    EXPECT_FALSE(held);
    held = true;
    ++taken;
  }
  void unlock() { held = false; }
  bool held = false;
  int taken = 0;
};
using store_type = quarry::core::shared_store<null_on_failure_source, watched_lock>;

constexpr std::size_t slab_bytes = 4096;

class SharedStore : public testing::Test {
 protected:
  null_on_failure_source::state state;
  store_type store{null_on_failure_source(state), 0, slab_bytes, 0};
};

TEST_F(SharedStore, TakesAndGivesSlabsBackInChains) {
  const auto layout = slab::layout(64, slab_bytes);
  slab* chain = nullptr;
  for (int i = 0; i < 10; ++i) {
    slab* const fresh = store.take_slab(layout);
    ASSERT_NE(fresh, nullptr);
    EXPECT_TRUE(fresh->empty());
    EXPECT_TRUE(store.owns(fresh->begin()));
    fresh->next = chain;
    chain = fresh;
  }
  const int taken = store.lock().taken;
  store.give_back(chain);
  EXPECT_EQ(store.lock().taken, taken + 1) << "once for the chain";
  store.give_back(static_cast<slab*>(nullptr));
  EXPECT_EQ(store.lock().taken, taken + 1) << "nothing to guard";
  EXPECT_LT(store.source().held_bytes(), slab_bytes) << "only records are held";
}

TEST_F(SharedStore, MagazinesAreAlignedToTheirSizeAndUsedAgain) {
  std::set<magazine*> distinct;
  for (int i = 0; i < 20; ++i) {
    magazine* const taken = store.take_magazine();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(taken) % sizeof(magazine), 0U);
    EXPECT_TRUE(distinct.insert(taken).second);
  }
  const std::size_t calls = state.calls;
  for (magazine* const each : distinct) store.give_back(*each);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(distinct.count(store.take_magazine()), 1U);
  EXPECT_EQ(state.calls, calls);
}

TEST_F(SharedStore, CountsOpenCachesAndHandsClosedOnesOutAgain) {
  thread_cache* const first = store.open_cache();
  thread_cache* const second = store.open_cache();
  EXPECT_NE(first, second);
  EXPECT_EQ(store.open_caches(), 2U);
  store.close_cache(*first);
  EXPECT_EQ(store.open_caches(), 1U);
  EXPECT_EQ(store.open_cache(), first);
  store.release();
  EXPECT_EQ(store.open_caches(), 0U);
  EXPECT_EQ(state.memory.live_blocks(), 0U);
}

TEST_F(SharedStore, ReturnsNullWhenTheSourceDoesAndServesAfterwards) {
  state.fail_at_call = 1;
  EXPECT_EQ(store.open_cache(), nullptr);
  EXPECT_EQ(store.open_caches(), 0U);
  state.calls = 0;
  EXPECT_EQ(store.take_magazine(), nullptr);
  state.calls = 0;
  EXPECT_EQ(store.take_slab(slab::layout(64, slab_bytes)), nullptr);
  state.calls = 0;
  EXPECT_EQ(store.make_shelf<quarry::core::shared_shelf<quarry::null_lock>>(64), nullptr);
  EXPECT_FALSE(store.lock().held);
  EXPECT_NE(store.open_cache(), nullptr);
  EXPECT_NE(store.take_slab(slab::layout(64, slab_bytes)), nullptr);
}

}  // namespace
