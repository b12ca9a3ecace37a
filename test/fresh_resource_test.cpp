// What a resource made for one small request costs: calls of upstream, what they ask for, and page faults.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory_resource>
#include <string>
#include <unordered_map>
#include <vector>

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"
#include "support/process_memory.hpp"

namespace {

using quarry_test::both_resources;
using quarry_test::counting_resource;
using quarry_test::minor_faults;
using quarry_test::resource_names;

constexpr std::size_t kibibyte = 1024;

struct request {
  const char* name;
  std::function<void(std::pmr::memory_resource&)> serve;
};

void map_and_vector_of_strings(std::pmr::memory_resource& resource, int in_map, int in_vector) {
  std::pmr::map<int, std::pmr::string> map(&resource);
  for (int i = 0; i < in_map; ++i) map.emplace(i, "a string of more than twenty chars");
  std::pmr::vector<std::pmr::string> vector(&resource);
  for (int i = 0; i < in_vector; ++i) vector.emplace_back("another string of more than twenty");
}

/// Requests of up to some 16 KiB, as programs make one resource for each of.
std::vector<request> small_requests() {
  return {{"a map of 50 strings and a vector of 20",
           [](std::pmr::memory_resource& resource) { map_and_vector_of_strings(resource, 50, 20); }},
          {"a map of 20 numbers",
           [](std::pmr::memory_resource& resource) {
             std::pmr::map<int, int> map(&resource);
             for (int i = 0; i < 20; ++i) map.emplace(i, i);
           }},
          {"a list of 60 strings that shrinks and grows",
           [](std::pmr::memory_resource& resource) {
             std::pmr::list<std::pmr::string> list(&resource);
             for (int i = 0; i < 60; ++i) {
               list.emplace_back("a string of more than twenty chars");
               if (i % 3 == 2) list.pop_front();
             }
           }},
          {"a hash map of 60 numbers and a text of 2,000 characters",
           [](std::pmr::memory_resource& resource) {
             std::pmr::unordered_map<int, int> map(&resource);
             for (int i = 0; i < 60; ++i) map.emplace(i, i);
             std::pmr::string text(&resource);
             for (int i = 0; i < 2000; ++i) text.push_back('x');
           }},
          {"one vector of 1,000 numbers", [](std::pmr::memory_resource& resource) {
             std::pmr::vector<int> numbers(&resource);
             for (int i = 0; i < 1000; ++i) numbers.push_back(i);
           }}};
}

template <class Resource>
class FreshResource : public testing::Test {};
TYPED_TEST_SUITE(FreshResource, both_resources, resource_names);

TYPED_TEST(FreshResource, ASmallRequestTakesFewCallsOfUpstreamAndNothingLarge) {
  for (const request& each : small_requests()) {
    SCOPED_TRACE(each.name);
    counting_resource upstream;
    {
      TypeParam resource(&upstream);
      each.serve(resource);
    }
    EXPECT_LE(upstream.allocations(), 10U);  // std::pmr::monotonic_buffer_resource makes 3 to 7
    EXPECT_LE(upstream.peak_bytes(), 96 * kibibyte);
    for (const counting_resource::block& block : upstream.history()) {
      EXPECT_LT(block.alignment, 64 * kibibyte);
      EXPECT_LT(block.bytes + block.alignment, 128 * kibibyte) << "glibc's malloc maps pages for that";
    }
    EXPECT_EQ(upstream.live_blocks(), 0U);
  }
}

TYPED_TEST(FreshResource, ADefaultResourceOfTheProgramIsAskedForFewAndSmallBlocks) {
  for (const request& each : small_requests()) {
    SCOPED_TRACE(each.name);
    counting_resource upstream;
    std::pmr::memory_resource* const before = std::pmr::set_default_resource(&upstream);
    {
      TypeParam resource;
      std::pmr::set_default_resource(before);
      each.serve(resource);
    }
    EXPECT_LE(upstream.allocations(), 10U);
    for (const counting_resource::block& block : upstream.history())
      EXPECT_LT(block.alignment, 64 * kibibyte);
  }
}

/// Returns the page faults that `count` runs of `work` take, the fewest of several tries.
template <class Work>
std::size_t fewest_faults(int count, Work work) {
  std::size_t fewest = SIZE_MAX;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const std::size_t before = minor_faults();
    for (int i = 0; i < count; ++i) work();
    fewest = std::min(fewest, minor_faults() - before);
  }
  return fewest;
}

TYPED_TEST(FreshResource, OneForEachSmallRequestTakesAtMostOnePageFaultOnceTheFirstIsServed) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  constexpr int count = 300;
  for (const request& each : small_requests()) {
    SCOPED_TRACE(each.name);
    const auto serve = [&each] {
      TypeParam resource;
      each.serve(resource);
    };
    serve();
    EXPECT_LE(fewest_faults(count, serve), std::size_t{count});
  }
}

TYPED_TEST(FreshResource, OneForEachMiddlingRequestTakesFewPageFaults) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  constexpr int count = 40;
  const auto serve = [] {
    TypeParam resource;
    map_and_vector_of_strings(resource, 2000, 500);
  };
  serve();
  EXPECT_LE(fewest_faults(count, serve), std::size_t{8 * count}) << "of some 100 pages a request";
}

TYPED_TEST(FreshResource, OneInsideTheOtherTakesFewPageFaultsToo) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  constexpr int count = 100;
  const auto serve = [] {
    TypeParam outer;
    map_and_vector_of_strings(outer, 50, 20);
    for (int i = 0; i < 4; ++i) {
      TypeParam inner;
      map_and_vector_of_strings(inner, 10, 5);
    }
  };
  serve();
  EXPECT_LE(fewest_faults(count, serve), std::size_t{5 * count});
}

}  // namespace
