// Page sources: four values that a cache can be attached to.
#include "quarry/page_sources.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "quarry/slab_cache.hpp"
#include "support/counting_resource.hpp"

namespace {

using quarry::null_lock;
using quarry::slab_cache;
using quarry::slab_errc;
using quarry::static_page_source;

struct block {
  char bytes[64];
};

bool is_aligned(const void* pointer, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

int hook_calls = 0;
std::size_t hooked_bytes = 0;

void* allocate_hook(std::size_t bytes, std::size_t alignment) noexcept {
  ++hook_calls;
  hooked_bytes += bytes;
  return std::pmr::new_delete_resource()->allocate(bytes, alignment);
}
void deallocate_hook(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  hooked_bytes -= bytes;
  std::pmr::new_delete_resource()->deallocate(pages, bytes, alignment);
}

}  // namespace

QUARRY_DEFINE_PAGE_HOOKS(allocate_hook, deallocate_hook);

namespace {

TEST(HookedPageSource, CallsTheTwoHooksThatTheProgramDefines) {
  hook_calls = 0;
  {
    slab_cache<block, null_lock, 4096, quarry::hooked_page_source> cache;
    const auto one = cache.make();
    EXPECT_EQ(hook_calls, 1);
    EXPECT_EQ(hooked_bytes, 4096U);
  }
  EXPECT_EQ(hooked_bytes, 0U);
  quarry::hooked_page_source source;
  void* const pages = source.allocate_pages(8192, 256);
  EXPECT_EQ(hooked_bytes, 8192U);
  source.deallocate_pages(pages, 8192, 256);
  EXPECT_EQ(hooked_bytes, 0U);
}

TEST(OsPageSource, HandsOutAlignedZeroedPagesAndTakesThemBack) {
  quarry::os_page_source source;
  for (const std::size_t bytes : {std::size_t{4096}, std::size_t{65536}, std::size_t{1} << 21}) {
    void* const pages = source.allocate_pages(bytes, bytes);
    ASSERT_NE(pages, nullptr);
    EXPECT_TRUE(is_aligned(pages, bytes));
    EXPECT_EQ(static_cast<char*>(pages)[bytes - 1], 0);
    std::memset(pages, 1, bytes);
    source.deallocate_pages(pages, bytes, bytes);
  }
}

TEST(OsPageSource, ReturnsNullWhenTheSystemRefuses) {
  quarry::os_page_source source;
  EXPECT_EQ(source.allocate_pages(SIZE_MAX, 4096), nullptr);
  EXPECT_EQ(source.allocate_pages(SIZE_MAX / 2, 4096), nullptr);
}

TEST(StaticPageSource, HandsOutItsWholeBufferOnceAndTakesItBack) {
  static static_page_source<65536, 65536> source;
  std::set<void*> pages;
  while (void* const page = source.allocate_pages(1024, 1024)) {
    EXPECT_TRUE(is_aligned(page, 1024));
    std::memset(page, 0xff, 1024);
    pages.insert(page);
  }
  EXPECT_EQ(pages.size(), 64U);
  EXPECT_EQ(source.lent_bytes(), 65536U);
  for (void* each : pages) source.deallocate_pages(each, 1024, 1024);
  EXPECT_EQ(source.lent_bytes(), 0U);
  void* const whole = source.allocate_pages(65536, 65536);
  EXPECT_NE(whole, nullptr);
  source.deallocate_pages(whole, 65536, 65536);
}

static_assert(sizeof(static_page_source<4096, 1024>) <= 4096 + 1024);
static_assert(sizeof(static_page_source<65536, 256>) <= 65536 + 256);
static_assert(static_page_source<1024>::largest_slab_bytes == 256);
static_assert(static_page_source<4096>::largest_slab_bytes == 256);
static_assert(static_page_source<12288>::largest_slab_bytes == 512);
static_assert(static_page_source<65536>::largest_slab_bytes == 4096);
static_assert(alignof(static_page_source<262144, 262144>) == 262144);

// What an object adds to its buffer where no alignment is written.
template <std::size_t Bytes>
constexpr std::size_t added_bytes = sizeof(static_page_source<Bytes>) - Bytes;
static_assert(added_bytes<1024> <= 1024 / 16 + 256);
static_assert(added_bytes<4096> <= 4096 / 16 + 256);
static_assert(added_bytes<12288> <= 12288 / 16 + 256);
static_assert(added_bytes<65536> <= 65536 / 16 + 256);
static_assert(added_bytes<1 << 20> <= (1 << 20) / 16 + 256);

TEST(StaticPageSource, AlignedForItsLargestSlabItLendsItsWholeBufferWhereverItLies) {
  struct neighbours {
    char before[300];
    static_page_source<8192, 1024> source;
    char between[1];
    static_page_source<262144, 262144> large;
  };
  static neighbours memory;
  slab_cache<block, null_lock, 1024, static_page_source<8192, 1024>> blocks(memory.source);
  std::vector<decltype(blocks)::ptr> owners;
  while (auto owner = blocks.try_make()) owners.push_back(std::move(owner));
  EXPECT_EQ(owners.size(), blocks.root_slots + 7 * blocks.extension_slots);
  void* const whole = memory.large.allocate_pages(262144, 262144);
  EXPECT_NE(whole, nullptr);
  memory.large.deallocate_pages(whole, 262144, 262144);
}

static_assert(sizeof(quarry::static_pages<4096, 1024>) == 4096);
static_assert(sizeof(quarry::static_pages<65536>) == 65536);
static_assert(quarry::buffered_page_source<4096>::largest_slab_bytes == 4096);
static_assert(alignof(quarry::static_pages<4096>) == 4096);
static_assert(sizeof(quarry::buffered_page_source<4096, 1024>) == 2 * sizeof(void*));
static_assert(sizeof(quarry::buffered_page_source<65536>) <= 6 * sizeof(void*));
static_assert(std::is_trivially_default_constructible_v<quarry::static_pages<4096, 1024>>,
              "so that it may lie where nobody clears memory");

TEST(BufferedPageSource, LendsItsWholeBufferWhateverLiesInIt) {
  using source_type = quarry::buffered_page_source<8192, 1024>;
  static quarry::static_pages<8192, 1024> memory;
  std::memset(&memory, 0xa5, sizeof memory);
  static source_type source(memory);
  slab_cache<block, null_lock, 1024, source_type> blocks(source);
  {
    std::vector<decltype(blocks)::ptr> owners;
    while (auto owner = blocks.try_make()) owners.push_back(std::move(owner));
    EXPECT_EQ(owners.size(), blocks.root_slots + 7 * blocks.extension_slots);
    EXPECT_EQ(source.lent_bytes(), source.capacity_bytes());
  }
  blocks.trim();
  EXPECT_EQ(source.lent_bytes(), 1024U);
}

// Memory at the address 0 has no reference in C++, so its map is asked itself.
TEST(BufferedPageSource, DoesNotLendTheAddressZero) {
  constexpr std::uintptr_t base = 0;
  quarry::detail::granule_map<8192> map;
  for (std::uintptr_t at = 1024; at < 8192; at += 1024)
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(map.allocate(base, 1024, 1024)), at);
  EXPECT_EQ(map.allocate(base, 1024, 1024), nullptr);
  EXPECT_EQ(map.lent_bytes(), 7168U);
  map.deallocate(base, reinterpret_cast<void*>(std::uintptr_t{2048}), 1024);
  EXPECT_NE(map.allocate(base, 1024, 1024), nullptr);
}

TEST(StaticPageSource, MixesSizesAndRefusesWhatDoesNotFit) {
  static static_page_source<65536, 32768> source;
  EXPECT_EQ(source.allocate_pages(65537, 256), nullptr);
  EXPECT_EQ(source.allocate_pages(0, 256), nullptr);
  void* const small = source.allocate_pages(1, 1);
  void* const large = source.allocate_pages(32768, 32768);
  EXPECT_NE(small, nullptr);
  ASSERT_NE(large, nullptr);
  EXPECT_TRUE(is_aligned(large, 32768));
  EXPECT_EQ(source.allocate_pages(32768, 32768), nullptr);
  EXPECT_EQ(source.lent_bytes(), 32768U + 256U);
  source.deallocate_pages(small, 1, 1);
  EXPECT_NE(source.allocate_pages(32768, 32768), nullptr);
}

TEST(StaticPageSource, ARunThatMeetsALentGranuleLendsNothing) {
  constexpr std::size_t word_granules = sizeof(void*) * 8;
  static static_page_source<4 * word_granules * 256, 256> source;
  void* const first = source.allocate_pages(word_granules * 256, 256);
  void* const second = source.allocate_pages(256, 256);
  source.deallocate_pages(first, word_granules * 256, 256);
  void* const behind = source.allocate_pages((word_granules + 1) * 256, 256);
  ASSERT_NE(behind, nullptr);
  EXPECT_GT(behind, second);
  EXPECT_EQ(source.lent_bytes(), (word_granules + 2) * 256);
}

TEST(StaticPageSource, LendsNothingBehindItsEnd) {
  static static_page_source<10 * std::size_t{256}, 256> source;
  ASSERT_NE(source.allocate_pages(9 * std::size_t{256}, 256), nullptr);
  EXPECT_EQ(source.allocate_pages(2 * std::size_t{256}, 256), nullptr);
  EXPECT_NE(source.allocate_pages(256, 256), nullptr);
}

TEST(StaticPageSource, ACacheExhaustsItWithACleanErrorAndWorksAgainAfterFrees) {
  static static_page_source<16384, 4096> source;
  slab_cache<block, null_lock, 4096, static_page_source<16384, 4096>> cache(source);
  std::vector<decltype(cache)::ptr> owners;
  for (int round = 0; round < 3; ++round) {
    while (auto owner = cache.try_make()) owners.push_back(std::move(owner));
    EXPECT_EQ(owners.size(), cache.root_slots + 3 * cache.extension_slots);
    EXPECT_EQ(cache.stats().live_slots, owners.size());
    EXPECT_THROW(cache.make(), std::bad_alloc);
    owners.clear();
  }
  EXPECT_EQ(cache.reserve(10000), slab_errc::out_of_memory);
  EXPECT_NE(cache.try_make(), nullptr);
}

struct tile {
  char bytes[400];
};

TEST(StaticPageSource, WhatOneCacheHasFreedAnotherMayTakeAtOnce) {
  static static_page_source<1 << 20> source;
  slab_cache<block, null_lock, 65536, static_page_source<1 << 20>> small(source);
  slab_cache<tile, quarry::spin_lock, 65536, static_page_source<1 << 20>> large(source);
  std::vector<decltype(small)::ptr> blocks;
  std::vector<decltype(large)::ptr> tiles;
  for (int round = 0; round < 3; ++round) {
    while (auto owner = small.try_make()) blocks.push_back(std::move(owner));
    EXPECT_EQ(source.lent_bytes(), source.capacity_bytes());
    blocks.clear();
    EXPECT_EQ(source.lent_bytes(), (round == 0 ? 1U : 2U) * 65536) << "the root slab alone stays";
    while (auto owner = large.try_make()) tiles.push_back(std::move(owner));
    EXPECT_EQ(tiles.size(), large.root_slots + 14 * large.extension_slots);
    tiles.clear();
  }
}

TEST(StaticPageSource, AMagazineKeepsAtMostAnEighthOfWhatLives) {
  static static_page_source<1 << 20> source;
  slab_cache<tile, null_lock, 8192, static_page_source<1 << 20>> cache(source);
  std::vector<decltype(cache)::ptr> owners;
  while (auto owner = cache.try_make()) owners.push_back(std::move(owner));
  while (cache.stats().slab_count != 1) {
    owners.pop_back();
    const auto stats = cache.stats();
    ASSERT_LE(stats.cached_slots, (stats.live_slots + stats.cached_slots) / 8);
    ASSERT_EQ(stats.empty_slab_count, 0U);
  }
}

TEST(StaticPageSource, ACacheWithoutAnArgumentUsesTheProgramsOwn) {
  slab_cache<block, null_lock, 4096, static_page_source<12288, 4096>> first, second;
  EXPECT_NE(first.try_make(), nullptr);
  EXPECT_NE(second.try_make(), nullptr);
  EXPECT_NE(first, second);
}

TEST(StaticPageSource, ThreadsShareItWithoutALock) {
  static static_page_source<65536> source;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 5000; ++i) {
        const std::size_t bytes = std::size_t{256} << (i + t) % 4;
        auto* const pages = static_cast<unsigned char*>(source.allocate_pages(bytes, bytes));
        if (pages == nullptr) continue;
        std::memset(pages, t, bytes);
        ASSERT_EQ(pages[0], t);
        ASSERT_EQ(pages[bytes - 1], t);
        source.deallocate_pages(pages, bytes, bytes);
      }
    });
  for (auto& each : threads) each.join();
  EXPECT_EQ(source.lent_bytes(), 0U);
}

