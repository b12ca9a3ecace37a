// slab_ptr: one word that owns an object in a slab.
#include "quarry/slab_ptr.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "quarry/slab_cache.hpp"
#include "support/counting_resource.hpp"

namespace {

using quarry::null_lock;
using quarry::resource_page_source;
using quarry::slab_cache;
using quarry::slab_ptr;
using quarry::spin_lock;

template <class T, class Lock = null_lock>
using test_cache = slab_cache<T, Lock, 4096, resource_page_source>;

struct noisy {
  static inline int alive = 0;
  explicit noisy(int v = 0) : value(v) { ++alive; }
  noisy(const noisy&) = delete;
  ~noisy() { --alive; }
  int value;
};

static_assert(sizeof(slab_ptr<noisy>) == sizeof(void*));
static_assert(std::is_same_v<slab_cache<noisy>::ptr, slab_ptr<noisy>>);
static_assert(std::is_nothrow_move_constructible_v<slab_ptr<noisy>>);
static_assert(std::is_nothrow_move_assignable_v<slab_ptr<noisy>>);
static_assert(!std::is_copy_constructible_v<slab_ptr<noisy>>);
static_assert(!std::is_copy_assignable_v<slab_ptr<noisy>>);
static_assert(!std::is_convertible_v<noisy*, slab_ptr<noisy>>);

class SlabPtr : public ::testing::Test {
 protected:
  quarry_test::counting_resource upstream;
  resource_page_source pages{&upstream};
  test_cache<noisy> cache{pages};
  using owner = test_cache<noisy>::ptr;
};

TEST_F(SlabPtr, ReturnsTheMemoryWhenItGoes) {
  { const auto one = cache.make(); }
  EXPECT_EQ(noisy::alive, 0);
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

TEST_F(SlabPtr, IsEmptyByDefault) {
  owner empty, null(nullptr);
  EXPECT_FALSE(empty);
  EXPECT_EQ(empty.get(), nullptr);
  EXPECT_EQ(empty, nullptr);
  EXPECT_EQ(nullptr, null);
  EXPECT_EQ(empty, null);
}

TEST_F(SlabPtr, MovesItsObject) {
  auto first = cache.make(5);
  noisy* const address = first.get();
  owner second(std::move(first));
  EXPECT_EQ(first, nullptr);
  EXPECT_EQ(second.get(), address);
  first = std::move(second);
  EXPECT_EQ(first.get(), address);
  EXPECT_EQ(noisy::alive, 1);
}

TEST_F(SlabPtr, SelfMoveKeepsTheObject) {
  auto one = cache.make(5);
  auto& same = one;
  one = std::move(same);
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one->value, 5);
}

TEST_F(SlabPtr, AssignmentDestroysTheOldObject) {
  auto one = cache.make(1);
  one = cache.make(2);
  EXPECT_EQ(noisy::alive, 1);
  EXPECT_EQ(one->value, 2);
  one = nullptr;
  EXPECT_EQ(noisy::alive, 0);
}

TEST_F(SlabPtr, ResetSwapReleaseAndAdoptWorkAsForUniquePtr) {
  auto one = cache.make(1);
  auto two = cache.make(2);
  swap(one, two);
  EXPECT_EQ(one->value, 2);
  one.swap(two);
  EXPECT_EQ(one->value, 1);
  noisy* const raw = one.release();
  EXPECT_EQ(one, nullptr);
  EXPECT_EQ(noisy::alive, 2);
  one = owner::adopt(raw);
  EXPECT_EQ((*one).value, 1);
  one.reset(two.release());
  EXPECT_EQ(one->value, 2);
  EXPECT_EQ(noisy::alive, 1);
  one.reset();
  EXPECT_EQ(noisy::alive, 0);
}

TEST_F(SlabPtr, AdoptsAnObjectConstructedInARawSlot) {
  noisy* const slot = ::new (static_cast<void*>(cache.allocate())) noisy(9);
  { const owner one(slot); }
  EXPECT_EQ(noisy::alive, 0);
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

TEST_F(SlabPtr, ComparesAndHashesAsItsPointer) {
  const auto one = cache.make(), two = cache.make();
  EXPECT_NE(one, two);
  EXPECT_EQ(one < two, std::less<>()(one.get(), two.get()));
  owner all[] = {nullptr, cache.make(), cache.make()};  // held by none of the others
  for (const owner& left : all)
    for (const owner& right : all) {
      EXPECT_EQ(left == right, left.get() == right.get());
      EXPECT_EQ(left != right, left.get() != right.get());
      EXPECT_EQ(left < right, std::less<>()(left.get(), right.get()));
      EXPECT_EQ(left <= right, std::less_equal<>()(left.get(), right.get()));
      EXPECT_EQ(left > right, std::greater<>()(left.get(), right.get()));
      EXPECT_EQ(left >= right, std::greater_equal<>()(left.get(), right.get()));
    }
  EXPECT_EQ(std::hash<owner>()(one), std::hash<noisy*>()(one.get()));
  std::unordered_set<owner> set;
  set.insert(cache.make(3));
  EXPECT_EQ((*set.begin())->value, 3);
}

TEST_F(SlabPtr, LivesInContainersLambdasAndReturnValues) {
  const auto build = [this](int v) { return cache.make(v); };
  std::vector<owner> vector;
  for (int i = 0; i < 100; ++i) vector.push_back(build(i));
  std::map<int, owner> map;
  for (auto& each : vector) {
    const int key = each->value;
    map.emplace(key, std::move(each));
  }
  for (const auto& [key, value] : map) EXPECT_EQ(value->value, key);
  const auto task = [held = build(7)] { return held->value; };
  EXPECT_EQ(task(), 7);
  EXPECT_EQ(noisy::alive, 101);
  map.clear();
  EXPECT_EQ(noisy::alive, 1);
}

TEST_F(SlabPtr, FindsItsWayHomeAfterTheHandlesAreGoneOnAnotherThread) {
  auto other = std::make_unique<test_cache<noisy>>(pages);
  auto one = other->make(1);
  const auto copy = std::make_unique<test_cache<noisy>>(*other);
  other.reset();
  auto two = copy->make(2);
  std::thread([moved = std::move(one)]() mutable {
    EXPECT_EQ(moved->value, 1);
    moved.reset();
  }).join();
  EXPECT_EQ(copy->stats().live_slots, 1U);
  EXPECT_EQ(two->value, 2);
}

TEST_F(SlabPtr, TheLastObjectMayGoOnAnyThreadAfterTheCache) {
  test_cache<noisy, spin_lock>::ptr last;
  {
    test_cache<noisy, spin_lock> other(pages);
    last = other.make(4);
  }
  EXPECT_EQ(upstream.live_blocks(), 1U);
  std::thread([moved = std::move(last)]() mutable { moved.reset(); }).join();
  EXPECT_EQ(upstream.live_blocks(), 0U);
  EXPECT_EQ(noisy::alive, 0);
}

// ---- bases

struct plain_base {  // no virtual destructor
  int tag = 0;
};
struct other_base {
  long other = 0;
};
struct small_derived : other_base, plain_base {
  explicit small_derived(int* counter) : destroyed(counter) { tag = 1; }
  ~small_derived() { ++*destroyed; }
  int* destroyed;
};
struct large_derived : other_base, plain_base {
  explicit large_derived(int* counter) : destroyed(counter) { tag = 2; }
  ~large_derived() { ++*destroyed; }
  char filler[300] = {};
  int* destroyed;
  std::string text = "a string that does not fit into itself";
};
struct shape {  // abstract, and its destructor cannot even be called from outside
  virtual double area() const = 0;

 protected:
  ~shape() = default;
};
struct square final : shape {
  explicit square(double s) : side(s) {}
  double area() const override { return side * side; }
  double side;
};
struct polygon final : virtual shape {
  double area() const override { return static_cast<double>(points.size()); }
  std::vector<int> points = {1, 2, 3};
};

TEST_F(SlabPtr, AnOwnerOfABaseDestroysAndFreesTheWholeObjectWithoutAVirtualDestructor) {
  int destroyed = 0;
  test_cache<large_derived> derived(pages);
  slab_ptr<plain_base, test_cache<large_derived>> base = derived.make(&destroyed);
  EXPECT_EQ(base->tag, 2);
  base.reset();
  EXPECT_EQ(destroyed, 1);
  EXPECT_EQ(derived.stats().live_slots, 0U);
}

TEST_F(SlabPtr, AVectorOwnsObjectsOfSeveralCachesThroughOneBase) {
  int destroyed = 0;
  using base_owner = slab_ptr<plain_base, test_cache<plain_base>>;
  static_assert(sizeof(base_owner) == sizeof(void*));
  test_cache<plain_base> bases(pages);
  test_cache<small_derived> smalls(pages);
  test_cache<large_derived, spin_lock> larges(pages);
  std::vector<base_owner> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back(bases.make());
    all.push_back(smalls.make(&destroyed));
    all.push_back(larges.make(&destroyed));
  }
  int tags = 0;
  for (const auto& each : all) tags += each->tag;
  EXPECT_EQ(tags, 900);
  all.clear();
  EXPECT_EQ(destroyed, 600);
  EXPECT_EQ(bases.stats().live_slots + smalls.stats().live_slots + larges.stats().live_slots, 0U);
}

TEST_F(SlabPtr, AnAbstractBaseMayBeVirtualAndKeepItsDestructorToItself) {
  quarry::slab_cache<square> squares;
  quarry::slab_cache<polygon> polygons;
  std::vector<slab_ptr<shape>> shapes;
  for (int i = 0; i < 10; ++i) {
    shapes.push_back(squares.make(2.0));
    shapes.push_back(polygons.make());
  }
  double total = 0;
  for (const auto& each : shapes) total += each->area();
  EXPECT_EQ(total, 70.0);
  slab_ptr<shape> moved = std::move(shapes.back());
  shapes.clear();
  EXPECT_EQ(polygons.stats().live_slots, 1U);
  moved = nullptr;
  EXPECT_EQ(squares.stats().live_slots + polygons.stats().live_slots, 0U);
}

TEST_F(SlabPtr, OwnersOfBasesOutliveTheirCaches) {
  int destroyed = 0;
  std::vector<slab_ptr<plain_base, test_cache<plain_base>>> all;
  {
    test_cache<small_derived> smalls(pages);
    test_cache<large_derived> larges(pages);
    for (int i = 0; i < 100; ++i) {
      all.push_back(smalls.make(&destroyed));
      all.push_back(larges.make(&destroyed));
    }
  }
  all.clear();
  EXPECT_EQ(destroyed, 200);
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

// A base that lies megabytes behind the object's first byte, in a slab whose size times the object's exceeds 2^40.
struct far_head {
  char bytes[2032624];
};
struct far_base {
  char bytes[8];
};
struct far_object : far_head, far_base {
  ~far_object() { destroyed.push_back(this); }
  static inline std::vector<const void*> destroyed;
};

TEST_F(SlabPtr, OwnersOfBasesFindTheWholeObjectHoweverLarge) {
  using cache_of_far =
      slab_cache<far_object, null_lock, quarry::default_slab_bytes<far_object>, resource_page_source>;
  std::vector<const void*> made;
  cache_of_far objects(pages);
  std::vector<slab_ptr<far_base, slab_cache<far_base, null_lock, cache_of_far::slab_bytes>>> owners;
  for (int i = 0; i < 9; ++i) {
    auto one = objects.make();
    made.push_back(one.get());
    owners.emplace_back(std::move(one));
  }
  owners.clear();
  // A vector destroys its elements in whatever order it likes.
  ASSERT_EQ(far_object::destroyed.size(), made.size());
  EXPECT_TRUE(std::is_permutation(made.begin(), made.end(), far_object::destroyed.begin()));
  EXPECT_EQ(objects.stats().live_slots, 0U);
}

// What cannot find its way home does not convert.
struct final_type final {
  int x;
};
static_assert(std::is_convertible_v<slab_ptr<small_derived>, slab_ptr<plain_base>>);
static_assert(!std::is_convertible_v<slab_ptr<plain_base>, slab_ptr<small_derived>>);
static_assert(
    !std::is_convertible_v<test_cache<small_derived>::ptr, slab_ptr<plain_base>>);  // other slab size
static_assert(std::is_convertible_v<slab_ptr<noisy>, slab_ptr<const noisy>>);
static_assert(!std::is_convertible_v<slab_ptr<const noisy>, slab_ptr<noisy>>);
static_assert(!std::is_convertible_v<slab_cache<final_type, spin_lock>::ptr, slab_ptr<final_type>>);

TEST_F(SlabPtr, AnOwnerOfAConstantTakesAnObjectOver) {
  quarry::slab_cache<noisy> defaults;
  slab_ptr<const noisy> constant = defaults.make(3);
  EXPECT_EQ(constant->value, 3);
  constant.reset();
  EXPECT_EQ(noisy::alive, 0);
  EXPECT_EQ(defaults.stats().live_slots, 0U);
}

// ---- standard smart pointers

TEST_F(SlabPtr, TurnsIntoASharedPtr) {
  std::shared_ptr<noisy> shared = cache.make(6);
  const auto copy = shared;
  shared.reset();
  EXPECT_EQ(copy->value, 6);
  EXPECT_EQ(noisy::alive, 1);
  std::shared_ptr<void> erased = cache.make(7);
  erased.reset();
  EXPECT_EQ(noisy::alive, 1);
}

TEST_F(SlabPtr, TurnsIntoAUniquePtrOfOneWord) {
  auto unique = cache.make(8).into_unique();
  static_assert(sizeof(unique) == sizeof(void*));
  EXPECT_EQ(unique->value, 8);
  unique.reset();
  EXPECT_EQ(noisy::alive, 0);
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

static_assert(
    std::is_convertible_v<slab_cache<final_type, null_lock, quarry::default_slab_bytes<final_type>>::ptr,
                          slab_ptr<final_type>>);
static_assert(!std::is_convertible_v<slab_cache<final_type, null_lock, 4096>::ptr, slab_ptr<final_type>>);

// ---- types that are complete only later

struct pimpl;
struct widget {  // names the owner before anyone knows how large its object is
  widget();
  ~widget();
  slab_ptr<pimpl> inside;
};
struct pimpl {
  static inline int alive = 0;
  pimpl() { ++alive; }
  ~pimpl() { --alive; }
  char bytes[20000];
};
static_assert(slab_cache<pimpl>::slab_bytes == quarry::default_slab_bytes<pimpl>,
              "the size of a slab is the object's, whenever its owner was first named");
static_assert(quarry::default_slab_bytes<pimpl> > 65536);
slab_cache<pimpl> pimpls;
widget::widget() : inside(pimpls.make()) {}
widget::~widget() = default;

TEST_F(SlabPtr, MayBeNamedBeforeItsTypeIsComplete) {
  {
    std::vector<widget> widgets(30);
    EXPECT_EQ(pimpl::alive, 30);
    slab_cache<pimpl, null_lock, quarry::default_slab_bytes<pimpl>> same_size;
    widgets[7].inside = same_size.make();
    const slab_ptr<pimpl> taken = std::move(widgets[8].inside);
  }
  EXPECT_EQ(pimpl::alive, 0);
  EXPECT_EQ(pimpls.stats().live_slots, 0U);
}

// ---- self-owning structures

struct tree {
  slab_ptr<tree> left, right;
  int value = 0;
};

slab_ptr<tree> grow(quarry::slab_cache<tree>& nodes, int depth) {
  auto root = nodes.make();
  root->value = depth;
  if (depth > 1) {
    root->left = grow(nodes, depth - 1);
    root->right = grow(nodes, depth - 1);
  }
  return root;
}

TEST_F(SlabPtr, ATreeOfAMillionNodesOwnsItself) {
  quarry::slab_cache<tree> nodes;
  auto root = grow(nodes, 20);
  EXPECT_EQ(nodes.stats().live_slots, (1U << 20) - 1);
  root->left.reset();
  EXPECT_EQ(nodes.stats().live_slots, 1U << 19);
  root.reset();
  EXPECT_EQ(nodes.stats().live_slots, 0U);
}

struct chained {
  slab_ptr<chained> next;
};

// A chain's destructor calls itself once for each link. A loop takes it apart: each step moves the rest out of the first link.
TEST_F(SlabPtr, AChainOfAMillionLinksIsTakenApartByALoop) {
  quarry::slab_cache<chained> links;
  slab_ptr<chained> first;
  for (int i = 0; i < 1'000'000; ++i) {
    auto one = links.make();
    one->next = std::move(first);
    first = std::move(one);
  }
  while (first != nullptr) first = std::move(first->next);
  EXPECT_EQ(links.stats().live_slots, 0U);
}

TEST_F(SlabPtr, ATreeOutlivesItsCache) {
  slab_ptr<tree> root;
  {
    quarry::slab_cache<tree> nodes;
    root = grow(nodes, 16);
  }
  EXPECT_EQ(root->left->right->value, 14);
  root.reset();
}

}  // namespace
