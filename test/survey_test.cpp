// Surveys of an engine: every slot is seen once, as what it is.
#include "../src/survey.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <quarry/page_sources.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <random>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::slab_options;
using quarry::slab_stats;
using quarry::slot_use;
using quarry::survey;
using quarry::core::class_index;
using quarry_test::counting_resource;
using quarry_test::take_any;

std::uintptr_t number_of(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

/// An engine with one cache, as an unsynchronized resource has it.
class surveyed_engine {
 public:
  explicit surveyed_engine(const slab_options& options,
                           std::pmr::memory_resource* upstream = std::pmr::new_delete_resource())
      : setup_(options),
        engine_(quarry::detail::resource_supply(upstream, setup_.options(), setup_.limits().granule_bytes),
                setup_.limits(), 3) {}

  void* allocate(std::size_t bytes) {
    const class_index index = setup_.pooled_class(bytes, 8);
    if (index == quarry::core::no_class) return engine_.allocate_oversize(&own_, bytes, 8);
    if (void* const slot = own_.cursors[index].pop()) return slot;
    return engine_.allocate_slow(own_, index);
  }
  void deallocate(void* pointer, std::size_t bytes) {
    const class_index index = setup_.pooled_class(bytes, 8);
    if (index == quarry::core::no_class) {
      engine_.deallocate_oversize(&own_, pointer, bytes);
    } else if (!own_.cursors[index].push(pointer)) {
      engine_.deallocate_slow(own_, pointer, index);
    }
  }

  /// Slots of the class of `bytes` that rest.
  std::size_t resting(class_index index) const {
    return own_.cached_slots(index) + engine_.shelf_of(index)->parked.slots();
  }
  survey look() const {
    slab_stats stats;
    engine_.for_each_shelf([&](const auto& each) {
      stats.classes[stats.class_rows].slot_bytes = each.slots.layout().slot_bytes;
      stats.classes[stats.class_rows++].cached_slots = resting(each.index);
    });
    return quarry::survey_of(engine_, stats, [this](auto f) { f(own_); });
  }

 private:
  quarry::detail::resource_setup setup_;
  mutable quarry::core::cache own_;
  quarry::detail::lone_engine engine_;
};

using blocks = std::vector<std::pair<void*, std::size_t>>;

/// Checks a survey against the blocks that live.
void expect_shows(const survey& seen, const blocks& live, const surveyed_engine& engine) {
  std::map<std::uintptr_t, std::size_t> slots;
  std::map<class_index, std::size_t> cached;
  const survey::slab* before = nullptr;
  for (const survey::slab& each : seen.slabs) {
    if (before != nullptr) {
      EXPECT_TRUE(before->size_class < each.size_class ||
                  (before->size_class == each.size_class && before->begin < each.begin));
    }
    before = &each;
    std::size_t counts[3] = {};
    seen.for_each_run(each, [&](std::size_t first, std::size_t count, slot_use state) {
      counts[static_cast<std::size_t>(state)] += count;
      for (std::size_t i = first; state == slot_use::live && i < first + count; ++i)
        slots[each.begin + i * each.slot_bytes()] = each.slot_bytes();
    });
    EXPECT_EQ(counts[0], each.live_slots());
    EXPECT_EQ(counts[1], each.cached_slots);
    EXPECT_EQ(counts[2], each.free_slots);
    EXPECT_EQ(counts[0] + counts[1] + counts[2], each.slots);
    cached[each.size_class] += each.cached_slots;
  }
  for (const auto& [index, count] : cached) EXPECT_EQ(count, engine.resting(index));
  std::map<std::uintptr_t, std::size_t> large;
  for (const survey::block& each : seen.blocks)
    if (each.is_live) large[each.begin] = each.bytes;
  for (const auto& [pointer, bytes] : live) {
    if (const auto found = slots.find(number_of(pointer)); found != slots.end()) {
      EXPECT_GE(found->second, bytes);
      slots.erase(found);
    } else {
      ASSERT_EQ(large.count(number_of(pointer)), 1U) << "a live block is not seen";
      EXPECT_EQ(large[number_of(pointer)], bytes);
      large.erase(number_of(pointer));
    }
  }
  EXPECT_TRUE(slots.empty()) << slots.size() << " slots that do not live are seen as live";
  EXPECT_TRUE(large.empty());
}

TEST(Survey, MarksOnlyWhatMayRest) {
  survey made;
  made.slabs.resize(2);
  for (std::size_t i = 0; i < 2; ++i) {
    made.slabs[i].begin = 0x2000 * (i + 1);
    made.slabs[i].size_class = quarry::core::class_of_bytes(64);
    made.slabs[i].slots = 4;
    made.slabs[i].first_word = i;
  }
  made.free_words = {0b0001, 0b0000};
  made.settle();
  made.slabs[0].free_slots = 1;
  const auto mark = [&](std::size_t bytes, std::uintptr_t at) {
    made.mark_cached(quarry::core::class_of_bytes(bytes), reinterpret_cast<const void*>(at));
  };
  for (const std::uintptr_t outside : {0x1000U, 0x2000U + 256U, 0x4000U + 256U}) mark(64, outside);
  mark(64, 0x2000);        // is free in its slab
  mark(128, 0x2000 + 64);  // is none of that class
  EXPECT_EQ(made.cached_words, std::vector<quarry::core::bitmap_word>(2, 0));
  mark(64, 0x2000 + 64);
  mark(64, 0x2000 + 64);  // seen in two caches, while it moves
  mark(64, 0x4000);
  EXPECT_EQ(made.slabs[0].cached_slots, 1U);
  EXPECT_EQ(made.slabs[1].cached_slots, 1U);
  EXPECT_EQ(made.slabs[0].live_slots(), 2U);
}

TEST(Survey, DropsASlabThatWasMetTwice) {
  survey made;
  for (const std::uintptr_t begin : {0x4000U, 0x2000U, 0x4000U}) made.slabs.emplace_back().begin = begin;
  made.settle();
  ASSERT_EQ(made.slabs.size(), 2U);
  EXPECT_EQ(made.slabs[0].begin, 0x2000U);
  EXPECT_EQ(made.slabs[1].begin, 0x4000U);
}

class Surveys : public testing::Test {
 protected:
  /// Allocates, frees and looks, so that magazines, depots and slabs are in many states.
  static void expect_to_see_all(const slab_options& options, std::pmr::memory_resource* upstream,
                                std::size_t most_live, std::size_t most_bytes) {
    surveyed_engine engine(options, upstream);
    std::mt19937 random(1);
    blocks live;
    for (int look = 0; look < 12; ++look) {
      const std::size_t wanted = random() % most_live;
      while (live.size() < wanted) {
        const std::size_t bytes = random() % 50 == 0 ? 40'000 + random() % 1000 : 1 + random() % most_bytes;
        live.emplace_back(engine.allocate(bytes), bytes);
        ASSERT_NE(live.back().first, nullptr);
      }
      while (live.size() > wanted) {
        const auto [pointer, bytes] = take_any(live, random);
        engine.deallocate(pointer, bytes);
      }
      expect_shows(engine.look(), live, engine);
    }
  }
};

TEST_F(Surveys, SeeAllOfAFreshEngine) {
  const surveyed_engine engine{slab_options()};
  const survey seen = engine.look();
  EXPECT_TRUE(seen.slabs.empty() && seen.extents.empty() && seen.blocks.empty());
}

TEST_F(Surveys, SeeEverySlotOverThePagePool) {
  expect_to_see_all(slab_options(), std::pmr::new_delete_resource(), 20'000, 2000);
}

TEST_F(Surveys, SeeEverySlotOfManySmallSlabs) {
  slab_options options;
  options.slab_bytes = 4096;
  options.largest_required_pool_block = 512;
  options.retain_bytes = 1;
  expect_to_see_all(options, quarry::os_page_resource(), 30'000, 300);
}

TEST_F(Surveys, SeeLooseSlabsAsSlabsAndNotAsBlocks) {
  counting_resource upstream;
  expect_to_see_all(slab_options(), &upstream, 3000, 1500);
}

TEST_F(Surveys, SeeSlabsThatNoDirectoryKnows) {
  slab_options options;
  options.max_bytes = 900'000;
  expect_to_see_all(options, std::pmr::new_delete_resource(), 120, 100);
}

TEST_F(Surveys, SeeKeptBlocksAsKept) {
  surveyed_engine engine{slab_options()};
  void* const block = engine.allocate(100'000);
  engine.deallocate(block, 100'000);
  const survey seen = engine.look();
  ASSERT_EQ(seen.blocks.size(), 1U);
  EXPECT_EQ(seen.blocks[0].begin, number_of(block));
  EXPECT_FALSE(seen.blocks[0].is_live);
}

TEST_F(Surveys, SeeMoreBlocksThanOneLookAtTheIndexShows) {
  slab_options options;
  options.largest_required_pool_block = 512;
  surveyed_engine engine{options};
  blocks live;
  for (std::size_t i = 0; i < 9000; ++i) live.emplace_back(engine.allocate(600 + i % 1000), 600 + i % 1000);
  expect_shows(engine.look(), live, engine);
  for (const auto& [pointer, bytes] : live) engine.deallocate(pointer, bytes);
}

TEST_F(Surveys, SeeTheGranulesOfExtentsAsTheyAre) {
  slab_options options;
  options.retain_bytes = 1;
  surveyed_engine engine(options, quarry::os_page_resource());
  blocks live;
  for (std::size_t i = 0; i < 20'000; ++i) live.emplace_back(engine.allocate(1000), 1000);
  for (std::size_t i = 0; i < live.size(); ++i)
    if (i % 2000 != 0) engine.deallocate(live[i].first, 1000);
  const survey seen = engine.look();
  ASSERT_FALSE(seen.extents.empty());
  std::size_t lent = 0, discarded = 0, slabs = 0;
  for (const quarry::core::extent& each : seen.extents) {
    lent += each.lent;
    discarded += quarry::core::count_bits(each.discarded);
    EXPECT_TRUE(&each == &seen.extents[0] || (&each)[-1].base < each.base);
  }
  for (const survey::slab& each : seen.slabs)
    slabs += each.slots * each.slot_bytes() > seen.granule_bytes / 2 ? 1U : 0U;
  EXPECT_EQ(lent, slabs);
#if !defined(_WIN32)  // where pages are not discarded
  EXPECT_GT(discarded, 0U);
#endif
}

}  // namespace
