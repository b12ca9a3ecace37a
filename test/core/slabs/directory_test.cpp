#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <quarry/core/slabs/directory.hpp>
#include <random>
#include <thread>
#include <vector>

namespace {

using quarry::core::directory;
using quarry::core::slab;

constexpr std::size_t granule_bytes = 4096;
constexpr std::size_t entry_bytes = 2 * sizeof(void*);

/// Nothing lies at these addresses and no such slab exists: a directory reads neither.
void* address_of(std::uintptr_t granule) {
  return reinterpret_cast<void*>(granule * granule_bytes);
}
slab* slab_number(std::uintptr_t number) {
  return reinterpret_cast<slab*>((number + 1) * 64);
}

/// A directory and the memory that it asked for.
class brought_directory {
 public:
  void insert(std::uintptr_t granule, std::size_t granules, slab* home) {
    if (const std::size_t bytes = entries.missing_bytes(granules); bytes != 0) {
      tables.push_back({std::make_unique<unsigned char[]>(bytes), bytes});
      std::memset(tables.back().memory.get(), 0xA5, bytes);
      entries.bring(tables.back().memory.get(), bytes);
    }
    ASSERT_EQ(entries.missing_bytes(granules), 0U) << "insert() requires it";
    entries.insert(address_of(granule), granules, home);
  }
  void erase(std::uintptr_t granule, std::size_t granules) { entries.erase(address_of(granule), granules); }
  slab* find(std::uintptr_t granule) const { return entries.find(address_of(granule)); }

  /// Returns which of `tables` names a granule; their number when none does. The writer alone may ask.
  std::size_t table_that_names(std::uintptr_t granule) const {
    std::size_t which = 0;
    for (; which < tables.size(); ++which)
      for (std::size_t at = 0; at < tables[which].bytes; at += sizeof(granule))
        if (std::memcmp(tables[which].memory.get() + at, &granule, sizeof(granule)) == 0) return which;
    return which;
  }

