// One thread plays several here, so that every step is repeatable; test/concurrent/ has the threads.
// timeout: 600
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <quarry/core/engine/engine.hpp>
#include <quarry/locks.hpp>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "support/fake_pages.hpp"
#include "support/slab_memory.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::core::cache;
using quarry::core::class_count;
using quarry::core::class_index;
using quarry::core::class_of_bytes;
using quarry::core::engine_limits;
using quarry::core::largest_slot_bytes;
using quarry::core::magazine;
using quarry::core::plain_supply;
using quarry::core::slab;
using quarry::core::slot_bytes_of;
using quarry::core::slot_run;
using quarry_test::discarding_pages;
using quarry_test::page_log;
using quarry_test::slab_memory;
using quarry_test::upstream_failure;

/// A lock that is taken only alone, but for the store's lock inside the supply's.
struct ordered_lock {
  static inline std::vector<const ordered_lock*> held;
  static inline const ordered_lock* supply = nullptr;
  static inline std::vector<const ordered_lock*> shards;  // of blocks
  static inline const ordered_lock* store = nullptr;

  static bool is_shard(const ordered_lock* each) {
    return std::find(shards.begin(), shards.end(), each) != shards.end();
  }
  bool is_inside() const {
    if (supply == nullptr) return true;  // it is being found out which is which
    return held.size() == 1 && ((this == store && (held[0] == supply || is_shard(held[0]))) ||
                                (is_shard(this) && held[0] == supply));
  }
  void lock() {
    EXPECT_TRUE(held.empty() || is_inside()) << "taken while another is held";
    held.push_back(this);
  }
  bool try_lock() {
    lock();
    return true;
  }
  void unlock() {
    EXPECT_TRUE(supply == nullptr || held.back() == this);
    held.erase(std::find(held.begin(), held.end(), this));
  }
  static void expect_supplied() {
    EXPECT_TRUE(!held.empty() && held[0] == supply) << "the supply without its lock";
  }
  char not_empty = 0;
};

struct slot {
  void* address;
  class_index index;
};

constexpr std::size_t slab_bytes = 65536;
constexpr std::size_t retain_bytes = 1U << 20;
constexpr std::size_t cache_bytes = 1U << 16;
constexpr std::size_t portion_slots = 8;  // that one call may move to the slabs of a class

/// An engine on pages that are counted, refused and discarded, and what a user does with it.
template <class Lock>
struct user {
  using engine_type = quarry::core::engine<plain_supply<discarding_pages>, Lock>;
  static constexpr bool is_shared = !std::is_empty_v<Lock>;

  explicit user(page_log& log, std::size_t max_bytes = 0, std::size_t retained = retain_bytes,
                std::size_t cached = cache_bytes, std::uint32_t growth_log2 = is_shared ? 1 : 3)
      : pages(log),
        engine(plain_supply<discarding_pages>(discarding_pages(log)), limits_of(max_bytes, retained, cached),
               growth_log2) {
    if constexpr (std::is_same_v<Lock, ordered_lock>) {
      ordered_lock::held.clear();
      find_out_locks();
      pages.at_every_call = &ordered_lock::expect_supplied;
    }
  }

  /// Notes which lock is which; again when a shard has come.
  void find_out_locks() {
    if constexpr (std::is_same_v<Lock, ordered_lock>) {
      ordered_lock::supply = nullptr;
      EXPECT_TRUE(engine.memory().try_lock_all());
      const auto& held = ordered_lock::held;
      ordered_lock::shards.assign(held.begin() + 1, held.end() - 1);
      ordered_lock::store = held.back();
      const ordered_lock* const supply = held.front();
      engine.memory().unlock_all();
      ordered_lock::supply = supply;
    }
  }

  static engine_limits limits_of(std::size_t max_bytes, std::size_t retained, std::size_t cached) {
    engine_limits limits;
    limits.granule_bytes = slab_bytes;
    limits.max_bytes = max_bytes;
    limits.retain_bytes = retained;
    limits.cache_bytes = cached;
    return limits;
  }

  void* allocate(cache& own, class_index index) {
    void* const hit = own.cursors[index].pop();
    return hit != nullptr ? hit : engine.allocate_slow(own, index);
  }
  void deallocate(cache& own, void* address, class_index index) {
    if (!own.cursors[index].push(address)) engine.deallocate_slow(own, address, index);
  }
  std::vector<void*> allocate_many(cache& own, class_index index, std::size_t count) {
    std::vector<void*> taken(count);
    for (void*& each : taken) each = allocate(own, index);
    return taken;
  }
  void deallocate_all(cache& own, const std::vector<void*>& slots, class_index index) {
    for (void* const each : slots) deallocate(own, each, index);
  }
  /// Takes and frees `burst` slots, `rounds` times.
  void churn(cache& own, class_index index, std::size_t burst, int rounds) {
    for (int round = 0; round < rounds; ++round) deallocate_all(own, allocate_many(own, index, burst), index);
  }
  std::size_t cached_bytes(const cache& own) const {
    std::size_t bytes = 0;
    for (class_index index = 0; index < class_count; ++index)
      bytes += own.cached_slots(index) * slot_bytes_of(index);
    return bytes;
  }
  std::size_t extent_bytes() const {
    std::size_t part_bytes = 0;
    for (const auto& each : pages.memory.history())
      if (each.alignment != slab_bytes) part_bytes += each.bytes;
    return engine.memory().held_bytes() - part_bytes;
  }
  std::size_t part_bytes() const { return engine.memory().held_bytes() - extent_bytes(); }
  /// Takes what the store has left of parts, so that the next part costs a call of the supply.
  void use_up_parts() {
    pages.fails_always = true;
    while (engine.memory().take_part(8, 8) != nullptr) {
    }
    pages.fails_always = false;
  }
  /// Takes what is left of parts but for `bytes`, too few for a slab.
  void leave_parts(std::size_t bytes) {
    while (engine.memory().room_apart(1) > bytes) (void)engine.memory().take_part(8, 8);
  }
  /// Makes the cache look at class `index`, by misses of `busy`.
  void look_at(cache& own, class_index index, class_index busy) {
    own.next_to_look_at = index;
    while (own.next_to_look_at == index) (void)allocate(own, busy);
  }
  std::size_t parked_slots() const {
    std::size_t parked = 0;
    engine.for_each_shelf([&parked](const auto& each) { parked += each.parked.slots(); });
    return parked;
  }
  /// The slots of each slab of a class, those of the newest last.
  std::vector<std::size_t> slabs_of(class_index index) const {
    std::vector<std::size_t> slots;
    engine.shelf_of(index)->slots.for_each_slab(
        [&slots](const slab& each) { slots.push_back(each.slots()); });
    std::sort(slots.begin(), slots.end());
    return slots;
  }
  bool check_invariants() const {
    bool good = engine.memory().check_invariants();
    engine.for_each_shelf([&good](const auto& each) { good = good && each.slots.check_invariants(); });
    return good && engine.memory().held_bytes() == pages.memory.live_bytes();
  }
  /// Moves all that rests to the bins; what they still miss is in the user's hands.
  std::set<void*> live_slots(std::initializer_list<cache*> caches) {
    for (cache* const each : caches) engine.flush_cache(*each);
    engine.flush_depots();
    std::set<void*> live;
    engine.for_each_used([&live](void* address, std::size_t) { EXPECT_TRUE(live.insert(address).second); });
    return live;
  }

  page_log& pages;
  engine_type engine;
};

template <class Lock>
class Engine : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_TRUE(on.check_invariants());
    on.engine.release();
    EXPECT_EQ(pages.memory.live_blocks(), 0U);
    EXPECT_EQ(on.engine.used_slots(), 0U);
    EXPECT_TRUE(ordered_lock::held.empty());
  }

  page_log pages;
  user<Lock> on{pages};
  cache& own = *on.engine.open_cache();
};

using locks = testing::Types<quarry::null_lock, ordered_lock>;
TYPED_TEST_SUITE(Engine, locks, );

TYPED_TEST(Engine, TakesNothingButACacheUntilItIsUsed) {
  EXPECT_EQ(this->pages.calls, 1U);
  this->on.engine.flush_cache(this->own);
  this->on.engine.flush_depots();
  (void)this->on.engine.trim(0);
  EXPECT_EQ(this->pages.calls, 1U);
  EXPECT_EQ(this->on.engine.used_slots(), 0U);
  EXPECT_TRUE(this->on.engine.has_no_block());
  for (class_index index = 0; index < class_count; ++index)
    EXPECT_EQ(this->on.engine.shelf_of(index), nullptr);
}

TYPED_TEST(Engine, ServesEveryClassWithSlotsOfItsSizeThatDoNotOverlap) {
  for (class_index index = 0; index < class_count; ++index) {
    std::set<std::byte*> taken;
    for (int i = 0; i < 100; ++i) {
      auto* const address = static_cast<std::byte*>(this->on.allocate(this->own, index));
      std::memset(address, 1, slot_bytes_of(index));
      ASSERT_TRUE(taken.insert(address).second);
      ASSERT_EQ(
          reinterpret_cast<std::uintptr_t>(address) % (slot_bytes_of(index) & (~slot_bytes_of(index) + 1)),
          0U);
    }
    const std::byte* end = nullptr;
    for (std::byte* const each : taken) {
      ASSERT_TRUE(end == nullptr || each >= end) << "slots overlap";
      end = each + slot_bytes_of(index);
    }
    for (std::byte* const each : taken) this->on.deallocate(this->own, each, index);
  }
  EXPECT_TRUE(this->on.live_slots({&this->own}).empty());
}

