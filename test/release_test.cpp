// release(keep_bytes): all blocks are gone, and some memory stays for the next ones.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"

namespace {

using quarry_test::counting_resource;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

template <class Resource>
class Release : public testing::Test {
 protected:
  // Allocates and forgets `bytes` bytes in blocks of many sizes.
  static void fill(Resource& resource, std::size_t bytes) {
    for (std::size_t done = 0, size = 8; done < bytes; done += size, size = size % 5000 + 40)
      std::memset(resource.allocate(size), 0x5A, size);
  }
};
TYPED_TEST_SUITE(Release, quarry_test::both_resources, quarry_test::resource_names);

TYPED_TEST(Release, GivesEverythingBackWithoutAnArgument) {
  counting_resource upstream;
  TypeParam resource(&upstream);
  this->fill(resource, 4 * mebibyte);
  static_cast<void>(resource.allocate(3 * mebibyte));
  resource.release();
  EXPECT_EQ(upstream.live_bytes(), 0U);
  EXPECT_EQ(resource.stats().upstream_bytes, 0U);
}

// A container that outlives a release() by mistake and ends then, unchecked: no class is open that could take its blocks.
TYPED_TEST(Release, LeavesAFreeOfABlockOfBeforeWithoutEffectWhileNothingNewIsThere) {
  counting_resource upstream;
  TypeParam resource(&upstream);
  const std::size_t sizes[] = {8, 24, 400, 4000};
  void* blocks[4][40];
  for (std::size_t i = 0; i < 4; ++i)
    for (void*& each : blocks[i]) each = resource.allocate(sizes[i]);
  resource.release();
  for (std::size_t i = 0; i < 4; ++i)
    for (void* const each : blocks[i]) resource.deallocate(each, sizes[i]);
  EXPECT_EQ(resource.stats().live_slots, 0U);
  EXPECT_EQ(resource.stats().cached_slots, 0U);
  void* const fresh = resource.allocate(24);
  EXPECT_TRUE(upstream.holds(fresh));
}

TYPED_TEST(Release, KeepsNoMoreThanItIsToldAndServesFromThat) {
  for (const std::size_t keep_bytes : {std::size_t{1}, std::size_t{4096}, std::size_t{65536},
                                       std::size_t{200000}, mebibyte, 3 * mebibyte, 100 * mebibyte}) {
    counting_resource upstream;
    TypeParam resource(&upstream);
    this->fill(resource, 8 * mebibyte);
    static_cast<void>(resource.allocate(3 * mebibyte));
    const std::size_t before_bytes = upstream.live_bytes();
    resource.release(keep_bytes);
    const std::size_t kept_bytes = upstream.live_bytes();
    EXPECT_LE(kept_bytes, keep_bytes);
    EXPECT_EQ(resource.stats().upstream_bytes, kept_bytes);
    EXPECT_EQ(resource.stats().live_bytes, 0U);
    if (keep_bytes >= mebibyte) {
      EXPECT_GE(kept_bytes, (keep_bytes < before_bytes ? keep_bytes : before_bytes) / 3) << keep_bytes;
    }
    const std::size_t calls = upstream.calls();
    if (kept_bytes >= mebibyte) {
      for (int i = 0; i < 1000; ++i) std::memset(resource.allocate(100), 0x11, 100);
      EXPECT_EQ(upstream.calls(), calls) << keep_bytes;
    }
    this->fill(resource, 8 * mebibyte);
    resource.release(keep_bytes);
    EXPECT_LE(upstream.live_bytes(), keep_bytes);
    resource.release();
    EXPECT_EQ(upstream.live_bytes(), 0U);
    this->fill(resource, mebibyte);
  }
}

TYPED_TEST(Release, AsksForLittleAgainWhereRoundsAreAlike) {
  const auto calls_of_ten_rounds = [this](std::size_t keep_bytes) {
    counting_resource upstream;
    TypeParam resource(&upstream);
    std::size_t calls = 0;
    for (int round = 0; round < 20; ++round) {
      if (round == 10) calls = upstream.calls();
      this->fill(resource, 4 * mebibyte);
      resource.release(keep_bytes);
    }
    EXPECT_LE(upstream.peak_bytes(), 16 * mebibyte);
    return upstream.calls() - calls;
  };
  EXPECT_LE(calls_of_ten_rounds(16 * mebibyte) * 5, calls_of_ten_rounds(0));
}

TYPED_TEST(Release, GivesKeptMemoryBackByTrimAndAtTheEnd) {
  counting_resource upstream;
  {
    TypeParam resource(&upstream);
    this->fill(resource, 8 * mebibyte);
    resource.release(4 * mebibyte);
    EXPECT_GT(upstream.live_bytes(), mebibyte);
    EXPECT_GT(resource.trim(), mebibyte);
    EXPECT_LE(upstream.live_bytes(), std::size_t{65536});
    this->fill(resource, 8 * mebibyte);
    resource.release(4 * mebibyte);
  }
  EXPECT_EQ(upstream.live_bytes(), 0U);
}

TYPED_TEST(Release, KeepsTheInitialBufferInUse) {
  counting_resource upstream;
  const auto buffer = std::make_unique<std::byte[]>(2 * mebibyte);
  TypeParam resource(quarry::slab_options(), buffer.get(), 2 * mebibyte, &upstream);
  this->fill(resource, 8 * mebibyte);
  resource.release(4 * mebibyte);
  EXPECT_LE(upstream.live_bytes(), 4 * mebibyte);
  auto* const first = static_cast<std::byte*>(resource.allocate(64));
  EXPECT_TRUE(resource.owns(first));
  this->fill(resource, 8 * mebibyte);
  resource.release();
  EXPECT_EQ(upstream.live_bytes(), 0U);
}

TYPED_TEST(Release, KeepsWithinALimitAndChecks) {
  counting_resource upstream;
  quarry::slab_options options;
  options.max_bytes = 8 * mebibyte;
  options.checks = quarry::check_level::full;
  options.leaks = quarry::leak_action::quiet;
  TypeParam resource(options, &upstream);
  for (int round = 0; round < 3; ++round) {
    std::size_t blocks = 0;
    while (resource.try_allocate(256) != nullptr) ++blocks;
    EXPECT_GT(blocks, 10000U) << round;
    resource.release(2 * mebibyte);
    EXPECT_LE(upstream.live_bytes(), 2 * mebibyte);
    EXPECT_GE(upstream.live_bytes(), mebibyte / 4);
    void* const again = resource.allocate(256);
    resource.deallocate(again, 256);
  }
}

}  // namespace
