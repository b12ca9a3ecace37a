#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <quarry/core/memory/oversize_blocks.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/take_any.hpp"

namespace {

using quarry::core::oversize_block;
using quarry::core::oversize_blocks;

constexpr bool is_64_bit = sizeof(std::uintptr_t) == 8;
constexpr std::uintptr_t gibibyte = std::uintptr_t{1} << 30;

void* at(std::uintptr_t address) {
  return reinterpret_cast<void*>(address);
}
std::uintptr_t begin_of(const oversize_block& each) {
  return reinterpret_cast<std::uintptr_t>(each.memory);
}

/// Blocks at addresses where nothing lies, with the memory that their records and their index ask for.
class brought_blocks {
 public:
  oversize_block& record(std::uintptr_t address, std::size_t bytes, std::size_t alignment = 1) {
    if (!all.has_spare()) all.bring_spare(&records.emplace_back());
    oversize_block& taken = all.take_spare();
    taken.memory = at(address);
    taken.bytes = taken.held_bytes = bytes;
    taken.alignment = alignment;
    return taken;
  }
  oversize_block& insert(std::uintptr_t address, std::size_t bytes) {
    if (const std::size_t missing = all.missing_bytes(); missing != 0 && (!all.has_index() || brings_index))
      bring(missing);
    oversize_block& live = record(address, bytes);
    all.insert(live);
    return live;
  }
  oversize_block& keep(std::uintptr_t address, std::size_t bytes) {
    oversize_block& kept = insert(address, bytes);
    all.keep(kept);
    return kept;
  }
  void bring(std::size_t bytes) {
    segments.push_back({std::make_unique<unsigned char[]>(bytes), bytes});
    std::memset(segments.back().memory.get(), 0xA5, bytes);
    all.bring(segments.back().memory.get());
  }

