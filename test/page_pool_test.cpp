// The page pool, by itself and as an upstream.
#include "../src/page_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory_resource>
#include <new>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "../src/os_pages.hpp"
#include "quarry/page_sources.hpp"
#include "quarry/unsynchronized_slab_resource.hpp"
#include "support/process_memory.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "support/in_child.hpp"
#endif

namespace {

using quarry::huge_page_bytes;
using quarry::detail::page_pool;
using quarry_test::is_advised_for_huge_pages;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

// A pool of the test's own, which leaves nothing behind.
class PagePool : public testing::Test {
 protected:
  void* take(std::size_t bytes) noexcept { return pool_.take(bytes, 4096, false); }
  void fill(std::size_t bytes, std::size_t extents) {
    std::vector<void*> taken(extents);
    for (void*& each : taken) each = take(bytes);
    for (void* const each : taken) pool_.keep(each, bytes);
  }
  void TearDown() override {
    EXPECT_TRUE(pool_.check_invariants());
    pool_.trim(0);
    EXPECT_EQ(pool_.idle_bytes(), 0U);
    EXPECT_TRUE(pool_.check_invariants());
  }

  page_pool pool_;
};

TEST_F(PagePool, HandsOutAgainWhatItKeptOfThatSizeLastKeptFirst) {
  void* const first = take(65536);
  void* const second = take(65536);
  std::memset(second, 0xA5, 65536);
  pool_.keep(first, 65536);
  pool_.keep(second, 65536);
  EXPECT_EQ(pool_.idle_bytes(), 2U * 65536);
  void* const other_size = take(32768);
  EXPECT_NE(other_size, first);
  EXPECT_NE(other_size, second);
  EXPECT_EQ(take(65536), second);
  EXPECT_EQ(static_cast<unsigned char*>(second)[65535], 0xA5);  // nobody touched it
  EXPECT_EQ(take(65536), first);
  EXPECT_EQ(pool_.idle_bytes(), 0U);
  pool_.give_back(other_size, 32768);
  pool_.give_back(first, 65536);
  pool_.give_back(second, 65536);
}

TEST_F(PagePool, ServesSizesThatAreNoPowersOfTwo) {
  const std::array<std::size_t, 6> sizes = {12288, 3 * mebibyte, 20480, 212992, 33 * mebibyte, 16 * mebibyte};
  std::vector<void*> taken;
  for (const std::size_t bytes : sizes) {
    taken.push_back(pool_.take(bytes, 4096, false));
    static_cast<unsigned char*>(taken.back())[bytes - 1] = 1;
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) pool_.keep(taken[i], sizes[i]);
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(take(sizes[i]), taken[i]) << sizes[i];
  for (std::size_t i = 0; i < sizes.size(); ++i) pool_.give_back(taken[i], sizes[i]);
}

TEST_F(PagePool, HonoursTheAlignmentOfEveryRequest) {
  for (std::size_t alignment = 1; alignment <= 16 * mebibyte; alignment *= 2) {
    void* const pages = pool_.take(65536, alignment, false);
    ASSERT_NE(pages, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages) % alignment, 0U);
    pool_.keep(pages, 65536);
  }
  void* const huge = pool_.take(huge_page_bytes, 4096, true);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(huge) % huge_page_bytes, 0U);
  pool_.keep(huge, huge_page_bytes);
}

TEST_F(PagePool, IsNullForWhatTheSystemRefuses) {
  EXPECT_EQ(pool_.take(SIZE_MAX / 2 + 1, 4096, false), nullptr);
  EXPECT_EQ(pool_.idle_bytes(), 0U);
}

TEST_F(PagePool, KeepsNoMoreThanItsLimit) {
  pool_.set_limit(10U * 65536);
  fill(65536, 20);
  EXPECT_EQ(pool_.idle_bytes(), 10U * 65536);
  fill(mebibyte, 1);
  EXPECT_EQ(pool_.idle_bytes(), 10U * 65536);
  EXPECT_EQ(pool_.set_limit(65536 + 1), 10U * 65536);
  EXPECT_EQ(pool_.idle_bytes(), 65536U);
  EXPECT_EQ(pool_.set_limit(0), 65536U + 1);
  EXPECT_EQ(pool_.idle_bytes(), 0U);
  fill(4096, 3);
  EXPECT_EQ(pool_.idle_bytes(), 0U);
}

