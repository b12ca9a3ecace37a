#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <quarry/core/thread_cache.hpp>

namespace {

using quarry::core::class_index;
using quarry::core::magazine;
using quarry::core::thread_cache;
using quarry::core::thread_cursor;

struct alignas(sizeof(magazine)) aligned_magazine : magazine {};

int slots[magazine::capacity + 1];

TEST(ThreadCursor, IsEmptyAndFullAtOnceWhileNothingIsLoaded) {
  thread_cursor current;
  EXPECT_EQ(current.count(), 0U);
  EXPECT_FALSE(current.push(&slots[0]));
  EXPECT_EQ(current.pop(), nullptr);
}

TEST(ThreadCursor, TellsItsCountFromTheAddressAtEveryFilling) {
  aligned_magazine loaded;
  loaded.entries[0] = &slots[0];  // a link, from when it rested
  thread_cursor current;
  current.load(loaded, 0, magazine::capacity);
  EXPECT_EQ(current.pop(), nullptr);
  for (std::size_t i = 0; i < magazine::capacity; ++i) {
    ASSERT_EQ(current.count(), i);
    ASSERT_TRUE(current.push(&slots[i]));
  }
  EXPECT_EQ(current.count(), magazine::capacity);
  EXPECT_FALSE(current.push(&slots[magazine::capacity])) << "full";
  for (std::size_t i = magazine::capacity; i-- > 0;) ASSERT_EQ(current.pop(), &slots[i]);
  EXPECT_EQ(current.pop(), nullptr);
}

TEST(ThreadCursor, TakesNoMoreThanTheLimitItWasLoadedWith) {
  aligned_magazine loaded;
  thread_cursor current;
  current.load(loaded, 0, 2);
  EXPECT_TRUE(current.push(&slots[0]));
  EXPECT_TRUE(current.push(&slots[1]));
  EXPECT_FALSE(current.push(&slots[2]));
  EXPECT_EQ(current.count(), 2U);
}

TEST(ThreadCache, FindsTheCursorOfEveryClassByItsKey) {
  const auto cache = std::make_unique<thread_cache>();
  for (std::size_t last_byte = 0; last_byte < quarry::core::table_bytes; ++last_byte)
    EXPECT_EQ(&cache->cursor_at(quarry::core::class_keys[last_byte]),
              &cache->cursors[quarry::core::class_of_bytes(last_byte + 1)]);
}

TEST(ThreadCache, ExchangesTheEmptyMagazineForThePreviousOne) {
  const auto cache = std::make_unique<thread_cache>();
  aligned_magazine empty;
  aligned_magazine filled;
  for (std::size_t i = 1; i <= 4; ++i) filled.entries[i] = &slots[i];
  constexpr class_index index = 7;
  auto& local = cache->shelves[index];
  local.share = {4, 2};
  local.loaded = &empty;
  local.previous = &filled;
  local.set_slots_in_previous(4);
  cache->cursors[index].load(empty, 0, 4);
  EXPECT_EQ(cache->cached_slots(index), 4U);
  EXPECT_EQ(cache->load_previous(index), &slots[4]);
  EXPECT_EQ(local.loaded, &filled);
  EXPECT_EQ(local.previous, &empty);
  EXPECT_EQ(cache->cached_slots(index), 3U) << "the other one is empty";
  EXPECT_EQ(cache->cursors[index].pop(), &slots[3]);
}

class YieldingClasses : public testing::Test {
 protected:
  YieldingClasses() {
    for (class_index index = 0; index < used; ++index) {
      cache->shelves[index].loaded = &magazines[index];
      cache->shelves[index].share = {16, 1};
      cache->cursors[index].load(magazines[index], 0, 16);
    }
  }
  void use(class_index index) {
    if (!cache->cursors[index].push(&slots[0])) cache->cursors[index].load(magazines[index], 0, 16);
  }

  static constexpr class_index used = 5;
  std::unique_ptr<thread_cache> cache = std::make_unique<thread_cache>();
  aligned_magazine magazines[used];
};

TEST_F(YieldingClasses, OneThatIsUnusedYieldsAfterTwoRoundsOfLooks) {
  constexpr class_index unused = 3;
  cache->cursors[unused].push(&slots[0]);
  int looks = 0;
  class_index found = quarry::core::no_class;
  while (found == quarry::core::no_class && looks < 1000) {
    for (class_index index = 0; index < used; ++index)
      if (index != unused) use(index);
    found = cache->find_yielding(0);
    ++looks;
  }
  EXPECT_EQ(found, unused);
  EXPECT_GT(looks, 2 * static_cast<int>(used - 1));
}

TEST_F(YieldingClasses, OneInUseYieldsOnlyToAShareAQuarterAsLarge) {
  cache->shelves[2].share = {16, 2};
  const auto yields = [&](class_index to) {
    bool yielded = false;
    for (int look = 0; look < 200; ++look) {
      for (class_index index = 0; index < used; ++index) use(index);
      const class_index found = cache->find_yielding(to);
      EXPECT_TRUE(found == quarry::core::no_class || found == 2);
      yielded = yielded || found == 2;
    }
    return yielded;
  };
  cache->shelves[0].share = {9, 1};
  EXPECT_FALSE(yields(0));
  cache->shelves[0].share = {8, 1};
  EXPECT_TRUE(yields(0));
}

}  // namespace