  struct segment {
    std::unique_ptr<unsigned char[]> memory;
    std::size_t bytes;
  };
  bool brings_index = true;  // after the first buckets
  std::deque<oversize_block> records;
  std::vector<segment> segments;
  oversize_blocks all;
};

TEST(OversizeBlocks, FindNothingBeforeThereIsAnIndex) {
  brought_blocks none;
  EXPECT_FALSE(none.all.has_index());
  EXPECT_FALSE(none.all.has_spare());
  EXPECT_NE(none.all.missing_bytes(), 0U);
  EXPECT_EQ(none.all.find(&none), nullptr);
  EXPECT_EQ(none.all.reuse(1000, 1), nullptr);
  EXPECT_EQ(none.all.take_oldest(), nullptr);
  EXPECT_TRUE(none.all.check_invariants());
}

TEST(OversizeBlocks, FindABlockFromAnyOfItsBytesAtEverySizeAndPlace) {
  std::vector<std::size_t> sizes;
  for (std::size_t power = 1; power <= std::size_t{1} << (is_64_bit ? 40 : 20); power *= 2)
    for (const std::size_t bytes : {power - 1, power, power + 1, power + power / 2})
      if (bytes != 0) sizes.push_back(bytes);
  for (const std::size_t bytes : sizes) {
    for (const std::uintptr_t shift : {0U, 1U, 4096U, 12345U, 0x7FFFFFFFU}) {
      brought_blocks one;
      const std::uintptr_t begin = (std::uintptr_t{1} << (is_64_bit ? 44 : 28)) + shift;
      const oversize_block& live = one.insert(begin, bytes);
      for (const std::size_t byte : {std::size_t{0}, bytes / 4, bytes / 2, bytes - bytes / 4 - 1, bytes - 1})
        ASSERT_EQ(one.all.find(at(begin + byte)), &live) << "byte " << byte << " of " << bytes;
      ASSERT_EQ(one.all.find(at(begin - 1)), nullptr) << "before " << bytes;
      ASSERT_EQ(one.all.find(at(begin + bytes)), nullptr) << "behind " << bytes;
    }
  }
}

TEST(OversizeBlocks, FindABlockOfNoBytesAtItsFirstAddress) {
  brought_blocks one;
  const oversize_block& nothing = one.insert(gibibyte, 0);
  EXPECT_EQ(one.all.find(at(gibibyte)), &nothing);
  EXPECT_EQ(one.all.find(at(gibibyte + 1)), nullptr);
  EXPECT_EQ(one.all.find(at(gibibyte - 1)), nullptr);
}

TEST(OversizeBlocks, FindTheStartOfABlockWhateverBytesAreSaid) {
  brought_blocks two;
  oversize_block& held_for_more = two.insert(gibibyte, 70000);
  two.all.keep(held_for_more);
  ASSERT_EQ(two.all.reuse(65000, 1), &held_for_more) << "of the next smaller power of two";
  oversize_block& next = two.insert(gibibyte + 70000, 100);
  for (const std::size_t said : {0U, 1U, 100U, 64000U, 65000U, 70000U, 1000000U}) {
    EXPECT_EQ(two.all.find_start(at(gibibyte), said), &held_for_more) << said;
    EXPECT_EQ(two.all.find_start(at(gibibyte + 1), said), nullptr) << said;
    EXPECT_EQ(two.all.find_start(at(gibibyte + 70000), said), &next) << said;
  }
  EXPECT_EQ(two.all.find(at(gibibyte + 64999)), &held_for_more);
  EXPECT_EQ(two.all.find(at(gibibyte + 65000)), nullptr) << "beyond what was asked for";
}

TEST(OversizeBlocks, FindTheStartOfABlockThatAnotherRecordSharesItsPlaceWith) {
  brought_blocks many;
  std::vector<oversize_block*> all;
  for (std::uintptr_t i = 0; i < 64; ++i) all.push_back(&many.insert(gibibyte + i * 65536, 40000));
  for (const oversize_block* const each : all)
    EXPECT_EQ(many.all.find_start(each->memory, each->bytes), each);
  many.all.keep(*all[63]);
  EXPECT_EQ(many.all.find_start(all[63]->memory, 40000), nullptr) << "it came last, but is kept";
  many.all.keep(*all[5]);
  EXPECT_EQ(many.all.reuse(40000, 1), all[5]) << "the newest first";
  EXPECT_EQ(many.all.find_start(all[5]->memory, 40000), all[5]);
  many.all.remove(*all[5]);
  many.all.recycle(*all[5]);
  EXPECT_EQ(many.all.find_start(all[5]->memory, 40000), nullptr);
  EXPECT_TRUE(many.all.check_invariants());
}

TEST(OversizeBlocks, TellBlocksApartThatTouch) {
  brought_blocks many;
  std::vector<oversize_block*> live;
  std::uintptr_t begin = gibibyte;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::size_t bytes = 1 + i * i * 37 % 100000;
    live.push_back(&many.insert(begin, bytes));
    begin += bytes;
  }
  for (const oversize_block* each : live) {
    EXPECT_EQ(many.all.find(each->memory), each);
    EXPECT_EQ(many.all.find(at(begin_of(*each) + each->bytes - 1)), each);
  }
  EXPECT_EQ(many.all.find(at(begin)), nullptr);
}

TEST(OversizeBlocks, FindEveryBlockAtEveryMomentWhileTheIndexGrows) {
  for (const std::size_t bytes : {65536U, 100000U}) {
    brought_blocks many;
    std::vector<oversize_block*> live;
    for (std::size_t i = 0; i < 1500; ++i) {
      live.push_back(&many.insert(gibibyte + i * 131072, bytes));
      for (const oversize_block* each : live) ASSERT_EQ(many.all.find(at(begin_of(*each) + bytes / 2)), each);
    }
    EXPECT_TRUE(many.all.check_invariants());
    EXPECT_GT(many.segments.size(), 5U) << "it grew";
    for (const oversize_block* each : live) ASSERT_EQ(many.all.find(at(begin_of(*each) + bytes)), nullptr);
  }
}