TEST_F(PagePool, KeepsThousandsOfExtents) {
  fill(4096, 5000);
  EXPECT_EQ(pool_.idle_bytes(), 5000U * 4096);
  EXPECT_TRUE(pool_.check_invariants());
}

TEST_F(PagePool, UsesItsRecordsAgain) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  std::size_t before_bytes = 0;
  for (int round = 0; round < 110; ++round) {
    if (round == 10) before_bytes = quarry_test::mapped_bytes();
    fill(4096, 100);
  }
  EXPECT_LE(quarry_test::growth(before_bytes, quarry_test::mapped_bytes()), 65536U);
}

TEST_F(PagePool, TrimsTheLongestUnusedFirstAndSaysHowMuch) {
  fill(65536, 4);
  fill(mebibyte, 2);
  EXPECT_EQ(pool_.trim(2 * mebibyte + 65536), 3U * 65536);
  EXPECT_EQ(pool_.trim(2 * mebibyte + 65536), 0U);
  EXPECT_EQ(pool_.trim(mebibyte), 65536 + mebibyte);
  EXPECT_EQ(pool_.idle_bytes(), mebibyte);
}

TEST_F(PagePool, AlwaysHitsWhereEveryRoundTakesTheSameSizes) {
  pool_.set_limit(SIZE_MAX);
  std::mt19937 random(1);  // NOLINT: fixed, so that a failure can be repeated
  for (const std::size_t extents : {1U, 7U, 300U, 3000U}) {
    std::set<void*> known;
    for (int round = 0; round < 30; ++round) {
      std::vector<std::pair<void*, std::size_t>> taken;
      for (std::size_t i = 0; i < extents; ++i) {
        const std::size_t bytes = std::size_t{4096} << i % 5;
        taken.emplace_back(take(bytes), bytes);
        const bool is_new = known.insert(taken.back().first).second;
        ASSERT_EQ(is_new, round == 0) << extents << " extents, round " << round;
      }
      if (round % 2 != 0) std::shuffle(taken.begin(), taken.end(), random);
      for (const auto& each : taken) pool_.keep(each.first, each.second);
    }
    pool_.trim(0);
  }
}

TEST_F(PagePool, StillHitsWhereARoundTakesMoreThanTheLimit) {
  pool_.set_limit(32U * 65536);
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(pool_.idle_bytes(), round == 0 ? 0U : 32U * 65536) << round;
    fill(65536, 2000);
  }
}

TEST_F(PagePool, GivesBackWhatSomeRoundsLeftUnused) {
  fill(65536, 500);
  EXPECT_EQ(pool_.idle_bytes(), 500U * 65536);
  std::size_t visits = 0;
  for (; pool_.idle_bytes() > 10U * 8192 && visits < 100000; visits += 20) fill(8192, 10);
  EXPECT_LE(visits, 10U * 500);
  fill(8192, 10);
  EXPECT_EQ(pool_.idle_bytes(), 10U * 8192);  // and what the rounds use stays
}

TEST_F(PagePool, AgesOneExtentAVisitAtMost) {
  fill(65536, 500);
  std::size_t before = pool_.idle_bytes();
  for (int visit = 0; visit < 10000; ++visit) {
    void* const pages = visit % 2 == 0 ? take(4096) : nullptr;
    if (pages == nullptr) continue;
    const std::size_t now = pool_.idle_bytes();
    ASSERT_LE(before - now, 65536U + 4096);
    pool_.keep(pages, 4096);
    before = pool_.idle_bytes();
  }
  EXPECT_EQ(pool_.idle_bytes(), 4096U);
}

TEST_F(PagePool, TakesItsFirstLimitFromTheEnvironment) {
  const auto limit_with = [](const char* text) {
    if (text != nullptr) {
      setenv("QUARRY_POOL_BYTES", text, 1);
    } else {
      unsetenv("QUARRY_POOL_BYTES");
    }
    page_pool pool;
    const std::size_t limit = pool.set_limit(0);
    unsetenv("QUARRY_POOL_BYTES");
    return limit;
  };
  EXPECT_EQ(limit_with(nullptr), 64 * mebibyte);
  EXPECT_EQ(limit_with("0"), 0U);
  EXPECT_EQ(limit_with("123456789"), 123456789U);
  EXPECT_EQ(limit_with(std::to_string(SIZE_MAX).c_str()), SIZE_MAX);
  const std::string too_large = std::to_string(SIZE_MAX) + "0";
  for (const char* const bad :
       {"", " ", "-1", "+1", "1 ", " 1", "64M", "0x10", "1e6", "18446744073709551616", too_large.c_str()})
    EXPECT_EQ(limit_with(bad), 64 * mebibyte) << '"' << bad << '"';
}