TYPED_TEST(Engine, GivesTheSlotThatWasFreedLastBackFirst) {
  const class_index index = class_of_bytes(64);
  const std::vector<void*> taken = this->on.allocate_many(this->own, index, 200);
  this->on.deallocate_all(this->own, taken, index);
  EXPECT_EQ(this->on.allocate(this->own, index), taken.back());
}

TYPED_TEST(Engine, ServesFromMagazinesAndDepotBeforeBinAndSupply) {
  const class_index index = class_of_bytes(64);
  (void)this->on.allocate_many(this->own, index, 4000);  // so that what rests pins little
  std::vector<void*> live = this->on.allocate_many(this->own, index, 1500);
  for (int round = 0; round < 4; ++round) {
    this->on.deallocate_all(this->own, live, index);
    const std::size_t resting = this->own.cached_slots(index) + this->on.parked_slots();
    EXPECT_GE(resting, 3U * 63U) << "more than the two magazines";
    const std::size_t calls = this->pages.calls;
    const std::size_t used = this->on.engine.used_slots();
    live = this->on.allocate_many(this->own, index, resting);
    EXPECT_LT(this->on.engine.used_slots() - used, 63U) << "but for what an open magazine is short of";
    EXPECT_LT(this->own.cached_slots(index) + this->on.parked_slots(), 63U);
    const std::vector<void*> more = this->on.allocate_many(this->own, index, 1500 - resting);
    live.insert(live.end(), more.begin(), more.end());
    EXPECT_EQ(std::set<void*>(live.begin(), live.end()).size(), 1500U);
    EXPECT_EQ(this->pages.calls, calls);
  }
}

TYPED_TEST(Engine, ABinOfSeveralSlabsIsNotPinnedByMoreThanAnEighthOfWhatIsInUse) {
  const class_index index = class_of_bytes(512);
  std::vector<void*> live = this->on.allocate_many(this->own, index, 3000);
  std::shuffle(live.begin(), live.end(), std::mt19937(3));
  while (!live.empty()) {
    this->on.deallocate(this->own, live.back(), index);
    live.pop_back();
    const auto& shelf = *this->on.engine.shelf_of(index);
    if (live.size() % 100 != 0 || shelf.slots.slabs() <= 8) continue;
    const std::size_t resting = this->own.cached_slots(index) + shelf.parked.slots();
    EXPECT_LE(resting, 3 * (this->on.engine.used_slots() / 8) + 2 * portion_slots)
        << "each of two magazines and the depot an eighth, " << live.size();
  }
}

TYPED_TEST(Engine, AFreeMovesAtMostAPortionOfItsClassToTheSlabs) {
  const class_index index = class_of_bytes(48);
  const class_index other = class_of_bytes(128);
  std::vector<void*> live = this->on.allocate_many(this->own, index, 12000);
  std::shuffle(live.begin(), live.end(), std::mt19937(7));
  this->on.churn(this->own, other, 300, 20);
  const auto used_of = [this](class_index of) { return this->on.engine.shelf_of(of)->slots.used_slots(); };
  std::size_t most = 0;
  for (void* const each : live) {
    const std::size_t used = used_of(index);
    const std::size_t other_used = used_of(other);
    const std::size_t deallocations = this->pages.memory.deallocations();
    this->on.deallocate(this->own, each, index);
    ASSERT_LE(used - used_of(index), portion_slots);
    ASSERT_LE(other_used - used_of(other), 2 * portion_slots) << "and of a class that it takes room from";
    ASSERT_LE(this->pages.memory.deallocations() - deallocations, portion_slots);
    most = std::max(most, used - used_of(index));
  }
  EXPECT_EQ(most, portion_slots);
  EXPECT_TRUE(this->on.live_slots({&this->own}).empty());
}

TYPED_TEST(Engine, ACacheKeepsNoMoreThanItsBytes) {
  for (int round = 0; round < 3; ++round) {
    std::vector<slot> live;
    for (std::size_t i = 0; i < 20000; ++i) {
      const class_index index = class_of_bytes(8 + i % 40 * 16);
      live.push_back({this->on.allocate(this->own, index), index});
      ASSERT_LE(this->own.share_bytes, cache_bytes);
    }
    for (const slot& each : live) this->on.deallocate(this->own, each.address, each.index);
    EXPECT_LE(this->on.cached_bytes(this->own), cache_bytes);
    EXPECT_GT(this->on.cached_bytes(this->own), 0U);
  }
}

TYPED_TEST(Engine, SharesOfAllClassesAddUpToTheBytesOfTheCache) {
  std::mt19937 random(11);
  std::vector<slot> live;
  for (int i = 0; i < 30000; ++i) {
    if (live.empty() || random() % 2 == 0) {
      const auto index = static_cast<class_index>(random() % 60);
      live.push_back({this->on.allocate(this->own, index), index});
    } else {
      const slot freed = quarry_test::take_any(live, random);
      this->on.deallocate(this->own, freed.address, freed.index);
    }
    if (i % 50 != 0) continue;
    std::size_t bytes = 0;
    for (class_index index = 0; index < class_count; ++index) {
      const quarry::core::class_cache* const local = this->own.class_cache_of(index);
      if (local == nullptr) continue;
      bytes += local->share.slots() * slot_bytes_of(index);
      ASSERT_LE(this->own.cached_slots(index), std::max<std::size_t>(local->share.slots(), 1)) << index;
      ASSERT_TRUE(local->previous == nullptr || local->share.is_paired());
    }
    ASSERT_EQ(this->own.share_bytes, bytes);
  }
}

TYPED_TEST(Engine, AClassThatMissesGrowsToTwoFullMagazines) {
  const class_index index = class_of_bytes(64);
  EXPECT_EQ(this->own.class_cache_of(index), nullptr);
  this->on.deallocate(this->own, this->on.allocate(this->own, index), index);
  EXPECT_EQ(this->own.class_cache_of(index)->share.slots(), 7U);
  this->on.churn(this->own, index, 300, 10);
  EXPECT_EQ(this->own.class_cache_of(index)->share.slots(), 126U);
}

TYPED_TEST(Engine, AClassThatIsUnusedGoesToNothingAndItsDepotToo) {
  const class_index idle = class_of_bytes(64);
  const class_index busy = class_of_bytes(80);
  std::vector<void*> kept = this->on.allocate_many(this->own, idle, 1500);  // so that its slots pin nothing
  this->on.churn(this->own, idle, 500, 10);
  ASSERT_GT(this->own.cached_slots(idle), 0U);
  ASSERT_GT(this->on.engine.shelf_of(idle)->parked.slots(), 0U);
  this->on.churn(this->own, busy, 2000, 200);
  EXPECT_EQ(this->own.cached_slots(idle), 0U);
  EXPECT_EQ(this->own.class_cache_of(idle)->share.slots(), 0U);
  EXPECT_TRUE(this->own.class_cache_of(idle)->has_first()) << "its magazines serve others";
  EXPECT_EQ(this->on.engine.shelf_of(idle)->parked.slots(), 0U);
  EXPECT_EQ(this->on.engine.shelf_of(idle)->slots.used_slots(), kept.size());
  this->on.churn(this->own, idle, 300, 10);
  EXPECT_EQ(this->own.class_cache_of(idle)->share.slots(), 126U) << "used again it grows again";
  this->on.deallocate_all(this->own, kept, idle);
}

// Two classes that fill the bound between them, and then a third that is used as much as they are.
TYPED_TEST(Engine, NoClassStarvesAnother) {
  const class_index all[] = {class_of_bytes(400), class_of_bytes(512), class_of_bytes(320)};
  for (const class_index index : {all[0], all[1]}) this->on.churn(this->own, index, 200, 200);
  ASSERT_GT(this->own.share_bytes, cache_bytes / 2);
  std::map<class_index, std::size_t> shares;
  for (int round = 0; round < 400; ++round) {
    for (const class_index index : all) {
      this->on.churn(this->own, index, 60, 1);
      if (round >= 100) shares[index] += this->own.class_cache_of(index)->share.slots();
    }
  }
  for (const class_index index : all)
    EXPECT_GE(shares[index] / 300, 16U) << "right after its turn, " << index;
  EXPECT_LE(this->own.share_bytes, cache_bytes);
}

TYPED_TEST(Engine, AClassThatFillsTheCacheYieldsToOthersThoughItIsUsed) {
  const class_index all[] = {class_of_bytes(512), class_of_bytes(400), class_of_bytes(320),
                             class_of_bytes(448)};
  this->on.churn(this->own, all[0], 300, 20);
  ASSERT_EQ(this->own.class_cache_of(all[0])->share.slots(), 126U);
  for (int round = 0; round < 300; ++round) {
    std::vector<slot> live;
    for (int i = 0; i < 150; ++i)
      for (const class_index index : all) live.push_back({this->on.allocate(this->own, index), index});
    for (const slot& each : live) this->on.deallocate(this->own, each.address, each.index);
  }
  for (const class_index index : all) EXPECT_GE(this->own.class_cache_of(index)->share.slots(), 4U) << index;
  EXPECT_LT(this->own.class_cache_of(all[0])->share.slots(), 126U);
}