TEST(OversizeBlocks, GrowTheIndexByOneSplitForEachBlock) {
  brought_blocks many;
  std::vector<std::vector<unsigned char>> before;  // what the segments held
  const auto changed_buckets = [&] {
    std::size_t changed = 0;
    for (std::size_t segment = 0; segment < many.segments.size(); ++segment) {
      const unsigned char* const now = many.segments[segment].memory.get();
      const std::size_t bytes = many.segments[segment].bytes;
      if (segment == before.size()) before.emplace_back(bytes, static_cast<unsigned char>(0xA5));
      if (std::memcmp(before[segment].data(), now, bytes) == 0) continue;
      for (std::size_t byte = 0; byte < bytes; byte += sizeof(void*))
        changed += std::memcmp(before[segment].data() + byte, now + byte, sizeof(void*)) != 0;
      std::memcpy(before[segment].data(), now, bytes);
    }
    return changed;
  };
  static_cast<void>(many.insert(gibibyte, 1000));
  static_cast<void>(changed_buckets());  // the first buckets are cleared at once
  for (std::size_t i = 1; i < 3000; ++i) {
    static_cast<void>(many.insert(gibibyte + i * 4096, 1000 + i % 3000));
    ASSERT_LE(changed_buckets(), 3U) << "the new block's, the one that was split and the one split off";
  }
}

TEST(OversizeBlocks, HoldAHundredThousandBlocksInShortChains) {
  constexpr std::size_t count = 100000;
  brought_blocks many;
  std::vector<oversize_block*> live;
  std::mt19937_64 random(7);
  std::size_t bytes_in_all = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t bytes = 40000 + random() % 200000;
    live.push_back(&many.insert(gibibyte + i * 262144 + random() % 16 * 64, bytes));
    bytes_in_all += bytes;
  }
  EXPECT_EQ(many.all.blocks(), count);
  EXPECT_EQ(many.all.bytes(), bytes_in_all);
  EXPECT_TRUE(many.all.check_invariants());
  std::size_t longest = 0;
  for (const oversize_block* each : live) {
    ASSERT_EQ(many.all.find(at(begin_of(*each) + random() % each->bytes)), each);
    std::size_t behind = 0;
    for (const oversize_block* next = each->next; next != nullptr; next = next->next) ++behind;
    longest = std::max(longest, behind);
  }
  EXPECT_LE(longest, 16U);
  std::size_t index_bytes = 0;
  for (const brought_blocks::segment& each : many.segments) index_bytes += each.bytes;
  EXPECT_LE(index_bytes, 4 * count * sizeof(void*));
  std::shuffle(live.begin(), live.end(), random);
  for (std::size_t i = 0; i < count; ++i) {
    many.all.remove(*live[i]);
    if (i % 1000 != 0) continue;
    ASSERT_EQ(many.all.find(live[i]->memory), nullptr);
    if (i + 1 < count) {
      ASSERT_EQ(many.all.find(live.back()->memory), live.back());
    }
  }
  EXPECT_EQ(many.all.blocks() + many.all.bytes(), 0U);
  EXPECT_TRUE(many.all.check_invariants());
}

TEST(OversizeBlocks, WorkWithoutTheBytesThatTheIndexWouldGrowBy) {
  brought_blocks many;
  many.brings_index = false;
  std::vector<oversize_block*> live;
  for (std::size_t i = 0; i < 500; ++i) live.push_back(&many.insert(gibibyte + i * 65536, 50000));
  EXPECT_NE(many.all.missing_bytes(), 0U) << "it would still like to grow";
  for (const oversize_block* each : live) ASSERT_EQ(many.all.find(at(begin_of(*each) + 49999)), each);
  many.brings_index = true;  // and catches up once it may
  for (std::size_t i = 500; i < 1500; ++i) live.push_back(&many.insert(gibibyte + i * 65536, 50000));
  for (const oversize_block* each : live) ASSERT_EQ(many.all.find(at(begin_of(*each) + 49999)), each);
  EXPECT_TRUE(many.all.check_invariants());
}