TEST_F(PagePool, MayBeUsedBeforeTheLimitIsKnown) {
  setenv("QUARRY_POOL_BYTES", "65536", 1);
  fill(65536, 2);
  unsetenv("QUARRY_POOL_BYTES");
  EXPECT_EQ(pool_.idle_bytes(), 65536U);
}

TEST(PagePoolOfAModule, TakesNoConstructorAndNoDestructor) {
  static_assert(std::is_trivially_destructible_v<page_pool>, "Late static destructors use the pool.");
  static constexpr page_pool* pool = nullptr;
  EXPECT_NE(&page_pool::of_this_module(), pool);
  EXPECT_EQ(&page_pool::of_this_module(), &page_pool::of_this_module());
}

// Uses the pool after main() has ended; a crash fails the program.
struct late_user {
  late_user() = default;
  late_user(const late_user&) = delete;
  late_user& operator=(const late_user&) = delete;
  ~late_user() {
    page_pool& pool = page_pool::of_this_module();
    pool.keep(pool.take(65536, 65536, false), 65536);
    quarry::pooled_page_resource()->deallocate(quarry::pooled_page_resource()->allocate(4096), 4096);
    quarry::trim_pooled_pages();
  }
} late;

TEST(PooledPageResource, IsOneResourceThatKeepsWhatIsDeallocated) {
  std::pmr::memory_resource* const pages = quarry::pooled_page_resource();
  EXPECT_EQ(pages, quarry::pooled_page_resource());
  EXPECT_TRUE(pages->is_equal(*quarry::pooled_page_resource()));
  EXPECT_FALSE(pages->is_equal(*quarry::os_page_resource()));
  quarry::trim_pooled_pages();
  void* const first = pages->allocate(60000, 65536);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 65536, 0U);
  pages->deallocate(first, 60000, 65536);
  EXPECT_EQ(pages->allocate(61440, 65536), first);
  pages->deallocate(first, 61440, 65536);
  EXPECT_EQ(quarry::trim_pooled_pages(), 61440U);
  EXPECT_EQ(quarry::trim_pooled_pages(), 0U);
}

TEST(PooledPageResource, ServesEvenABlockOfNoBytesAndThrowsForWhatTheSystemRefuses) {
  std::pmr::memory_resource* const pages = quarry::pooled_page_resource();
  void* const none = pages->allocate(0, 1);
  EXPECT_NE(none, nullptr);
  pages->deallocate(none, 0, 1);
  // Read from memory, so that no compiler judges the call by the number.
  for (const volatile std::size_t bytes : {SIZE_MAX, SIZE_MAX / 2})
    EXPECT_THROW(static_cast<void>(pages->allocate(bytes, 8)), std::bad_alloc);
  EXPECT_EQ(quarry::trim_pooled_pages(), 4096U);
}

TEST(PooledPageResource, RefusesAnAlignmentThatIsNoPowerOfTwo) {
  for (const volatile std::size_t alignment : {std::size_t{0}, std::size_t{3}, std::size_t{12288}, SIZE_MAX})
    EXPECT_THROW(static_cast<void>(quarry::pooled_page_resource()->allocate(8, alignment)),
                 std::invalid_argument);
}

TEST(PooledPageResource, ServesAResourceForEachRequestTheSamePages) {
  quarry::trim_pooled_pages();
  std::size_t held_bytes = 0;
  for (int request = 0; request < 50; ++request) {
    quarry::unsynchronized_slab_resource resource(quarry::pooled_page_resource());
    std::pmr::vector<std::pmr::vector<int>> rows(&resource);
    for (int i = 0; i < 2000; ++i) rows.emplace_back(static_cast<std::size_t>(i % 40), i);
    for (int i = 0; i < 2000; ++i)
      for (const int each : rows[static_cast<std::size_t>(i)]) ASSERT_EQ(each, i);
    held_bytes = resource.stats().upstream_bytes;
  }
  EXPECT_GT(held_bytes, 0U);
  EXPECT_GE(quarry::trim_pooled_pages(), held_bytes);
  EXPECT_EQ(quarry::trim_pooled_pages(), 0U);
}

