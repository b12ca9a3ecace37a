#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/magazines/cache.hpp>
#include <thread>

namespace {

using quarry::core::cache;
using quarry::core::class_cache;
using quarry::core::class_count;
using quarry::core::class_index;
using quarry::core::magazine;
using quarry::core::no_class;

int slots[magazine::capacity + 1];

TEST(Cache, IsEmptyAndFullAtOnceInEveryClassUntilOneIsAttached) {
  cache own;
  for (class_index index = 0; index < class_count; ++index) {
    EXPECT_EQ(own.cursors[index].pop(), nullptr);
    EXPECT_FALSE(own.cursors[index].push(&slots[0]));
    EXPECT_EQ(own.class_cache_of(index), nullptr);
    EXPECT_EQ(own.cached_slots(index), 0U);
  }
}

TEST(Cache, FindsTheCursorOfEveryClassByItsKey) {
  cache own;
  for (std::size_t bytes = 1; bytes <= quarry::core::largest_slot_bytes; ++bytes)
    ASSERT_EQ(&own.cursor_at(quarry::core::key_of(bytes - 1)),
              &own.cursors[quarry::core::class_of_bytes(bytes)]);
}

TEST(Cache, IsFoundFromTheCursorOfEveryClass) {
  cache own;
  for (std::size_t bytes = 1; bytes <= quarry::core::largest_slot_bytes; bytes += 7) {
    const quarry::core::class_key key = quarry::core::key_of(bytes - 1);
    ASSERT_EQ(&cache::of(own.cursor_at(key), key), &own);
  }
}

/// A class with a loaded and a previous magazine, as after one exchange.
class PairedClass : public testing::Test {
 protected:
  static constexpr class_index index = 7;

  PairedClass() {
    local.set_entries(loaded.entries);
    local.previous = &previous;
    local.share = {4, 2};
    own.cursors[index].load(loaded.entries, 0, 4);
    own.set(index, &local);
  }

  /// Puts the first `count` slots into the previous magazine.
  void fill_previous(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) local.previous->entries[1 + i] = &slots[i];
    local.set_slots_in_previous(count);
  }

  cache own;
  class_cache local;
  magazine loaded;
  magazine previous;
};

TEST_F(PairedClass, ExchangesTheEmptyMagazineForThePreviousOne) {
  fill_previous(4);
  EXPECT_EQ(own.cached_slots(index), 4U);
  EXPECT_EQ(own.load_previous(index, local), &slots[3]);
  EXPECT_EQ(&local.loaded_magazine(), &previous);
  EXPECT_EQ(local.previous, &loaded);
  EXPECT_EQ(own.cached_slots(index), 3U) << "the other one is empty";
  for (std::size_t i = 3; i-- > 0;) EXPECT_EQ(own.cursors[index].pop(), &slots[i]);
  EXPECT_EQ(own.cursors[index].pop(), nullptr);
}

TEST_F(PairedClass, TakesAsManySlotsAsItsShareSaysAfterAnExchange) {
  fill_previous(2);
  ASSERT_EQ(own.load_previous(index, local), &slots[1]);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(own.cursors[index].push(&slots[i]));
  EXPECT_FALSE(own.cursors[index].push(&slots[4]));
}

TEST_F(PairedClass, ExchangesItsMagazinesWithWhatIsInThem) {
  fill_previous(3);
  ASSERT_TRUE(own.cursors[index].push(&slots[10]));
  own.exchange(index, local, 1, 3);
  EXPECT_EQ(&local.loaded_magazine(), &previous);
  EXPECT_EQ(local.previous, &loaded);
  EXPECT_EQ(local.slots_in_previous(), 1U);
  EXPECT_EQ(own.cached_slots(index), 4U);
  EXPECT_FALSE(own.cursors[index].push(&slots[11])) << "it takes no more than it is told to";
  EXPECT_EQ(own.cursors[index].pop(), &slots[2]);
}

TEST_F(PairedClass, CountsTheSlotsOfBothMagazines) {
  fill_previous(3);
  ASSERT_TRUE(own.cursors[index].push(&slots[10]));
  ASSERT_TRUE(own.cursors[index].push(&slots[11]));
  EXPECT_EQ(own.cached_slots(index), 5U);
  local.set_slots_in_previous(1);
  EXPECT_EQ(own.cached_slots(index), 3U);
  EXPECT_EQ(own.cached_slots(index + 1), 0U);
}

TEST_F(PairedClass, OldSlotsLieAboveTheLimitAndCount) {
  for (std::size_t i = 0; i < 4; ++i) ASSERT_TRUE(own.cursors[index].push(&slots[i]));
  own.age(index, local);
  EXPECT_EQ(own.cursors[index].pop(), nullptr);
  EXPECT_FALSE(own.cursors[index].push(&slots[9]));
  EXPECT_EQ(own.cached_slots(index), 4U);
  EXPECT_EQ(local.oldest()[0], &slots[0]);
  local.set_slots_that_are_old(3);  // the oldest is gone: there is room for one
  EXPECT_EQ(local.oldest()[0], &slots[1]);
  own.cursors[index].limit_to(local.entries(), 1);
  EXPECT_TRUE(own.cursors[index].push(&slots[9]));
  EXPECT_FALSE(own.cursors[index].push(&slots[10]));
  EXPECT_EQ(own.cached_slots(index), 4U);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_EQ(local.oldest()[i - 1], &slots[i]) << "overwritten";
}