TYPED_TEST(Engine, AClassThatIsUsedAloneTakesTheRoomOfThoseThatNoLongerAre) {
  const class_index before[] = {class_of_bytes(400), class_of_bytes(512)};
  const class_index after = class_of_bytes(320);
  for (const class_index index : before) this->on.churn(this->own, index, 200, 200);
  this->on.churn(this->own, after, 200, 200);
  for (const class_index index : before)
    EXPECT_GT(this->own.class_cache_of(after)->share.slots(), this->own.class_cache_of(index)->share.slots());
}

TYPED_TEST(Engine, StartsAClassWithSmallSlabsApartAndGoesOnWithGranules) {
  const auto first_four = [this](class_index index) {
    do (void)this->on.engine.allocate_direct(index);
    while (this->on.engine.shelf_of(index)->slots.slabs() < 4);
    EXPECT_EQ(this->on.engine.shelf_of(index)->slots.unlisted_slabs(), 2U);
    return this->on.slabs_of(index);
  };
  EXPECT_EQ(first_four(class_of_bytes(64)), (std::vector<std::size_t>{16, 64, 1024, 1024})) << "1 and 4 KiB";
  EXPECT_EQ(first_four(class_of_bytes(72)), (std::vector<std::size_t>{14, 56, 910, 910}));
  EXPECT_EQ(first_four(class_of_bytes(2048)), (std::vector<std::size_t>{2, 8, 32, 32})) << "4 and 16 KiB";
}

TYPED_TEST(Engine, StartsAClassWithASlabApartOnlyWhereTwoSlotsFit) {
  const auto first = [this](std::size_t bytes) {
    (void)this->on.engine.allocate_direct(class_of_bytes(bytes));
    return this->on.slabs_of(class_of_bytes(bytes)).front();
  };
  EXPECT_EQ(first(512), 2U) << "1 KiB";
  EXPECT_EQ(first(544), 2048U / 544U) << "2 KiB";
  EXPECT_EQ(first(8192), 2U) << "16 KiB";
  EXPECT_EQ(first(9216), slab_bytes / 9216) << "a granule";
}

TYPED_TEST(Engine, ANullInAMagazineIsDroppedOnItsWayToEveryPlace) {
  const class_index index = class_of_bytes(64);
  std::vector<void*> live;
  std::set<void*> addresses;
  std::mt19937 random(13);
  for (int i = 0; i < 30000; ++i) {
    const bool fill = (i / 3000) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
    if (random() % 3 == 0) this->on.deallocate(this->own, nullptr, index);
    if (fill) {
      live.push_back(random() % 8 == 0 ? this->on.engine.allocate_direct(index)
                                       : this->on.allocate(this->own, index));
      ASSERT_NE(live.back(), nullptr);
      ASSERT_TRUE(addresses.insert(live.back()).second);
    } else if (!live.empty()) {
      void* const freed = quarry_test::take_any(live, random);
      addresses.erase(freed);
      this->on.deallocate(this->own, freed, index);
    }
  }
  for (int i = 0; i < 2000; ++i) this->on.deallocate(this->own, nullptr, index);
  EXPECT_NE(this->on.engine.allocate_direct(index), nullptr) << "whatever is parked";
  EXPECT_EQ(this->on.live_slots({&this->own}).size(), live.size() + 1);
}

TYPED_TEST(Engine, TakesANullOfAClassThatWasNeverUsed) {
  this->on.engine.deallocate_slow(this->own, nullptr, class_of_bytes(64));
  EXPECT_EQ(this->own.class_cache_of(class_of_bytes(64)), nullptr);
}

TYPED_TEST(Engine, FreesWithoutMemoryForMagazines) {
  const class_index index = class_of_bytes(64);
  std::vector<void*> live(5000);
  for (void*& each : live) each = this->on.engine.allocate_direct(index);
  for (const bool throws : {false, true}) {
    this->pages.throws = throws;
    this->pages.fails_always = true;
    while (this->on.engine.memory().take_part(8, 8) !=
           nullptr) {  // not even for what a cache keeps of a class
    }
    for (std::size_t i = 0; i < 2500; ++i, live.pop_back())
      this->on.deallocate(this->own, live.back(), index);
    this->pages.fails_always = false;
  }
  EXPECT_TRUE(this->on.live_slots({&this->own}).empty());
}

TYPED_TEST(Engine, RunsAreNeighboursAndLeaveMagazinesAlone) {
  const class_index index = class_of_bytes(512);
  const slot_run first = this->on.engine.allocate_run(index, 1, 50);
  ASSERT_GT(first.slots, 0U);
  EXPECT_EQ(first.slot_bytes, 512U);
  EXPECT_EQ(this->on.engine.used_slots(), first.slots);
  std::memset(first.first, 1, first.slots * 512);
  void* const single = this->on.allocate(this->own, index);
  const std::size_t cached = this->own.cached_slots(index);
  std::size_t longest = 0;
  std::vector<slot_run> runs{first};
  while (longest < 50) {
    runs.push_back(this->on.engine.allocate_run(index, 1, 50));
    longest = std::max(longest, runs.back().slots);
    ASSERT_LT(runs.size(), 100U);
  }
  EXPECT_EQ(this->own.cached_slots(index), cached);
  for (const slot_run& each : runs)
    if (each.slots != 0) this->on.engine.deallocate_run(index, each.first, each.slots);
  EXPECT_EQ(this->own.cached_slots(index), cached);
  EXPECT_EQ(this->on.live_slots({&this->own}), std::set<void*>{single});
}

TYPED_TEST(Engine, ARunIsEmptyWhereOnlyShorterOnesAreAtHand) {
  const class_index index = class_of_bytes(10240);  // six in a granule
  const slot_run run = this->on.engine.allocate_run(index, 6, 6);
  ASSERT_EQ(run.slots, 6U);
  auto* const base = static_cast<std::byte*>(run.first);
  for (std::size_t i = 0; i < 6; i += 2) this->on.engine.deallocate_run(index, base + i * 10240, 1);
  const std::size_t calls = this->pages.calls;
  EXPECT_EQ(this->on.engine.allocate_run(index, 6, 6).slots, 0U);
  EXPECT_EQ(this->pages.calls, calls) << "single slots are at hand";
  EXPECT_EQ(this->on.engine.allocate_run(index, 1, 6).first, base);
}

TYPED_TEST(Engine, ARunTakesNoSlabWhileSingleSlotsAreParked) {
  const class_index index = class_of_bytes(64);
  const std::vector<void*> live = this->on.allocate_many(this->own, index, 6000);
  auto& shelf = *this->on.engine.shelf_of(index);
  while (shelf.slots.any_free()) (void)this->on.engine.allocate_direct(index);
  for (std::size_t i = 0; i < 400; ++i) this->on.deallocate(this->own, live[i], index);
  ASSERT_FALSE(shelf.slots.any_free());
  ASSERT_GT(shelf.parked.slots(), 0U);
  const std::size_t slabs = shelf.slots.slabs();
  EXPECT_EQ(this->on.engine.allocate_run(index, 8, 50).slots, 0U);
  EXPECT_EQ(shelf.slots.slabs(), slabs);
}

TYPED_TEST(Engine, ARunIsEmptyWhenTheSupplyFails) {
  this->pages.fails_always = true;
  for (const bool throws : {false, true}) {
    this->pages.throws = throws;
    EXPECT_EQ(this->on.engine.allocate_run(class_of_bytes(20000), 1, 3).slots, 0U);
  }
  this->pages.fails_always = false;
  EXPECT_NE(this->on.engine.allocate_run(class_of_bytes(20000), 1, 3).slots, 0U);
}

TYPED_TEST(Engine, TellsTheBytesOfTheBlockOfAnyAddress) {
  for (const std::size_t bytes : {8U, 48U, 640U, 5120U, 32768U}) {
    const class_index index = class_of_bytes(bytes);
    for (int i = 0; i < 200; ++i) {
      auto* const address = static_cast<std::byte*>(this->on.allocate(this->own, index));
      ASSERT_EQ(this->on.engine.block_bytes(address), bytes) << i;
      ASSERT_EQ(this->on.engine.block_bytes(address + bytes - 1), bytes) << i;
      ASSERT_TRUE(this->on.engine.owns(address) && this->on.engine.owns(address + bytes - 1));
    }
  }
  auto* const block = static_cast<std::byte*>(this->on.engine.allocate_oversize(&this->own, 100001, 64));
  EXPECT_EQ(this->on.engine.block_bytes(block + 100000), 100001U);
  EXPECT_TRUE(this->on.engine.owns(block + 50000));
  EXPECT_EQ(this->on.engine.block_bytes(&this->pages), 0U);
  EXPECT_EQ(this->on.engine.block_bytes(nullptr), 0U);
  EXPECT_FALSE(this->on.engine.owns(&this->pages));
  EXPECT_FALSE(this->on.engine.owns(nullptr));
  EXPECT_EQ(this->on.engine.block_bytes(&this->own), 0U) << "a cache is no block";
  EXPECT_FALSE(this->on.engine.owns(&this->own));
}

TYPED_TEST(Engine, OwnsASlabUntilItHasGoneThoughItsMemoryRests) {
  const class_index index = class_of_bytes(4096);
  std::vector<void*> taken;
  for (int i = 0; i < 200; ++i) taken.push_back(this->on.allocate(this->own, index));
  for (void* const each : taken) ASSERT_TRUE(this->on.engine.owns(each));
  for (void* const each : taken) this->on.deallocate(this->own, each, index);
  this->on.engine.flush_cache(this->own);
  this->on.engine.flush_depots();
  std::size_t resting = 0;
  for (void* const each : taken) {
    resting += this->on.engine.memory().holds(each) && !this->on.engine.owns(each);
    ASSERT_EQ(this->on.engine.owns(each), this->on.engine.block_bytes(each) != 0);
  }
  EXPECT_GT(resting, 100U);
}