TEST(PooledPageLimit, IsTheOneOfTheModulesPool) {
  const std::size_t before = quarry::set_pooled_page_limit(65536);
  std::pmr::memory_resource* const pages = quarry::pooled_page_resource();
  void* const first = pages->allocate(65536);
  void* const second = pages->allocate(65536);
  pages->deallocate(first, 65536);
  pages->deallocate(second, 65536);
  EXPECT_EQ(quarry::set_pooled_page_limit(before), 65536U);
  EXPECT_EQ(quarry::trim_pooled_pages(), 65536U);
}

// What one thread does to a pool; every extent it holds carries its mark.
void use_pool(page_pool& pool, unsigned seed, int steps) {
  std::mt19937 random(seed);
  std::vector<std::pair<std::uint32_t*, std::size_t>> held;
  for (int step = 0; step < steps; ++step) {
    if (held.size() < 20 && random() % 2 == 0) {
      const std::size_t bytes =
          random() % 4 == 0 ? 4096 * (1 + random() % 9) : std::size_t{4096} << random() % 6;
      auto* const pages = static_cast<std::uint32_t*>(pool.take(bytes, 4096, false));
      ASSERT_NE(pages, nullptr);
      pages[0] = pages[bytes / 4 - 1] = seed;
      held.emplace_back(pages, bytes);
    } else if (!held.empty()) {
      std::swap(held[random() % held.size()], held.back());
      const auto [pages, bytes] = held.back();
      ASSERT_EQ(pages[0], seed);
      ASSERT_EQ(pages[bytes / 4 - 1], seed);
      held.pop_back();
      if (random() % 8 == 0) {
        pool.give_back(pages, bytes);
      } else {
        pool.keep(pages, bytes);
      }
    }
    if (random() % 512 == 0) pool.trim(mebibyte);
  }
  for (const auto& [pages, bytes] : held) pool.keep(pages, bytes);
}

TEST_F(PagePool, GivesNoExtentToTwoThreads) {
  pool_.set_limit(4 * mebibyte);
  std::vector<std::thread> threads;
  for (unsigned i = 1; i <= 4; ++i) threads.emplace_back([this, i] { use_pool(pool_, i, 20000); });
  for (std::thread& each : threads) each.join();
  EXPECT_LE(pool_.idle_bytes(), 4 * mebibyte);
  EXPECT_TRUE(pool_.check_invariants());
}

#if defined(__linux__)

std::size_t resident_bytes(void* begin, std::size_t bytes) {
  std::vector<unsigned char> pages(bytes / 4096);
  if (mincore(begin, bytes, pages.data()) != 0) return 0;
  std::size_t resident = 0;
  for (const unsigned char each : pages) resident += each & 1U;
  return resident * 4096;
}

bool is_mapped(void* begin) {
  unsigned char page = 0;
  return mincore(begin, 4096, &page) == 0;
}

TEST_F(PagePool, TouchesNoIdlePageAndUnmapsWhatItTrims) {
  void* const untouched = take(mebibyte);
  void* const other = take(mebibyte);
  std::memset(other, 1, mebibyte);
  pool_.keep(untouched, mebibyte);
  pool_.keep(other, mebibyte);
  EXPECT_EQ(resident_bytes(untouched, mebibyte), 0U);
  EXPECT_EQ(resident_bytes(other, mebibyte), mebibyte);
  pool_.trim(0);
  EXPECT_FALSE(is_mapped(untouched));
  EXPECT_FALSE(is_mapped(other));
}

TEST_F(PagePool, DiscardsPartOfAnExtent) {
  auto* const pages = static_cast<unsigned char*>(take(mebibyte));
  std::memset(pages, 0xA5, mebibyte);
  EXPECT_TRUE(quarry::discard_pages(pages + 65536, 131072));
  EXPECT_EQ(resident_bytes(pages, mebibyte), mebibyte - 131072);
  EXPECT_EQ(pages[65535] + pages[65536], 0xA5);
  pool_.give_back(pages, mebibyte);
}

