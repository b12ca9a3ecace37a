// Every container of Boost.Container over slab_allocator, by random operations against the std container.
// links: Boost::container
// options: -fno-sanitize=pointer-overflow -D_LIBCPP_ENABLE_CXX17_REMOVED_UNARY_BINARY_FUNCTION
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored \
    "-Wstringop-overread"  // g++ 12 misjudges memmove inside Boost's own headers at -O3
#endif
#include <gtest/gtest.h>
#include <quarry/slab_allocator.hpp>
#include <quarry/static_slab_allocator.hpp>

#include <algorithm>
#include <boost/container/deque.hpp>
#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>
#include <boost/container/list.hpp>
#include <boost/container/map.hpp>
#include <boost/container/node_allocator.hpp>
#include <boost/container/set.hpp>
#include <boost/container/slist.hpp>
#include <boost/container/small_vector.hpp>
#include <boost/container/stable_vector.hpp>
#include <boost/container/string.hpp>
#include <boost/container/vector.hpp>
#include <cstddef>
#include <deque>
#include <forward_list>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"

namespace {

namespace bc = boost::container;
using quarry::slab_allocator;
using quarry::unsynchronized_slab_resource;

constexpr std::size_t steps = 3000;

class BoostContainers : public ::testing::Test {
 public:
  ~BoostContainers() override { EXPECT_EQ(resource_.stats().live_slots, 0U); }

  std::size_t below(std::size_t bound) { return random_() % bound; }
  int value() { return static_cast<int>(below(1000)); }
  std::vector<int> some_values() {
    std::vector<int> result(below(150));
    for (int& each : result) each = value();
    return result;
  }

