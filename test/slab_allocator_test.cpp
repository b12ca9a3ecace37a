// slab_allocator with every std container, by random operations against the container with std::allocator.
#include "quarry/slab_allocator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <forward_list>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <scoped_allocator>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/counted_slab_resource.hpp"
#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"

namespace {

using quarry::slab_allocator;
using quarry::slab_options;
using quarry::unsynchronized_slab_resource;
using quarry_test::counted_slab_resource;
using quarry_test::counting_resource;
using quarry_test::failing_resource;

template <class T>
using counted_allocator = slab_allocator<T, counted_slab_resource>;
using long_string = std::basic_string<char, std::char_traits<char>, slab_allocator<char>>;

struct alignas(64) line {
  int value = 0;
};

struct large {
  unsigned char bytes[3000];
};

// A slab of its own for each size, an upstream that must get everything back.
class SlabAllocator : public ::testing::Test {
 protected:
  counting_resource upstream_;
  unsynchronized_slab_resource resource_{&upstream_};
  std::mt19937 random_{20240601};  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same run each time

  std::size_t below(std::size_t bound) { return random_() % bound; }
};

static_assert(sizeof(slab_allocator<int>) == sizeof(void*));
static_assert(!std::is_final_v<slab_allocator<int>>, "Containers derive from their allocator.");
static_assert(
    std::is_same_v<std::allocator_traits<slab_allocator<int>>::rebind_alloc<long>, slab_allocator<long>>);
static_assert(std::is_nothrow_copy_constructible_v<slab_allocator<int>>);
static_assert(std::is_convertible_v<unsynchronized_slab_resource*, slab_allocator<int>>);
static_assert(std::is_convertible_v<unsynchronized_slab_resource&, slab_allocator<int>>);
static_assert(std::is_convertible_v<slab_allocator<long>, slab_allocator<int>>);
static_assert(!std::allocator_traits<slab_allocator<int>>::is_always_equal::value);
struct unfinished;
static_assert(sizeof(slab_allocator<unfinished>) == sizeof(void*), "T may be incomplete.");
static_assert(sizeof(slab_allocator<void>) == sizeof(void*), "T may be void until it is rebound.");

TEST_F(SlabAllocator, AllocatesSlotsOfExactlyTheSizeClassOfItsType) {
  slab_allocator<line> allocator(&resource_);
  line* const first = allocator.allocate(1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % alignof(line), 0U);
  EXPECT_EQ(resource_.stats().live_bytes, sizeof(line));
  allocator.deallocate(first, 1);
  EXPECT_EQ(resource_.stats().live_bytes, 0U);
}

TEST_F(SlabAllocator, HonoursEveryAlignmentUpToTheSlab) {
  struct alignas(4096) page {
    char byte;
  };
  slab_allocator<page> allocator(&resource_);
  std::vector<page*> pages;
  for (int i = 0; i < 40; ++i) {
    pages.push_back(allocator.allocate(1));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages.back()) % 4096, 0U);
  }
  for (page* each : pages) allocator.deallocate(each, 1);
}

TEST_F(SlabAllocator, ServesObjectsOfOneByte) {
  slab_allocator<char> allocator(&resource_);
  std::set<char*> places;
  for (int i = 0; i < 1000; ++i) {
    char* const place = allocator.allocate(1);
    *place = static_cast<char>(i);
    EXPECT_TRUE(places.insert(place).second);
  }
  for (char* each : places) allocator.deallocate(each, 1);
}

TEST_F(SlabAllocator, IsInterchangeableWithTheResourceInBothDirections) {
  slab_allocator<std::pair<long, long>> typed(&resource_);
  std::pmr::memory_resource& erased = resource_;
  auto* const a = typed.allocate(1);
  erased.deallocate(a, sizeof(*a), alignof(long));
  void* const b = erased.allocate(sizeof(*a), alignof(long));
  EXPECT_EQ(b, a);  // the newest slot of the same class
  typed.deallocate(static_cast<std::pair<long, long>*>(b), 1);
  EXPECT_EQ(resource_.stats().live_slots, 0U);
}