TYPED_TEST(Engine, TheTailOfASlabIsNoBlock) {
  const class_index index = class_of_bytes(9216);  // 7 slots leave 1024 bytes of a granule
  auto* const first = static_cast<std::byte*>(this->on.engine.allocate_direct(index));
  ASSERT_EQ(this->on.slabs_of(index), std::vector<std::size_t>{7});
  EXPECT_EQ(this->on.engine.block_bytes(first + 7 * 9216 - 1), 9216U);
  EXPECT_EQ(this->on.engine.block_bytes(first + 7 * 9216), 0U);
  EXPECT_TRUE(this->on.engine.owns(first + 7 * 9216));
}

TYPED_TEST(Engine, VisitsEverySlotInUseOnceWithItsBytes) {
  std::map<void*, std::size_t> expected;
  for (std::size_t i = 0; i < 3000; ++i) {
    const class_index index = class_of_bytes(i * 53 % 4000 + 1);
    expected[this->on.allocate(this->own, index)] = slot_bytes_of(index);
  }
  this->on.engine.flush_cache(this->own);
  this->on.engine.flush_depots();
  std::map<void*, std::size_t> visited;
  this->on.engine.for_each_used([&visited](void* address, std::size_t bytes) {
    EXPECT_TRUE(visited.emplace(address, bytes).second) << "twice";
  });
  EXPECT_EQ(visited, expected);
}

TYPED_TEST(Engine, CountsEverySlotInOnePlace) {
  const class_index index = class_of_bytes(64);
  std::vector<void*> live;
  std::mt19937 random(17);
  for (int i = 0; i < 20000; ++i) {
    if (live.empty() || random() % 4096 > static_cast<unsigned>(i % 4096)) {
      live.push_back(this->on.allocate(this->own, index));
    } else {
      this->on.deallocate(this->own, quarry_test::take_any(live, random), index);
    }
    if (i % 16 == 0) {
      ASSERT_EQ(this->on.engine.used_slots(),
                live.size() + this->own.cached_slots(index) + this->on.parked_slots());
    }
  }
}

TYPED_TEST(Engine, GivesAllSlabsBackOnceNothingIsLive) {
  std::vector<slot> live;
  for (std::size_t i = 0; i < 20000; ++i) {
    const class_index index = class_of_bytes(i % 600 + 1);
    live.push_back({this->on.allocate(this->own, index), index});
  }
  for (const slot& each : live) this->on.deallocate(this->own, each.address, each.index);
  EXPECT_TRUE(this->on.live_slots({&this->own}).empty());
  (void)this->on.engine.trim(0);
  EXPECT_EQ(this->on.extent_bytes(), 0U);
}

TYPED_TEST(Engine, TrimsToTheBytesItIsToldAndKeepsWhatIsLive) {
  const class_index index = class_of_bytes(1024);
  std::vector<void*> live = this->on.allocate_many(this->own, index, 3000);
  void* const kept = live.back();
  live.pop_back();
  std::memset(kept, 0x5A, 1024);
  this->on.deallocate_all(this->own, live, index);
  this->on.engine.flush_cache(this->own);
  this->on.engine.flush_depots();
  const std::size_t held = this->on.extent_bytes();
  (void)this->on.engine.trim(4 * slab_bytes);
  const std::size_t trimmed = this->on.extent_bytes();
  EXPECT_LT(trimmed, held);
  (void)this->on.engine.trim(0);
  EXPECT_LT(this->on.extent_bytes(), trimmed);
  EXPECT_GE(this->on.extent_bytes() - this->on.engine.memory().inspect().discarded_bytes, slab_bytes);
  EXPECT_EQ(this->on.live_slots({&this->own}), std::set<void*>{kept});
  EXPECT_EQ(static_cast<unsigned char*>(kept)[1023], 0x5A);
}

TYPED_TEST(Engine, AClosedCacheHoldsNothingAndItsNextOwnerStartsSmall) {
  const class_index index = class_of_bytes(64);
  std::vector<void*> kept = this->on.allocate_many(this->own, index, 1000);
  this->on.churn(this->own, index, 300, 10);
  ASSERT_TRUE(this->own.class_cache_of(index)->share.is_paired());
  this->on.engine.close_cache(this->own);
  this->on.engine.flush_depots();
  EXPECT_EQ(this->on.engine.used_slots(), kept.size());
  EXPECT_EQ(this->own.share_bytes, 0U);
  EXPECT_EQ(this->own.class_cache_of(index)->share.slots(), 0U);
  EXPECT_EQ(this->own.class_cache_of(index)->previous, nullptr);
  const std::size_t calls = this->pages.calls;
  EXPECT_EQ(this->on.engine.open_cache(), &this->own);
  EXPECT_EQ(this->pages.calls, calls);
  this->on.deallocate(this->own, this->on.allocate(this->own, index), index);
  EXPECT_EQ(this->own.class_cache_of(index)->share.slots(), 7U);
}

// Parts come back at release() alone, so what one cycle loses the next takes anew.
TYPED_TEST(Engine, UsesItsMagazinesAgainHoweverTheyComeBack) {
  const class_index first = class_of_bytes(64);
  const class_index second = class_of_bytes(80);
  auto& used = this->on;
  cache* open = &this->own;
  for (const class_index index : {first, second})
    (void)used.allocate_many(*open, index, 5000);  // so that what rests pins little
  const std::vector<std::pair<const char*, void (*)(user<TypeParam>&, cache*&, class_index, class_index)>>
      ways = {
          {"depots that are flushed",
           [](auto& of, cache*& from, class_index index, class_index) {
             of.churn(*from, index, 1500, 1);
             of.engine.flush_cache(*from);
             of.engine.flush_depots();
           }},
          {"caches that close",
           [](auto& of, cache*& from, class_index index, class_index) {
             of.churn(*from, index, 300, 5);
             of.engine.close_cache(*from);
             from = of.engine.open_cache();
           }},
          {"depots that are emptied",
           [](auto& of, cache*& from, class_index index, class_index) { of.churn(*from, index, 1500, 1); }},
          {"depots that are emptied slot by slot",
           [](auto& of, cache*& from, class_index index, class_index) {
             of.churn(*from, index, 1000, 1);
             while (of.engine.shelf_of(index)->parked.slots() != 0)
               of.engine.deallocate_direct(of.engine.allocate_direct(index), index);
             of.engine.flush_cache(*from);
           }},
          {"classes that are unused",
           [](auto& of, cache*& from, class_index index, class_index busy) {
             of.churn(*from, index, 300, 5);
             std::vector<void*> taken;
             while (from->class_cache_of(index)->share.slots() != 0) {
               from->next_to_look_at = index;
               while (from->next_to_look_at == index) taken.push_back(of.allocate(*from, busy));
             }
             of.deallocate_all(*from, taken, busy);
           }},
      };
  for (const auto& [name, cycle] : ways) {
    const auto repeat = [&, go = cycle](int cycles) {
      for (int i = 0; i < cycles; ++i)
        go(used, open, i % 2 == 0 ? first : second, i % 2 == 0 ? second : first);
    };
    repeat(20);  // until as much rests as may
    used.use_up_parts();
    const std::size_t part_bytes = used.part_bytes();
    repeat(20);
    EXPECT_EQ(used.part_bytes(), part_bytes) << name;
  }
}

TYPED_TEST(Engine, ForgetsEverythingOnReleaseAndStartsAnew) {
  cache* current = &this->own;
  for (int round = 0; round < 3; ++round) {
    for (class_index index = 0; index < 60; ++index) (void)this->on.allocate_many(*current, index, 100);
    (void)this->on.engine.allocate_oversize(current, 100000, 8);
    EXPECT_FALSE(this->on.engine.has_no_block());
    EXPECT_EQ(this->on.live_slots({current}).size(), 6000U);
    this->on.engine.close_cache(*this->on.engine.open_cache());
    this->on.find_out_locks();
    this->on.engine.release();
    EXPECT_EQ(this->pages.memory.live_blocks(), 0U);
    EXPECT_EQ(this->on.engine.used_slots(), 0U);
    EXPECT_EQ(this->on.engine.shelf_of(0), nullptr);
    EXPECT_TRUE(this->on.engine.has_no_block());
    current = this->on.engine.open_cache();
    ASSERT_NE(current, nullptr);
    EXPECT_EQ(this->pages.memory.live_blocks(), 1U) << "a cache in new memory";
  }
}

TYPED_TEST(Engine, ServesBlocksOfAnySizeAndTakesThemBackByTheirFirstAddress) {
  auto& engine = this->on.engine;
  auto* const block = static_cast<std::byte*>(engine.allocate_oversize(&this->own, 50000, 4096));
  std::memset(block, 1, 50000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 4096, 0U);
  EXPECT_FALSE(engine.deallocate_oversize(nullptr, block + 1));
  EXPECT_TRUE(engine.deallocate_oversize(nullptr, block));
  EXPECT_FALSE(this->pages.memory.holds(block));
  void* const small = engine.allocate_oversize(nullptr, 1, 1);
  EXPECT_TRUE(engine.deallocate_oversize(nullptr, small))
      << "a block may be small where its alignment is not";
}