TEST_F(PairedClass, OldSlotsRejoinBelowThoseThatCameAfterThem) {
  for (std::size_t i = 0; i < 4; ++i) ASSERT_TRUE(own.cursors[index].push(&slots[i]));
  own.age(index, local);
  local.set_slots_that_are_old(2);
  own.cursors[index].limit_to(local.entries(), 2);
  for (const std::size_t newer : {8U, 9U}) ASSERT_TRUE(own.cursors[index].push(&slots[newer]));
  own.rejoin(index, local);
  EXPECT_EQ(local.slots_that_are_old(), 0U);
  EXPECT_EQ(own.cached_slots(index), 4U);
  for (const std::size_t each : {9U, 8U, 3U, 2U}) EXPECT_EQ(own.cursors[index].pop(), &slots[each]);
  EXPECT_EQ(own.cursors[index].pop(), nullptr);
  own.rejoin(index, local);
  EXPECT_EQ(own.cached_slots(index), 0U);
}

TEST_F(PairedClass, ForgetsItsMagazinesWhenItsMemoryIsGone) {
  fill_previous(4);
  ASSERT_TRUE(own.cursors[index].push(&slots[10]));
  own.share_bytes = 1000;
  own.next_to_look_at = 5;
  own.reset();
  EXPECT_EQ(own.class_cache_of(index), nullptr);
  EXPECT_EQ(own.cached_slots(index), 0U);
  EXPECT_EQ(own.cursors[index].pop(), nullptr);
  EXPECT_FALSE(own.cursors[index].push(&slots[0]));
  EXPECT_EQ(own.share_bytes, 0U);
  EXPECT_EQ(own.next_to_look_at, 0U);
}

TEST_F(PairedClass, CountsFromAnotherThreadNeverPassWhatTwoMagazinesHold) {
  std::atomic<bool> ended{false};
  std::atomic<bool> started{false};
  std::size_t most = 0;
  std::thread reader([&] {
    while (!ended.load()) {
      const std::size_t seen = own.cached_slots(index);
      most = seen > most ? seen : most;
      started.store(true);
    }
  });
  while (!started.load()) std::this_thread::yield();
  for (int round = 0; round < 20000; ++round) {
    fill_previous(4);
    (void)own.load_previous(index, local);
    while (own.cursors[index].pop() != nullptr) {
    }
  }
  ended.store(true);
  reader.join();
  EXPECT_LE(most, 2 * magazine::capacity);
  EXPECT_EQ(own.cached_slots(index), 0U) << "exact once the owner rests";
}

TEST_F(PairedClass, AnotherThreadCountsExactlyWhatRestsWhileTheOwnerDoes) {
  fill_previous(3);
  ASSERT_TRUE(own.cursors[index].push(&slots[10]));
  std::size_t seen = 0;
  std::thread([&] { seen = own.cached_slots(index); }).join();
  EXPECT_EQ(seen, 4U);
}

TEST_F(PairedClass, CountsOnlyThePreviousMagazineWhileTheLoadedOneIsBeingExchanged) {
  fill_previous(3);
  local.set_entries(previous.entries);  // its owner has not moved the cursor yet
  EXPECT_LE(own.cached_slots(index), magazine::capacity + 3U);
  local.set_entries(loaded.entries + 1);  // the cursor lies below
  EXPECT_EQ(own.cached_slots(index), 3U);
}

/// Some classes with a magazine each, among many without.
class Looking : public testing::Test {
 protected:
  void attach(class_index index, std::size_t which) {
    class_cache& local = locals[which];
    local.set_entries(local.first);
    own.cursors[index].load(local.first, 0, 7);
    own.set(index, &local);
  }
  class_index look(class_index from = no_class) {
    is_unused = false;
    return own.look(from, is_unused);
  }

  cache own;
  class_cache locals[3];
  bool is_unused = false;
};

TEST_F(Looking, FindsNothingWhereNoClassHasAMagazine) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(look(), no_class);
}

TEST_F(Looking, GoesRoundAllClassesButTheOneThatAsks) {
  for (std::size_t i = 0; i < 3; ++i) attach(static_cast<class_index>(4 + i), i);
  own.next_to_look_at = 4;
  EXPECT_EQ(look(5), 4U);
  EXPECT_EQ(look(5), 6U);
  class_index found = no_class;
  for (class_index looks = 0; looks < class_count && found == no_class; ++looks) found = look(5);
  EXPECT_EQ(found, 4U) << "a second time";
  EXPECT_EQ(look(5), 6U);
}

TEST_F(Looking, PassesOverFourClassesAtMost) {
  attach(3, 0);
  attach(3 + 5, 1);
  EXPECT_EQ(look(), 3U);
  EXPECT_EQ(look(), no_class) << "4 to 7 have none";
  EXPECT_EQ(look(), 8U);
}

TEST_F(Looking, BeginsAgainBehindTheLastClass) {
  attach(class_count - 1, 0);
  attach(0, 1);
  own.next_to_look_at = class_count - 1;
  EXPECT_EQ(look(), class_count - 1);
  EXPECT_EQ(look(), 0U);
}

TEST_F(Looking, CallsAClassUnusedThatTwoLooksInARowFoundAsItWas) {
  attach(4, 0);
  (void)own.cursors[4].push(&slots[0]);
  const auto next = [this] {
    while (look() != 4U) {
    }
    return is_unused;
  };
  EXPECT_FALSE(next()) << "changed";
  EXPECT_FALSE(next()) << "one quiet look";
  EXPECT_TRUE(next()) << "two";
  EXPECT_TRUE(next()) << "and it stays so";
  (void)own.cursors[4].push(&slots[1]);
  EXPECT_FALSE(next()) << "used again";
  EXPECT_FALSE(next());
  EXPECT_TRUE(next());
  (void)own.cursors[4].pop();
  EXPECT_FALSE(next()) << "taking from it is a use too";
}

}  // namespace