TEST(OversizeBlocks, TakeTheOldestTheNewestAndTheOnlyBlockOut) {
  for (const std::vector<std::size_t>& order :
       {std::vector<std::size_t>{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}, {0, 2, 1}}) {
    brought_blocks three;
    oversize_block* live[3];
    for (std::size_t i = 0; i < 3; ++i) live[i] = &three.insert(gibibyte * (i + 1), 1000 * (i + 1));
    for (std::size_t gone = 0; gone < 3; ++gone) {
      three.all.remove(*live[order[gone]]);
      EXPECT_EQ(three.all.blocks(), 2 - gone);
      EXPECT_TRUE(three.all.check_invariants());
      for (std::size_t i = 0; i < 3; ++i) {
        const bool is_gone = std::find(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(gone) + 1,
                                       i) != order.begin() + static_cast<std::ptrdiff_t>(gone) + 1;
        EXPECT_EQ(three.all.find(at(gibibyte * (i + 1) + 500)), is_gone ? nullptr : live[i]);
      }
    }
  }
}

TEST(OversizeBlocks, AKeptBlockIsFoundByItsSizeAndByNoAddress) {
  brought_blocks one;
  oversize_block& block = one.insert(gibibyte, 100000);
  one.all.keep(block);
  EXPECT_EQ(one.all.find(at(gibibyte)), nullptr);
  EXPECT_EQ(one.all.find_start(at(gibibyte), 100000), nullptr);
  EXPECT_EQ(one.all.blocks(), 0U);
  EXPECT_EQ(one.all.kept_bytes(), 100000U);
  EXPECT_EQ(one.all.reuse(100000, 1), &block);
  EXPECT_EQ(one.all.kept_bytes(), 0U);
  EXPECT_EQ(one.all.blocks(), 1U);
  EXPECT_EQ(one.all.find(at(gibibyte + 99999)), &block) << "it lives again";
  EXPECT_EQ(one.all.reuse(100000, 1), nullptr) << "it is taken";
  EXPECT_TRUE(one.all.check_invariants());
}

TEST(OversizeBlocks, AKeptBlockServesARequestOfNotMuchFewerBytes) {
  for (std::size_t bytes = 2048; bytes <= std::size_t{1} << (is_64_bit ? 36 : 28); bytes += bytes / 13) {
    const auto serves = [bytes](std::size_t held_bytes) {
      brought_blocks one;
      oversize_block& kept = one.keep(gibibyte, held_bytes);
      oversize_block* const taken = one.all.reuse(bytes, 1);
      EXPECT_EQ(one.all.kept_bytes(), taken == nullptr ? held_bytes : 0);
      return taken == &kept;
    };
    ASSERT_FALSE(serves(bytes - 1)) << bytes;
    ASSERT_TRUE(serves(bytes)) << bytes;
    ASSERT_TRUE(serves(bytes + bytes / 16)) << bytes;
    ASSERT_TRUE(serves(bytes + bytes / 8)) << bytes;
    ASSERT_FALSE(serves(bytes + bytes / 4 + 1)) << bytes;
    ASSERT_FALSE(serves(2 * bytes)) << bytes;
  }
}

TEST(OversizeBlocks, AMuchLargerKeptBlockServesWhoTakesIt) {
  brought_blocks three;
  const oversize_block& small = three.keep(gibibyte, 30000);
  const oversize_block& large = three.keep(2 * gibibyte, 130000);
  const oversize_block& newest = three.keep(3 * gibibyte, 8000);
  EXPECT_EQ(three.all.reuse(10000, 1), nullptr);
  EXPECT_EQ(three.all.reuse(10000, 1, 29999), nullptr);
  EXPECT_EQ(three.all.reuse(10000, 1, 30000), &small);
  EXPECT_EQ(three.all.reuse(10000, 1, 129999), nullptr);
  EXPECT_EQ(three.all.reuse(10000, 1, SIZE_MAX), &large);
  EXPECT_EQ(three.all.reuse(100, 1, 7999), nullptr);
  EXPECT_EQ(three.all.reuse(100, 1, 8000), &newest);
  EXPECT_TRUE(three.all.check_invariants());
}