template <class Lock>
class EngineOfSmallMagazines : public testing::Test {
 protected:
  static constexpr std::size_t first_slots = 7;  // of a magazine that may not grow
  page_log pages;
  user<Lock> on{pages, 0, retain_bytes, 2048};
  cache& own = *on.engine.open_cache();
  const class_index index = class_of_bytes(64);
};
TYPED_TEST_SUITE(EngineOfSmallMagazines, locks, );

TYPED_TEST(EngineOfSmallMagazines, FillsASingleMagazineToOneHalfSoThatAsManyFreesFindRoom) {
  std::vector<void*> live = this->on.allocate_many(this->own, this->index, 4000);
  while (this->own.cached_slots(this->index) != 0) live.push_back(this->on.allocate(this->own, this->index));
  live.push_back(this->on.allocate(this->own, this->index));
  ASSERT_EQ(this->own.class_cache_of(this->index)->share.slots(), this->first_slots);
  EXPECT_EQ(this->own.cached_slots(this->index), this->first_slots / 2);
  for (std::size_t i = 0; i <= this->first_slots / 2; ++i, live.pop_back())
    EXPECT_TRUE(this->own.cursors[this->index].push(live.back())) << i;
}

TYPED_TEST(EngineOfSmallMagazines, ParksTheOldestSlotsAndKeepsTheNewest) {
  std::vector<void*> live = this->on.allocate_many(this->own, this->index, 4000);
  while (this->own.cached_slots(this->index) != 0) live.push_back(this->on.allocate(this->own, this->index));
  for (std::size_t i = 0; i <= this->first_slots; ++i) this->on.deallocate(this->own, live[i], this->index);
  ASSERT_EQ(this->on.parked_slots(), (this->first_slots + 1) / 2);
  for (std::size_t i = this->first_slots + 1; i-- > 0;)
    EXPECT_EQ(this->on.allocate(this->own, this->index), live[i]) << "the newest first, also of those parked";
}

template <class Lock>
class LimitedEngine : public testing::Test {
 protected:
  static constexpr std::size_t max_bytes = 1U << 20;
  void TearDown() override {
    EXPECT_LE(pages.memory.peak_bytes(), max_bytes);
    EXPECT_TRUE(on.check_invariants());
  }
  std::vector<void*> allocate_until_null(class_index index) {
    std::vector<void*> taken;
    while (void* const each = on.allocate(own, index)) taken.push_back(each);
    return taken;
  }

  page_log pages;
  user<Lock> on{pages, max_bytes, max_bytes};
  cache& own = *on.engine.open_cache();
};
TYPED_TEST_SUITE(LimitedEngine, locks, );

TYPED_TEST(LimitedEngine, TakesWhateverRestsInAnotherFormBeforeItFails) {
  const class_index first = class_of_bytes(64);
  const class_index second = class_of_bytes(3000);
  const std::vector<void*> taken = this->allocate_until_null(first);
  this->on.deallocate_all(this->own, taken, first);
  ASSERT_GT(this->own.cached_slots(first) + this->on.parked_slots(), 0U);
  const std::vector<void*> other = this->allocate_until_null(second);
  EXPECT_GT(other.size() * slot_bytes_of(second), this->max_bytes * 6 / 10);
  this->on.deallocate_all(this->own, other, second);
  EXPECT_NE(this->on.engine.allocate_oversize(&this->own, this->max_bytes / 2, 8), nullptr);
}

TYPED_TEST(LimitedEngine, TakesTheSlabsThatOnlyCachedSlotsPinBeforeItFails) {
  const class_index index = class_of_bytes(8192);
  this->on.deallocate_all(this->own, this->on.allocate_many(this->own, index, 8), index);
  ASSERT_GT(this->own.cached_slots(index), 0U);
  const std::size_t free_bytes = this->max_bytes - this->on.engine.memory().held_bytes();
  EXPECT_NE(this->on.engine.allocate_oversize(&this->own, free_bytes + 20000, 8), nullptr);
  EXPECT_EQ(this->own.cached_slots(index), 0U);
}

TYPED_TEST(LimitedEngine, TakesTheSlabsThatOnlyParkedSlotsPinBeforeItFails) {
  const class_index index = class_of_bytes(9216);
  this->on.churn(this->own, index, 14, 50);
  this->on.engine.flush_cache(this->own);
  (void)this->on.engine.trim(0);
  ASSERT_GT(this->on.parked_slots(), 0U);
  const std::size_t free_bytes = this->max_bytes - this->on.engine.memory().held_bytes();
  EXPECT_NE(this->on.engine.allocate_oversize(nullptr, free_bytes + slab_bytes - 20000, 8), nullptr);
  EXPECT_EQ(this->on.parked_slots(), 0U);
}

TYPED_TEST(LimitedEngine, OpensACacheInMemoryThatRested) {
  const class_index index = class_of_bytes(1000);
  this->on.deallocate_all(this->own, this->allocate_until_null(index), index);
  while (this->on.engine.open_cache() != nullptr) {
  }
  EXPECT_NE(this->on.engine.insist_on_cache(), nullptr);
}

TYPED_TEST(LimitedEngine, FailsWithNullAndServesAgainOnceSomethingIsFreed) {
  const class_index index = class_of_bytes(1000);
  std::vector<void*> taken = this->allocate_until_null(index);
  EXPECT_EQ(this->on.allocate(this->own, index), nullptr);
  EXPECT_EQ(this->on.engine.allocate_direct(index), nullptr);
  EXPECT_EQ(this->on.engine.allocate_oversize(&this->own, 100000, 8), nullptr);
  EXPECT_EQ(this->on.engine.used_slots(), taken.size());
  this->on.deallocate(this->own, taken.back(), index);
  EXPECT_EQ(this->on.allocate(this->own, index), taken.back());
}

TYPED_TEST(LimitedEngine, TakesSmallerSlabsNearTheLimit) {
  const class_index index = class_of_bytes(64);
  const std::size_t taken = this->allocate_until_null(index).size();
  const std::vector<std::size_t> slabs = this->on.slabs_of(index);
  EXPECT_GT(this->on.engine.shelf_of(index)->slots.unlisted_slabs(), 3U);
  std::size_t slots = 0;
  for (const std::size_t each : slabs) slots += each;
  EXPECT_EQ(slots, taken);
}

/// Allocates with a supply that fails as `pages` says; returns what it got, or null.
template <class User>
void* try_allocate(User& on, cache& own, class_index index) {
  try {
    return on.allocate(own, index);
  } catch (const upstream_failure&) {
    return nullptr;
  }
}

template <class Lock>
class FailingEngine : public testing::Test {};
TYPED_TEST_SUITE(FailingEngine, locks, );

TYPED_TEST(FailingEngine, UsesNearlyAllItMayHoldOfWhateverSize) {
  constexpr std::size_t max_bytes = 1U << 20;
  for (const std::size_t bytes : {16U, 100U, 1000U, 20000U}) {
    page_log pages;
    user<TypeParam> on(pages, max_bytes);
    cache& own = *on.engine.open_cache();
    const class_index index = class_of_bytes(bytes);
    std::size_t served_bytes = 0;
    while (on.allocate(own, index) != nullptr) served_bytes += slot_bytes_of(index);
    EXPECT_GT(served_bytes, max_bytes * 8 / 10) << bytes;
    EXPECT_LE(pages.memory.peak_bytes(), max_bytes);
  }
}

TYPED_TEST(FailingEngine, ChangesNothingForTheUserAtWhicheverCallTheSupplyFails) {
  for (const bool throws : {false, true}) {
    bool reached_the_end = false;
    for (std::size_t fail_at_call = 2; !reached_the_end; ++fail_at_call) {
      ASSERT_LT(fail_at_call, 1000U);
      page_log pages;
      pages.throws = throws;
      pages.fail_at_call = fail_at_call;
      user<TypeParam> on(pages);
      cache& own = *on.engine.open_cache();
      std::vector<slot> live;
      for (std::size_t i = 0; i < 1000; ++i) {
        const class_index index = class_of_bytes(i * 53 % 4000 + 1);
        void* const address = on.allocate(own, index);
        ASSERT_NE(address, nullptr) << "one failure is got over, at call " << fail_at_call;
        std::memset(address, static_cast<int>(i % 250), slot_bytes_of(index));
        live.push_back({address, index});
      }
      for (std::size_t i = 0; i < live.size(); ++i) {
        ASSERT_EQ(static_cast<unsigned char*>(live[i].address)[0], i % 250);
        on.deallocate(own, live[i].address, live[i].index);
      }
      EXPECT_TRUE(on.check_invariants());
      EXPECT_TRUE(on.live_slots({&own}).empty());
      reached_the_end = !pages.failed;
      EXPECT_TRUE(!reached_the_end || fail_at_call > 10);
    }
  }
}

