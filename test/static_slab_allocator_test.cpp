// static_slab_allocator: containers that make their allocators out of nothing, at any time of the program.
#include "quarry/static_slab_allocator.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <list>
#include <map>
#include <memory_resource>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "quarry/unsynchronized_slab_resource.hpp"
#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"

namespace {

using quarry::static_slab_allocator;
using quarry_test::counting_resource;
using quarry_test::failing_resource;

// A tag of its own for each test: a resource that was used once stays.
template <int>
struct tag;

template <class Tag>
using map_of = std::map<int, int, std::less<>, static_slab_allocator<std::pair<const int, int>, Tag>>;
template <class Tag>
using text_of = std::basic_string<char, std::char_traits<char>, static_slab_allocator<char, Tag>>;
template <class Tag>
auto& resource_of() {
  return static_slab_allocator<int, Tag>::resource();
}

using plain = static_slab_allocator<int>;
using traits = std::allocator_traits<plain>;
static_assert(std::is_empty_v<plain> && !std::is_final_v<plain>);
static_assert(std::is_nothrow_default_constructible_v<plain> && std::is_trivially_copyable_v<plain>);
static_assert(traits::is_always_equal::value && traits::propagate_on_container_move_assignment::value);
static_assert(std::is_same_v<traits::rebind_alloc<long>, static_slab_allocator<long>>);
static_assert(std::is_same_v<std::allocator_traits<static_slab_allocator<int, tag<0>>>::rebind_alloc<long>,
                             static_slab_allocator<long, tag<0>>>);
static_assert(std::is_convertible_v<static_slab_allocator<long>, plain>);
static_assert(!std::is_convertible_v<static_slab_allocator<int, tag<0>>, plain>);
static_assert(std::is_same_v<decltype(plain::resource()), quarry::synchronized_slab_resource&>);
static_assert(sizeof(std::vector<int, plain>) == sizeof(std::vector<int>));
struct unfinished;
static_assert(sizeof(static_slab_allocator<unfinished>) == 1, "T may be incomplete.");
static_assert(sizeof(static_slab_allocator<void>) == 1, "T may be void until it is rebound.");

constexpr plain made_by_the_compiler;
static_assert(made_by_the_compiler == static_slab_allocator<long>(made_by_the_compiler));
static_assert(!(made_by_the_compiler != plain()) && made_by_the_compiler.max_size() > 0);

TEST(StaticSlabAllocator, ServesContainersThatAreMadeWithoutAnAllocator) {
  using used = tag<1>;
  {
    map_of<used> map;
    std::unordered_map<int, text_of<used>, std::hash<int>, std::equal_to<>,
                       static_slab_allocator<std::pair<const int, text_of<used>>, used>>
        texts;
    std::vector<std::vector<int, static_slab_allocator<int, used>>,
                static_slab_allocator<std::vector<int, static_slab_allocator<int, used>>, used>>
        vectors(20);
    for (int i = 0; i < 1000; ++i) {
      map[i * 37 % 211] = i;
      texts[i % 100] += "more text than fits into a string that allocates nothing";
      vectors[static_cast<std::size_t>(i) % 20].push_back(i);
    }
    EXPECT_EQ(map.size(), 211U);
    EXPECT_EQ(texts[7].size(), 560U);
    EXPECT_EQ(std::accumulate(vectors[3].begin(), vectors[3].end(), 0), 50 * 3 + 20 * 49 * 50 / 2);
    EXPECT_GT(resource_of<used>().stats().live_slots, 211U + 100U);
  }
  EXPECT_EQ(resource_of<used>().stats().live_bytes, 0U);
}

TEST(StaticSlabAllocator, EachTagHasOneResourceOfItsOwn) {
  using one = tag<2>;
  using other = tag<3>;
  EXPECT_EQ((&static_slab_allocator<int, one>::resource()), (&static_slab_allocator<char, one>::resource()));
  EXPECT_NE((static_cast<void*>(&resource_of<one>())), (static_cast<void*>(&resource_of<other>())));
  map_of<one> map;
  map[1] = 2;
  EXPECT_EQ(resource_of<one>().stats().live_slots, 1U);
  EXPECT_EQ(resource_of<other>().stats().live_slots, 0U);
}

TEST(StaticSlabAllocator, MovedSwappedAndSplicedContainersKeepTheirNodes) {
  using list = std::list<int, static_slab_allocator<int, tag<4>>>;
  list here{1, 2, 3}, there{4, 5};
  const int* const first = &here.front();
  there.splice(there.end(), here);
  EXPECT_EQ(there, (list{4, 5, 1, 2, 3}));
  list moved = std::move(there);
  swap(moved, here);
  here.sort();
  EXPECT_EQ(&here.front(), first);
  const list copy = here;
  EXPECT_EQ(copy, (list{1, 2, 3, 4, 5}));
}

TEST(StaticSlabAllocator, IsInterchangeableWithItsResource) {
  static_slab_allocator<std::pair<long long, long long>, tag<5>> typed;
  std::pmr::memory_resource& erased = typed.resource();
  auto* const a = typed.allocate(1);
  erased.deallocate(a, sizeof(*a), alignof(long long));
  void* const b = erased.allocate(sizeof(*a), alignof(long long));
  EXPECT_EQ(b, a);
  typed.deallocate(static_cast<std::pair<long long, long long>*>(b), 1);
  auto* const array = typed.allocate(100);
  EXPECT_EQ(typed.size(array), typed.resource().good_size(1600, 8) / 16);
  typed.deallocate(array, 100);
  EXPECT_EQ(typed.resource().stats().live_slots, 0U);
}

TEST(StaticSlabAllocator, DropsNull) {
  static_slab_allocator<int, tag<6>> allocator;
  allocator.deallocate(nullptr, 1);
  EXPECT_TRUE((static_slab_allocator<int, tag<6>>::configure({}))) << "that was no use of the resource";
  for (int i = 0; i < 100; ++i) allocator.deallocate(nullptr, i % 3 == 0 ? 1 : 5);
  for (int i = 0; i < 100; ++i) {
    int* const place = allocator.allocate(1);
    ASSERT_NE(place, nullptr);
    allocator.deallocate(place, 1);
    allocator.deallocate(nullptr, 1);
  }
}

TEST(StaticSlabAllocator, RunsOfABurstComeAndGoWhole) {
  static_slab_allocator<long, tag<7>> allocator;
  decltype(allocator)::multiallocation_chain chain;
  allocator.allocate_individual(500, chain);
  EXPECT_EQ(chain.size(), 500U);
  EXPECT_EQ(allocator.resource().stats().live_slots, 500U);
  allocator.deallocate_individual(chain);
  EXPECT_EQ(allocator.resource().stats().live_slots, 0U);
}

TEST(StaticSlabAllocator, IsConfiguredBeforeItsFirstUseOnly) {
  static counting_resource upstream;
  using configured = static_slab_allocator<int, tag<8>>;
  quarry::slab_options options;
  options.max_bytes = 1 << 20;
  options.slab_bytes = 4096;
  ASSERT_TRUE(configured::configure(options, &upstream));
  EXPECT_FALSE(configured::configure({}));
  EXPECT_EQ(configured::resource().options().max_bytes, 1U << 20);
  EXPECT_EQ(configured::resource().upstream_resource(), &upstream);
  map_of<tag<8>> map;
  EXPECT_THROW(
      {
        for (int i = 0;; ++i) map[i] = i;
      },
      std::bad_alloc);
  EXPECT_GT(map.size(), 10000U);
  EXPECT_GT(upstream.live_bytes(), 1U << 19);
  map.clear();
  configured::resource().release();

  map_of<tag<9>> used;
  used[1] = 1;
  EXPECT_FALSE((static_slab_allocator<int, tag<9>>::configure(options, &upstream)));
  EXPECT_EQ(resource_of<tag<9>>().options().max_bytes, 0U);
  EXPECT_EQ(resource_of<tag<9>>().upstream_resource(), std::pmr::new_delete_resource());
}

TEST(StaticSlabAllocator, RefusesOptionsThatMakeNoSenseAndStaysUnconfigured) {
  using configured = static_slab_allocator<int, tag<10>>;
  quarry::slab_options options;
  options.slab_bytes = 1000;
  EXPECT_THROW(configured::configure(options), std::invalid_argument);
  options.slab_bytes = 4096;
  EXPECT_TRUE(configured::configure(options));
  EXPECT_EQ(configured::resource().options().slab_bytes, 4096U);
}

TEST(StaticSlabAllocator, MayBeOverAResourceForOneThread) {
  using lone =
      static_slab_allocator<std::pair<const int, int>, tag<11>, quarry::unsynchronized_slab_resource>;
  std::map<int, int, std::less<>, lone> map;
  for (int i = 0; i < 500; ++i) map[i] = i;
  EXPECT_EQ(lone::resource().stats().live_slots, 500U);
  map.clear();
  lone().deallocate(nullptr, 1);
  EXPECT_EQ(lone::resource().stats().live_slots, 0U);
}

TEST(StaticSlabAllocator, AContainerSurvivesUpstreamFailingAtEveryCall) {
  static counting_resource memory;
  static failing_resource failing(&memory);
  ASSERT_TRUE((static_slab_allocator<int, tag<12>>::configure({}, &failing)));
  for (std::size_t call = 1;; ++call) {
    ASSERT_LT(call, 100U);
    failing.fail_at(call);
    {
      map_of<tag<12>> map;
      std::size_t inserted = 0;
      try {
        for (; inserted < 5000; ++inserted) map[static_cast<int>(inserted)] = 1;
      } catch (const quarry_test::upstream_failure&) {
        EXPECT_EQ(map.size(), inserted);
        map[-1] = 1;
      }
    }
    EXPECT_EQ(resource_of<tag<12>>().stats().live_slots, 0U);
    resource_of<tag<12>>().release();
    if (!failing.failed()) break;
    EXPECT_EQ(memory.live_blocks(), 0U);
  }
}

TEST(StaticSlabAllocator, AHitFindsTheThreadsCacheAgainAfterRelease) {
  using used = tag<13>;
  static_slab_allocator<long, used> allocator;
  for (int round = 0; round < 3; ++round) {
    long* const place = allocator.allocate(1);
    allocator.deallocate(place, 1);
    EXPECT_EQ(allocator.allocate(1), place) << "out of the magazine";
    allocator.resource().release();
  }
}

TEST(StaticSlabAllocator, ThreadsShareItAndFreeWhatOthersAllocated) {
  using used = tag<14>;
  using list = std::list<int, static_slab_allocator<int, used>>;
  std::vector<list> lists(8);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < lists.size(); ++i)
      threads.emplace_back([&, i] {
        list mine;
        for (int value = 0; value < 2000; ++value) mine.push_back(value);
        lists[i] = std::move(mine);  // what another thread filled in the round before goes
      });
    for (std::thread& each : threads) each.join();
    std::swap(lists.front(), lists.back());
  }
  for (const list& each : lists) EXPECT_EQ(std::accumulate(each.begin(), each.end(), 0), 1999 * 1000);
  lists.clear();
  EXPECT_EQ(resource_of<used>().stats().live_slots, 0U);
}