  struct table {
    std::unique_ptr<unsigned char[]> memory;
    std::size_t bytes;
  };
  directory entries{granule_bytes};
  std::vector<table> tables;
};

TEST(Directory, FindsNothingBeforeMemoryIsBrought) {
  directory empty(granule_bytes);
  EXPECT_EQ(empty.find(nullptr), nullptr);
  EXPECT_EQ(empty.find(&empty), nullptr);
  void* const slots[] = {nullptr, &empty};
  slab* homes[] = {slab_number(1), slab_number(2)};
  EXPECT_FALSE(empty.find_all(slots, 2, homes));
  EXPECT_EQ(homes[0], nullptr);
  EXPECT_EQ(homes[1], nullptr);
  EXPECT_EQ(empty.granules(), 0U);
  EXPECT_NE(empty.missing_bytes(1), 0U);
  EXPECT_TRUE(empty.check_invariants());
}

TEST(Directory, LosesNothingElseWhenAnEntryWasWrittenOver) {
  brought_directory some;
  some.insert(1000, 1, slab_number(1));
  some.insert(1001, 1, slab_number(2));
  const std::uintptr_t granule = 1000, wrong = 2000;
  for (std::size_t at = 0; at < some.tables[0].bytes; at += sizeof(granule))
    if (unsigned char* const word = some.tables[0].memory.get() + at;
        std::memcmp(word, &granule, sizeof(granule)) == 0)
      std::memcpy(word, &wrong, sizeof(wrong));
  EXPECT_EQ(some.find(1000), nullptr);
  some.erase(1000, 1);
  EXPECT_EQ(some.find(1001), slab_number(2));
  some.insert(1000, 1, slab_number(3));
  EXPECT_EQ(some.find(1000), slab_number(3));
}

TEST(Directory, IsVisitedWithoutALookAtSlabsThatAreNotBelievedIn) {
  brought_directory some;
  for (std::uintptr_t each = 0; each < 5; ++each) some.insert(1000 + each, 1, slab_number(each));
  std::size_t asked = 0;
  const auto is_none = [&](const slab*) { return ++asked, false; };
  directory::visit from;
  while (some.entries.visit_some(from, 3, is_none, [](slab&) { return true; })) continue;
  EXPECT_EQ(asked, 5U);
}

TEST(Directory, FindsEveryEntryAtEveryMomentWhileItGrows) {
  for (const std::uintptr_t stride : {1U, 7U, 512U, 65536U}) {
    brought_directory slabs;
    for (std::uintptr_t i = 0; i < 1500; ++i) {
      slabs.insert(1000 + i * stride, 1, slab_number(i));
      for (std::uintptr_t each = 0; each <= i; ++each)
        ASSERT_EQ(slabs.find(1000 + each * stride), slab_number(each)) << "stride " << stride << " at " << i;
      ASSERT_TRUE(slabs.entries.check_invariants());
    }
    EXPECT_EQ(slabs.entries.granules(), 1500U);
    EXPECT_GT(slabs.tables.size(), 5U) << "it grew";
  }
}

TEST(Directory, FindsASlabFromAnyByteOfItsGranulesAndFromNoOther) {
  brought_directory slabs;
  slabs.insert(500, 3, slab_number(7));
  const auto begin = std::uintptr_t{500} * granule_bytes;
  for (const std::uintptr_t byte :
       {std::uintptr_t{0}, std::uintptr_t{granule_bytes - 1}, std::uintptr_t{granule_bytes},
        std::uintptr_t{2 * granule_bytes + 5}, std::uintptr_t{3 * granule_bytes - 1}})
    EXPECT_EQ(slabs.entries.find(reinterpret_cast<void*>(begin + byte)), slab_number(7)) << byte;
  EXPECT_EQ(slabs.entries.find(reinterpret_cast<void*>(begin - 1)), nullptr);
  EXPECT_EQ(slabs.entries.find(reinterpret_cast<void*>(begin + 3 * granule_bytes)), nullptr);
  EXPECT_EQ(slabs.entries.granules(), 3U);
}

TEST(Directory, KeepsApartSlabsThatTouchAtEveryGranuleSize) {
  for (std::size_t bytes = 1; bytes <= std::size_t{1} << 24; bytes *= 2) {
    directory slabs(bytes);
    const std::size_t missing = slabs.missing_bytes(2);
    const auto memory = std::make_unique<unsigned char[]>(missing);
    slabs.bring(memory.get(), missing);
    const std::uintptr_t begin = bytes * 1000;
    slabs.insert(reinterpret_cast<void*>(begin), 1, slab_number(1));
    slabs.insert(reinterpret_cast<void*>(begin + bytes), 1, slab_number(2));
    EXPECT_EQ(slabs.find(reinterpret_cast<void*>(begin - 1)), nullptr);
    EXPECT_EQ(slabs.find(reinterpret_cast<void*>(begin)), slab_number(1));
    EXPECT_EQ(slabs.find(reinterpret_cast<void*>(begin + bytes - 1)), slab_number(1));
    EXPECT_EQ(slabs.find(reinterpret_cast<void*>(begin + bytes)), slab_number(2));
    EXPECT_EQ(slabs.find(reinterpret_cast<void*>(begin + 2 * bytes)), nullptr);
  }
}

TEST(Directory, FindsNothingForAddressesThatNobodyEntered) {
  brought_directory slabs;
  for (std::uintptr_t i = 0; i < 1000; ++i) slabs.insert(10000 + 2 * i, 1, slab_number(i));
  EXPECT_EQ(slabs.entries.find(nullptr), nullptr);
  EXPECT_EQ(slabs.entries.find(reinterpret_cast<void*>(UINTPTR_MAX)), nullptr);
  EXPECT_EQ(slabs.entries.find(&slabs), nullptr);
  for (std::uintptr_t i = 0; i < 1000; ++i) ASSERT_EQ(slabs.find(10001 + 2 * i), nullptr);
  std::mt19937_64 random(3);
  for (int i = 0; i < 100000; ++i) {
    const auto granule = static_cast<std::uintptr_t>(random() >> 13);
    if (granule < 10000 || granule >= 12000) {
      ASSERT_EQ(slabs.find(granule), nullptr);
    }
  }
}

TEST(Directory, FindsAnErasedGranuleNoMoreUntilItIsEnteredForAnotherSlab) {
  brought_directory slabs;
  slabs.insert(42, 2, slab_number(1));
  slabs.insert(44, 1, slab_number(2));
  for (std::uintptr_t round = 3; round < 1000; ++round) {
    slabs.erase(42, 2);
    EXPECT_EQ(slabs.find(42), nullptr);
    EXPECT_EQ(slabs.find(43), nullptr);
    EXPECT_EQ(slabs.find(44), slab_number(2)) << "its neighbour stays";
    EXPECT_EQ(slabs.entries.granules(), 1U);
    slabs.insert(42, 2, slab_number(round));
    EXPECT_EQ(slabs.find(43), slab_number(round));
    ASSERT_TRUE(slabs.entries.check_invariants());
  }
  EXPECT_LE(slabs.tables.size(), 2U) << "a granule that comes back takes its old entry";
}

TEST(Directory, WhatIsErasedWhileEntriesMoveDoesNotComeBackWithThem) {
  for (std::uintptr_t first_erased = 0; first_erased < 300; first_erased += 17) {
    brought_directory slabs;
    std::uintptr_t next = 0;
    const auto grow_until = [&](std::size_t tables) {
      for (; slabs.tables.size() < tables; ++next) slabs.insert(next, 1, slab_number(next));
    };
    grow_until(5);  // the fifth table is being cleared, then entries move into it
    const std::uintptr_t last_erased = next;
    for (std::uintptr_t each = first_erased; each < last_erased; ++each) {
      slabs.erase(each, 1);
      slabs.insert(1000000 + each, 1, slab_number(1000000 + each));  // a step of moving
      for (std::uintptr_t gone = first_erased; gone <= each; ++gone) ASSERT_EQ(slabs.find(gone), nullptr);
      ASSERT_TRUE(slabs.entries.check_invariants());
    }
    for (std::uintptr_t each = 0; each < std::min(first_erased, last_erased); ++each)
      ASSERT_EQ(slabs.find(each), slab_number(each));
  }
}

TEST(Directory, NothingIsMissingOnceTheMissingBytesWereBrought) {
  for (const std::size_t granules : {1U, 3U, 16U, 64U}) {
    brought_directory slabs;
    for (std::uintptr_t i = 0; i < 500; ++i) {
      const std::size_t bytes = slabs.entries.missing_bytes(granules);
      slabs.insert(i * granules, granules, slab_number(i));
      if (bytes != 0) {
        EXPECT_EQ(slabs.tables.back().bytes, bytes);
      }
    }
    for (std::uintptr_t i = 0; i < 500 * granules; ++i) ASSERT_EQ(slabs.find(i), slab_number(i / granules));
  }
}

TEST(Directory, TakesASlabOfSixtyFourGranulesHoweverSmallItsTableIs) {
  for (std::uintptr_t before = 0; before < 40; ++before) {
    brought_directory slabs;
    for (std::uintptr_t i = 0; i < before; ++i) slabs.insert(i, 1, slab_number(i));
    slabs.insert(1000, 64, slab_number(1000));
    slabs.insert(2000, 64, slab_number(2000));
    EXPECT_EQ(slabs.entries.granules(), before + 128);
    ASSERT_TRUE(slabs.entries.check_invariants());
    for (std::uintptr_t i = 0; i < before; ++i) ASSERT_EQ(slabs.find(i), slab_number(i));
    for (std::uintptr_t i = 0; i < 64; ++i) ASSERT_EQ(slabs.find(1000 + i), slab_number(1000));
    for (std::uintptr_t i = 0; i < 64; ++i) ASSERT_EQ(slabs.find(2000 + i), slab_number(2000));
  }
}

TEST(Directory, AMillionEverNewAddressesNeitherFillItNorMakeItsTablesLarge) {
  brought_directory slabs;
  constexpr std::uintptr_t window = 100;  // slabs that live at a time
  for (std::uintptr_t i = 0; i < 1000000; ++i) {
    slabs.insert(i, 1, slab_number(i));
    if (i >= window) slabs.erase(i - window, 1);
    if (i % 4096 == 0) {
      ASSERT_TRUE(slabs.entries.check_invariants());
      for (std::uintptr_t each = i >= window ? i - window + 1 : 0; each <= i; ++each)
        ASSERT_EQ(slabs.find(each), slab_number(each));
      if (i > window) {
        ASSERT_EQ(slabs.find(i - window), nullptr);
      }
    }
  }
  EXPECT_EQ(slabs.entries.granules(), window);
  for (const brought_directory::table& each : slabs.tables)
    ASSERT_LE(each.bytes, 16 * window * entry_bytes) << "tombstones count for the size of no table";
}

TEST(Directory, GrowsAgainAfterNearlyEverythingWasErased) {
  for (const std::uintptr_t peak : {30U, 300U, 3000U, 10000U}) {
    brought_directory slabs;
    for (std::uintptr_t i = 0; i < peak; ++i) slabs.insert(i, 1, slab_number(i));
    for (std::uintptr_t i = 1; i < peak; ++i) slabs.erase(i, 1);
    for (std::uintptr_t i = 0; i < 2 * peak;
         ++i) {  // ever new addresses, one at a time: a small table would do
      slabs.insert(1000000 + i, 1, slab_number(i));
      slabs.erase(1000000 + i, 1);
    }
    for (std::uintptr_t i = 0; i < peak; ++i) slabs.insert(2000000 + i, 1, slab_number(i));
    ASSERT_TRUE(slabs.entries.check_invariants());
    for (std::uintptr_t i = 0; i < peak; ++i) ASSERT_EQ(slabs.find(2000000 + i), slab_number(i));
    EXPECT_EQ(slabs.find(0), slab_number(0));
  }
}

TEST(Directory, EveryInsertAndEraseTouchesAFewEntriesHoweverManyThereAre) {
  brought_directory slabs;
  std::vector<std::vector<unsigned char>> before;  // what the tables held
  const auto changed_entries = [&] {
    std::size_t changed = 0;
    for (std::size_t table = 0; table < slabs.tables.size(); ++table) {
      const unsigned char* const now = slabs.tables[table].memory.get();
      const std::size_t bytes = slabs.tables[table].bytes;
      if (table == before.size()) before.emplace_back(bytes, static_cast<unsigned char>(0xA5));
      if (std::memcmp(before[table].data(), now, bytes) == 0) continue;
      for (std::size_t at = 0; at + entry_bytes <= bytes; at += entry_bytes)
        changed += std::memcmp(before[table].data() + at, now + at, entry_bytes) != 0;
      std::memcpy(before[table].data(), now, bytes);
    }
    return changed;
  };
  constexpr std::size_t few_entries = 64;  // 48 move, some are cleared and one is written
  std::size_t most = 0;
  for (std::uintptr_t i = 0; i < 2500; ++i) {
    slabs.insert(i, 1, slab_number(i));
    const std::size_t changed = changed_entries();
    ASSERT_GE(changed, 1U);
    most = std::max(most, changed);
    if (i % 5 == 0) {
      slabs.erase(i, 1);
      ASSERT_LE(changed_entries(), few_entries);
    }
  }
  EXPECT_GT(most, 1U) << "it grew";
  EXPECT_LE(most, few_entries);
}

TEST(Directory, ForgetsEverythingOnReleaseAndServesAgain) {
  brought_directory slabs;
  for (int round = 0; round < 3; ++round) {
    for (std::uintptr_t i = 0; i < 700; ++i) slabs.insert(i, 1, slab_number(i));
    slabs.entries.release();
    EXPECT_EQ(slabs.entries.granules(), 0U);
    EXPECT_TRUE(slabs.entries.check_invariants());
    for (std::uintptr_t i = 0; i < 700; ++i) ASSERT_EQ(slabs.find(i), nullptr);
    slabs.tables.clear();
    EXPECT_NE(slabs.entries.missing_bytes(1), 0U);
  }
}

TEST(Directory, ForgetsATableThatIsBeingClearedOnRelease) {
  brought_directory slabs;
  for (std::uintptr_t i = 0; slabs.tables.size() < 6; ++i) slabs.insert(i, 1, slab_number(i));
  slabs.entries.release();
  slabs.tables.clear();
  slabs.insert(9, 1, slab_number(9));
  EXPECT_EQ(slabs.find(9), slab_number(9));
  EXPECT_EQ(slabs.entries.granules(), 1U);
  EXPECT_TRUE(slabs.entries.check_invariants());
}

TEST(Directory, AgreesWithAModelUnderRandomInsertsAndErases) {
  struct live_slab {
    std::size_t granules;
    slab* home;
  };
  for (const std::size_t most_granules : {1U, 4U, 64U}) {
    brought_directory slabs;
    std::map<std::uintptr_t, live_slab> model;  // by first granule
    std::size_t granules = 0;                   // of the model
    std::mt19937 random(static_cast<unsigned>(most_granules));
    for (std::uintptr_t step = 0; step < 40000; ++step) {
      const bool grow = (step / 2500) % 2 == 0 ? random() % 8 != 0 : random() % 8 == 0;  // ebb and flow
      if (grow || model.empty()) {
        const std::uintptr_t place = (random() % 20000) * most_granules;
        const std::size_t count = 1 + random() % most_granules;
        if (model.count(place) != 0) continue;
        slabs.insert(place, count, slab_number(step));
        model[place] = {count, slab_number(step)};
        granules += count;
      } else {
        auto any = model.lower_bound((random() % 20000) * most_granules);
        if (any == model.end()) any = model.begin();
        slabs.erase(any->first, any->second.granules);
        ASSERT_EQ(slabs.find(any->first), nullptr);
        granules -= any->second.granules;
        model.erase(any);
      }
      ASSERT_EQ(slabs.entries.granules(), granules);
      const std::uintptr_t asked = random() % (20000 * most_granules);
      auto found = model.upper_bound(asked);
      slab* expected = nullptr;
      if (found != model.begin()) {
        --found;
        if (asked - found->first < found->second.granules) expected = found->second.home;
      }
      ASSERT_EQ(slabs.find(asked), expected);
      if (step % 200 != 0) continue;
      ASSERT_TRUE(slabs.entries.check_invariants());
      for (const auto& [place, each] : model)
        for (std::size_t i = 0; i < each.granules; ++i) ASSERT_EQ(slabs.find(place + i), each.home);
    }
  }
}

/// Readers look for `stable` entries while the writer runs `work`; returns how many look-ups went wrong.
template <class Work>
std::size_t misses_while(brought_directory& slabs, std::uintptr_t stable, Work work) {
  for (std::uintptr_t i = 0; i < stable; ++i) slabs.insert(i, 1, slab_number(i));
  std::atomic<bool> done{false};
  std::atomic<std::size_t> missed{0};
  std::atomic<std::size_t> rounds{0};
  std::thread reader([&] {
    do {
      for (std::uintptr_t i = 0; i < stable; ++i) missed += slabs.find(i) != slab_number(i);
      missed += slabs.find(stable) != nullptr;  // never entered
      ++rounds;
    } while (!done);
  });
  while (rounds == 0) std::this_thread::yield();
  work();
  done = true;
  reader.join();
  return missed;
}

/// Headers of slabs, two granules each, that nothing else is behind.
class headed_slabs {
 public:
  static constexpr std::size_t granules = 2;