TYPED_TEST(FailingEngine, LetsWhatTheSupplyThrowsPassWhenNothingRestsAndChangesNothing) {
  page_log pages;
  pages.throws = true;
  user<TypeParam> on(pages);
  cache& own = *on.engine.open_cache();
  const class_index index = class_of_bytes(500);
  std::set<void*> live;
  pages.fails_always = true;
  while (void* const each = try_allocate(on, own, index)) live.insert(each);
  EXPECT_THROW((void)on.allocate(own, index), upstream_failure);
  EXPECT_THROW((void)on.engine.allocate_direct(index), upstream_failure);
  EXPECT_EQ(on.live_slots({&own}), live);
  pages.fails_always = false;
  for (int i = 0; i < 1000; ++i) live.insert(on.allocate(own, index));
  EXPECT_EQ(live.size(), on.live_slots({&own}).size());
  pages.fails_always = true;
  while (void* const each = try_allocate(on, own, index)) live.insert(each);
  EXPECT_THROW((void)on.allocate(own, index), upstream_failure);
  EXPECT_EQ(on.live_slots({&own}), live);
  EXPECT_THROW((void)on.allocate(own, class_of_bytes(20000)), upstream_failure) << "a class without a shelf";
}

TYPED_TEST(FailingEngine, LetsWhatTheSupplyThrowsForABlockPass) {
  page_log pages;
  pages.throws = true;
  user<TypeParam> on(pages);
  ASSERT_TRUE(on.engine.deallocate_oversize(nullptr, on.engine.allocate_oversize(nullptr, 100000, 8)));
  pages.fails_always = true;
  EXPECT_THROW((void)on.engine.allocate_oversize(nullptr, 100000, 8), upstream_failure);
  pages.fails_always = false;
  EXPECT_NE(on.engine.allocate_oversize(nullptr, 100000, 8), nullptr);
}

TYPED_TEST(FailingEngine, TakesWhatRestsBeforeItFails) {
  for (const bool throws : {false, true}) {
    page_log pages;
    pages.throws = throws;
    user<TypeParam> on(pages);
    cache& own = *on.engine.open_cache();
    const class_index first = class_of_bytes(64);
    const class_index second = class_of_bytes(3000);
    (void)on.allocate(own, second);
    on.deallocate_all(own, on.allocate_many(own, first, 20000), first);
    pages.fails_always = true;
    std::size_t served = 0;
    while (try_allocate(on, own, second) != nullptr) ++served;
    EXPECT_GT(served * slot_bytes_of(second), 500000U) << "of a megabyte that is retained";
    pages.fails_always = false;
  }
}

TYPED_TEST(FailingEngine, MatchesAModelUnderRandomUse) {
  page_log pages;
  user<TypeParam> on(pages, 0, 300000);
  cache& own = *on.engine.open_cache();
  struct block {
    unsigned char* address;
    std::size_t bytes;
    class_index index;
    unsigned char tag;
  };
  std::vector<block> live;
  std::mt19937 random(41);
  for (int i = 0; i < 60000; ++i) {
    pages.throws = random() % 2 == 0;
    pages.fail_at_call = random() % 30 == 0 ? pages.calls + 1 + random() % 3 : pages.fail_at_call;
    const bool fill = (i / 6000) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
    const auto tag = static_cast<unsigned char>(random());
    if (fill) {
      const bool is_oversize = random() % 100 == 0;
      const std::size_t bytes =
          is_oversize ? 40000 + random() % 100000 : 1 + random() % (random() % 8 == 0 ? 32768 : 700);
      const class_index index = class_of_bytes(bytes);
      void* address = nullptr;
      try {
        address = is_oversize          ? on.engine.allocate_oversize(&own, bytes, 16)
                  : random() % 16 == 0 ? on.engine.allocate_direct(index)
                                       : on.allocate(own, index);
      } catch (const upstream_failure&) {
      }
      if (address == nullptr) continue;
      std::memset(address, tag, bytes);
      live.push_back({static_cast<unsigned char*>(address), bytes, index, tag});
    } else if (!live.empty()) {
      const block freed = quarry_test::take_any(live, random);
      for (std::size_t at = 0; at < freed.bytes; at += 1 + freed.bytes / 8)
        ASSERT_EQ(freed.address[at], freed.tag);
      ASSERT_EQ(freed.address[freed.bytes - 1], freed.tag);
      ASSERT_GE(on.engine.block_bytes(freed.address + random() % freed.bytes), freed.bytes);
      if (freed.index == quarry::core::no_class) {
        ASSERT_TRUE(
            on.engine.deallocate_oversize(nullptr, freed.address, random() % 4 == 0 ? 0 : freed.bytes));
      } else if (random() % 16 == 0) {
        on.engine.deallocate_direct(freed.address, freed.index);
      } else {
        on.deallocate(own, freed.address, freed.index);
      }
    }
    if (i % 3000 == 0) {
      ASSERT_TRUE(on.check_invariants());
      (void)on.engine.trim(random() % 300000);
    }
  }
  std::set<void*> expected;
  for (const block& each : live)
    if (each.index != quarry::core::no_class) expected.insert(each.address);
  EXPECT_EQ(on.live_slots({&own}), expected);
  EXPECT_TRUE(on.check_invariants());
}

class EngineInABuffer : public testing::TestWithParam<std::size_t> {};

TEST_P(EngineInABuffer, ServesFromMostOfIt) {
  const slab_memory memory(1U << 20);
  const std::size_t bytes = GetParam();
  page_log pages;
  user<quarry::null_lock> on(pages, 0, 0);
  on.engine.memory().start_in(memory.base() + 100, bytes);
  cache& own = *on.engine.open_cache();
  std::size_t served_bytes = 0;
  std::size_t inside_bytes = 0;
  for (std::size_t i = 0; served_bytes < 2 * bytes; ++i) {
    const class_index index = class_of_bytes(i % 8 * 60 + 1);
    auto* const address = static_cast<std::byte*>(on.allocate(own, index));
    std::memset(address, 1, slot_bytes_of(index));
    ASSERT_TRUE(on.engine.owns(address));
    served_bytes += slot_bytes_of(index);
    if (static_cast<std::size_t>(address - (memory.base() + 100)) < bytes)
      inside_bytes += slot_bytes_of(index);
  }
  EXPECT_GT(inside_bytes, bytes / 3);
  on.engine.release();
  EXPECT_EQ(pages.memory.live_blocks(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Bytes, EngineInABuffer, testing::Values(20000U, 100000U, 1000000U));

class SharedEngine : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_TRUE(on.check_invariants());
    EXPECT_TRUE(ordered_lock::held.empty());
  }
  page_log pages;
  user<ordered_lock> on{pages};
};

TEST_F(SharedEngine, CountsTheCachesThatAreOpen) {
  EXPECT_EQ(on.engine.open_caches(), 0U);
  cache* const first = on.engine.open_cache();
  cache* const second = on.engine.open_cache();
  EXPECT_NE(first, second);
  EXPECT_EQ(on.engine.open_caches(), 2U);
  on.engine.close_cache(*first);
  EXPECT_EQ(on.engine.open_caches(), 1U);
  EXPECT_EQ(on.engine.open_cache(), first) << "a closed one is used again";
  on.engine.release();
  EXPECT_EQ(on.engine.open_caches(), 0U);
}

TEST_F(SharedEngine, GivesCachesHomesOfTheirOwnForBlocks) {
  std::set<std::size_t> homes;
  cache* caches[8];
  for (cache*& each : caches) {
    each = on.engine.open_cache();
    homes.insert(each->home);
  }
  EXPECT_EQ(homes.size(), 8U);
  EXPECT_EQ(*homes.rbegin(), 7U);
  const std::size_t home = caches[5]->home;
  on.engine.close_cache(*caches[5]);
  ASSERT_EQ(on.engine.open_cache(), caches[5]);
  EXPECT_EQ(caches[5]->home, home) << "a closed one keeps it";
}

TEST_F(SharedEngine, GivesACacheTheMagazinesBackThatItHasParked) {
  constexpr class_index index = class_of_bytes(64);
  constexpr std::size_t magazines = 8, blocks = magazines * magazine::capacity;
  cache* const other_home = on.engine.open_cache();
  for (std::size_t i = 0; i < 40 * blocks; ++i)
    (void)on.allocate(*other_home, index);  // so the depot may hold much
  cache* const caches[] = {on.engine.open_cache(), on.engine.open_cache()};
  std::vector<void*> of[2];
  for (std::size_t i = 0; i < 2; ++i)
    while (of[i].size() < blocks) of[i].push_back(on.allocate(*caches[i], index));
  for (std::size_t i = 0; i < blocks; ++i) {  // in turns, so that their magazines lie in the depot in turns
    on.deallocate(*caches[0], of[0][i], index);
    on.deallocate(*caches[1], of[1][i], index);
  }
  ASSERT_GE(on.engine.shelf_of(index)->parked.slots(), 2 * (magazines - 3) * magazine::capacity);
  const std::set<void*> of_the_other(of[0].begin(), of[0].end());
  for (std::size_t i = 0; i < (magazines - 1) * magazine::capacity; ++i)
    ASSERT_EQ(of_the_other.count(on.allocate(*caches[1], index)), 0U) << i;
}

TEST_F(SharedEngine, OpensNoCacheWithoutMemory) {
  for (const bool throws : {false, true}) {
    pages.throws = throws;
    pages.fails_always = true;
    EXPECT_EQ(on.engine.open_cache(), nullptr);
    EXPECT_EQ(on.engine.open_caches(), 0U);
  }
  pages.fails_always = false;
  EXPECT_NE(on.engine.open_cache(), nullptr);
}