// Used by every run of this program, before main() and after it has ended. A program that ends with another status fails its
// test.
struct uses_it_at_both_ends {
  uses_it_at_both_ends() { fill(); }
  ~uses_it_at_both_ends() {
    if (map.size() != 100 || resource_of<tag<15>>().stats().live_slots != 100) fail();
    map.clear();
    fill();
    text.append(5000, 'y');
    if (map.size() != 100 || text.size() != 5100) fail();
    if (resource_of<tag<17>>().stats().live_slots != later.size()) fail();
    later[-1] = 1;
  }
  void fill() {
    for (int i = 0; i < 100; ++i) map[i] = i;
  }
  [[noreturn]] static void fail() {
    std::fputs("static_slab_allocator_test: what a static object held is not there when the program ends\n",
               stderr);
    std::_Exit(1);
  }
  map_of<tag<15>> map;
  map_of<tag<17>> later;  // filled by main()
  text_of<tag<16>> text = text_of<tag<16>>(100, 'x');
};
uses_it_at_both_ends early_and_late;

TEST(StaticSlabAllocator, IsUsableBeforeMainAndAfterItHasEnded) {
  EXPECT_EQ(early_and_late.map.size(), 100U);
  EXPECT_EQ(resource_of<tag<15>>().stats().live_slots, 100U);
  for (int i = 0; i < 100; ++i) early_and_late.later[i] = i;
  EXPECT_EQ(resource_of<tag<17>>().stats().live_slots, 100U);
}

}  // namespace