TEST(OversizeBlocks, AKeptBlockServesOnlyAlignmentsThatItHas) {
  brought_blocks one;
  oversize_block& kept = one.keep(gibibyte + 4096, 100000);
  EXPECT_EQ(one.all.reuse(100000, 8192), nullptr);
  oversize_block& aligned = one.keep(gibibyte * 2, 100000);
  static_cast<void>(one.keep(gibibyte * 3 + 64, 100000));
  EXPECT_EQ(one.all.reuse(100000, 8192), &aligned) << "behind others of its size";
  EXPECT_EQ(one.all.reuse(100000, 4096), &kept);
}

TEST(OversizeBlocks, TheBlockThatWasKeptLongestIsTakenFirst) {
  brought_blocks many;
  std::vector<oversize_block*> kept;
  for (std::size_t i = 0; i < 6; ++i) kept.push_back(&many.keep(gibibyte * (i + 1), std::size_t{10000} << i));
  EXPECT_EQ(many.all.take_oldest(), kept[0]);
  EXPECT_EQ(many.all.reuse(std::size_t{10000} << 3, 1), kept[3]);  // from the middle,
  EXPECT_EQ(many.all.reuse(std::size_t{10000} << 1, 1), kept[1]);  // the oldest
  EXPECT_EQ(many.all.reuse(std::size_t{10000} << 5, 1), kept[5]);  // and the newest
  many.all.insert(*kept[0]);
  many.all.keep(*kept[0]);
  EXPECT_TRUE(many.all.check_invariants());
  EXPECT_EQ(many.all.take_oldest(), kept[2]);
  EXPECT_EQ(many.all.take_oldest(), kept[4]);
  EXPECT_EQ(many.all.take_oldest(), kept[0]);
  EXPECT_EQ(many.all.take_oldest(), nullptr);
  EXPECT_EQ(many.all.kept_bytes(), 0U);
}

TEST(OversizeBlocks, EveryBlockIsShownOnceAndReleaseForgetsAll) {
  brought_blocks many;
  for (int round = 0; round < 3; ++round) {
    std::set<void*> places;
    for (std::size_t i = 0; i < 100; ++i) places.insert(many.insert(gibibyte + i * 65536, 60000).memory);
    for (std::size_t i = 0; i < 50; ++i) places.insert(many.keep(2 * gibibyte + i * 65536, 50000).memory);
    many.all.for_each([&places](const oversize_block& each) { EXPECT_EQ(places.erase(each.memory), 1U); });
    EXPECT_TRUE(places.empty());
    oversize_block other;  // of a chain that goes on
    std::size_t returned = 0;
    for (const oversize_block* each = many.all.release(&other); each != &other; each = each->next) {
      ASSERT_NE(each, nullptr);
      EXPECT_TRUE(places.insert(each->memory).second);
      ++returned;
    }
    EXPECT_EQ(returned, 150U);
    EXPECT_EQ(many.all.blocks() + many.all.bytes() + many.all.kept_bytes(), 0U);
    EXPECT_FALSE(many.all.has_index());
    EXPECT_FALSE(many.all.has_spare()) << "where the records lay is gone";
    EXPECT_EQ(many.all.find(at(gibibyte)), nullptr);
    EXPECT_EQ(many.all.reuse(50000, 1), nullptr);
    EXPECT_EQ(many.all.take_oldest(), nullptr);
    EXPECT_TRUE(many.all.check_invariants());
    many.segments.clear();
    many.records.clear();
  }
}

TEST(OversizeBlocks, ARecycledRecordIsTheNextSpare) {
  brought_blocks one;
  for (int round = 0; round < 100; ++round) {
    oversize_block& live = one.insert(gibibyte, 1000);
    one.all.remove(live);
    one.all.recycle(live);
  }
  EXPECT_EQ(one.records.size(), 1U);
}