  void insert(std::uintptr_t number) {
    slab* const made = slab::create(headers_.emplace_back().bytes, address_of(granule_of(number)), 8);
    slabs.insert(granule_of(number), granules, made);
    live[number] = made;
  }
  void erase(std::uintptr_t number) {
    slabs.erase(granule_of(number), granules);
    // Who still looks at the header of a slab that is gone sees it.
    std::memset(static_cast<void*>(live.at(number)), 0xA5, sizeof(slab));
    live.erase(number);
  }

  /// Visits all, `count` entries a call. Calls between() after each; f(slab&) is what a visit calls.
  template <class F, class Between>
  void visit(std::size_t count, F f, Between between) const {
    directory::visit from;
    while (slabs.entries.visit_some(from, count, f)) between();
  }
  /// Visits until f has had every slab that lives.
  std::map<slab*, int> visit_all(std::size_t count) const {
    std::map<slab*, int> seen;
    visit(
        count,
        [&](slab& each) {
          ++seen[&each];
          return true;
        },
        [] {});
    return seen;
  }
  bool are_live(const std::map<slab*, int>& seen) const {
    std::map<slab*, int> expected;
    for (const auto& [number, each] : live) expected[each] = 1;
    return seen == expected;
  }

  brought_directory slabs;
  std::map<std::uintptr_t, slab*> live;

