// How resources are told apart: ids that nobody gives again, and numbers that spread over a thread's table.
#include "../src/thread_registry.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>

namespace {

using quarry::detail::resource_ids;
using quarry::detail::resource_numbers;
using quarry::detail::thread_table_entries;

TEST(ResourceIds, AreGivenOnceByWhoeverGivesThem) {
  // More than come from one page, by two givers as two copies of the library have.
  constexpr std::size_t count = (std::size_t{1} << 24) + 1000;
  resource_ids one, other;
  std::uint64_t last = 0;
  std::set<std::uint64_t> of_other;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(of_other.insert(other.take()).second);
  std::size_t pages = 1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t id = one.take();
    ASSERT_NE(id, 0U) << "an empty entry has it";
    ASSERT_NE(id, resource_ids::none);
    if (i != 0 && id != last + 1) ++pages;
    last = id;
    ASSERT_EQ(of_other.count(id), 0U);
  }
  EXPECT_EQ(pages, 2U) << "every id of a page is used";
}

TEST(ResourceNumbers, AreTheSmallestThatNoOtherResourceHas) {
  resource_numbers numbers;
  for (std::size_t i = 0; i < thread_table_entries; ++i) EXPECT_EQ(numbers.take(), i);
  const std::size_t surplus = numbers.take();
  EXPECT_GE(surplus, thread_table_entries);
  EXPECT_NE(numbers.take(), surplus);
  numbers.give_back(surplus);
  numbers.give_back(7);
  numbers.give_back(3);
  EXPECT_EQ(numbers.take(), 3U);
  EXPECT_EQ(numbers.take(), 7U);
  EXPECT_GE(numbers.take(), thread_table_entries);
}

}  // namespace