TEST(StaticPageSource, AsManySlabsAsThreadsAreEnoughForAll) {
  constexpr std::size_t slab_bytes = 65536;  // the bits of several words
  static quarry::static_page_source<2 * slab_bytes, slab_bytes> source;
  std::atomic<int> refused{0};
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i % 64 != 0 || std::chrono::steady_clock::now() < end; ++i) {
        void* const slab = source.allocate_pages(slab_bytes, slab_bytes);
        if (slab == nullptr) {
          ++refused;
        } else {
          source.deallocate_pages(slab, slab_bytes, slab_bytes);
        }
      }
    });
  for (auto& each : threads) each.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(source.lent_bytes(), 0U);
}

TEST(ResourcePageSource, PassesTheResourcesExceptionOn) {
  quarry::resource_page_source source(std::pmr::null_memory_resource());
  EXPECT_THROW(source.allocate_pages(4096, 4096), std::bad_alloc);
  EXPECT_EQ(source.upstream(), std::pmr::null_memory_resource());
}

/// A class that nobody may derive from, that nobody makes without an argument, and that has members of the cache's names.
struct closed_source final {
  explicit closed_source(quarry_test::counting_resource* from) : lock(from), root(from), destroy(from) {}
  void* allocate_pages(std::size_t bytes, std::size_t alignment) { return lock->allocate(bytes, alignment); }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    root->deallocate(pages, bytes, alignment);
  }
  quarry_test::counting_resource *lock, *root, *destroy;
  int loaded = 0, source = 0, source_ = 0, front_ = 0, slots_ = 0, entries_ = 0;
  void open() = delete;
  void make() = delete;
};
struct closed_stateless_source final {
  void* allocate_pages(std::size_t bytes, std::size_t alignment) noexcept {
    return allocate_hook(bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    deallocate_hook(pages, bytes, alignment);
  }
};

TEST(PageSources, MayBeFinalAndNameTheirMembersAsTheyLike) {
  quarry_test::counting_resource upstream;
  {
    slab_cache<block, quarry::spin_lock, 4096, closed_source> cache{closed_source(&upstream)};
    auto copy = cache, other = std::move(copy);
    other = cache;
    const auto one = cache.make();
    EXPECT_TRUE(upstream.holds(one.get()));
    EXPECT_NE((slab_cache<block, null_lock, 4096, closed_stateless_source>().make()), nullptr);
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
  static_assert(sizeof(slab_cache<block, quarry::spin_lock, 4096, closed_stateless_source>) == sizeof(void*));
}

/// Breaks a promise in all calls while it is told to.
struct faulty_source {
  enum class fault { none, is_misaligned, is_null, throws };
  struct pages {
    quarry_test::counting_resource memory;
    fault now = fault::none;
    std::function<void()> before_each;
    void* shifted = nullptr;
  };

  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    if (of->before_each) of->before_each();
    if (of->now == fault::is_null) return nullptr;
    if (of->now == fault::throws) throw 42;  // NOLINT(hicpp-exception-baseclass): anything may come
    if (of->now == fault::none) return of->memory.allocate(bytes, alignment);
    of->shifted = static_cast<std::byte*>(of->memory.allocate(bytes + 8, alignment)) + 8;
    return of->shifted;
  }
  void deallocate_pages(void* base, std::size_t bytes, std::size_t alignment) noexcept {
    if (base == of->shifted)
      return of->memory.deallocate(static_cast<std::byte*>(base) - 8, bytes + 8, alignment);
    of->memory.deallocate(base, bytes, alignment);
  }

  pages* of;
};

template <class Lock>
void survives_a_faulty_source() {
  using fault = faulty_source::fault;
  faulty_source::pages pages;
  for (const bool is_open : {false, true}) {
    slab_cache<block, Lock, 4096, faulty_source> cache{faulty_source{&pages}};
    std::vector<block*> live;
    if (is_open)
      while (live.empty() || cache.stats().free_slots + cache.stats().cached_slots != 0)
        live.push_back(cache.allocate());
    const auto held_bytes = pages.memory.live_bytes();
    for (const fault each : {fault::is_misaligned, fault::is_null, fault::throws}) {
      pages.now = each;
      if (each == fault::throws) {
        EXPECT_THROW(static_cast<void>(cache.allocate()), int);
        EXPECT_THROW(static_cast<void>(cache.make()), int);
      } else {
        EXPECT_THROW(static_cast<void>(cache.allocate()), std::bad_alloc);
        EXPECT_THROW(static_cast<void>(cache.make()), std::bad_alloc);
      }
      EXPECT_EQ(cache.try_make(), nullptr);
      EXPECT_EQ(cache.reserve(1000), slab_errc::out_of_memory);
      EXPECT_EQ(pages.memory.live_bytes(), held_bytes);
    }
    pages.now = fault::none;
    live.push_back(cache.allocate());
    EXPECT_EQ(cache.stats().live_slots, live.size());
    for (block* const each : live) cache.deallocate(each);
  }
  EXPECT_EQ(pages.memory.live_blocks(), 0U);
}

TEST(PageSources, ThatBreakAPromiseAreRefusedAndLoseNothing) {
  survives_a_faulty_source<null_lock>();
  survives_a_faulty_source<quarry::spin_lock>();
}

TEST(PageSources, MayUseTheCacheThatAsksThemForAnotherSlab) {
  faulty_source::pages pages;
  {
    slab_cache<block, quarry::spin_lock, 4096, faulty_source> cache{faulty_source{&pages}};
    std::vector<block*> live{cache.allocate()};
    bool is_back = false;
    pages.before_each = [&] {
      if (is_back) return;
      is_back = true;
      live.push_back(cache.allocate());
      cache.deallocate(live.front());
      live.erase(live.begin());
      is_back = false;
    };
    std::set<block*> places;
    for (int i = 0; i < 2000; ++i) live.push_back(cache.allocate());
    places.insert(live.begin(), live.end());
    EXPECT_EQ(places.size(), live.size());
    EXPECT_EQ(cache.stats().live_slots, live.size());
    for (block* const each : live) cache.deallocate(each);
  }
  EXPECT_EQ(pages.memory.live_blocks(), 0U);
}

TEST(PageSources, OneProgramUsesSeveralOnePerCache) {
  quarry_test::counting_resource upstream;
  static static_page_source<8192, 4096> buffer;
  slab_cache<block, null_lock, 4096, quarry::os_page_source> system;
  slab_cache<block, null_lock, 4096, quarry::hooked_page_source> hooked;
  slab_cache<block, null_lock, 4096, static_page_source<8192, 4096>> fixed(buffer);
  slab_cache<block, null_lock, 4096, quarry::resource_page_source> resource{
      quarry::resource_page_source(&upstream)};
  const auto a = system.make();
  const auto b = hooked.make();
  const auto c = fixed.make();
  const auto d = resource.make();
  EXPECT_EQ(buffer.lent_bytes(), 4096U);
  EXPECT_TRUE(upstream.holds(d.get()));
  EXPECT_FALSE(upstream.holds(a.get()));
  EXPECT_FALSE(upstream.holds(b.get()));
}

}  // namespace
