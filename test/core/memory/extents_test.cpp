#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <quarry/core/memory/extents.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/take_any.hpp"

namespace {

using quarry::core::extent;
using quarry::core::extents;
using quarry::core::granule_run;

constexpr std::size_t granule_bytes = 4096;

/// Extents over addresses at which nothing lies: they touch no granule.
class filled_extents {
 public:
  explicit filled_extents(const std::vector<std::uint32_t>& granules = {}) {
    for (const std::uint32_t each : granules) add(each);
  }
  extent& add(std::uint32_t granules, bool is_fixed = false) {
    if (!all.has_spare()) all.bring_spare(records.emplace_back());
    next_base += 1024 * granule_bytes;
    return all.add(reinterpret_cast<void*>(next_base), granules, is_fixed);
  }
  /// Takes every granule of every extent, one at a time.
  std::vector<granule_run> take_all() {
    std::vector<granule_run> taken;
    for (granule_run run = all.take(1); run.home != nullptr; run = all.take(1)) taken.push_back(run);
    return taken;
  }

  std::uintptr_t next_base = std::uintptr_t{1} << 30;
  std::deque<extent> records;
  extents all{granule_bytes};
};

TEST(Extents, TellWhatTheyWouldLend) {
  filled_extents two({4, 8});
  for (std::uint32_t count = 8; count != 0; --count) {
    const granule_run seen = two.all.look(count);
    const granule_run again = two.all.look(count);
    EXPECT_EQ(seen.home, again.home) << "looking lends nothing";
    EXPECT_EQ(seen.first, again.first);
    if (seen.home == nullptr) continue;
    const granule_run run = two.all.take(seen);
    EXPECT_EQ(run.home, seen.home);
    EXPECT_EQ(run.first, seen.first);
    EXPECT_EQ(run.count, count);
    ASSERT_TRUE(two.all.check_invariants());
  }
  EXPECT_EQ(two.all.look(8).home, nullptr);
}

TEST(Extents, LendNothingWithoutMemory) {
  filled_extents none;
  EXPECT_EQ(none.all.take(1).home, nullptr);
  EXPECT_EQ(none.all.idle(), nullptr);
  EXPECT_EQ(none.all.take_touched().home, nullptr);
  EXPECT_FALSE(none.all.has_spare());
  EXPECT_TRUE(none.all.check_invariants());
}

TEST(Extents, TellWhetherAnyGranuleIsFree) {
  EXPECT_FALSE(extents(granule_bytes).has_free());
  filled_extents filled({2});
  EXPECT_TRUE(filled.all.has_free());
  const granule_run first = filled.all.take(1);
  EXPECT_TRUE(filled.all.has_free());
  (void)filled.all.take(1);
  EXPECT_FALSE(filled.all.has_free());
  filled.all.put(first, false);
  EXPECT_TRUE(filled.all.has_free());
}

TEST(Extents, LendEveryGranuleOnce) {
  filled_extents filled({1, 5, 64, 63});
  std::set<std::byte*> seen;
  for (const granule_run& run : filled.take_all()) {
    EXPECT_TRUE(seen.insert(filled.all.address_of(run)).second);
    EXPECT_EQ(filled.all.bytes_of(run), granule_bytes);
  }
  EXPECT_EQ(seen.size(), 133U);
  EXPECT_EQ(filled.all.held_granules(), 133U);
  EXPECT_TRUE(filled.all.check_invariants());
}

TEST(Extents, LendFromTheFullestFirst) {
  filled_extents filled;
  extent& quarter = filled.add(16);
  extent& most = filled.add(16);
  extent& idle = filled.add(16);
  std::vector<granule_run> of_quarter, of_most;
  for (const granule_run& run : filled.take_all()) {
    if (run.home == &quarter) of_quarter.push_back(run);
    if (run.home == &most) of_most.push_back(run);
    if (run.home == &idle) filled.all.put(run, false);
  }
  for (std::size_t i = 0; i < 12; ++i) filled.all.put(of_quarter[i], false);
  for (std::size_t i = 0; i < 4; ++i) filled.all.put(of_most[i], false);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(filled.all.take(1).home, &most);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(filled.all.take(1).home, &quarter);
  EXPECT_EQ(filled.all.take(1).home, &idle);
}

TEST(Extents, AnIdleOneStaysIdleWhilePartlyUsedOnesHaveRoom) {
  filled_extents filled({8, 8, 8});
  std::vector<granule_run> all = filled.take_all();
  extent* const idle = all.front().home;
  for (const granule_run& run : all)
    if (run.home == idle || run.first % 4 == 0) filled.all.put(run, false);
  EXPECT_EQ(filled.all.idle(), idle);
  for (int i = 0; i < 4; ++i) EXPECT_NE(filled.all.take(1).home, idle);
  EXPECT_EQ(filled.all.idle(), idle);
  EXPECT_EQ(filled.all.take(1).home, idle) << "there is no other room left";
  EXPECT_EQ(filled.all.idle(), nullptr);
}

TEST(Extents, LendTouchedGranulesOfAllExtentsFirstIfWished) {
  filled_extents filled;
  filled.all.lend_touched_first();
  extent& most = filled.add(16);
  extent& quarter = filled.add(16);
  extent& idle = filled.add(16);
  for (const granule_run& run : filled.take_all()) {
    if (run.home == &most && run.first < 4) filled.all.put(run, true);
    if (run.home == &quarter && run.first < 12) filled.all.put(run, run.first < 8);
    if (run.home == &idle) filled.all.put(run, run.first < 2);
  }
  for (int i = 0; i < 4; ++i) EXPECT_EQ(filled.all.take(1).home, &quarter);
  for (int i = 0; i < 14; ++i) EXPECT_EQ(filled.all.take(1).home, &idle);
  EXPECT_EQ(filled.take_all().size(), 14U) << "then the blank ones";
}

TEST(Extents, LendTheUsersBufferFirst) {
  for (const bool is_touched_first : {false, true}) {
    filled_extents filled;
    if (is_touched_first) filled.all.lend_touched_first();
    extent& buffer = filled.add(8, true);
    extent& other = filled.add(8);
    for (const granule_run& run : filled.take_all()) {
      if (run.home == &buffer) filled.all.put(run, false);
      if (run.home == &other && run.first < 2) filled.all.put(run, false);
    }
    for (int i = 0; i < 8; ++i) EXPECT_EQ(filled.all.take(1).home, &buffer);
    EXPECT_EQ(filled.all.take(1).home, &other);
  }
}

TEST(Extents, LendOfIdleOnesTheBlankLast) {
  for (const bool is_touched_first : {false, true}) {
    filled_extents filled({8, 8, 8});
    if (is_touched_first) filled.all.lend_touched_first();
    extent* const first = filled.all.take(1).home;
    for (int i = 0; i < 7; ++i) EXPECT_EQ(filled.all.take(1).home, first) << "the others stay whole";
    extent& touched = filled.add(8);
    filled.all.touch(touched);
    extent* const blank = filled.all.idle();
    EXPECT_NE(blank, &touched) << "what holds no page may go back first";
    extent& last = filled.add(8);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(filled.all.take(1).home, &touched);
    EXPECT_NE(filled.all.take(1).home, &touched);
    EXPECT_TRUE(extents::is_blank(last));
    EXPECT_TRUE(filled.all.check_invariants());
  }
}

TEST(Extents, LendTouchedGranulesBeforeBlankOnes) {
  filled_extents filled({64});
  const granule_run first = filled.all.take(5);
  const granule_run second = filled.all.take(3);
  EXPECT_EQ(second.first, 5U);
  filled.all.put(second, false);
  filled.all.put(first, true);
  EXPECT_EQ(filled.all.take(3).first, 5U) << "granules 0 to 4 are blank";
  EXPECT_EQ(filled.all.take(1).first, 0U);
}

TEST(Extents, LendBlankGranulesWhereTouchedOnesAreNoNeighbours) {
  filled_extents filled({8});
  std::vector<granule_run> all = filled.take_all();
  for (const granule_run& run : all) filled.all.put(run, run.first % 2 == 0);
  const granule_run pair = filled.all.take(2);
  ASSERT_NE(pair.home, nullptr);
  EXPECT_EQ(pair.count, 2U);
  EXPECT_TRUE(filled.all.check_invariants());
}

TEST(Extents, LendRunsOfEveryLengthAtEveryPlaceWhereTheyFit) {
  for (std::uint32_t count = 1; count <= 64; ++count) {
    for (std::uint32_t first = 0; first + count <= 64; ++first) {
      filled_extents filled({64});
      extent& home = *filled.all.take(64).home;
      filled.all.put({&home, first, count}, false);
      ASSERT_EQ(filled.all.take(count + 1).home, nullptr) << count << " free";
      const granule_run run = filled.all.take(count);
      ASSERT_EQ(run.home, &home);
      ASSERT_EQ(run.first, first);
      ASSERT_EQ(run.count, count);
      ASSERT_EQ(filled.all.idle_bytes(), 0U);
    }
  }
}

TEST(Extents, LendRunsAsAlignedAsTheyAreAskedFor) {
  for (std::size_t alignment = 1; alignment <= 16 * granule_bytes; alignment *= 2) {
    filled_extents filled({64});
    const std::size_t step = alignment < granule_bytes ? 1 : alignment / granule_bytes;
    static_cast<void>(filled.all.take(1));
    for (std::uint32_t i = step == 1 ? 1 : 0; i < (step == 1 ? 3 : 64 / step - 1); ++i) {
      const granule_run run = filled.all.take(1, alignment);
      ASSERT_NE(run.home, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(filled.all.address_of(run)) % alignment, 0U) << alignment;
    }
  }
}

TEST(Extents, LendNoRunAcrossALentGranuleOrTheEndOfAnExtent) {
  filled_extents filled({7, 7});
  std::vector<granule_run> all = filled.take_all();
  for (const granule_run& run : all)
    if (run.first != 3) filled.all.put(run, false);
  EXPECT_EQ(filled.all.take(4).home, nullptr);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(filled.all.take(3).count, 3U);
  EXPECT_EQ(filled.all.take(1).home, nullptr);
}

TEST(Extents, LookPastFullerOnesThatHaveNoSuchRun) {
  filled_extents filled;
  extent& holed = filled.add(64);
  for (const granule_run& run : filled.take_all())
    if (run.first % 2 == 0) filled.all.put(run, false);
  extent& idle = filled.add(64);
  EXPECT_EQ(filled.all.take(2).home, &idle);
  EXPECT_EQ(filled.all.take(1).home, &holed);
}

TEST(Extents, CountFreeGranulesAsIdleOnlyOnceTheyWereTouched) {
  filled_extents filled({16});
  EXPECT_EQ(filled.all.idle_bytes(), 0U) << "never used";
  const granule_run run = filled.all.take(6);
  EXPECT_EQ(filled.all.idle_bytes(), 0U);
  filled.all.put(run, false);
  EXPECT_EQ(filled.all.idle_bytes(), 6 * granule_bytes);
  EXPECT_EQ(filled.all.take(2).home, run.home);
  EXPECT_EQ(filled.all.idle_bytes(), 4 * granule_bytes);
  EXPECT_EQ(filled.all.take(10).first, 2U) << "the four touched ones and six blank ones behind them";
  EXPECT_EQ(filled.all.idle_bytes(), 0U);
  EXPECT_EQ(filled.all.discarded_bytes(), 0U);
  EXPECT_TRUE(filled.all.check_invariants());
}

TEST(Extents, CountWhatIsDiscardedUntilItIsLentAgain) {
  filled_extents filled({16});
  const granule_run run = filled.all.take(6);
  static_cast<void>(filled.all.take(1));
  filled.all.put(run, true);
  EXPECT_EQ(filled.all.discarded_bytes(), 6 * granule_bytes);
  EXPECT_EQ(filled.all.idle_bytes(), 0U);
  const granule_run again = filled.all.take(4);
  EXPECT_EQ(again.first, 0U);
  EXPECT_EQ(filled.all.discarded_bytes(), 2 * granule_bytes);
  filled.all.put(again, false);
  EXPECT_EQ(filled.all.discarded_bytes(), 2 * granule_bytes);
  EXPECT_EQ(filled.all.idle_bytes(), 4 * granule_bytes);
  EXPECT_TRUE(filled.all.check_invariants());
}

TEST(Extents, TellWhenPuttingBackMakesOneIdle) {
  filled_extents filled({3});
  const std::vector<granule_run> all = filled.take_all();
  EXPECT_FALSE(extents::would_idle(all[0]));
  EXPECT_FALSE(filled.all.put(all[0], false));
  EXPECT_FALSE(extents::would_idle(all[2]));
  EXPECT_FALSE(filled.all.put(all[2], true));
  EXPECT_TRUE(extents::would_idle(all[1]));
  EXPECT_EQ(filled.all.idle(), nullptr);
  EXPECT_TRUE(filled.all.put(all[1], false));
  EXPECT_EQ(filled.all.idle(), all[1].home);
}

TEST(Extents, FindARunAgainFromItsAddress) {
  filled_extents filled({64});
  static_cast<void>(filled.all.take(9));
  const granule_run run = filled.all.take(5);
  const granule_run again = filled.all.run_at(*run.home, filled.all.address_of(run), 5);
  EXPECT_EQ(again.home, run.home);
  EXPECT_EQ(again.first, 9U);
  EXPECT_EQ(again.count, 5U);
}

TEST(Extents, TakeTouchedTakesWholeRunsOutOfPartlyUsedOnesUntilNoneIsLeft) {
  filled_extents filled({64, 64});
  for (const granule_run& run : filled.take_all())
    if (run.first % 8 != 0)
      filled.all.put(run, run.first % 8 == 4);  // of eight: lent, 3 touched, blank, 3 touched
  std::size_t granules = 0;
  for (granule_run run = filled.all.take_touched(); run.home != nullptr; run = filled.all.take_touched()) {
    EXPECT_EQ(run.count, 3U);
    EXPECT_TRUE(run.first % 8 == 1 || run.first % 8 == 5);
    granules += run.count;
    filled.all.put(run, true);
    ASSERT_TRUE(filled.all.check_invariants());
  }
  EXPECT_EQ(granules, 2U * 8 * 6);
  EXPECT_EQ(filled.all.idle_bytes(), 0U);
  EXPECT_EQ(filled.all.discarded_bytes(), 2 * 8 * 7 * granule_bytes);
  filled.all.for_each([](const extent& each) { EXPECT_TRUE(extents::is_blank(each)); });
}

TEST(Extents, TakeTouchedFindsTheOneTouchedGranuleHoweverFullItsExtentIs) {
  for (const std::uint32_t freed : {1U, 63U}) {
    filled_extents filled({64, 64, 64, 64});
    for (const granule_run& run : filled.take_all())
      if (run.first < freed) filled.all.put(run, true);
    const granule_run run = filled.all.take(1);
    filled.all.put(run, false);
    const granule_run found = filled.all.take_touched();
    EXPECT_EQ(found.home, run.home);
    EXPECT_EQ(found.first, run.first);
    EXPECT_EQ(found.count, 1U);
    EXPECT_EQ(filled.all.take_touched().home, nullptr);
  }
}

TEST(Extents, TakeTouchedLeavesIdleAndFixedOnesAlone) {
  filled_extents filled;
  extent& fixed = filled.add(4, true);
  const std::vector<granule_run> of_fixed = filled.take_all();
  filled.all.put(of_fixed[1], false);
  extent& idle = filled.add(4);
  filled.all.put(filled.all.take(4), false);
  EXPECT_EQ(filled.all.take_touched().home, nullptr);
  EXPECT_EQ(filled.all.idle(), &idle);
  EXPECT_FALSE(extents::is_blank(fixed));
}

TEST(Extents, AFixedOneNeitherCountsAsIdleNorIsGivenAway) {
  filled_extents filled;
  filled.add(8, true);
  const granule_run run = filled.all.take(8);
  EXPECT_FALSE(filled.all.put(run, false)) << "none of its granules is lent, but it may not go back";
  EXPECT_EQ(filled.all.idle(), nullptr);
  EXPECT_EQ(filled.all.idle_bytes(), 0U);
  EXPECT_EQ(filled.all.held_granules(), 8U);
  extent& other = filled.add(8);
  filled.all.put(filled.all.take(8), false);  // of either
  EXPECT_EQ(filled.all.idle(), &other) << "found behind the fixed one as well as before it";
  filled.all.put(filled.all.take(8), false);
  EXPECT_EQ(filled.all.idle(), &other);
  std::size_t given_back = 0;
  filled.all.release([&](const extent& each) {
    EXPECT_EQ(each.base, reinterpret_cast<std::byte*>(filled.next_base));
    given_back += each.granules * granule_bytes;
  });
  EXPECT_EQ(given_back, 8 * granule_bytes);
}

TEST(Extents, RemovingOneTakesItsBytesOutOfEveryCount) {
  filled_extents filled({8, 8});
  const granule_run touched = filled.all.take(3);
  const granule_run discarded = filled.all.take(2);
  ASSERT_EQ(touched.home, discarded.home);
  filled.all.put(discarded, true);
  EXPECT_TRUE(filled.all.put(touched, false));
  filled.all.remove(*touched.home);
  EXPECT_EQ(filled.all.held_granules(), 8U);
  EXPECT_EQ(filled.all.idle_bytes(), 0U);
  EXPECT_EQ(filled.all.discarded_bytes(), 0U);
  EXPECT_TRUE(filled.all.has_spare());
  EXPECT_TRUE(filled.all.check_invariants());
}

TEST(Extents, ReuseTheirRecordsOverAThousandCyclesOfGrowingAndDropping) {
  filled_extents filled;
  for (std::uint32_t cycle = 0; cycle < 1000; ++cycle) {
    for (std::uint32_t i = 0; i < 5; ++i) filled.add(1 + (cycle + i) % 64);
    std::vector<granule_run> all = filled.take_all();
    for (const granule_run& run : all) filled.all.put(run, run.first % 3 == 0);
    std::size_t dropped = 0;
    for (extent* idle = filled.all.idle(); idle != nullptr; idle = filled.all.idle(), ++dropped)
      filled.all.remove(*idle);
    ASSERT_EQ(dropped, 5U);
    ASSERT_EQ(filled.all.held_granules(), 0U);
    ASSERT_TRUE(filled.all.check_invariants());
  }
  EXPECT_EQ(filled.records.size(), 5U);
}

TEST(Extents, ReleaseGivesBackEveryOneWhetherLentOrNot) {
  filled_extents filled({1, 2, 64, 7});
  static_cast<void>(filled.all.take(64));
  filled.all.put(filled.all.take(2), true);
  filled.all.put(filled.all.take(1), false);
  std::set<std::byte*> bases;
  std::size_t bytes_in_all = 0;
  filled.all.release([&](extent& each) {
    EXPECT_TRUE(bases.insert(each.base).second);
    bytes_in_all += each.granules * granule_bytes;
    each.next = nullptr;  // as who links them elsewhere
  });
  EXPECT_EQ(bases.size(), 4U);
  EXPECT_EQ(bytes_in_all, 74 * granule_bytes);
  EXPECT_EQ(filled.all.held_granules() + filled.all.idle_bytes() + filled.all.discarded_bytes(), 0U);
  EXPECT_EQ(filled.all.take(1).home, nullptr);
  EXPECT_FALSE(filled.all.has_spare()) << "where the records lay is gone";
  EXPECT_TRUE(filled.all.check_invariants());
}

TEST(Extents, AgreeWithAModelUnderRandomTakesAndPuts) {
  enum class state : std::uint8_t { never_used, lent, touched, discarded };
  struct place {
    std::vector<state> granules;
    bool is_fixed;
  };
  filled_extents filled;
  std::vector<std::pair<extent*, place>> model;
  std::vector<granule_run> lent;
  std::mt19937 random(29);
  const auto place_of = [&model](const extent* home) -> place& {
    return std::find_if(model.begin(), model.end(), [&](const auto& each) { return each.first == home; })
        ->second;
  };
  const auto count = [&model](state which, bool fixed_too) {
    std::size_t granules = 0;
    for (const auto& [home, each] : model)
      if (fixed_too || !each.is_fixed)
        granules += static_cast<std::size_t>(std::count(each.granules.begin(), each.granules.end(), which));
    return granules;
  };
  const auto give_back = [&](const granule_run& run, bool is_blank) {
    place& home = place_of(run.home);
    for (std::uint32_t i = 0; i < run.count; ++i)
      home.granules[run.first + i] = is_blank ? state::discarded : state::touched;
    const bool is_idle = std::count(home.granules.begin(), home.granules.end(), state::lent) == 0;
    ASSERT_EQ(extents::would_idle(run), is_idle);
    ASSERT_EQ(filled.all.put(run, is_blank), is_idle && !home.is_fixed);
  };
  for (int step = 0; step < 20000; ++step) {
    const auto choice = random() % 100;
    const bool grow = (step / 1000) % 2 == 0;
    if (choice < 3 && model.size() < 12) {
      const auto granules = static_cast<std::uint32_t>(1 + random() % 64);
      const bool is_fixed = random() % 6 == 0;
      extent& fresh = filled.add(granules, is_fixed);
      model.push_back({&fresh, {std::vector<state>(granules, state::never_used), is_fixed}});
    } else if (choice < 6) {
      if (extent* const idle = filled.all.idle()) {
        const place& gone = place_of(idle);
        ASSERT_FALSE(gone.is_fixed);
        ASSERT_EQ(std::count(gone.granules.begin(), gone.granules.end(), state::lent), 0);
        filled.all.remove(*idle);
        model.erase(
            std::find_if(model.begin(), model.end(), [&](const auto& each) { return each.first == idle; }));
      }
    } else if (choice < 10) {
      const granule_run run = filled.all.take_touched();
      if (run.home != nullptr) {
        place& home = place_of(run.home);
        ASSERT_FALSE(home.is_fixed);
        for (std::uint32_t i = 0; i < run.count; ++i) ASSERT_EQ(home.granules[run.first + i], state::touched);
        for (std::uint32_t i = 0; i < run.count; ++i) home.granules[run.first + i] = state::lent;
        give_back(run, random() % 4 != 0);
      }
    } else if (lent.empty() || (choice < 60) == grow) {
      const granule_run run =
          filled.all.take(static_cast<std::uint32_t>(1 + random() % (random() % 4 == 0 ? 20 : 3)));
      if (run.home == nullptr) continue;
      place& home = place_of(run.home);
      for (std::uint32_t i = 0; i < run.count; ++i) {
        ASSERT_NE(home.granules[run.first + i], state::lent) << "lent twice";
        home.granules[run.first + i] = state::lent;
      }
      lent.push_back(run);
    } else {
      give_back(quarry_test::take_any(lent, random), random() % 3 == 0);
    }
    ASSERT_TRUE(filled.all.check_invariants());
    ASSERT_EQ(filled.all.idle_bytes(), count(state::touched, false) * granule_bytes);
    ASSERT_EQ(filled.all.discarded_bytes(), count(state::discarded, true) * granule_bytes);
  }
  EXPECT_LE(filled.records.size(), 12U);
}

}  // namespace