  quarry_test::counting_resource upstream_;
  unsynchronized_slab_resource resource_{&upstream_};
  std::mt19937 random_{20240602};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same run each time
};

template <class Mine, class Reference>
void expect_same(const Mine& mine, const Reference& reference) {
  ASSERT_EQ(std::distance(mine.begin(), mine.end()), std::distance(reference.begin(), reference.end()));
  ASSERT_TRUE(std::equal(mine.begin(), mine.end(), reference.begin()));
}

/// Runs `step` again and again, and `compare` on what it left now and then, until that fails.
template <class Step, class Compare>
void repeat(Step step, Compare compare) {
  for (std::size_t i = 0; i < steps; ++i) {
    step();
    if (i % 16 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(compare());
  }
}

template <class Container>
auto at(Container& container, std::size_t index) {
  return std::next(container.begin(), static_cast<std::ptrdiff_t>(index));
}

// What list, vector, stable_vector, small_vector and deque have in common.
template <class Mine, class Reference, class Test>
void sequence_step(Mine& mine, Reference& reference, Test&& test) {
  const int value = test.value();
  const std::size_t place = test.below(reference.size() + 1);
  switch (test.below(12)) {
    case 0:
    case 1:
      mine.push_back(value), reference.push_back(value);
      break;
    case 2:
      mine.insert(at(mine, place), value), reference.insert(at(reference, place), value);
      break;
    case 3: {
      const std::vector<int> values = test.some_values();
      mine.insert(at(mine, place), values.begin(), values.end());
      reference.insert(at(reference, place), values.begin(), values.end());
      break;
    }
    case 4: {
      const std::vector<int> values = test.some_values();
      mine.assign(values.begin(), values.end()), reference.assign(values.begin(), values.end());
      break;
    }
    case 5: {
      const std::size_t size = test.below(300);
      mine.resize(size, value), reference.resize(size, value);
      break;
    }
    case 6:
      if (place < reference.size()) mine.erase(at(mine, place)), reference.erase(at(reference, place));
      break;
    case 7:
      mine.erase(mine.begin(), at(mine, place)), reference.erase(reference.begin(), at(reference, place));
      break;
    case 8: {
      Mine copy(mine);
      expect_same(copy, reference);
      mine.clear();
      mine = copy;
      break;
    }
    case 9: {
      Mine moved(std::move(mine));
      mine = std::move(moved);
      break;
    }
    case 10: {
      Mine other(mine.get_allocator());
      other.push_back(value);
      other.swap(mine);
      mine.insert(mine.end(), other.begin(), other.end());
      reference.insert(reference.begin(), value);
      break;
    }
    default:
      if (test.below(8) == 0) mine.clear(), reference.clear();
  }
}

TEST_F(BoostContainers, ListsMatchTheStandardOne) {
  bc::list<int, slab_allocator<int>> mine(&resource_);
  std::list<int> reference;
  repeat([&] { sequence_step(mine, reference, *this); }, [&] { expect_same(mine, reference); });
  mine.sort(), reference.sort();
  mine.unique(), reference.unique();
  expect_same(mine, reference);
}

TEST_F(BoostContainers, VectorsMatchTheStandardOne) {
  bc::vector<int, slab_allocator<int>> mine{slab_allocator<int>(&resource_)};
  std::vector<int> reference;
  repeat([&] { sequence_step(mine, reference, *this); }, [&] { expect_same(mine, reference); });
  mine.resize(5000), reference.resize(5000);
  mine.erase(mine.begin() + 50, mine.end()), reference.erase(reference.begin() + 50, reference.end());
  mine.shrink_to_fit();
  expect_same(mine, reference);
}

TEST_F(BoostContainers, StableVectorsMatchTheStandardVector) {
  bc::stable_vector<int, slab_allocator<int>> mine{slab_allocator<int>(&resource_)};
  std::vector<int> reference;
  repeat([&] { sequence_step(mine, reference, *this); }, [&] { expect_same(mine, reference); });
  mine.reserve(3000);
  mine.shrink_to_fit();
  expect_same(mine, reference);
}

TEST_F(BoostContainers, SmallVectorsMatchTheStandardVector) {
  using small_vector = bc::small_vector<int, 8, slab_allocator<int>>;
  small_vector mine{small_vector::allocator_type(slab_allocator<int>(&resource_))};
  std::vector<int> reference;
  repeat([&] { sequence_step(mine, reference, *this); }, [&] { expect_same(mine, reference); });
}

// Boost's deque adds to a null pointer, of which the sanitizer is not asked here.
TEST_F(BoostContainers, DequesMatchTheStandardOne) {
  bc::deque<int, slab_allocator<int>> mine{slab_allocator<int>(&resource_)};
  std::deque<int> reference;
  repeat([&] { sequence_step(mine, reference, *this); }, [&] { expect_same(mine, reference); });
}

TEST_F(BoostContainers, AreMadeWithoutAnAllocatorOverAStaticOne) {
  using allocator = quarry::static_slab_allocator<int, BoostContainers>;
  {
    const std::vector<int> values = some_values();
    bc::list<int, allocator> list(values.begin(), values.end());
    bc::set<int, std::less<>, allocator> set(values.begin(), values.end());
    bc::stable_vector<int, allocator> stable(values.begin(), values.end());
    bc::list<int, allocator> moved = std::move(list);
    moved.insert(moved.end(), values.begin(), values.end());
    EXPECT_EQ(moved.size(), 2 * values.size());
    EXPECT_TRUE(std::equal(stable.begin(), stable.end(), values.begin()));
    EXPECT_EQ(set.size(), std::set<int>(values.begin(), values.end()).size());
  }
  EXPECT_EQ(allocator::resource().stats().live_bytes, 0U);
}

template <class Allocator>
std::vector<int> range_through_slist(const Allocator& allocator) {
  const int numbers[] = {1, 2, 3, 4};
  const bc::slist<int, Allocator> list(std::begin(numbers), std::end(numbers), allocator);
  return {list.begin(), list.end()};
}

// Whose fault it is: an allocator of Boost's own with the same protocol does so too.
TEST_F(BoostContainers, SlistReversesARangeWithEveryAllocatorOfVersion2) {
  const std::vector<int> straight{1, 2, 3, 4}, reversed{4, 3, 2, 1};
  EXPECT_EQ(range_through_slist(std::allocator<int>()), straight);
  EXPECT_EQ(range_through_slist(slab_allocator<int>(&resource_)), reversed);
  EXPECT_EQ(range_through_slist(bc::node_allocator<int>()), reversed);
}

// Boost 1.74 and 1.81 insert a range into an slist in reverse order with every version 2 allocator, their own
// included; the reference follows them.
TEST_F(BoostContainers, SinglyLinkedListsMatchTheStandardOne) {
  bc::slist<int, slab_allocator<int>> mine(&resource_);
  std::forward_list<int> reference;
  repeat(
      [&] {
        const int next = value();
        const std::vector<int> values = some_values();
        switch (below(7)) {
          case 0:
            mine.push_front(next), reference.push_front(next);
            break;
          case 1:
            mine.insert_after(mine.before_begin(), values.begin(), values.end());
            reference.insert_after(reference.before_begin(), values.rbegin(), values.rend());
            break;
          case 2:
            if (!mine.empty()) mine.pop_front(), reference.pop_front();
            break;
          case 3:
            mine.remove(next), reference.remove(next);
            break;
          case 4:
            mine.sort(), reference.sort();
            break;
          case 5: {
            bc::slist<int, slab_allocator<int>> moved(std::move(mine));
            mine = std::move(moved);
            break;
          }
          default:
            if (below(8) == 0) mine.clear(), reference.clear();
        }
      },
      [&] { expect_same(mine, reference); });
}

template <class Mine, class Reference, class Test, class Make>
void ordered_step(Mine& mine, Reference& reference, Test&& test, Make make) {
  const int key = test.value();
  switch (test.below(9)) {
    case 0:
    case 1:
      mine.insert(make(key)), reference.insert(make(key));
      break;
    case 2: {
      std::vector<decltype(make(0))> values;
      for (int each : test.some_values()) values.push_back(make(each));
      mine.insert(values.begin(), values.end()), reference.insert(values.begin(), values.end());
      break;
    }
    case 3:
    case 4:
      EXPECT_EQ(mine.erase(key), reference.erase(key));
      break;
    case 5: {
      Mine copy(mine);
      expect_same(copy, reference);
      mine.clear();
      mine = copy;
      break;
    }
    case 6: {
      const auto middle = mine.lower_bound(key);
      mine.erase(mine.begin(), middle);
      reference.erase(reference.begin(), reference.lower_bound(key));
      break;
    }
    case 7: {
      std::vector<decltype(make(0))> sorted;
      for (int each = 0; each < 200; ++each) sorted.push_back(make(each));
      Mine built(bc::ordered_unique_range, sorted.begin(), sorted.end(), typename Mine::key_compare(),
                 mine.get_allocator());
      mine.swap(built);
      reference = Reference(sorted.begin(), sorted.end());
      break;
    }
    default:
      if (test.below(8) == 0) mine.clear(), reference.clear();
  }
}

// The multi containers call the sorted range by another name.
template <class Mine, class Reference, class Test, class Make>
void multi_step(Mine& mine, Reference& reference, Test&& test, Make make) {
  const int key = test.value() / 10;
  switch (test.below(6)) {
    case 0:
    case 1:
      mine.insert(make(key)), reference.insert(make(key));
      break;
    case 2: {
      std::vector<decltype(make(0))> values;
      for (int each : test.some_values()) values.push_back(make(each));
      mine.insert(values.begin(), values.end()), reference.insert(values.begin(), values.end());
      break;
    }
    case 3:
      EXPECT_EQ(mine.erase(key), reference.erase(key));
      break;
    case 4: {
      std::vector<decltype(make(0))> values(reference.begin(), reference.end());
      Mine built(values.begin(), values.end(), typename Mine::key_compare(), mine.get_allocator());
      mine.swap(built);
      break;
    }
    default:
      if (test.below(4) == 0) mine.clear(), reference.clear();
  }
}

constexpr auto itself = [](int key) { return key; };
constexpr auto paired = [](int key) { return std::pair<int, int>(key, key * 3); };

// Boost's maps and std's have different value types, so pairs are compared by their members.
template <class Mine, class Reference>
void expect_same_pairs(const Mine& mine, const Reference& reference) {
  ASSERT_EQ(mine.size(), reference.size());
  ASSERT_TRUE(std::equal(mine.begin(), mine.end(), reference.begin(), [](const auto& a, const auto& b) {
    return a.first == b.first && a.second == b.second;
  }));
}

TEST_F(BoostContainers, SetsMatchTheStandardOne) {
  bc::set<int, std::less<>, slab_allocator<int>> mine{slab_allocator<int>(&resource_)};
  std::set<int> reference;
  repeat([&] { ordered_step(mine, reference, *this, itself); }, [&] { expect_same(mine, reference); });
}

TEST_F(BoostContainers, FlatSetsMatchTheStandardSet) {
  bc::flat_set<int, std::less<>, slab_allocator<int>> mine{slab_allocator<int>(&resource_)};
  std::set<int> reference;
  repeat([&] { ordered_step(mine, reference, *this, itself); }, [&] { expect_same(mine, reference); });
}

TEST_F(BoostContainers, MultisetsMatchTheStandardOne) {
  bc::multiset<int, std::less<>, slab_allocator<int>> mine{slab_allocator<int>(&resource_)};
  std::multiset<int> reference;
  repeat([&] { multi_step(mine, reference, *this, itself); }, [&] { expect_same(mine, reference); });
}

// One value at a time: Boost 1.74 recurses without end, with any allocator, when some ranges with duplicates
// are inserted at some capacities.
TEST_F(BoostContainers, FlatMultisetsMatchTheStandardMultiset) {
  bc::flat_multiset<int, std::less<>, slab_allocator<int>> mine{slab_allocator<int>(&resource_)};
  std::multiset<int> reference;
  repeat(
      [&] {
        const int key = value() / 10;
        if (below(4) != 0) {
          mine.insert(key), reference.insert(key);
        } else {
          EXPECT_EQ(mine.erase(key), reference.erase(key));
        }
      },
      [&] { expect_same(mine, reference); });
}

using pair_allocator = slab_allocator<std::pair<const int, int>>;

template <class Mine, class Reference, class Test>
void map_step(Mine& mine, Reference& reference, Test&& test) {
  const int key = test.value();
  switch (test.below(6)) {
    case 0:
    case 1:
      mine[key] = key * 3, reference[key] = key * 3;
      break;
    case 2:
      for (int each : test.some_values()) mine.emplace(each, each * 3), reference.emplace(each, each * 3);
      break;
    case 3:
      EXPECT_EQ(mine.erase(key), reference.erase(key));
      break;
    case 4: {
      Mine copy(mine);
      mine.clear();
      mine = std::move(copy);
      break;
    }
    default:
      if (test.below(8) == 0) mine.clear(), reference.clear();
  }
}

TEST_F(BoostContainers, MapsMatchTheStandardOne) {
  bc::map<int, int, std::less<>, pair_allocator> mine{pair_allocator(&resource_)};
  bc::flat_map<int, int, std::less<>, slab_allocator<std::pair<int, int>>> flat{
      slab_allocator<std::pair<int, int>>(&resource_)};
  std::map<int, int> reference;
  std::map<int, int> second;
  repeat(
      [&] {
        second = reference;
        const std::mt19937 before = random_;
        map_step(mine, reference, *this);
        random_ = before;
        map_step(flat, second, *this);
      },
      [&] {
        expect_same_pairs(mine, reference);
        expect_same_pairs(flat, second);
      });
}

TEST_F(BoostContainers, MultimapsMatchTheStandardOne) {
  bc::multimap<int, int, std::less<>, pair_allocator> mine{pair_allocator(&resource_)};
  bc::flat_multimap<int, int, std::less<>, slab_allocator<std::pair<int, int>>> flat{
      slab_allocator<std::pair<int, int>>(&resource_)};
  std::multimap<int, int> reference;
  repeat(
      [&] {
        const int key = value() / 10;
        if (below(3) != 0) {
          mine.insert(paired(key)), flat.insert(paired(key)), reference.insert(paired(key));
        } else {
          const std::size_t erased = reference.erase(key);
          EXPECT_EQ(mine.erase(key), erased);
          EXPECT_EQ(flat.erase(key), erased);
        }
      },
      [&] {
        expect_same_pairs(mine, reference);
        expect_same_pairs(flat, reference);
      });
}

TEST_F(BoostContainers, StringsMatchTheStandardOne) {
  bc::basic_string<char, std::char_traits<char>, slab_allocator<char>> mine{slab_allocator<char>(&resource_)};
  std::string reference;
  for (std::size_t step = 0; step < steps; ++step) {
    const char letter = static_cast<char>('a' + below(26));
    switch (below(6)) {
      case 0:
        mine.push_back(letter), reference.push_back(letter);
        break;
      case 1:
        mine.insert(std::size_t{0}, std::size_t{30}, letter), reference.insert(0, 30, letter);
        break;
      case 2:
        mine.erase(0, 11), reference.erase(0, 11);
        break;
      case 3:
        mine.append(reference.c_str(), std::min<std::size_t>(reference.size(), 60));
        reference.append(std::string(reference, 0, 60));
        break;
      case 4:
        mine.shrink_to_fit();
        break;
      default:
        if (reference.size() > 20000) mine.clear(), reference.clear();
    }
    ASSERT_STREQ(mine.c_str(), reference.c_str());
  }
}

}  // namespace
