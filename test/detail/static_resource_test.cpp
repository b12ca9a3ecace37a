// The resource of a tag: who comes first makes it, once.
#include "quarry/detail/static_resource.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <memory_resource>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "support/process_memory.hpp"

namespace {

template <std::size_t>
struct tag;

struct made_resource {
  static inline std::atomic<int> alive{0};
  made_resource(const quarry::slab_options& options, std::pmr::memory_resource* over) : upstream(over) {
    if (options.slab_bytes == 1) throw std::invalid_argument("no");
    ++alive;
    std::this_thread::yield();
  }
  ~made_resource() { --alive; }
  alignas(64) std::pmr::memory_resource* upstream;
};

template <std::size_t N>
using resource = quarry::detail::static_resource<tag<N>, made_resource>;

// Eight threads that come first at once.
template <std::size_t N>
void race_for() {
  constexpr int thread_count = 8;
  const int alive_before = made_resource::alive;
  std::atomic<int> waiting{thread_count};
  std::atomic<int> won{0};
  std::vector<made_resource*> seen(thread_count);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < thread_count; ++i)
    threads.emplace_back([&, i] {
      --waiting;
      while (waiting != 0) std::this_thread::yield();
      if (i % 2 == 0) won += resource<N>::make({}, std::pmr::null_memory_resource()) ? 1 : 0;
      seen[i] = &resource<N>::get();
    });
  for (std::thread& each : threads) each.join();
  for (made_resource* const each : seen) EXPECT_EQ(each, seen[0]);
  EXPECT_EQ(made_resource::alive - alive_before, 1);
  EXPECT_EQ(won, seen[0]->upstream == std::pmr::null_memory_resource() ? 1 : 0);
}

template <std::size_t... N>
void race_for_each(std::index_sequence<N...>) {
  (race_for<N>(), ...);
}

TEST(StaticResource, OfThreadsThatComeFirstAtOnceOneMakesIt) {
  race_for_each(std::make_index_sequence<100>());
}

TEST(StaticResource, IsMadeOverNewDeleteWhenNobodySaysOtherwise) {
  EXPECT_EQ(resource<1000>::get().upstream, std::pmr::new_delete_resource());
  EXPECT_EQ(&resource<1000>::get(), &resource<1000>::get());
  EXPECT_FALSE(resource<1000>::make({}, nullptr));
  EXPECT_TRUE(resource<1001>::make({}, nullptr));
  EXPECT_EQ(resource<1001>::get().upstream, std::pmr::new_delete_resource());
}

TEST(StaticResource, IsNotMadeWhenItsConstructorThrows) {
  const int alive_before = made_resource::alive;
  quarry::slab_options refused;
  refused.slab_bytes = 1;
  EXPECT_THROW((resource<1002>::make(refused, nullptr)), std::invalid_argument);
  EXPECT_EQ(made_resource::alive, alive_before);
  EXPECT_TRUE((resource<1002>::make({}, nullptr)));
}

TEST(StaticResource, GivesItsPagesBackWhenItsConstructorThrows) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  quarry::slab_options refused;
  refused.slab_bytes = 1;
  std::size_t before_bytes = 0;
  for (int round = 0; round < 200; ++round) {
    if (round == 20) before_bytes = quarry_test::mapped_bytes();
    EXPECT_THROW((resource<1003>::make(refused, nullptr)), std::invalid_argument);
  }
  EXPECT_LE(quarry_test::growth(before_bytes, quarry_test::mapped_bytes()), 65536U);
}

}  // namespace