TEST(OversizeBlocks, AgreeWithAModelUnderRandomOperations) {
  brought_blocks many;
  std::map<std::uintptr_t, oversize_block*> live;  // by address
  std::vector<oversize_block*> kept;               // oldest first
  std::vector<std::uintptr_t> spaces;              // of 2 MiB each, where no block lies
  for (std::uintptr_t i = 0; i < (is_64_bit ? 2000 : 1500); ++i) spaces.push_back((i + 512) << 21);
  const auto space_of = [](const oversize_block& each) { return begin_of(each) >> 21 << 21; };
  std::size_t live_bytes = 0, kept_bytes = 0, reused = 0;
  std::mt19937_64 random(23);
  const auto some_bytes = [&random] {
    const std::size_t bytes = random() % 3 == 0 ? random() % 100 : std::size_t{1} << (random() % 18);
    return bytes + random() % (bytes + 1);
  };
  for (int step = 0; step < 60000; ++step) {
    const auto choice = random() % 100;
    const bool grow = (step / 5000) % 2 == 0;
    if (choice < (grow ? 60U : 20U) && !spaces.empty()) {
      const std::size_t bytes = some_bytes();
      oversize_block* taken = random() % 4 == 0 ? many.all.reuse(bytes, 64) : nullptr;
      if (taken != nullptr) {
        ASSERT_TRUE(taken->held_bytes >= bytes && taken->held_bytes - bytes <= bytes / 4);
        ASSERT_EQ(begin_of(*taken) % 64, 0U);
        const auto where = std::find(kept.begin(), kept.end(), taken);
        ASSERT_NE(where, kept.end());
        kept.erase(where);
        kept_bytes -= taken->held_bytes;
        ++reused;
      } else {
        taken = &many.insert(quarry_test::take_any(spaces, random) + random() % 4096 * 16, bytes);
      }
      live.emplace(begin_of(*taken), taken);
      live_bytes += bytes;
    } else if (choice < 80 && !live.empty()) {
      auto any = live.lower_bound(static_cast<std::uintptr_t>(random() % 2600) << 21);
      if (any == live.end()) any = live.begin();
      oversize_block& freed = *any->second;
      live.erase(any);
      live_bytes -= freed.bytes;
      ASSERT_EQ(many.all.find_start(freed.memory, random() % 4 == 0 ? some_bytes() : freed.bytes), &freed);
      if (random() % 2 == 0) {
        many.all.keep(freed);
        kept.push_back(&freed);
        kept_bytes += freed.held_bytes;
      } else {
        many.all.remove(freed);
        spaces.push_back(space_of(freed));
        many.all.recycle(freed);
      }
      ASSERT_EQ(many.all.find(freed.memory), nullptr);
    } else if (choice < 90) {
      oversize_block* const oldest = many.all.take_oldest();
      ASSERT_EQ(oldest, kept.empty() ? nullptr : kept.front());
      if (oldest != nullptr) {
        kept.erase(kept.begin());
        kept_bytes -= oldest->held_bytes;
        spaces.push_back(space_of(*oldest));
        many.all.recycle(*oldest);
      }
    }
    ASSERT_EQ(many.all.blocks(), live.size());
    ASSERT_EQ(many.all.bytes(), live_bytes);
    ASSERT_EQ(many.all.kept_bytes(), kept_bytes);
    std::uintptr_t asked = (std::uintptr_t{512} << 21) + random() % (std::uintptr_t{2000} << 21);
    if (random() % 2 == 0 && !live.empty()) {  // in or just behind a block
      const auto any = live.lower_bound(asked);
      if (any != live.end()) asked = any->first + random() % (any->second->bytes + 2);
    }
    const auto behind = live.upper_bound(asked);
    oversize_block* expected = behind == live.begin() ? nullptr : std::prev(behind)->second;
    if (expected != nullptr && asked - begin_of(*expected) >= std::max<std::size_t>(expected->bytes, 1))
      expected = nullptr;
    ASSERT_EQ(many.all.find(at(asked)), expected);
    if (step % 100 == 0) {
      ASSERT_TRUE(many.all.check_invariants());
    }
  }
  EXPECT_GT(reused, 100U);
  EXPECT_LE(many.records.size(), 2000U);
}

}  // namespace
