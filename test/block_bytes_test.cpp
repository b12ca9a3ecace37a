// What block_bytes() says of a block at each level of checks: what a free may say, and what is the user's to write.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_thread_view.hpp>

#include "support/both_resources.hpp"
#include "support/refused_calls.hpp"

namespace {

using quarry::check_level;
using quarry_test::both_resources;
using quarry_test::resource_names;

template <class Resource>
class BlockBytes : public testing::Test {
 protected:
  template <class F>
  static void at_every_level(F f) {
    const quarry_test::no_violations none;
    for (const check_level level : {check_level::off, check_level::pointers, check_level::full}) {
      SCOPED_TRACE(static_cast<int>(level));
      quarry::slab_options options;
      options.checks = level;
      Resource resource(options);
      f(resource);
      EXPECT_EQ(resource.stats().live_bytes, 0U);
    }
  }
};
TYPED_TEST_SUITE(BlockBytes, both_resources, resource_names);

TYPED_TEST(BlockBytes, MayBeWrittenAndSaidWhenTheBlockIsFreed) {
  this->at_every_level([](TypeParam& resource) {
    for (const std::size_t bytes : {1U, 8U, 45U, 48U, 513U, 5000U, 30'000U, 100'000U}) {
      auto* const block = static_cast<std::byte*>(resource.allocate(bytes, 1));
      const std::size_t found_bytes = resource.block_bytes(block);
      EXPECT_GE(found_bytes, bytes);
      EXPECT_LE(found_bytes, resource.good_size(bytes, 1));
      EXPECT_EQ(resource.block_bytes(block + bytes - 1), found_bytes) << "from any of its bytes";
      EXPECT_TRUE(resource.options().checks != check_level::full || found_bytes == bytes);
      std::memset(block, 1, bytes);
      resource.deallocate(block, found_bytes, 1);
    }
  });
}

TYPED_TEST(BlockBytes, LetArraysGoWhoseLengthNobodySays) {
  this->at_every_level([](TypeParam& resource) {
    quarry::slab_allocator<short, TypeParam> allocator(&resource);
    typename decltype(allocator)::multiallocation_chain chain;
    for (const std::size_t length : {1U, 3U, 24U, 500U, 50'000U}) allocator.allocate_many(length, 20, chain);
    allocator.deallocate_many(chain);
    EXPECT_EQ(resource.stats().live_slots, 0U);
  });
}

TYPED_TEST(BlockBytes, IsNothingForWhatTheResourceDoesNotHold) {
  this->at_every_level([](TypeParam& resource) {
    const int local = 0;
    EXPECT_EQ(resource.block_bytes(&local), 0U);
    EXPECT_EQ(resource.block_bytes(nullptr), 0U);
  });
}

}  // namespace