TEST_F(SlabAllocator, FallsBackWhenTheOptionsLeaveItsClassUnpooled) {
  slab_options options;
  options.largest_required_pool_block = 64;
  unsynchronized_slab_resource small(options, &upstream_);
  struct wide {
    long words[20];
  };
  slab_allocator<wide> typed(&small);
  std::pmr::memory_resource& erased = small;
  wide* const a = typed.allocate(1);
  EXPECT_EQ(small.stats().oversize_blocks, 1U);
  erased.deallocate(a, sizeof(wide), alignof(wide));
  EXPECT_EQ(small.stats().oversize_blocks, 0U);
  auto* const b = static_cast<wide*>(erased.allocate(sizeof(wide), alignof(wide)));
  typed.deallocate(b, 1);
  EXPECT_EQ(small.stats().oversize_blocks, 0U);
}

TEST_F(SlabAllocator, TellsAnAlignedSmallRequestFromALargeOneOfTheSameClass) {
  slab_options options;
  options.largest_required_pool_block = 2048;
  unsynchronized_slab_resource resource(options, &upstream_);
  std::pmr::memory_resource& erased = resource;
  void* const aligned = erased.allocate(8, 2048);  // loads the magazine of the class
  erased.deallocate(aligned, 8, 2048);
  slab_allocator<large> typed(&resource);
  large* const place = typed.allocate(1);
  EXPECT_EQ(resource.stats().oversize_blocks, 1U);
  erased.deallocate(place, sizeof(large), alignof(large));
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
}

TEST_F(SlabAllocator, RefusesArraysWhoseBytesCannotBeCounted) {
  slab_allocator<line> allocator(&resource_);
  EXPECT_THROW((void)allocator.allocate(std::numeric_limits<std::size_t>::max() / 2),
               std::bad_array_new_length);
  EXPECT_LE(allocator.max_size(), std::numeric_limits<std::size_t>::max() / sizeof(line));
}

TEST_F(SlabAllocator, RefusesBurstsWhoseBytesCannotBeCountedAtOnce) {
  using allocator_type = slab_allocator<line>;
  allocator_type allocator(&resource_);
  allocator_type::multiallocation_chain chain;
  allocator.allocate_individual(3, chain);
  const std::size_t calls = upstream_.calls();
  const std::size_t live_slots = resource_.stats().live_slots;
  const std::size_t too_many = allocator.max_size() + 1;
  for (const std::size_t count : {too_many, SIZE_MAX}) {
    EXPECT_THROW(allocator.allocate_individual(count, chain), std::bad_array_new_length);
    EXPECT_THROW(allocator.allocate_many(1, count, chain), std::bad_array_new_length);
    EXPECT_THROW(allocator.allocate_many(count, 1, chain), std::bad_array_new_length);
    EXPECT_THROW(allocator.allocate_many(std::size_t{1} << 32, std::size_t{1} << 32, chain),
                 std::bad_array_new_length);
    const std::size_t lengths[] = {1, count};
    EXPECT_THROW(allocator.allocate_many(lengths, 2, chain), std::bad_array_new_length);
    std::size_t received = count;
    line* reuse = nullptr;
    EXPECT_THROW((void)allocator.allocation_command(allocator_type::allocate_new, count, received, reuse),
                 std::bad_array_new_length);
    EXPECT_EQ(allocator.allocation_command(allocator_type::allocate_new | allocator_type::nothrow_allocation,
                                           count, received, reuse),
              nullptr);
  }
  EXPECT_EQ(chain.size(), 3U);
  EXPECT_EQ(resource_.stats().live_slots, live_slots);
  EXPECT_EQ(upstream_.calls(), calls);
  allocator.deallocate_individual(chain);
}

TEST_F(SlabAllocator, ShortRunsOfObjectsSmallerThanTheirSlotsComeBackWhole) {
  struct three {
    int each[3];
  };
  slab_allocator<three> allocator(&resource_);
  slab_allocator<three>::multiallocation_chain chain;
  allocator.allocate_individual(10, chain);
  std::set<const three*> before, after;
  for (const three& each : chain) before.insert(&each);
  allocator.deallocate_individual(chain);
  while (after.size() < before.size()) ASSERT_TRUE(after.insert(allocator.allocate(1)).second);
  EXPECT_EQ(after, before);
  for (const three* const each : after) allocator.deallocate(const_cast<three*>(each), 1);
}