TEST_F(SharedEngine, ACacheThatIsRefusedAClassKeepsNoPartForIt) {
  const class_index used = class_of_bytes(2048), unused = class_of_bytes(1024);
  cache* const first = on.engine.open_cache();
  cache* const second = on.engine.open_cache();
  (void)on.allocate(*first, used);
  while (on.engine.shelf_of(used)->slots.any_free() || first->cached_slots(used) != 0)
    (void)on.allocate(*first, used);
  for (const bool throws : {false, true}) {
    pages.throws = throws;
    pages.fails_always = true;
    on.leave_parts(900);
    for (const class_index index : {used, unused}) {
      if (throws) {
        EXPECT_THROW((void)on.allocate(*second, index), upstream_failure);
      } else {
        EXPECT_EQ(on.allocate(*second, index), nullptr);
      }
      EXPECT_EQ(second->class_cache_of(index), nullptr);
    }
    EXPECT_EQ(on.engine.shelf_of(unused), nullptr);
    pages.throws = false;
    const std::size_t room = on.engine.memory().room_apart(1);
    EXPECT_EQ(on.allocate(*second, class_of_bytes(1536)), nullptr);
    EXPECT_EQ(on.engine.memory().room_apart(1), room) << "the shelf of another class waits for it";
    pages.fails_always = false;
  }
  EXPECT_NE(on.allocate(*second, unused), nullptr);
  EXPECT_NE(on.allocate(*second, used), nullptr);
}

TEST_F(SharedEngine, HandsASlotToOneOwnerAtATimeWhicheverCacheFreesIt) {
  std::vector<cache*> caches;
  for (int i = 0; i < 3; ++i) caches.push_back(on.engine.open_cache());
  std::vector<slot> live;
  std::set<void*> addresses;
  std::mt19937 random(37);
  for (int i = 0; i < 60000; ++i) {
    cache*& own = caches[random() % 3];
    const bool fill = (i / 3000) % 2 == 0 ? random() % 4 != 0 : random() % 4 == 0;
    if (random() % 2000 == 0) {
      on.engine.close_cache(*own);
      own = on.engine.open_cache();
    }
    if (fill) {
      const auto index = static_cast<class_index>(random() % 30);
      void* const address = random() % 16 == 0 ? on.engine.allocate_direct(index) : on.allocate(*own, index);
      ASSERT_TRUE(addresses.insert(address).second) << "handed out twice";
      live.push_back({address, index});
    } else if (!live.empty()) {
      const slot freed = quarry_test::take_any(live, random);
      addresses.erase(freed.address);
      if (random() % 16 == 0) {
        on.engine.deallocate_direct(freed.address, freed.index);
      } else {
        on.deallocate(*own, freed.address, freed.index);
      }
    }
    if (i % 64 == 0) {
      std::size_t cached = 0;
      for (const cache* const each : caches)
        for (class_index index = 0; index < 30; ++index) cached += each->cached_slots(index);
      ASSERT_EQ(on.engine.used_slots(), live.size() + cached + on.parked_slots());
    }
  }
  for (cache* const each : caches) on.engine.close_cache(*each);
  EXPECT_EQ(on.live_slots({}), addresses) << "what is not live is in the bins";
}

TEST_F(SharedEngine, FullMagazinesPassFromOneCacheToAnotherWhole) {
  cache& producer = *on.engine.open_cache();
  cache& consumer = *on.engine.open_cache();
  const class_index index = class_of_bytes(32);
  (void)on.allocate_many(producer, index, 5000);
  std::size_t most_parked = 0;
  std::size_t moved = 0;
  for (int round = 0; round < 50; ++round) {
    const std::size_t used = on.engine.used_slots();
    on.deallocate_all(consumer, on.allocate_many(producer, index, 500), index);
    most_parked = std::max(most_parked, on.parked_slots());
    if (round >= 10) moved += used > on.engine.used_slots() ? used - on.engine.used_slots() : 0;
  }
  const auto& shelf = *on.engine.shelf_of(index);
  EXPECT_GE(most_parked, 4U * shelf.magazine_slots);
  EXPECT_LE(most_parked, 2U * shelf.parked_slots_per_cache);
  EXPECT_EQ(moved, 0U) << "nothing goes back to the slabs on its way";
}

TEST_F(SharedEngine, ADepotParksItsShareForEachOpenCacheAndTheRestGoesToTheSlabs) {
  const class_index index = class_of_bytes(512);
  std::vector<void*> kept(20000);
  for (void*& each : kept) each = on.engine.allocate_direct(index);
  std::vector<void*> live(3000);
  for (void*& each : live) each = on.engine.allocate_direct(index);
  for (const std::size_t caches : {1U, 2U}) {
    cache& own = *on.engine.open_cache();
    on.deallocate_all(own, live, index);
    const auto& shelf = *on.engine.shelf_of(index);
    const std::size_t most = caches * shelf.parked_slots_per_cache;
    EXPECT_LE(shelf.parked.slots(), most);
    EXPECT_GT(shelf.parked.slots() + shelf.magazine_slots, most) << "no other magazine fits";
    for (void*& each : live) each = on.allocate(own, index);
  }
}

TEST_F(SharedEngine, ManyCachesShareWhatTwoMayHold) {
  const class_index index = class_of_bytes(512);
  std::vector<cache*> caches;
  for (int i = 0; i < 8; ++i) caches.push_back(on.engine.open_cache());
  for (cache* const each : caches) (void)on.allocate_many(*each, index, 500);
  for (cache* const each : caches) on.churn(*each, index, 300, 20);
  std::size_t share_bytes = 0;
  for (const cache* const each : caches) share_bytes += each->share_bytes;
  EXPECT_LE(share_bytes, 2 * cache_bytes);
  EXPECT_GT(share_bytes, cache_bytes / 2);
}

TEST_F(SharedEngine, ADepotAgesByAPortionALookUnlessAnotherCacheVisitedIt) {
  cache& first = *on.engine.open_cache();
  cache& second = *on.engine.open_cache();
  const class_index parked = class_of_bytes(64);
  const class_index busy = class_of_bytes(80);
  (void)on.allocate_many(second, parked, 5000);
  on.deallocate(first, on.allocate(first, parked), parked);
  on.churn(first, busy, 2000, 30);  // `parked` is unused in the first cache
  ASSERT_EQ(first.class_cache_of(parked)->share.slots(), 0U);
  const auto& shelf = *on.engine.shelf_of(parked);
  const auto look_once = [&] {
    first.next_to_look_at = parked;
    while (first.next_to_look_at == parked) (void)on.allocate(first, busy);
  };
  on.churn(second, parked, 400, 5);
  ASSERT_GT(shelf.visits, 0U);
  const std::size_t before = shelf.parked.slots();
  ASSERT_GT(before, 2 * portion_slots);
  look_once();
  EXPECT_EQ(shelf.parked.slots(), before);
  look_once();
  EXPECT_EQ(shelf.parked.slots(), before - portion_slots) << "nobody came meanwhile";
}

TEST_F(SharedEngine, AClassPinsAsLittleAsForOneThreadWhenTheOthersHaveGone) {
  const class_index shared = class_of_bytes(64);
  const class_index busy = class_of_bytes(80);
  cache& first = *on.engine.open_cache();
  cache& second = *on.engine.open_cache();
  for (int i = 0; i < 200; ++i) {
    on.churn(first, shared, 200, 1);
    on.churn(second, shared, 200, 1);
  }
  const auto& shelf = *on.engine.shelf_of(shared);
  ASSERT_EQ(shelf.recent.count(), 2U);
  on.churn(first, busy, 2000, 30);  // `shared` ages out of the first cache, and then its depot does
  const auto& share = first.class_cache_of(shared)->share;
  for (int i = 0; i < 10 && (share.slots() != 0 || shelf.recent.count() != 1); ++i)
    on.churn(first, busy, 2000, 30);
  EXPECT_EQ(shelf.recent.count(), 1U);
}

// The supply fills the depot while it is asked for the magazine that a full one is to be handed in for.
TEST(EngineOfOneThread, ForgetsTheRoomOfAClassThatWasRefusedOnRelease) {
  const class_index index = class_of_bytes(1024);
  std::ptrdiff_t offsets[2] = {};  // of the class's shelf from the cache
  for (const bool is_refused : {false, true}) {
    page_log pages;
    user<quarry::null_lock> on(pages);
    if (is_refused) {
      cache& own = *on.engine.open_cache();
      on.leave_parts(900);
      pages.fails_always = true;
      EXPECT_EQ(on.allocate(own, index), nullptr);
      pages.fails_always = false;
      on.engine.release();
    }
    cache& own = *on.engine.open_cache();
    EXPECT_NE(on.allocate(own, index), nullptr);
    offsets[is_refused ? 1 : 0] =
        reinterpret_cast<std::byte*>(on.engine.shelf_of(index)) - reinterpret_cast<std::byte*>(&own);
  }
  EXPECT_EQ(offsets[1], offsets[0]) << "as in an engine that nobody has used";
}

