// again with: -Os
// slab_cache: what its users see.
#include "quarry/slab_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/sanitizers.hpp"
#include "support/watching_lock.hpp"

namespace {

using quarry::check_level;
using quarry::null_lock;
using quarry::resource_page_source;
using quarry::slab_cache;
using quarry::slab_errc;
using quarry::slab_ptr;
using quarry::spin_lock;

constexpr std::size_t small_slab_bytes = 4096;

template <class T, class Lock = null_lock, std::size_t SlabBytes = small_slab_bytes>
using test_cache = slab_cache<T, Lock, SlabBytes, resource_page_source>;

struct message {
  std::uint32_t words[12];
};

struct counted {
  static inline int alive = 0;
  explicit counted(int v = 0) : value(v) { ++alive; }
  counted(const counted&) = delete;
  ~counted() { --alive; }
  int value;
};

class SlabCache : public ::testing::Test {
 protected:
  quarry_test::counting_resource upstream;
  resource_page_source pages{&upstream};
};

TEST_F(SlabCache, MakesAnObjectFromItsArgumentsAndDestroysItWithItsOwner) {
  test_cache<counted> cache(pages);
  {
    auto owner = cache.make(42);
    EXPECT_EQ(owner->value, 42);
    EXPECT_EQ(counted::alive, 1);
  }
  EXPECT_EQ(counted::alive, 0);
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

TEST_F(SlabCache, MakeWithoutArgumentsValueInitialises) {
  test_cache<message> cache(pages);
  {
    auto dirty = cache.make();
    std::fill(std::begin(dirty->words), std::end(dirty->words), 0xffffffffU);
  }
  const auto clean = cache.make();
  for (const std::uint32_t word : clean->words) EXPECT_EQ(word, 0U);
}

TEST_F(SlabCache, MakesAggregatesFromTheirMembers) {
  struct point {
    int x, y;
  };
  test_cache<point> cache(pages);
  const auto owner = cache.make(1, 2);
  EXPECT_EQ(owner->x, 1);
  EXPECT_EQ(owner->y, 2);
}

TEST_F(SlabCache, TakesNoMemoryBeforeItsFirstUse) {
  test_cache<message> cache(pages);
  EXPECT_EQ(upstream.calls(), 0U);
  EXPECT_EQ(cache.stats().slab_count, 0U);
  EXPECT_EQ(cache.try_deallocate(nullptr), slab_errc::invalid_pointer);
  EXPECT_FALSE(cache.owns(&cache));
  EXPECT_EQ(cache.trim(), 0U);
  EXPECT_EQ(upstream.calls(), 0U);
}

// A cache with static lifetime is ready before any constructor runs: the language guarantees it for
// constant-initialised objects, and the compiler checks it here.
#if defined(__clang__)
[[clang::require_constant_initialization]]
#endif
slab_cache<message, spin_lock, small_slab_bytes, quarry::os_page_source>
    static_cache;
constexpr slab_cache<message, null_lock, small_slab_bytes, quarry::os_page_source>* constant_address =
    nullptr;
struct uses_the_static_cache_early {
  uses_the_static_cache_early() : found(static_cache.try_make() != nullptr) {}
  bool found;
} const early;

// So is one whose lock is made by a constructor: no lock is used before its cache is open.
struct kernel_lock {
  kernel_lock() : handle(&handle) {}
  void lock() { EXPECT_EQ(handle, &handle) << "this lock is not constructed"; }
  void unlock() {}
  void* handle;
};
extern slab_cache<message, kernel_lock, small_slab_bytes, quarry::os_page_source> kernel_cache;
struct uses_the_kernel_cache_early {
  uses_the_kernel_cache_early() : owner(kernel_cache.try_make()) {}
  decltype(kernel_cache)::ptr owner;
} const early_owner;
#if defined(__clang__)
[[clang::require_constant_initialization]]
#endif
slab_cache<message, kernel_lock, small_slab_bytes, quarry::os_page_source>
    kernel_cache;
#if defined(__clang__)
[[clang::require_constant_initialization]]
#endif
slab_cache<message, null_lock, small_slab_bytes, quarry::os_page_source>
    static_plain_cache;

TEST(StaticSlabCache, NeedsNoLockBeforeItIsOpen) {
  EXPECT_NE(early_owner.owner, nullptr);
  EXPECT_TRUE(kernel_cache.owns(early_owner.owner.get()));
  EXPECT_NE(static_plain_cache.try_make(), nullptr);
}

TEST(StaticSlabCache, IsConstantInitialisedAndUsableBeforeMain) {
  EXPECT_TRUE(early.found);
  EXPECT_EQ(constant_address, nullptr);
}

TEST_F(SlabCache, TakesItsFirstSlabOnFirstUseAndTriesAgainAfterAFailure) {
  quarry_test::failing_resource failing(&upstream);
  failing.fail_at(1);
  test_cache<message> cache{resource_page_source(&failing)};
  EXPECT_EQ(cache.try_make(), nullptr);
  EXPECT_EQ(cache.try_open(), slab_errc::ok);
  EXPECT_NE(cache.try_make(), nullptr);
}

TEST_F(SlabCache, ThrowsWhatThePageSourceThrowsAndStaysUsable) {
  quarry_test::failing_resource failing(&upstream);
  failing.fail_at(2);  // the first extension slab
  test_cache<message> cache{resource_page_source(&failing)};
  std::vector<decltype(cache)::ptr> owners;
  for (std::size_t i = 0; i < cache.root_slots; ++i) owners.push_back(cache.make());
  EXPECT_THROW(cache.make(), std::bad_alloc);
  EXPECT_EQ(cache.stats().live_slots, cache.root_slots);
  EXPECT_NE(cache.make(), nullptr);
}

TEST_F(SlabCache, CreationWithoutExceptionsReportsAnErrorValue) {
  struct empty_source {
    void* allocate_pages(std::size_t, std::size_t) noexcept { return nullptr; }
    void deallocate_pages(void*, std::size_t, std::size_t) noexcept {}
  };
  slab_errc error = slab_errc::ok;
  auto failed = slab_cache<message, null_lock, small_slab_bytes, empty_source>::try_create(error);
  EXPECT_EQ(error, slab_errc::out_of_memory);
  EXPECT_EQ(failed.try_make(), nullptr);
  EXPECT_EQ(failed.try_allocate(), nullptr);
  EXPECT_THROW(failed.make(), std::bad_alloc);
  EXPECT_EQ(failed.reserve(1), slab_errc::out_of_memory);
  auto good = slab_cache<message, null_lock, small_slab_bytes, quarry::os_page_source>::try_create(error);
  EXPECT_EQ(error, slab_errc::ok);
  EXPECT_NE(good.try_make(), nullptr);
}

TEST_F(SlabCache, GrowsByExtensionSlabsWhenTheRootSlabIsFull) {
  test_cache<message> cache(pages);
  std::vector<decltype(cache)::ptr> owners;
  std::set<message*> addresses;
  const std::size_t objects = cache.root_slots + 3 * cache.extension_slots;
  for (std::size_t i = 0; i < objects; ++i) {
    owners.push_back(cache.make());
    addresses.insert(owners.back().get());
    owners.back()->words[0] = static_cast<std::uint32_t>(i);
  }
  EXPECT_EQ(addresses.size(), objects);
  EXPECT_EQ(cache.stats().slab_count, 4U);
  EXPECT_EQ(upstream.live_bytes(), 4 * small_slab_bytes);  // no memory outside the slabs
  for (std::size_t i = 0; i < objects; ++i) EXPECT_EQ(owners[i]->words[0], i);
  EXPECT_EQ(cache.stats().live_slots, objects);
}

TEST_F(SlabCache, AsksThePageSourceForSlabsAlignedToTheirSize) {
  test_cache<message> cache(pages);
  const auto owner = cache.make();
  ASSERT_EQ(upstream.history().size(), 1U);
  EXPECT_EQ(upstream.history()[0].bytes, small_slab_bytes);
  EXPECT_EQ(upstream.history()[0].alignment, small_slab_bytes);
}

TEST_F(SlabCache, EmptyExtensionSlabsGoBackAndAsManyStayAsAreRetained) {
  test_cache<message> cache(pages);
  cache.retain(1);
  std::vector<decltype(cache)::ptr> owners;
  for (std::size_t i = 0; i < cache.root_slots + 8 * cache.extension_slots; ++i)
    owners.push_back(cache.make());
  EXPECT_EQ(upstream.live_blocks(), 9U);
  owners.clear();
  EXPECT_LE(upstream.live_blocks(), 4U) << "the root, one retained, and what the magazine's slots hold";
  EXPECT_EQ(cache.stats().slab_count, upstream.live_blocks());
  EXPECT_LE(cache.stats().empty_slab_count, 1U);
  EXPECT_GT(cache.trim(), 0U);
  EXPECT_EQ(upstream.live_blocks(), 1U);
  EXPECT_EQ(cache.stats().slab_count, 1U);
}

TEST_F(SlabCache, RetainKeepsEmptySlabsAndTrimGivesThemBack) {
  test_cache<message> cache(pages);
  EXPECT_EQ(cache.retain(100), slab_errc::ok);
  {
    std::vector<decltype(cache)::ptr> owners;
    for (std::size_t i = 0; i < cache.root_slots + 8 * cache.extension_slots; ++i)
      owners.push_back(cache.make());
  }
  EXPECT_EQ(upstream.live_blocks(), 9U);
  EXPECT_EQ(cache.trim(3), 5 * small_slab_bytes);
  EXPECT_EQ(upstream.live_blocks(), 4U);
  EXPECT_EQ(cache.retain(1), slab_errc::ok);
  EXPECT_EQ(upstream.live_blocks(), 2U);
}

template <std::size_t Bytes>
struct block_of {
  char bytes[Bytes];
};

/// Takes slots of `bytes` bytes in all and gives them back. Returns the bytes of empty slabs that stay.
template <class Cache>
std::size_t fill_and_empty(Cache& cache, std::size_t bytes) {
  std::vector<typename Cache::value_type*> slots(bytes / sizeof(typename Cache::value_type));
  for (auto& each : slots) each = cache.allocate();
  for (auto* const each : slots) cache.deallocate(each);
  return cache.stats().empty_slab_count * Cache::slab_bytes;
}

TEST_F(SlabCache, EmptiedCachesOfTheProgramTogetherKeepWhatOneMay) {
  constexpr std::size_t bound = quarry::core::common_rest_bytes, slab_bytes = 65536, mebibyte = 1 << 20;
  test_cache<block_of<1000>, null_lock, slab_bytes> one(pages);
  test_cache<block_of<1001>, spin_lock, slab_bytes> other(pages);
  std::size_t kept = fill_and_empty(one, 20 * mebibyte);
  EXPECT_GE(kept, 19 * mebibyte);
  kept += fill_and_empty(other, 20 * mebibyte);
  EXPECT_GE(kept, bound - 2 * slab_bytes);
  EXPECT_LE(kept, bound + 2 * slab_bytes) << "each keeps one slab whatever the others hold";
  one.trim();
  EXPECT_GE(fill_and_empty(other, 20 * mebibyte), 19 * mebibyte) << "what one gives up another may keep";
  other.retain(1);
  EXPECT_EQ(other.stats().empty_slab_count, 1U);
  EXPECT_GE(fill_and_empty(one, 30 * mebibyte), 29 * mebibyte);
}

TEST_F(SlabCache, WhatACacheKeptWhenItEndedOthersMayKeep) {
  for (int round = 0; round < 3; ++round) {
    test_cache<block_of<1000>, null_lock, 65536> cache(pages);
    EXPECT_GE(fill_and_empty(cache, 30 << 20), std::size_t{29} << 20);
  }
}

TEST_F(SlabCache, PartlyFilledSlabsAreUsedBeforeANewSlabIsTaken) {
  test_cache<message> cache(pages);
  std::vector<decltype(cache)::ptr> owners;
  for (std::size_t i = 0; i < cache.root_slots + 4 * cache.extension_slots; ++i)
    owners.push_back(cache.make());
  std::mt19937 random(1);
  std::shuffle(owners.begin(), owners.end(), random);
  const std::size_t half = owners.size() / 2;
  owners.resize(half);
  const std::size_t allocations = upstream.allocations();
  while (owners.size() < half * 2) owners.push_back(cache.make());
  EXPECT_EQ(upstream.allocations(), allocations);
}

TEST_F(SlabCache, CopiesShareTheSameSlabs) {
  test_cache<message> first(pages);
  const auto second = first;
  EXPECT_EQ(first, second);
  const auto owner = first.make();
  EXPECT_EQ(second.stats().live_slots, 1U);
  EXPECT_EQ(upstream.live_blocks(), 1U);
}

TEST_F(SlabCache, AMovedFromHandleStartsACacheOfItsOwn) {
  test_cache<message> first(pages);
  const auto owner = first.make();
  auto second = std::move(first);
  EXPECT_EQ(second.stats().live_slots, 1U);
  EXPECT_NE(first, second);
  EXPECT_NE(first.make(), nullptr);
  EXPECT_EQ(upstream.live_blocks(), 2U);
}

TEST_F(SlabCache, SelfAssignmentChangesNothing) {
  test_cache<message> cache(pages);
  const auto owner = cache.make();
  auto& same = cache;
  cache = same;
  EXPECT_EQ(cache.stats().live_slots, 1U);
  cache = std::move(same);
  EXPECT_EQ(cache.stats().live_slots, 1U);
}

TEST_F(SlabCache, ObjectsOutliveEveryHandleAndTheLastOneGivesAllMemoryBack) {
  std::mt19937 random(2);
  for (int round = 0; round < 8; ++round) {
    std::vector<test_cache<std::string>::ptr> owners;
    {
      test_cache<std::string> cache(pages);
      const auto copy = cache;
      for (std::size_t i = 0; i < cache.root_slots + 5 * cache.extension_slots; ++i)
        owners.push_back(cache.make(std::size_t{40}, 'x'));
      for (std::size_t i = 0; i < owners.size(); i += 3) owners[i].reset();
    }
    EXPECT_GT(upstream.live_blocks(), 0U);
    std::shuffle(owners.begin(), owners.end(), random);
    for (const auto& each : owners) EXPECT_TRUE(each == nullptr || *each == std::string(40, 'x'));
    owners.clear();
    EXPECT_EQ(upstream.live_blocks(), 0U);
  }
}

TEST_F(SlabCache, WithoutObjectsTheLastHandleGivesAllMemoryBack) {
  {
    test_cache<message> cache(pages);
    std::vector<decltype(cache)::ptr> owners;
    for (std::size_t i = 0; i < 3 * cache.extension_slots; ++i) owners.push_back(cache.make());
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(SlabCache, ReserveAsksForNothingOfWhatNoMemoryHolds) {
  test_cache<message> cache(pages);
  cache.make();
  const std::size_t calls = upstream.calls();
  for (const std::size_t objects : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 / sizeof(message) + 1})
    EXPECT_EQ(cache.reserve(objects), slab_errc::out_of_memory);
  EXPECT_EQ(upstream.calls(), calls);
}

TEST_F(SlabCache, ReserveLeavesUpstreamAloneForTheNextMakes) {
  test_cache<message> cache(pages);
  constexpr std::size_t objects = 1000;
  EXPECT_EQ(cache.retain(1), slab_errc::ok);
  EXPECT_EQ(cache.reserve(objects), slab_errc::ok);
  const std::size_t calls = upstream.calls();
  std::vector<decltype(cache)::ptr> owners;
  for (std::size_t i = 0; i < objects; ++i) owners.push_back(cache.make());
  EXPECT_EQ(upstream.calls(), calls);
  owners.clear();
  for (std::size_t i = 0; i < objects; ++i) owners.push_back(cache.make());
  EXPECT_EQ(upstream.calls(), calls);
  owners.clear();
  cache.trim();
  EXPECT_EQ(upstream.live_blocks(), 1U);
}

TEST_F(SlabCache, TryDeallocateTellsWhyItRefuses) {
  test_cache<message> cache(pages), other(pages);
  message* const slot = cache.allocate();
  message* const neighbour = cache.allocate();
  EXPECT_EQ(cache.try_deallocate(nullptr), slab_errc::invalid_pointer);
  EXPECT_EQ(cache.try_deallocate(reinterpret_cast<message*>(reinterpret_cast<char*>(slot) + 1)),
            slab_errc::alignment_mismatch);
  EXPECT_EQ(cache.try_deallocate(reinterpret_cast<message*>(slot->words + 1)), slab_errc::invalid_pointer);
  message outside;
  EXPECT_EQ(cache.try_deallocate(&outside), slab_errc::invalid_pointer);
  EXPECT_EQ(other.try_deallocate(slot), slab_errc::invalid_pointer);
  EXPECT_EQ(cache.try_deallocate(slot), slab_errc::ok);
  EXPECT_EQ(cache.try_deallocate(slot), slab_errc::double_free);
  EXPECT_EQ(cache.stats().live_slots, 1U);
  cache.deallocate(neighbour);
  cache.trim();
  EXPECT_EQ(cache.try_deallocate(slot), slab_errc::double_free);  // also when it rests in its slab
}

template <class Lock>
void drop_nulls_between_slots() {
  slab_cache<message, Lock, small_slab_bytes> cache;
  cache.deallocate(nullptr);
  EXPECT_EQ(cache.stats().slab_count, 0U) << "that needs no cache";
  std::vector<message*> live;
  std::set<message*> places;
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same run each time
  for (int step = 0; step < 20000; ++step) {
    for (std::size_t nulls = random() % 4; nulls != 0; --nulls) cache.deallocate(nullptr);
    const bool grows = step / 300 % 2 == 0;
    if (live.empty() || random() % 4 < (grows ? 3U : 1U)) {
      live.push_back(cache.allocate());
      ASSERT_NE(live.back(), nullptr);
      ASSERT_TRUE(places.insert(live.back()).second) << "handed out twice";
    } else {
      std::swap(live[random() % live.size()], live.back());
      places.erase(live.back());
      cache.deallocate(live.back());
      live.pop_back();
    }
    ASSERT_EQ(cache.stats().live_slots, live.size());
  }
  std::size_t free_slots = cache.stats().free_slots + cache.stats().cached_slots;
  ASSERT_EQ(cache.reserve(free_slots), slab_errc::ok);
  const std::size_t slabs = cache.stats().slab_count;
  for (; free_slots != 0; --free_slots) live.push_back(cache.allocate());
  EXPECT_EQ(cache.stats().slab_count, slabs);
  for (message* const each : live) {
    cache.deallocate(nullptr);
    cache.deallocate(each);
  }
  cache.deallocate(nullptr);
  cache.trim();
  EXPECT_EQ(cache.stats().cached_slots, 0U);
  EXPECT_EQ(cache.stats().slab_count, 1U);
}

TEST_F(SlabCache, DropsNull) {
  drop_nulls_between_slots<null_lock>();
  drop_nulls_between_slots<spin_lock>();
  static quarry::static_page_source<65536> buffer;
  slab_cache<message, null_lock, small_slab_bytes, quarry::static_page_source<65536>> fixed(buffer);
  std::vector<message*> live;
  while (message* const slot = fixed.try_allocate()) live.push_back(slot);
  for (message* const each : live) {
    for (int nulls = 0; nulls < 3; ++nulls) fixed.deallocate(nullptr);
    fixed.deallocate(each);
  }
  EXPECT_EQ(fixed.stats().live_slots, 0U);
  EXPECT_EQ(fixed.stats().slab_count, 1U);
}

TEST_F(SlabCache, AnOrphanedOneEndsWithItsLastObjectAlsoWhenItsMagazineTookNulls) {
  test_cache<message>::ptr last;
  {
    test_cache<message> cache(pages);
    last = cache.make();
    for (int i = 0; i < 5; ++i) cache.deallocate(nullptr);
  }
  EXPECT_EQ(upstream.live_blocks(), 1U);
  last.reset();
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(SlabCache, FreedObjectsCarryNoAllocatorDataSoWritingToThemCorruptsNothing) {
  if (quarry_test::has_address_sanitizer) return;  // it finds the writes
  test_cache<message> cache(pages);
  std::vector<message*> slots;
  for (std::size_t i = 0; i < cache.root_slots; ++i) slots.push_back(cache.allocate());
  for (message* each : slots) cache.deallocate(each);
  for (message* each : slots) std::fill(std::begin(each->words), std::end(each->words), 0xdeadbeefU);
  std::set<message*> again;
  for (std::size_t i = 0; i < slots.size(); ++i) again.insert(cache.allocate());
  EXPECT_EQ(again.size(), slots.size());
  EXPECT_EQ(again, std::set<message*>(slots.begin(), slots.end()));
  for (message* each : again) {
    EXPECT_EQ(each->words[0], 0xdeadbeefU);  // not even a link was written
    cache.deallocate(each);
  }
}

TEST_F(SlabCache, ForEachLiveVisitsEveryLivingObjectOnce) {
  test_cache<counted> cache(pages);
  std::vector<decltype(cache)::ptr> owners;
  for (int i = 0; i < 500; ++i) owners.push_back(cache.make(i));
  for (std::size_t i = 0; i < owners.size(); i += 2) owners[i].reset();
  std::multiset<int> seen;
  cache.for_each_live([&](counted& each) { seen.insert(each.value); });
  EXPECT_EQ(seen.size(), 250U);
  for (int i = 1; i < 500; i += 2) EXPECT_EQ(seen.count(i), 1U);
}

template <class Lock>
class SlabCacheVisitor : public SlabCache {};
using locks_of_visits = ::testing::Types<null_lock, spin_lock, std::mutex>;
struct lock_names {
  template <class Lock>
  static std::string GetName(int) {
    return std::is_same_v<Lock, null_lock>   ? "NullLock"
           : std::is_same_v<Lock, spin_lock> ? "SpinLock"
                                             : "Mutex";
  }
};
TYPED_TEST_SUITE(SlabCacheVisitor, locks_of_visits, lock_names);

TYPED_TEST(SlabCacheVisitor, MayDestroyTheObjectsThatItIsCalledWith) {
  test_cache<counted, TypeParam> cache(this->pages);
  constexpr int objects = 5000;
  for (const int divisor : {1, 2, 3}) {
    cache.retain(0);
    for (int i = 0; i < objects; ++i) (void)cache.make(i).release();
    std::set<int> seen;
    const std::size_t slabs = this->upstream.live_blocks();
    cache.for_each_live([&](counted& each) {
      EXPECT_TRUE(seen.insert(each.value).second);
      EXPECT_EQ(this->upstream.live_blocks(), slabs) << "no slab goes before the visit ends";
      if (each.value % divisor == 0) decltype(cache)::ptr::adopt(&each).reset();
    });
    EXPECT_EQ(seen.size(), std::size_t{objects});
    EXPECT_EQ(counted::alive, objects - (objects + divisor - 1) / divisor);
    EXPECT_EQ(cache.stats().live_slots, static_cast<std::size_t>(counted::alive));
    EXPECT_EQ(cache.stats().empty_slab_count, 0U) << "slabs go when the visit ends";
    cache.for_each_live([&](counted& each) { decltype(cache)::ptr::adopt(&each).reset(); });
    EXPECT_EQ(this->upstream.live_blocks(), 1U);
  }
}

TYPED_TEST(SlabCacheVisitor, MayDestroyThemWhereTheCacheIsChecked) {
  for (const check_level level : {check_level::pointers, check_level::full}) {
    test_cache<counted, TypeParam> cache(this->pages);
    ASSERT_EQ(cache.set_checks(level), slab_errc::ok);
    for (int i = 0; i < 500; ++i) (void)cache.make(i).release();
    int seen = 0;
    cache.for_each_live([&](counted& each) {
      ++seen;
      if (each.value % 2 == 0) decltype(cache)::ptr::adopt(&each).reset();
    });
    EXPECT_EQ(seen, 500);
    EXPECT_EQ(counted::alive, 250);
    cache.for_each_live([&](counted& each) { decltype(cache)::ptr::adopt(&each).reset(); });
    EXPECT_EQ(counted::alive, 0);
    EXPECT_EQ(cache.stats().live_slots, 0U);
  }
}

/// Counts, while it is made and while it is destroyed, who lives beside it.
struct looking_around {
  using cache_type = test_cache<looking_around>;
  explicit looking_around(cache_type& cache, bool fails = false) : all(cache) {
    count();
    if (fails) throw std::runtime_error("no");
    alive = true;
  }
  ~looking_around() {
    alive = false;
    count();
  }
  void count() {
    seen = 0;
    all.for_each_live([](looking_around& each) {
      EXPECT_TRUE(each.alive);
      ++seen;
    });
  }
  static inline int seen = 0;
  cache_type& all;
  bool alive = false;
};

TEST_F(SlabCache, WhatIsBeingMadeOrDestroyedIsNotVisited) {
  looking_around::cache_type cache(pages);
  cache.make(cache).reset();
  EXPECT_EQ(looking_around::seen, 0);
  auto one = cache.make(cache);
  auto other = cache.make(cache);
  EXPECT_EQ(looking_around::seen, 1);
  EXPECT_THROW(cache.make(cache, true), std::runtime_error);
  EXPECT_EQ(looking_around::seen, 2);
  one.reset();
  EXPECT_EQ(looking_around::seen, 1);
  one = cache.try_make(cache);
  EXPECT_EQ(looking_around::seen, 1);
  one->count();
  EXPECT_EQ(looking_around::seen, 2);
  cache.recycle(std::move(one));
  cache.trim();  // destroys it
  EXPECT_EQ(looking_around::seen, 1);
  slab_ptr<const looking_around, looking_around::cache_type> constant = std::move(other);
  constant.reset();  // through the slab's header
  EXPECT_EQ(looking_around::seen, 0);
}

TEST_F(SlabCache, EraseIfDestroysWhatIsChosenAndAsksEachObjectOnce) {
  for (const check_level level : {check_level::off, check_level::pointers, check_level::full}) {
    test_cache<counted, spin_lock, small_slab_bytes> cache(pages);
    ASSERT_EQ(cache.set_checks(level), slab_errc::ok);
    for (int i = 0; i < 5000; ++i) (void)cache.make(i).release();
    for (const int divisor : {3, 2, 1}) {
      const int before = counted::alive;
      std::set<int> asked;
      int chosen = 0;
      const std::size_t erased = cache.erase_if([&](counted& each) {
        EXPECT_TRUE(asked.insert(each.value).second);
        chosen += each.value % divisor == 0 ? 1 : 0;
        return each.value % divisor == 0;
      });
      EXPECT_EQ(asked.size(), static_cast<std::size_t>(before));
      EXPECT_EQ(erased, static_cast<std::size_t>(chosen));
      EXPECT_EQ(counted::alive, before - chosen);
      EXPECT_EQ(cache.stats().live_slots, static_cast<std::size_t>(counted::alive));
    }
    EXPECT_EQ(counted::alive, 0);
    EXPECT_EQ(cache.erase_if([](counted&) { return true; }), 0U);
  }
}

TEST_F(SlabCache, EraseIfLetsPassWhatThePredicateThrows) {
  test_cache<counted, spin_lock> cache(pages);
  for (int i = 0; i < 100; ++i) (void)cache.make(i).release();
  int asked = 0;
  EXPECT_THROW(cache.erase_if([&](counted&) -> bool {
    if (++asked == 50) throw std::runtime_error("enough");
    return true;
  }),
               std::runtime_error);
  EXPECT_EQ(counted::alive, 51);
  EXPECT_EQ(cache.stats().live_slots, 51U);
  EXPECT_EQ(cache.erase_if([](counted&) { return true; }), 51U);
}

/// Owns another one, and takes what it owns along.
struct linked {
  using cache_type = slab_cache<linked, spin_lock, small_slab_bytes, resource_page_source>;
  int value = 0;
  cache_type::ptr next = nullptr;
};

TEST_F(SlabCache, EraseIfLetsDestructorsDestroyAndMakeOthers) {
  linked::cache_type cache(pages);
  std::vector<linked*> heads;
  for (int i = 0; i < 2000; ++i) {
    auto head = cache.make();
    head->value = 1;
    for (int depth = 0; depth < 3; ++depth) {
      auto above = cache.make();
      above->next = std::move(head->next);
      head->next = std::move(above);
    }
    heads.push_back(head.release());
  }
  EXPECT_EQ(cache.erase_if([](linked& each) { return each.value == 1; }), 2000U);
  EXPECT_EQ(cache.stats().live_slots, 0U);
  cache.trim();
  EXPECT_EQ(cache.stats().slab_count, 1U);
}

/// Counts nothing, since several threads make some.
struct marked {
  explicit marked(int given) : value(given) {}
  ~marked() { value = 0; }
  int value;
};

TEST_F(SlabCache, EraseIfRunsBesideThreadsThatMakeAndDestroy) {
  slab_cache<marked, spin_lock, small_slab_bytes, quarry::os_page_source> cache;
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!done) {
        std::vector<decltype(cache)::ptr> mine;
        for (int k = 0; k < 50; ++k) mine.push_back(cache.make(-1));
        (void)cache.make(1).release();
        cache.trim();
      }
    });
  std::size_t erased = 0;
  while (erased < 2000) erased += cache.erase_if([](marked& each) { return each.value == 1; });
  done = true;
  for (std::thread& each : threads) each.join();
  cache.erase_if([](marked& each) { return each.value == 1; });
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

/// An object that has the cache of its kind as a member.
struct with_siblings {
  slab_cache<with_siblings> siblings;
  slab_cache<with_siblings, spin_lock> shared_siblings;
  int value = 0;
};

TEST_F(SlabCache, MayBeAMemberOfItsObjects) {
  slab_cache<with_siblings> cache;
  const auto one = cache.make();
  const auto other = one->siblings.make();
  other->value = 5;
  EXPECT_EQ(one->siblings.stats().live_slots, 1U);
  EXPECT_EQ(one->shared_siblings.make()->value, 0);
}

/// A class of which only owners and caches end the objects.
class kept_by_owners {
 public:
  explicit kept_by_owners(int given) : value(given) {}
  int value;
  static inline int ended = 0;

 private:
  friend quarry::object_access;
  ~kept_by_owners() { ++ended; }
};

TEST_F(SlabCache, DestroysObjectsWhoseDestructorIsPrivateButToItsFriend) {
  kept_by_owners::ended = 0;
  test_cache<kept_by_owners, spin_lock> cache(pages);
  auto owner = cache.make(4);
  cache.recycle(std::move(owner));
  auto again = cache.reuse(5);
  EXPECT_EQ(again->value, 4);
  slab_ptr<const kept_by_owners, decltype(cache)> constant = std::move(again);
  constant.reset();
  EXPECT_EQ(kept_by_owners::ended, 1);
}

using lasting_cache = quarry::static_slab_cache<counted, null_lock, small_slab_bytes, quarry::os_page_source>;
static_assert(std::is_trivially_destructible_v<lasting_cache>, "so that no exit handler is registered");
static_assert(!std::is_trivially_destructible_v<test_cache<counted>>);
#if defined(__clang__)
[[clang::require_constant_initialization]]
#endif
lasting_cache lasting;

TEST_F(SlabCache, OneThatNeverEndsServesAsAnyOther) {
  EXPECT_EQ(lasting.make(3)->value, 3);
  slab_cache<counted, null_lock, small_slab_bytes, quarry::os_page_source>::ptr owner = lasting.make(4);
  EXPECT_EQ(lasting.stats().live_slots, 1U);
  EXPECT_EQ(lasting.erase_if([](counted&) { return false; }), 0U);
}

TEST_F(SlabCache, AHandleWhoseDestructorHasEndedReadsAsUnopened) {
  using cache_type = test_cache<counted, spin_lock>;
  using plain_type = test_cache<counted, null_lock>;
  alignas(cache_type) unsigned char place[sizeof(cache_type)];
  alignas(plain_type) unsigned char plain_place[sizeof(plain_type)];
  auto* const cache = ::new (static_cast<void*>(place)) cache_type(pages);
  auto* const plain = ::new (static_cast<void*>(plain_place)) plain_type(pages);
  auto survivor = cache->make(1);
  (void)plain->make(1);
  cache->~cache_type();
  plain->~plain_type();
  EXPECT_EQ(cache->stats().slab_count, 0U);
  EXPECT_EQ(cache->make(2)->value, 2);  // as a static object's destructor may that comes later
  EXPECT_EQ(plain->make(2)->value, 2);
  cache->~cache_type();
  plain->~plain_type();
}

TEST_F(SlabCache, WhatAVisitorThrowsPassesThrough) {
  test_cache<counted, spin_lock> cache(pages);
  std::vector<decltype(cache)::ptr> owners;
  EXPECT_EQ(cache.reserve(5000), slab_errc::ok);
  for (int i = 0; i < 500; ++i) owners.push_back(cache.make(i));
  int visits = 0;
  EXPECT_THROW(cache.for_each_live([&](counted&) {
    if (++visits == 100) throw std::runtime_error("enough");
  }),
               std::runtime_error);
  EXPECT_EQ(visits, 100);
  visits = 0;
  cache.for_each_live([&](counted&) { ++visits; });
  EXPECT_EQ(visits, 500);
  owners.clear();
  EXPECT_GT(cache.stats().empty_slab_count, 1U) << "what was reserved stays";
}

TEST_F(SlabCache, OwnsItsSlotsAndNothingElse) {
  test_cache<message> cache(pages), other(pages);
  const auto mine = cache.make();
  const auto foreign = other.make();
  EXPECT_TRUE(cache.owns(mine.get()));
  EXPECT_FALSE(cache.owns(foreign.get()));
  EXPECT_FALSE(cache.owns(&cache));
  EXPECT_FALSE(cache.owns(nullptr));
}

TEST_F(SlabCache, EverySlotHasADenseIndexOfItsOwnAndBack) {
  test_cache<message> cache(pages);
  EXPECT_EQ(cache.at(0), nullptr);
  std::vector<decltype(cache)::ptr> owners;
  std::set<std::uint32_t> seen;
  const auto check = [&] {
    seen.clear();
    for (const auto& each : owners) {
      const std::uint32_t index = cache.index_of(each.get());
      EXPECT_EQ(cache.at(index), each.get());
      EXPECT_LT(index, cache.stats().slab_count * cache.extension_slots);
      seen.insert(index);
    }
    EXPECT_EQ(seen.size(), owners.size());
  };
  for (std::size_t i = 0; i < 5 * cache.extension_slots; ++i) owners.push_back(cache.make());
  check();
  const std::uint32_t first = cache.index_of(owners.front().get());
  for (std::size_t i = 0; i < 5 * cache.extension_slots; ++i) owners.push_back(cache.make());
  check();
  EXPECT_EQ(cache.index_of(owners.front().get()), first);
  // After slabs went back, new ones take the numbers that became free.
  owners.resize(cache.extension_slots);
  cache.trim();
  for (std::size_t i = 0; i < 8 * cache.extension_slots; ++i) owners.push_back(cache.make());
  check();
  EXPECT_EQ(cache.index_of(owners.front().get()), first);
  EXPECT_EQ(cache.at(1'000'000), nullptr);
}

template <class T>
class SlabCacheOf : public ::testing::Test {};

struct alignas(64) line_aligned {
  char bytes[64];
};
struct alignas(256) over_aligned {
  char bytes[3];
};
struct odd {
  char bytes[7];
};
struct large {
  char bytes[1500];
};
struct huge {
  char bytes[20000];
};
struct huge_aligned {
  alignas(8192) char bytes[100];
};
using sizes = ::testing::Types<char, short, odd, std::uint64_t, message, line_aligned, over_aligned, large,
                               huge, huge_aligned>;
TYPED_TEST_SUITE(SlabCacheOf, sizes, );

TYPED_TEST(SlabCacheOf, SlotsAreAlignedDisjointAndInsideTheirSlabs) {
  quarry_test::counting_resource upstream;
  slab_cache<TypeParam, null_lock, quarry::default_slab_bytes<TypeParam>, resource_page_source> cache{
      resource_page_source(&upstream)};
  std::vector<TypeParam*> slots;
  const std::size_t objects = cache.root_slots + 2 * cache.extension_slots;
  for (std::size_t i = 0; i < objects; ++i) {
    TypeParam* const slot = cache.allocate();
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(slot) % alignof(TypeParam), 0U);
    ASSERT_TRUE(upstream.holds(slot));
    ASSERT_TRUE(upstream.holds(reinterpret_cast<char*>(slot) + sizeof(TypeParam) - 1));
    std::fill_n(reinterpret_cast<unsigned char*>(slot), sizeof(TypeParam), static_cast<unsigned char>(i));
    slots.push_back(slot);
  }
  EXPECT_EQ(cache.stats().slab_count, 3U);
  for (std::size_t i = 0; i < objects; ++i)
    for (std::size_t b = 0; b < sizeof(TypeParam); b += sizeof(TypeParam) / 2 + 1)
      ASSERT_EQ(reinterpret_cast<unsigned char*>(slots[i])[b], static_cast<unsigned char>(i));
  for (TypeParam* each : slots) ASSERT_EQ(cache.try_deallocate(each), slab_errc::ok);
}

TYPED_TEST(SlabCacheOf, TheDefaultSlabHasAtLeastEightSlotsAndWastesAtMostAnEighth) {
  using cache = slab_cache<TypeParam>;
  static_assert(cache::slab_bytes == quarry::default_slab_bytes<TypeParam>);
  EXPECT_GE(cache::extension_slots, 8U);
  const std::size_t mark_bytes = cache::extension_slots / 8;
  const std::size_t waste = cache::slab_bytes - cache::extension_slots * sizeof(TypeParam) - mark_bytes;
  EXPECT_LE(waste * 8, cache::slab_bytes);
}

struct unmovable {
  explicit unmovable(int v) : value(v) {}
  unmovable(unmovable&&) = delete;
  int value;
};

TEST_F(SlabCache, MakesTypesThatCannotBeMoved) {
  test_cache<unmovable> cache(pages);
  EXPECT_EQ(cache.make(7)->value, 7);
}

struct throwing {
  explicit throwing(bool now) {
    if (now) throw std::runtime_error("no");
  }
};

TEST_F(SlabCache, AThrowingConstructorLeavesNothingBehind) {
  test_cache<throwing> cache(pages);
  EXPECT_THROW(cache.make(true), std::runtime_error);
  EXPECT_THROW(cache.try_make(true), std::runtime_error);
  EXPECT_EQ(cache.stats().live_slots, 0U);
  const auto good = cache.make(false);
  EXPECT_EQ(cache.stats().live_slots, 1U);
}

TEST_F(SlabCache, AThrowingAllocatorInsideTheObjectLeavesNothingBehind) {
  quarry_test::counting_resource inner;
  quarry_test::failing_resource failing(&inner);
  failing.fail_at(1);
  test_cache<std::pmr::vector<int>> cache(pages);
  EXPECT_THROW(cache.make(std::size_t{100}, 1, &failing), std::bad_alloc);
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

TEST_F(SlabCache, MakesConstantObjects) {
  test_cache<const message> cache(pages);
  const auto owner = cache.make();
  static_assert(std::is_same_v<decltype(*owner), const message&>);
  EXPECT_EQ(owner->words[0], 0U);
}

TEST_F(SlabCache, TheLockIsNeverHeldAcrossThePageSourceOrTheObject) {
  using quarry_test::watching_lock;
  using cache_type =
      slab_cache<quarry_test::watching_object, watching_lock, small_slab_bytes, quarry_test::watching_source>;
  std::vector<cache_type::ptr> owners;
  {
    cache_type cache(quarry_test::watching_source{&upstream});
    EXPECT_EQ(cache.reserve(100), slab_errc::ok);
    for (int i = 0; i < 500; ++i) owners.push_back(cache.make());
    owners.resize(250);
    cache.recycle(std::move(owners.back()));
    const auto again = cache.reuse();
    cache.recycle(cache.make());
    cache.trim();
    EXPECT_EQ(watching_lock::depth, 0);
  }
  owners.clear();
  EXPECT_EQ(watching_lock::depth, 0);
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

// ---- recycling

struct buffer {
  static inline int constructed = 0;
  buffer() { ++constructed; }
  std::vector<int> numbers;
  std::mutex gate;
};
void clear(buffer& used) {
  used.numbers.clear();
}

TEST_F(SlabCache, RecycleKeepsAnObjectConstructedAndReuseHandsItOut) {
  test_cache<buffer> cache(pages);
  buffer::constructed = 0;
  auto first = cache.make();
  first->numbers.assign(1000, 1);
  buffer* const address = first.get();
  cache.recycle(std::move(first));
  EXPECT_EQ(cache.stats().kept_slots, 1U);
  EXPECT_EQ(cache.stats().live_slots, 0U);
  const auto second = cache.reuse();
  EXPECT_EQ(second.get(), address);
  EXPECT_TRUE(second->numbers.empty());
  EXPECT_GE(second->numbers.capacity(), 1000U);
  EXPECT_EQ(buffer::constructed, 1);
  const auto third = cache.reuse();
  EXPECT_EQ(buffer::constructed, 2);
}

TEST_F(SlabCache, RecycleKeepsNoObjectOfAnotherCache) {
  test_cache<buffer> cache(pages);
  test_cache<buffer> other(pages);
  buffer::constructed = 0;
  const auto own = cache.make();
  cache.recycle(other.make());
  EXPECT_EQ(cache.stats().kept_slots, 0U);
  EXPECT_EQ(other.stats().kept_slots, 0U);
  EXPECT_EQ(other.stats().live_slots, 0U) << "it was destroyed instead";
  const auto fresh = cache.reuse();
  EXPECT_EQ(buffer::constructed, 3);
}

struct cleared_either_way {
  void clear() { ++by_member; }
  friend void clear(cleared_either_way& each) { ++each.by_function; }
  int by_member = 0;
  int by_function = 0;
};

TEST_F(SlabCache, RecycleUsesTheFunctionOfTheTypesNamespaceFirst) {
  slab_cache<cleared_either_way> cache;
  cache.recycle(cache.make());
  const auto kept = cache.reuse_kept();
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->by_function, 1);
  EXPECT_EQ(kept->by_member, 0);
}

TEST_F(SlabCache, RecycleUsesAMemberClearWhenThatIsAllThereIs) {
  test_cache<std::string> cache(pages);
  cache.recycle(cache.make(std::size_t{500}, 'x'));
  const auto again = cache.reuse();
  EXPECT_TRUE(again->empty());
  EXPECT_GE(again->capacity(), 500U);
}

struct with_policy {
  int value = 1;
  ~with_policy() {}
};

}  // namespace

template <>
struct quarry::recycle_policy<with_policy> {
  static void clear(with_policy& used) { used.value = 99; }
};

namespace {

TEST_F(SlabCache, RecycleUsesTheSpecialisedPolicy) {
  test_cache<with_policy> cache(pages);
  cache.recycle(cache.make());
  EXPECT_EQ(cache.reuse()->value, 99);
}

struct cell {
  int generation = 0;
};
void clear(cell& used) {
  ++used.generation;
}

TEST_F(SlabCache, RecycleClearsObjectsWithoutADestructorToo) {
  test_cache<cell> cache(pages);
  auto one = cache.make();
  one->generation = 41;
  cache.recycle(std::move(one));
  EXPECT_EQ(cache.stats().kept_slots, 1U);
  EXPECT_EQ(cache.reuse()->generation, 42);
  static_assert(!quarry::keeps_recycled<message>);
  test_cache<message> plain(pages);
  plain.recycle(plain.make());
  EXPECT_EQ(plain.stats().kept_slots, 0U) << "nothing of it is worth keeping";
}

TEST_F(SlabCache, RecycledObjectsAreDestroyedByTrimAndWithTheLastHandle) {
  {
    test_cache<counted> cache(pages);
    std::vector<decltype(cache)::ptr> owners;
    for (int i = 0; i < 1000; ++i) owners.push_back(cache.make(i));
    std::mt19937 random(3);
    std::shuffle(owners.begin(), owners.end(), random);
    for (auto& each : owners) cache.recycle(std::move(each));
    EXPECT_EQ(counted::alive, 1000);
    EXPECT_EQ(cache.stats().kept_slots, 1000U);
    std::set<counted*> reused;
    std::vector<decltype(cache)::ptr> again;
    for (int i = 0; i < 500; ++i) {
      again.push_back(cache.reuse());
      reused.insert(again.back().get());
    }
    EXPECT_EQ(reused.size(), 500U);
    EXPECT_EQ(counted::alive, 1000);
    cache.for_each_live([&](counted& each) { EXPECT_EQ(reused.count(&each), 1U); });
    EXPECT_EQ(cache.try_deallocate(nullptr), slab_errc::invalid_pointer);
    cache.trim();
    EXPECT_EQ(counted::alive, 500);
    for (auto& each : again) cache.recycle(std::move(each));
    EXPECT_EQ(counted::alive, 500);
  }
  EXPECT_EQ(counted::alive, 0);
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

/// A lock behind whose next sections another thread is due.
struct interrupted_lock {
  static inline std::function<void()> other_thread;
  void lock() {}
  void unlock() {
    if (const auto run = std::exchange(other_thread, nullptr)) run();
  }
};

TEST_F(SlabCache, OfTwoLastHandlesThatGoAtOnceOneDestroysTheRecycledObjects) {
  using cache_type = test_cache<counted, interrupted_lock>;
  auto one = std::make_unique<cache_type>(pages);
  one->recycle(one->make(1));
  one->recycle(one->make(2));
  auto other = std::make_unique<cache_type>(*one);
  interrupted_lock::other_thread = [&] { other.reset(); };
  one.reset();
  EXPECT_EQ(counted::alive, 0);
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

// Has a handle to its own cache, which it drops when it is recycled if it was told to.
struct member_of_its_cache {
  using cache_type = test_cache<member_of_its_cache, spin_lock>;
  member_of_its_cache(const cache_type& handle, bool drops) : home(handle), drops_handle(drops) { ++alive; }
  member_of_its_cache(const member_of_its_cache&) = delete;
  ~member_of_its_cache() { --alive; }
  void clear() {
    if (drops_handle) const cache_type dropped(std::move(home));
  }
  static inline int alive = 0;
  cache_type home;
  bool drops_handle;
};

TEST_F(SlabCache, ARecycledObjectThatHasAHandleKeepsItsCacheUntilTrim) {
  const member_of_its_cache* kept = nullptr;
  {
    member_of_its_cache::cache_type cache(pages);
    auto owner = cache.make(cache, false);
    kept = owner.get();
    cache.recycle(std::move(owner));
  }
  EXPECT_EQ(member_of_its_cache::alive, 1) << "by its own handle";
  EXPECT_EQ(upstream.live_blocks(), 1U);
  {
    member_of_its_cache::cache_type again(kept->home);
    again.trim();
    EXPECT_EQ(member_of_its_cache::alive, 0);
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(SlabCache, ClearMayDropTheHandleThatARecycledObjectHas) {
  {
    member_of_its_cache::cache_type cache(pages);
    cache.recycle(cache.make(cache, true));
    EXPECT_EQ(cache.stats().kept_slots, 1U);
  }
  EXPECT_EQ(member_of_its_cache::alive, 0);
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(SlabCache, ClearMayDropTheHandleThatIsTheLastAndRecycles) {
  member_of_its_cache::cache_type::ptr owner;
  {
    member_of_its_cache::cache_type cache(pages);
    owner = cache.make(cache, true);
  }
  auto& home = owner->home;
  home.recycle(std::move(owner));
  EXPECT_EQ(member_of_its_cache::alive, 0) << "nobody could reuse it";
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(SlabCache, AKeptObjectIsNotDeallocatedTwice) {
  test_cache<counted> cache(pages);
  auto owner = cache.make();
  counted* const address = owner.get();
  cache.recycle(std::move(owner));
  EXPECT_EQ(cache.try_deallocate(address), slab_errc::double_free);
}

TEST_F(SlabCache, UpstreamFailingAtEveryCallLosesNothing) {
  for (std::size_t fail_at = 1; fail_at < 12; ++fail_at) {
    quarry_test::failing_resource failing(&upstream);
    failing.fail_at(fail_at);
    test_cache<std::string> cache{resource_page_source(&failing)};
    std::vector<decltype(cache)::ptr> owners;
    int failures = 0;
    for (std::size_t i = 0; i < 8 * cache.extension_slots; ++i) {
      auto owner = cache.try_make(std::size_t{20}, 'y');
      if (owner == nullptr)
        ++failures;
      else
        owners.push_back(std::move(owner));
      ASSERT_EQ(cache.stats().live_slots, owners.size());
    }
    EXPECT_LE(failures, 1);
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(SlabCache, RandomUseMatchesAModel) {
  std::mt19937 random(4);
  test_cache<counted> cache(pages);
  std::vector<decltype(cache)::ptr> owners;
  std::vector<int> model;
  for (int i = 0; i < 200000; ++i) {
    const bool grow = owners.empty() || random() % 1000 < (i / 20000 % 2 == 0 ? 550U : 450U);
    if (grow) {
      owners.push_back(random() % 8 == 0 ? cache.reuse(i) : cache.make(i));
      owners.back()->value = i;
      model.push_back(i);
    } else {
      const std::size_t at = random() % owners.size();
      ASSERT_EQ(owners[at]->value, model[at]);
      std::swap(owners[at], owners.back());
      std::swap(model[at], model.back());
      if (random() % 8 == 0) cache.recycle(std::move(owners.back()));
      owners.pop_back();
      model.pop_back();
    }
    if (i % 10000 == 0) {
      ASSERT_EQ(cache.stats().live_slots, owners.size());
      std::size_t seen = 0;
      cache.for_each_live([&](counted&) { ++seen; });
      ASSERT_EQ(seen, owners.size());
      if (i % 30000 == 0) cache.trim();
    }
  }
  const auto stats = cache.stats();
  EXPECT_EQ(stats.live_slots + stats.kept_slots + stats.cached_slots + stats.free_slots,
            cache.root_slots + (stats.slab_count - 1) * cache.extension_slots);
}

}  // namespace