TEST_F(SlabAllocator, ZeroesAllOfAnArrayThatItReceived) {
  using allocator_type = slab_allocator<char>;
  allocator_type allocator(&resource_);
  char* const before = allocator.allocate(48);
  std::fill(before, before + 48, 'x');
  allocator.deallocate(before, 48);
  std::size_t received = 41;
  char* reuse = nullptr;
  char* const array = allocator.allocation_command(allocator_type::allocate_new | allocator_type::zero_memory,
                                                   41, received, reuse);
  EXPECT_EQ(array, before);
  EXPECT_EQ(std::string(array, received), std::string(48, '\0'));
  allocator.deallocate(array, received);
}

TEST_F(SlabAllocator, FreesTheArraysOfABurstThatIsRefusedWhole) {
  slab_options options;
  options.checks = quarry::check_level::full;
  options.max_bytes = std::size_t{1} << 20;
  unsynchronized_slab_resource resource(options);
  slab_allocator<long> allocator(&resource);
  slab_allocator<long>::multiallocation_chain chain;
  const std::vector<std::size_t> lengths(100'000, 10);
  EXPECT_THROW(allocator.allocate_many(10, 100'000, chain), std::bad_alloc);
  EXPECT_THROW(allocator.allocate_many(lengths.data(), lengths.size(), chain), std::bad_alloc);
  EXPECT_TRUE(chain.empty());
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

TEST_F(SlabAllocator, PassesUpstreamsExceptionOnAndChangesNothing) {
  failing_resource failing(&upstream_);
  unsynchronized_slab_resource resource(&failing);
  slab_allocator<line> allocator(&resource);
  failing.fail_always(true);
  EXPECT_THROW((void)allocator.allocate(1), quarry_test::upstream_failure);
  EXPECT_EQ(upstream_.live_blocks(), 0U);
  failing.fail_always(false);
  allocator.deallocate(allocator.allocate(1), 1);
}

TEST_F(SlabAllocator, EqualsExactlyTheAllocatorsOfTheSameResource) {
  unsynchronized_slab_resource other(&upstream_);
  EXPECT_TRUE(slab_allocator<int>(&resource_) == slab_allocator<long>(&resource_));
  EXPECT_TRUE(slab_allocator<int>(&resource_) != slab_allocator<int>(&other));
}

TEST_F(SlabAllocator, MovesAndSwapsTakeTheResourceAlongAndCopiesStayWithTheirOwn) {
  using list = std::list<int, slab_allocator<int>>;
  unsynchronized_slab_resource other(&upstream_);
  list here({1, 2, 3}, &resource_);
  list there({4, 5}, &other);

  list copy(here);
  EXPECT_EQ(copy.get_allocator().resource(), &resource_);
  copy = there;
  EXPECT_EQ(copy.get_allocator().resource(), &resource_);
  EXPECT_EQ(copy, there);

  const int* const address = &there.front();
  copy = std::move(there);
  EXPECT_EQ(copy.get_allocator().resource(), &other);
  EXPECT_EQ(&copy.front(), address);

  swap(copy, here);
  EXPECT_EQ(copy.get_allocator().resource(), &resource_);
  EXPECT_EQ(here.get_allocator().resource(), &other);
  EXPECT_EQ(here, (list({4, 5}, &other)));
}

// A container as libraries write them: the allocator is a private base, so that an empty one takes no room.
class holder : private quarry::slab_allocator<int> {
 public:
  explicit holder(quarry::unsynchronized_slab_resource& resource) : slab_allocator(resource) {}
  auto* resource() const { return slab_allocator::resource(); }
  void swap_allocators(holder& other) {
    using std::swap;
    swap(static_cast<slab_allocator&>(*this), static_cast<slab_allocator&>(other));
  }
};
class holder_with_swap : private quarry::slab_allocator<int> {
 public:
  explicit holder_with_swap(quarry::unsynchronized_slab_resource& resource) : slab_allocator(resource) {}
  holder_with_swap(const holder_with_swap&) = delete;
  friend void swap(holder_with_swap& a, holder_with_swap& b) noexcept {
    ++a.swaps;
    ++b.swaps;
  }
  int swaps = 0;
};
class holder_that_stays : private quarry::slab_allocator<int> {
 public:
  holder_that_stays(const holder_that_stays&) = delete;
};

TEST_F(SlabAllocator, MayBeAPrivateBaseOfWhatIsSwapped) {
  quarry::unsynchronized_slab_resource one, two;
  holder a(one), b(two);
  using std::swap;
  swap(a, b);
  EXPECT_EQ(a.resource(), &two);
  a.swap_allocators(b);
  EXPECT_EQ(a.resource(), &one);
  holder_with_swap c(one), d(two);
  swap(c, d);
  EXPECT_EQ(c.swaps + d.swaps, 2);
  static_assert(std::is_nothrow_swappable_v<holder> && std::is_nothrow_swappable_v<holder_with_swap>);
  static_assert(!std::is_swappable_v<holder_that_stays>);
}

TEST_F(SlabAllocator, NodesOfContainersTakeTheTypedPath) {
  counted_slab_resource counted(&upstream_);
  std::map<int, int, std::less<>, counted_allocator<std::pair<const int, int>>> map(&counted);
  for (int i = 0; i < 100; ++i) map[i] = i;
  EXPECT_EQ(counted.fixed_allocations, 100U);
  EXPECT_EQ(counted.allocations, 0U);
  map.clear();
  EXPECT_EQ(counted.fixed_deallocations, 100U);
  EXPECT_EQ(counted.deallocations, 0U);
}

TEST_F(SlabAllocator, SharedPointersKeepTheirControlBlockInASlot) {
  const std::weak_ptr<line> observer = [this] {
    auto shared = std::allocate_shared<line>(slab_allocator<line>(&resource_));
    shared->value = 7;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shared.get()) % alignof(line), 0U);
    EXPECT_EQ(resource_.stats().live_slots, 1U);
    return std::weak_ptr<line>(shared);
  }();
  EXPECT_TRUE(observer.expired());
  EXPECT_EQ(resource_.stats().live_slots, 1U);
}

TEST_F(SlabAllocator, ScopedAllocatorsHandTheResourceToInnerContainers) {
  using inner = std::vector<long_string, std::scoped_allocator_adaptor<slab_allocator<long_string>>>;
  using outer = std::map<int, inner, std::less<>,
                         std::scoped_allocator_adaptor<slab_allocator<std::pair<const int, inner>>>>;
  outer nested{slab_allocator<char>(&resource_)};
  for (int i = 0; i < 20; ++i) nested[i].emplace_back("a string that is too long for its own small buffer");
  EXPECT_EQ(nested[3].get_allocator().resource(), &resource_);
  EXPECT_EQ(nested[3][0].get_allocator().resource(), &resource_);
}

// Random operations: one step on both containers, compared as sequences now and then.
template <class Mine, class Reference, class Step>
void compare(Mine& mine, Reference& reference, std::size_t steps, Step step) {
  for (std::size_t i = 0; i < steps; ++i) {
    step(mine, reference);
    if (i % 64 != 0) continue;
    ASSERT_EQ(std::distance(mine.begin(), mine.end()), std::distance(reference.begin(), reference.end()));
    ASSERT_TRUE(std::equal(mine.begin(), mine.end(), reference.begin()));
  }
}

constexpr std::size_t steps = 4000;

TEST_F(SlabAllocator, ListsMatchTheStandardOne) {
  std::list<int, slab_allocator<int>> mine(&resource_);
  std::list<int> reference;
  compare(mine, reference, steps, [this](auto& a, auto& b) {
    const int value = static_cast<int>(below(1000));
    switch (below(6)) {
      case 0:
        a.push_front(value), b.push_front(value);
        break;
      case 1:
        a.push_back(value), b.push_back(value);
        break;
      case 2:
        a.insert(a.begin(), 5, value), b.insert(b.begin(), 5, value);
        break;
      case 3:
        a.remove(value), b.remove(value);
        break;
      case 4:
        if (!a.empty()) a.pop_back(), b.pop_back();
        break;
      default:
        if (a.size() > 500) a.clear(), b.clear();
    }
  });
}

TEST_F(SlabAllocator, ForwardListsMatchTheStandardOne) {
  std::forward_list<int, slab_allocator<int>> mine(&resource_);
  std::forward_list<int> reference;
  compare(mine, reference, steps, [this](auto& a, auto& b) {
    const int value = static_cast<int>(below(100));
    switch (below(4)) {
      case 0:
        a.push_front(value), b.push_front(value);
        break;
      case 1:
        a.insert_after(a.before_begin(), 3, value), b.insert_after(b.before_begin(), 3, value);
        break;
      case 2:
        a.remove(value), b.remove(value);
        break;
      default:
        a.reverse(), b.reverse();
    }
  });
}

template <class Mine, class Reference>
void compare_ordered(Mine& mine, Reference& reference, std::mt19937& random) {
  compare(mine, reference, steps, [&random](auto& a, auto& b) {
    const int key = static_cast<int>(random() % 700);
    switch (random() % 5) {
      case 0:
      case 1:
        a.insert(key), b.insert(key);
        break;
      case 2:
        a.erase(key), b.erase(key);
        break;
      case 3:
        if (auto handle = a.extract(key)) a.insert(std::move(handle));
        break;  // the last of equal keys may move behind its equals: the sequence is the same
      default:
        if (a.size() > 600) a.clear(), b.clear();
    }
  });
}

TEST_F(SlabAllocator, SetsMatchTheStandardOne) {
  std::set<int, std::less<>, slab_allocator<int>> mine(&resource_);
  std::set<int> reference;
  compare_ordered(mine, reference, random_);
}

TEST_F(SlabAllocator, MultisetsMatchTheStandardOne) {
  std::multiset<int, std::less<>, slab_allocator<int>> mine(&resource_);
  std::multiset<int> reference;
  compare_ordered(mine, reference, random_);
}

template <class Mine, class Reference>
void compare_maps(Mine& mine, Reference& reference, std::mt19937& random) {
  for (std::size_t i = 0; i < steps; ++i) {
    const int key = static_cast<int>(random() % 500);
    if (random() % 3 != 0) {
      const auto a = mine.emplace(key, static_cast<int>(i));
      const auto b = reference.emplace(key, static_cast<int>(i));
      static_assert(sizeof(a) != 0 && sizeof(b) != 0);
    } else {
      ASSERT_EQ(mine.erase(key), reference.erase(key));
    }
    ASSERT_EQ(mine.count(key), reference.count(key));
    ASSERT_EQ(mine.size(), reference.size());
  }
  std::multiset<std::pair<int, int>> left(mine.begin(), mine.end());
  std::multiset<std::pair<int, int>> right(reference.begin(), reference.end());
  EXPECT_EQ(left, right);
}

using int_pair = std::pair<const int, int>;

TEST_F(SlabAllocator, MapsMatchTheStandardOne) {
  std::map<int, int, std::less<>, slab_allocator<int_pair>> mine(&resource_);
  std::map<int, int> reference;
  compare_maps(mine, reference, random_);
}

TEST_F(SlabAllocator, MultimapsMatchTheStandardOne) {
  std::multimap<int, int, std::less<>, slab_allocator<int_pair>> mine(&resource_);
  std::multimap<int, int> reference;
  compare_maps(mine, reference, random_);
}

TEST_F(SlabAllocator, UnorderedMapsMatchTheStandardOne) {
  std::unordered_map<int, int, std::hash<int>, std::equal_to<>, slab_allocator<int_pair>> mine(&resource_);
  std::unordered_map<int, int> reference;
  compare_maps(mine, reference, random_);
}

TEST_F(SlabAllocator, UnorderedMultimapsMatchTheStandardOne) {
  std::unordered_multimap<int, int, std::hash<int>, std::equal_to<>, slab_allocator<int_pair>> mine(
      &resource_);
  std::unordered_multimap<int, int> reference;
  compare_maps(mine, reference, random_);
}

TEST_F(SlabAllocator, UnorderedSetsMatchTheStandardOne) {
  std::unordered_set<int, std::hash<int>, std::equal_to<>, slab_allocator<int>> mine(&resource_);
  std::unordered_multiset<int, std::hash<int>, std::equal_to<>, slab_allocator<int>> mine_multi(&resource_);
  std::unordered_set<int> reference;
  std::unordered_multiset<int> reference_multi;
  for (std::size_t i = 0; i < steps; ++i) {
    const int key = static_cast<int>(below(500));
    if (below(3) != 0) {
      EXPECT_EQ(mine.insert(key).second, reference.insert(key).second);
      mine_multi.insert(key), reference_multi.insert(key);
    } else {
      EXPECT_EQ(mine.erase(key), reference.erase(key));
      EXPECT_EQ(mine_multi.erase(key), reference_multi.erase(key));
    }
  }
  EXPECT_EQ(std::set<int>(mine.begin(), mine.end()), std::set<int>(reference.begin(), reference.end()));
  EXPECT_EQ(std::multiset<int>(mine_multi.begin(), mine_multi.end()),
            std::multiset<int>(reference_multi.begin(), reference_multi.end()));
}

TEST_F(SlabAllocator, DequesMatchTheStandardOne) {
  std::deque<int, slab_allocator<int>> mine(&resource_);
  std::deque<int> reference;
  compare(mine, reference, steps, [this](auto& a, auto& b) {
    const int value = static_cast<int>(below(1000));
    switch (below(5)) {
      case 0:
        a.push_front(value), b.push_front(value);
        break;
      case 1:
        a.push_back(value), b.push_back(value);
        break;
      case 2:
        a.insert(a.begin() + static_cast<std::ptrdiff_t>(a.size() / 2), 40, value),
            b.insert(b.begin() + static_cast<std::ptrdiff_t>(b.size() / 2), 40, value);
        break;
      case 3:
        if (!a.empty()) a.pop_front(), b.pop_front();
        break;
      default:
        if (a.size() > 9000) a.clear(), b.clear(), a.shrink_to_fit();
    }
  });
}

TEST_F(SlabAllocator, VectorsMatchTheStandardOne) {
  std::vector<int, slab_allocator<int>> mine(&resource_);
  std::vector<int> reference;
  compare(mine, reference, steps, [this](auto& a, auto& b) {
    const int value = static_cast<int>(below(1000));
    switch (below(4)) {
      case 0:
        a.push_back(value), b.push_back(value);
        break;
      case 1:
        a.insert(a.begin(), 30, value), b.insert(b.begin(), 30, value);
        break;
      case 2:
        if (!a.empty()) a.erase(a.begin()), b.erase(b.begin());
        break;
      default:
        if (a.size() > 20000) a.clear(), b.clear(), a.shrink_to_fit();
    }
  });
}

TEST_F(SlabAllocator, StringsMatchTheStandardOne) {
  long_string mine(&resource_);
  std::string reference;
  for (std::size_t i = 0; i < steps; ++i) {
    const char letter = static_cast<char>('a' + below(26));
    switch (below(4)) {
      case 0:
        mine.push_back(letter), reference.push_back(letter);
        break;
      case 1:
        mine.insert(0, 30, letter), reference.insert(0, 30, letter);
        break;
      case 2:
        mine.erase(0, 7), reference.erase(0, 7);
        break;
      default:
        if (mine.size() > 20000) mine.clear(), reference.clear(), mine.shrink_to_fit();
    }
    ASSERT_EQ(std::string_view(mine), std::string_view(reference));
  }
}

TEST_F(SlabAllocator, AContainerSurvivesUpstreamFailingAtEveryCall) {
  for (std::size_t call = 1;; ++call) {
    failing_resource failing(&upstream_);
    unsynchronized_slab_resource resource(&failing);
    failing.fail_at(call);
    std::map<int, long_string, std::less<>,
             std::scoped_allocator_adaptor<slab_allocator<std::pair<const int, long_string>>>>
        map{slab_allocator<char>(&resource)};
    std::size_t inserted = 0;
    try {
      for (; inserted < 600; ++inserted)
        map.try_emplace(static_cast<int>(inserted), "some text longer than the small buffer of a string");
    } catch (const quarry_test::upstream_failure&) {
      EXPECT_EQ(map.size(), inserted);
      map.try_emplace(-1, "and it goes on after the failure");
    }
    map.clear();
    EXPECT_EQ(resource.stats().live_slots, 0U);
    if (!failing.failed()) {
      EXPECT_GT(call, 3U);
      break;
    }
  }
}

}  // namespace