TEST(EngineOfOneThread, KeepsTheMagazineThatADepotNoLongerWants) {
  page_log pages;
  static user<quarry::null_lock>* on = nullptr;
  user<quarry::null_lock> used(pages);
  on = &used;
  cache& own = *used.engine.open_cache();
  static const class_index index = class_of_bytes(64);
  static std::vector<magazine> others;  // that the depot is filled with
  others.assign(100, magazine());
  const std::vector<void*> live = used.allocate_many(own, index, 30000);
  std::size_t next = 0;
  const auto fill_cache = [&] {
    used.engine.flush_cache(own);
    while (own.cached_slots(index) != 126) used.deallocate(own, live[next++], index);
  };
  used.churn(own, index, 300, 10);
  fill_cache();
  auto& shelf = *used.engine.shelf_of(index);
  used.engine.flush_depots();
  while (shelf.parked.take_empty() != nullptr) {
  }
  fill_cache();
  while (shelf.parked.slots() == 0)
    used.deallocate(own, live[next++], index);  // magazines that rested are in use
  for (;;) {
    used.use_up_parts();
    const std::size_t calls = pages.calls;
    fill_cache();
    pages.at_every_call = [] {
      on->pages.at_every_call = nullptr;
      auto& into = *on->engine.shelf_of(index);
      for (std::size_t i = 0; into.may_park(into.magazine_slots, 1); ++i) into.parked.park(others[i], 0);
    };
    const std::size_t parked = shelf.parked.slots();
    used.deallocate(own, live[next++], index);
    pages.at_every_call = nullptr;
    if (pages.calls == calls) continue;
    EXPECT_GT(shelf.parked.slots(), parked + shelf.magazine_slots) << "the supply filled it";
    break;
  }
  while (shelf.parked.slots() != 0) (void)shelf.parked.take(0);
  used.use_up_parts();
  fill_cache();
  pages.fails_always = true;
  used.deallocate(own, live[next++], index);
  EXPECT_EQ(shelf.parked.slots(), shelf.magazine_slots) << "handed in for the magazine that was kept";
  pages.fails_always = false;
}

TEST_F(SharedEngine, WithoutACacheTakesFromTheDepotWhatOthersParked) {
  cache& own = *on.engine.open_cache();
  const class_index index = class_of_bytes(64);
  (void)on.allocate_many(own, index, 1500);
  on.churn(own, index, 1000, 5);
  std::size_t parked = on.parked_slots();
  ASSERT_GT(parked, 100U);
  const std::size_t used = on.engine.used_slots();
  while (parked-- != 0) ASSERT_NE(on.engine.allocate_direct(index), nullptr);
  EXPECT_EQ(on.engine.used_slots(), used);
  EXPECT_EQ(on.parked_slots(), 0U);
}

/// An engine of checked slots, and a slot of its own so that the slab stays.
class CheckedEngine : public testing::Test {
 protected:
  static constexpr class_index index = class_of_bytes(64);

  CheckedEngine() { EXPECT_NE(engine.allocate_direct(index), nullptr); }

  static engine_limits limits() {
    engine_limits result = user<std::mutex>::limits_of(0, retain_bytes, cache_bytes);
    result.is_watched = true;
    result.detail = quarry::core::slot_detail::state;
    return result;
  }

  page_log pages;
  user<std::mutex>::engine_type engine{plain_supply<discarding_pages>(discarding_pages(pages)), limits(), 1};
};

TEST_F(CheckedEngine, TellsOnceOfASlotThatCameBackTwice) {
  void* const slot = engine.allocate_direct(index);
  engine.deallocate_direct(slot, index);
  EXPECT_EQ(engine.take_copies(), 0U);
  engine.deallocate_direct(slot, index);
  EXPECT_EQ(engine.take_copies(), 1U);
  EXPECT_EQ(engine.take_copies(), 0U);
  EXPECT_EQ(engine.used_slots(), 1U);
}

TEST_F(CheckedEngine, TellsOfEveryCopyAmongSlotsThatGoBackTogether) {
  cache& own = *engine.open_cache();
  const std::vector<std::vector<std::size_t>> orders{{0, 0},       {0, 1, 1},    {1, 0, 0},
                                                     {0, 2, 1, 1}, {2, 0, 1, 2}, {1, 1, 1}};
  for (const std::vector<std::size_t>& order : orders) {
    void* slots[3];
    for (void*& each : slots) ASSERT_NE(each = engine.allocate_direct(index), nullptr);
    for (const std::size_t each : order)
      if (!own.behind->cursors[index].push(slots[each]))
        engine.deallocate_slow(*own.behind, slots[each], index);
    engine.flush_cache(own);
    const std::set<std::size_t> freed(order.begin(), order.end());
    EXPECT_EQ(engine.take_copies(), order.size() - freed.size());
    for (std::size_t i = 0; i < 3; ++i)
      if (freed.count(i) == 0) engine.deallocate_direct(slots[i], index);
    EXPECT_EQ(engine.take_copies(), 0U);
    EXPECT_EQ(engine.used_slots(), 1U);
  }
  engine.close_cache(own);
}

TEST_F(CheckedEngine, TellsOfASlotOfAnotherClassThatBeginsWhereOneOfThisDoes) {
  constexpr class_index other = class_of_bytes(128);
  void* const slot = engine.allocate_direct(other);
  void* const same_number = engine.memory().slab_of(slot)->begin();
  engine.deallocate_direct(same_number, index);
  EXPECT_EQ(engine.take_strays(), 1U);
  EXPECT_EQ(engine.take_copies(), 0U);
  EXPECT_EQ(engine.used_slots(), 2U);
}

// What the one of many neighbours is that may not go back with them.
enum class odd_one { none, free_already, live_again };

class CheckedNeighbours : public CheckedEngine,
                          public testing::WithParamInterface<std::tuple<odd_one, std::size_t, bool>> {};

TEST_P(CheckedNeighbours, GoBackButForTheOneThatMayNot) {
  const auto [kind, at, descends] = GetParam();
  std::vector<void*> slots(2500);
  for (void*& each : slots) ASSERT_NE(each = engine.allocate_direct(index), nullptr);
  std::sort(slots.begin(), slots.end());
  if (descends) std::reverse(slots.begin(), slots.end());
  void* const odd = slots[at];
  auto& home = *engine.memory().slab_of(odd);
  const auto number = home.index_of(odd, quarry::core::slab::layout(64, 65536));
  const decltype(engine)::states_type states(home);
  if (kind == odd_one::free_already) engine.deallocate_direct(odd, index);
  if (kind == odd_one::live_again) {
    EXPECT_TRUE(states.begin_life(number));
  }
  cache& own = *engine.open_cache();
  for (void* const each : slots) {  // as the frees of a user do
    auto& seen = *engine.memory().slab_of(each);
    own.behind->memo_of(each).remember(seen, quarry::core::key_of_class(index),
                                       decltype(states)::begin_of(seen), engine.memory().epoch());
  }
  for (void* const each : slots)
    if (!own.behind->cursors[index].push(each)) engine.deallocate_slow(*own.behind, each, index);
  engine.flush_cache(own);
  engine.flush_depots();
  EXPECT_EQ(engine.take_copies(), kind == odd_one::none ? 0U : 1U);
  EXPECT_EQ(engine.take_strays(), 0U);
  EXPECT_EQ(engine.take_damages(), 0U);
  EXPECT_EQ(engine.used_slots(), kind == odd_one::live_again ? 2U : 1U);
  if (kind == odd_one::live_again) {
    EXPECT_TRUE(states.end_life(number));
    engine.deallocate_direct(odd, index);
    EXPECT_EQ(engine.used_slots(), 1U);
  }
  engine.close_cache(own);
  std::vector<void*> again(3000);
  std::set<void*> seen;
  for (void*& each : again) {
    ASSERT_NE(each = engine.allocate_direct(index), nullptr);
    EXPECT_TRUE(seen.insert(each).second);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Orders, CheckedNeighbours,
    testing::Combine(testing::Values(odd_one::none, odd_one::free_already, odd_one::live_again),
                     testing::Values(0, 1, 20, 62, 63, 500, 1022, 1023, 1024, 1500, 2499), testing::Bool()));

TEST(EngineOfThreads, HandsEverySlotToOneThreadAtATime) {
  page_log pages;
  user<std::mutex> on(pages);
  constexpr int thread_count = 4;
  std::mutex passing;
  std::vector<slot> passed;  // guarded by `passing`; freed by whichever thread comes next
  std::vector<std::thread> threads;
  for (int number = 0; number < thread_count; ++number)
    threads.emplace_back([&, number] {
      cache& own = *on.engine.open_cache();
      std::mt19937 random(static_cast<unsigned>(number));
      std::vector<slot> live;
      for (int i = 0; i < 30000; ++i) {
        if (live.empty() || random() % 100 < (i / 3000 % 2 == 0 ? 60U : 40U)) {
          const auto index = static_cast<class_index>(random() % 20);
          void* const address = on.allocate(own, index);
          std::memset(address, number, slot_bytes_of(index));
          live.push_back({address, index});
          continue;
        }
        slot freed = quarry_test::take_any(live, random);
        const auto* const bytes = static_cast<const unsigned char*>(freed.address);
        if (bytes[0] != number || bytes[slot_bytes_of(freed.index) - 1] != number) {
          ADD_FAILURE() << "another thread has it too";
          break;
        }
        if (random() % 4 == 0) {
          const std::lock_guard<std::mutex> guard(passing);
          passed.push_back(freed);
          if (passed.size() < 50) continue;
          freed = quarry_test::take_any(passed, random);
        }
        on.deallocate(own, freed.address, freed.index);
      }
      for (const slot& each : live) on.deallocate(own, each.address, each.index);
      on.engine.close_cache(own);
    });
  for (std::thread& each : threads) each.join();
  for (const slot& each : passed) on.engine.deallocate_direct(each.address, each.index);
  EXPECT_TRUE(on.live_slots({}).empty());
  EXPECT_EQ(on.engine.open_caches(), 0U);
  EXPECT_TRUE(on.check_invariants());
}

}  // namespace
