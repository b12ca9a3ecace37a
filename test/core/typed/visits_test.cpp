// again with: -Os

#include <gtest/gtest.h>

#include <cstddef>
#include <quarry/core/typed/visits.hpp>
#include <quarry/detail/visited_lock.hpp>
#include <set>
#include <stdexcept>
#include <vector>

#include "support/page_sources.hpp"
#include "support/watching_lock.hpp"

namespace {

using quarry::core::attached_source;
using quarry::core::cache_control;
using quarry::core::cache_layout;
using quarry::core::make_cache_layout;
using quarry::core::transit;
using quarry_test::null_on_failure_source;
using quarry_test::watching_lock;

constexpr std::size_t slab_bytes = 1024;

struct kind {
  using control = cache_control<watching_lock, null_on_failure_source, 4, true>;
  static constexpr bool has_destructor = true;
  static constexpr cache_layout layout = make_cache_layout({40, 8, control::bytes, true}, slab_bytes);
  static_assert(layout.root.slots != 0);
  static inline void (*when_destroyed)(void* slot) = nullptr;
  static void destroy_object(void* slot) noexcept {
    EXPECT_EQ(watching_lock::depth, 0);
    if (when_destroyed != nullptr) when_destroyed(slot);
  }
};
using control = kind::control;
using visits = quarry::core::visits<kind, control>;

void never(void*) noexcept {
  ADD_FAILURE() << "what only a checked cache calls";
}

std::multiset<void*> live_of(control& block) {
  std::multiset<void*> seen;
  visits::for_each_live(block, [&](void* slot) {
    EXPECT_EQ(watching_lock::depth, 1);
    seen.insert(slot);
  });
  return seen;
}

class Visits : public ::testing::Test {
 protected:
  ~Visits() override {
    kind::when_destroyed = nullptr;
    for (void* const slot : live()) control::push(*block, slot);
    block->drop_handle();
    EXPECT_EQ(pages.memory.live_blocks(), 0U);
    EXPECT_EQ(watching_lock::depth, 0);
  }

  std::vector<void*> take(std::size_t count) {
    std::vector<void*> taken;
    for (std::size_t i = 0; i < count; ++i) taken.push_back(block->allocate(kind::layout));
    return taken;
  }
  void keep(void* slot) {
    const quarry::core::lock_holder guard(block->lock);
    block->stock.keep(slot);
  }
  std::multiset<void*> live() { return live_of(*block); }
  template <class Predicate>
  std::size_t erase_if(Predicate chosen) {
    return visits::erase_if(*block, chosen, &never);
  }

  null_on_failure_source::state pages;
  attached_source<null_on_failure_source> source{null_on_failure_source(pages)};
  control* block = control::open(source, kind::layout, &never);
};

constexpr std::size_t many = kind::layout.root.slots + 40 * kind::layout.extension.slots;

TEST_F(Visits, CallWithEachSlotInTheUsersHandsOnce) {
  const std::vector<void*> taken = take(2 * kind::layout.extension.slots);
  std::multiset<void*> expected(taken.begin(), taken.end());
  for (std::size_t i = 0; i < taken.size(); i += 3) {
    expected.erase(taken[i]);
    if (i % 2 == 0)
      control::push(*block, taken[i]);
    else
      keep(taken[i]);
  }
  EXPECT_EQ(live(), expected);
  while (void* const kept = block->stock.take_kept()) control::push(*block, kept);
}

TEST_F(Visits, PassOverWhatIsInTransit) {
  const std::vector<void*> taken = take(3);
  transit mine, another;
  block->enter(mine, taken[0]);
  block->enter(another, taken[2]);
  EXPECT_EQ(live(), std::multiset<void*>{taken[1]});
  EXPECT_EQ(erase_if([](void*) { return true; }), 1U);
  block->leave(mine);
  block->leave(another);
  EXPECT_EQ(live(), (std::multiset<void*>{taken[0], taken[2]}));
}

TEST_F(Visits, KeepEverySlabThatBecomesEmptyMeanwhile) {
  const std::vector<void*> taken = take(many);
  const std::size_t slabs = block->stock.slab_count();
  visits::for_each_live(*block, [&](void* slot) {
    block->put_back(slot);
    EXPECT_EQ(block->stock.slab_count(), slabs);
  });
  EXPECT_TRUE(live().empty());
  block->finish([&] { return block->stock.trim_all(*block, 0); });
  EXPECT_EQ(block->stock.slab_count(), 1U);
}

TEST_F(Visits, PutAReserveBackAsItWas) {
  block->finish([&] { return block->stock.retain(0); });
  ASSERT_TRUE(block->grow(kind::layout));
  {
    const quarry::core::lock_holder guard(block->lock);
    block->stock.begin_reserve();
  }
  live();
  EXPECT_EQ(block->stock.slab_count(), 2U) << "what was reserved";
  block->stock.end_reserve();
  live();
  EXPECT_EQ(block->stock.slab_count(), 1U) << "what nothing keeps";
}

TEST_F(Visits, LetPassWhatAVisitorThrowsWithTheLockOpen) {
  const std::vector<void*> taken = take(3);
  EXPECT_THROW(visits::for_each_live(*block, [](void*) { throw std::runtime_error("enough"); }),
               std::runtime_error);
  EXPECT_EQ(watching_lock::depth, 0);
  int asked = 0;
  EXPECT_THROW(erase_if([&](void*) {
                 if (++asked == 3) throw std::runtime_error("enough");
                 return true;
               }),
               std::runtime_error);
  EXPECT_EQ(watching_lock::depth, 0);
  EXPECT_EQ(live().size(), 1U);
}

TEST_F(Visits, AskAboutEachSlotOnceAndEraseWhatIsChosen) {
  const std::vector<void*> taken = take(many);
  const std::multiset<void*> all(taken.begin(), taken.end());
  std::multiset<void*> asked;
  std::multiset<void*> stay;
  const std::size_t erased = erase_if([&](void* slot) {
    EXPECT_EQ(watching_lock::depth, 1);
    asked.insert(slot);
    const bool stays = asked.size() % 7 == 0;
    if (stays) stay.insert(slot);
    return !stays;
  });
  EXPECT_EQ(asked, all);
  EXPECT_EQ(erased, all.size() - stay.size());
  EXPECT_EQ(live(), stay);
}

TEST_F(Visits, EraseWhatRunsDestructorsThatTheOthersDoNotMeet) {
  static control* of;
  static std::size_t destroyed;
  of = block;
  destroyed = 0;
  take(10);
  kind::when_destroyed = [](void* slot) {
    ++destroyed;
    const std::multiset<void*> others = live_of(*of);
    EXPECT_EQ(others.count(slot), 0U) << "its destructor runs";
    if (!others.empty()) control::push(*of, *others.begin());  // which so is destroyed by another
  };
  EXPECT_EQ(erase_if([](void*) { return true; }), destroyed);
  EXPECT_EQ(destroyed, 5U);
  EXPECT_TRUE(live().empty());
}

TEST_F(Visits, LookOnceMoreInsideAVisitAndLeaveTheLockWithItsHolder) {
  const std::vector<void*> taken = take(30);
  std::size_t seen = 0;
  visits::for_each_live(*block, [&](void*) {
    seen += live().size();
    EXPECT_EQ(watching_lock::depth, 1);
  });
  EXPECT_EQ(seen, taken.size() * taken.size());
  EXPECT_EQ(watching_lock::depth, 0);
}

}  // namespace