TEST_F(PagePool, TakesAnExtentThatHadHolesForHugePagesAgain) {
  void* const holed = pool_.take(huge_page_bytes, 65536, true);
  EXPECT_TRUE(is_advised_for_huge_pages(holed));
  quarry::advise_small_pages(holed, huge_page_bytes);
  pool_.keep(holed, huge_page_bytes);
  EXPECT_EQ(pool_.take(huge_page_bytes, 65536, true), holed);
  EXPECT_TRUE(is_advised_for_huge_pages(holed));
  pool_.keep(holed, huge_page_bytes);
  EXPECT_EQ(pool_.take(huge_page_bytes, 65536, false), holed);
  EXPECT_FALSE(is_advised_for_huge_pages(holed));
  pool_.give_back(holed, huge_page_bytes);
}

[[noreturn]] void exit_with_what_the_pool_keeps_of_256_kib() {
  std::pmr::memory_resource* const pages = quarry::pooled_page_resource();
  std::vector<void*> taken(4);
  for (void*& each : taken) each = pages->allocate(65536);
  for (void* const each : taken) pages->deallocate(each, 65536);
  _exit(quarry::trim_pooled_pages() == 131072 && quarry::set_pooled_page_limit(1) == 131072 ? 0 : 1);
}

// A program of its own, started anew with the variable in its environment.
TEST(PooledPageLimit, IsReadFromTheEnvironmentAtFirstUse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("QUARRY_POOL_BYTES", "131072", 1);
  EXPECT_EXIT(exit_with_what_the_pool_keeps_of_256_kib(), testing::ExitedWithCode(0), "");
  unsetenv("QUARRY_POOL_BYTES");
}

TEST(PagePoolOfAModule, GoesOnInAChildForkedWhileOtherThreadsAreInside) {
  if (const char* const why = quarry_test::why_busy_threads_cannot_fork()) GTEST_SKIP() << why;
  page_pool& pool = page_pool::of_this_module();
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&pool, &is_over] {
      while (!is_over.load(std::memory_order_relaxed)) pool.keep(pool.take(4096, 4096, false), 4096);
    });
  int failed = 0;
  for (int i = 0; i < 300 && failed == 0; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      pool.keep(pool.take(4096, 4096, false), 4096);
      _exit(pool.check_invariants() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    failed = status;
  }
  is_over.store(true, std::memory_order_relaxed);
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(failed, 0);
}

// Each generation uses what it inherited, starts threads of its own and forks beside them.
int live_as_generation(int generation) {
  page_pool& pool = page_pool::of_this_module();
  if (!pool.check_invariants()) return 10;
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (unsigned i = 1; i <= 2; ++i)
    threads.emplace_back([&pool, &is_over, i] {
      for (unsigned round = 1; !is_over.load(std::memory_order_relaxed); ++round)
        use_pool(pool, round * 16 + i, 200);
    });
  int status = 0;
  for (int fork_number = 0; fork_number < 3 && status == 0; ++fork_number) {
    use_pool(pool, 999, 100);
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      use_pool(pool, 1000, 200);
      const std::size_t idle_bytes = pool.idle_bytes();
      if (pool.trim(idle_bytes / 2) > idle_bytes) _exit(11);
      if (!pool.check_invariants()) _exit(12);
      _exit(generation > 0 && fork_number == 0 ? live_as_generation(generation - 1) : 0);
    }
    int child_status = 0;
    waitpid(child, &child_status, 0);
    status = WIFEXITED(child_status) ? WEXITSTATUS(child_status) : 100 + WTERMSIG(child_status);
  }
  is_over.store(true, std::memory_order_relaxed);
  for (std::thread& each : threads) each.join();
  return status;
}

TEST(PagePoolOfAModule, GoesOnInAChildOfABusyProcessForManyGenerations) {
  if (const char* const why = quarry_test::why_busy_threads_cannot_fork()) GTEST_SKIP() << why;
  for (int round = 0; round < 3; ++round) ASSERT_EQ(live_as_generation(6), 0) << round;
  quarry::trim_pooled_pages();
}

#endif

}  // namespace
