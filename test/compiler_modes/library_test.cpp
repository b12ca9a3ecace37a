// The library without exceptions, or without RTTI, under a program that is compiled in the same way.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <quarry/quarry.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/sanitizers.hpp"

namespace {

constexpr std::size_t bytes = 64;

// Refuses everything by null, as an upstream without exceptions does.
class empty_upstream final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t, std::size_t) override { return nullptr; }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

// Returns how many of its slots a resource gives before it says that there are no more, and gives them back.
template <class Resource>
std::size_t count_slots(Resource& resource) {
  std::vector<void*> slots;
  while (void* const slot = resource.try_allocate(bytes)) slots.push_back(slot);
  for (void* const each : slots) resource.deallocate(each, bytes);
  return slots.size();
}

template <class Resource>
class Library : public testing::Test {};
using resources = testing::Types<quarry::unsynchronized_slab_resource, quarry::synchronized_slab_resource>;
TYPED_TEST_SUITE(Library, resources, );

TYPED_TEST(Library, ServesContainers) {
  TypeParam resource;
  {
    std::pmr::map<int, std::pmr::string> texts(&resource);
    std::map<int, int, std::less<>, quarry::slab_allocator<std::pair<const int, int>, TypeParam>> numbers(
        &resource);
    for (int i = 0; i < 5000; ++i) {
      texts[i % 700].append("some text that is longer than what a string holds itself");
      numbers[i] = i;
    }
    EXPECT_EQ(numbers.size(), 5000U);
  }
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_TRUE(resource.reserve(1 << 20));
  EXPECT_GE(resource.trim(), std::size_t{1} << 20);
}

TYPED_TEST(Library, SaysByNullThatABufferIsUsedUp) {
  std::vector<std::byte> buffer(100000);
  TypeParam resource(quarry::slab_options(), buffer.data(), buffer.size(), std::pmr::null_memory_resource());
  const std::size_t slots = count_slots(resource);
  EXPECT_GT(slots, 1000U);
  EXPECT_GE(count_slots(resource), slots * 9 / 10);
  EXPECT_EQ(resource.try_allocate(buffer.size()), nullptr);
}

TYPED_TEST(Library, SaysByNullThatTheLimitIsReached) {
  quarry::slab_options options;
  options.max_bytes = 200000;
  for (std::pmr::memory_resource* upstream :
       {std::pmr::new_delete_resource(), quarry::os_page_resource(), quarry::pooled_page_resource()}) {
    TypeParam resource(options, upstream);
    EXPECT_GT(count_slots(resource), 2000U);
    EXPECT_EQ(resource.try_allocate(300000), nullptr);
    void* const block = resource.try_allocate(50000, 4096);
    EXPECT_NE(block, nullptr);
    resource.deallocate(block, 50000, 4096);
  }
}

// What no system gives.
constexpr std::size_t too_many_bytes = SIZE_MAX / 4;

TYPED_TEST(Library, SaysByNullThatTheSystemHasNoMemory) {
  for (std::pmr::memory_resource* upstream : {quarry::os_page_resource(), quarry::pooled_page_resource()}) {
    TypeParam resource(upstream);
    EXPECT_EQ(resource.try_allocate(too_many_bytes), nullptr);
    EXPECT_EQ(resource.try_allocate(SIZE_MAX), nullptr);
    EXPECT_NE(resource.try_allocate(bytes), nullptr);
  }
}

#if !QUARRY_TEST_HAS_ADDRESS_SANITIZER  // whose companion ends the program at a null that the library excludes
TYPED_TEST(Library, SaysByNullThatUpstreamDoes) {
  empty_upstream empty;
  TypeParam resource(&empty);
  EXPECT_EQ(resource.try_allocate(bytes), nullptr);
  EXPECT_EQ(resource.try_allocate(1 << 20), nullptr);
  EXPECT_FALSE(resource.reserve(1));
}
#endif

#if !defined(__cpp_exceptions)

TYPED_TEST(Library, EndsTheProgramWithASentenceWhereACallMayNotReturnNull) {
  TypeParam resource(quarry::slab_options(), std::pmr::null_memory_resource());
  EXPECT_DEATH(static_cast<void>(resource.allocate(bytes)), "quarry: there is no memory.*try_allocate");
  EXPECT_DEATH(static_cast<void>(resource.allocate(1 << 20)), "quarry: there is no memory");
  EXPECT_DEATH(static_cast<void>(resource.allocate(bytes, 24)), "quarry: an alignment is 24; allowed is");
  EXPECT_DEATH(TypeParam(nullptr), "quarry: upstream is null; allowed is");
  quarry::slab_options options;
  options.slab_bytes = 1000;
  EXPECT_DEATH(TypeParam{options}, "quarry::slab_options::slab_bytes is 1000; allowed is");
  quarry::slab_allocator<int, TypeParam> allocator(&resource);
  EXPECT_DEATH(static_cast<void>(allocator.allocate(SIZE_MAX / 2)), "bad_array_new_length");
}

TEST(PageResourcesWithoutExceptions, EndTheProgramWithASentence) {
  for (std::pmr::memory_resource* pages : {quarry::os_page_resource(), quarry::pooled_page_resource()})
    EXPECT_DEATH(static_cast<void>(pages->allocate(too_many_bytes)), "quarry: there is no memory");
}

TEST(AViewWithoutExceptions, EndsTheProgramWithASentenceWhereThereIsNoRoomForIt) {
  quarry::synchronized_slab_resource resource(quarry::slab_options(), std::pmr::null_memory_resource());
  EXPECT_DEATH(quarry::slab_thread_view view(resource), "quarry: there is no memory");
}

#endif

TEST(Views, AreEqualToTheirResourceAndToEachOther) {
  quarry::synchronized_slab_resource resource;
  quarry::synchronized_slab_resource other;
  const empty_upstream foreign;
  EXPECT_FALSE(resource.is_equal(foreign)) << "before there was any view";
  const quarry::slab_thread_view view(resource);
  const quarry::slab_thread_view second(resource);
  const quarry::slab_thread_view stranger(other);
  EXPECT_TRUE(resource.is_equal(view));
  EXPECT_TRUE(view.is_equal(resource));
  EXPECT_TRUE(view.is_equal(second));
  EXPECT_FALSE(view.is_equal(stranger));
  EXPECT_FALSE(resource.is_equal(stranger));
  EXPECT_FALSE(resource.is_equal(foreign));
  EXPECT_FALSE(view.is_equal(foreign));
}

TEST(Threads, ShareAResourceAndACache) {
  quarry::synchronized_slab_resource resource;
  quarry::slab_cache<std::string, quarry::spin_lock> texts;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 3000; ++k) {
        resource.deallocate(resource.allocate(bytes), bytes);
        EXPECT_NE(texts.try_make("text"), nullptr);
      }
    });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_EQ(texts.stats().live_slots, 0U);
}

}  // namespace