 private:
  struct header {
    alignas(slab) unsigned char bytes[slab::header_bytes_for(8)];
  };
  static std::uintptr_t granule_of(std::uintptr_t number) { return 1000 + number * 37; }

  std::list<header> headers_;
};

TEST(Directory, AVisitMeetsEachSlabOnceAtEveryMomentOfItsGrowth) {
  headed_slabs some;
  EXPECT_TRUE(some.visit_all(64).empty());
  std::mt19937 random(1);
  for (std::uintptr_t number = 0; number < 600; ++number) {
    some.insert(number);
    if (number % 3 == 2)
      some.erase(
          std::next(some.live.begin(), static_cast<std::ptrdiff_t>(random() % some.live.size()))->first);
    for (const std::size_t count : {1U, 7U, 64U, 100'000U})
      ASSERT_TRUE(some.are_live(some.visit_all(count))) << number << " inserted, " << count << " a call";
  }
}

TEST(Directory, AVisitGoesOnWithTheSlabThatWasNotTaken) {
  headed_slabs some;
  for (std::uintptr_t number = 0; number < 100; ++number) some.insert(number);
  std::map<slab*, int> seen;
  bool takes = false;
  some.visit(
      64,
      [&](slab& each) {
        takes = !takes;
        if (takes) ++seen[&each];
        return takes;
      },
      [] {});
  EXPECT_TRUE(some.are_live(seen));
}

TEST(Directory, AVisitMissesNoSlabThatStaysWhileEntriesMove) {
  headed_slabs some;
  for (std::uintptr_t number = 0; number < 200; ++number) some.insert(number);
  const std::map<std::uintptr_t, slab*> staying = some.live;
  std::uintptr_t next = 1000;
  for (int round = 0; round < 20; ++round) {
    std::map<slab*, int> seen;
    some.visit(
        16,
        [&](slab& each) {
          ++seen[&each];
          return true;
        },
        [&] {
          if (next % 4 != 0) some.insert(next);
          if (++next % 200 == 0)
            while (some.live.rbegin()->first >= 1000) some.erase(some.live.rbegin()->first);
        });
    for (const auto& [number, each] : staying) ASSERT_EQ(seen.count(each), 1U) << "slab " << number;
  }
}

TEST(Directory, AVisitEndsHoweverOftenTablesAreReplaced) {
  headed_slabs some;
  std::uintptr_t next = 0;
  some.insert(next);
  std::size_t calls = 0;
  some.visit(
      1, [](slab&) { return true; },
      [&] {
        for (int i = 0; i < 50 && calls < 100'000; ++i, ++calls) {
          some.insert(++next);
          some.erase(next);
        }
      });
  EXPECT_LT(calls, 100'000U);
}

TEST(Directory, AReaderFindsWhatStaysWhileAWriterGrows) {
  for (int round = 0; round < 20; ++round) {
    brought_directory slabs;
    const std::size_t misses = misses_while(slabs, 50, [&slabs] {
      for (std::uintptr_t i = 0; i < 20000; ++i) slabs.insert(1000 + i, 1, slab_number(i));
    });
    ASSERT_EQ(misses, 0U);
  }
}

TEST(Directory, AReaderFindsWhatStaysWhileAWriterMovesToAnotherTableEveryFewCalls) {
  for (int round = 0; round < 10; ++round) {
    brought_directory slabs;
    std::size_t moves = 0;
    std::size_t last = 0;
    const std::size_t misses = misses_while(slabs, 3, [&] {
      for (std::uintptr_t i = 0; i < 100000; ++i) {
        slabs.insert(1000 + i, 1, slab_number(i));
        if (i % 17 == 0) {
          const std::size_t now = slabs.table_that_names(1000 + i);
          moves += now != last;
          last = now;
        }
        slabs.erase(1000 + i, 1);
      }
    });
    ASSERT_EQ(misses, 0U);
    EXPECT_GT(moves, 1000U) << "of 5,883 looks at where the newest entry lies";
    EXPECT_LE(slabs.tables.size(), 8U) << "two tables of a size take turns";
  }
}

}  // namespace
