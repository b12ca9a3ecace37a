// How much of a small or given supply a slab resource turns into blocks: buffers, small upstreams, slabs of large classes.
// timeout: 600
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <new>
#include <random>
#include <utility>
#include <vector>

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"

namespace {

using quarry::slab_options;
using quarry_test::allocate_until_refused;
using quarry_test::both_resources;
using quarry_test::class_sizes;
using quarry_test::counting_resource;
using quarry_test::deallocate_each;
using quarry_test::is_synchronized;
using quarry_test::resource_names;

constexpr std::size_t kibibyte = 1024;
constexpr std::size_t mebibyte = std::size_t{1} << 20;

constexpr std::size_t buffer_kibibytes[] = {4, 16, 32, 64, 100, 128, 192, 256, 512};
constexpr std::size_t offsets[] = {0, 1, 8, 40, 200, 1024, 2056, 4000, 12296, 40960, 61440, 65528};

/// A buffer that starts `offset` bytes behind a boundary of a slab's, wherever the program's memory lies: what is got out of it
/// depends on where slabs can begin.
class buffer_at {
 public:
  buffer_at(std::size_t bytes, std::size_t offset) : memory_(new unsigned char[bytes + offset + boundary]) {
    void* start = memory_.get();
    std::size_t room = bytes + offset + boundary;
    start_ = static_cast<unsigned char*>(std::align(boundary, bytes + offset, start, room)) + offset;
  }
  unsigned char* start() const { return start_; }

 private:
  static constexpr std::size_t boundary = 65536;
  std::unique_ptr<unsigned char[]> memory_;
  unsigned char* start_;  // in memory_
};

/// The blocks of `bytes` that a plain memory_resource serves.
std::size_t count_blocks(std::pmr::memory_resource& resource, std::size_t bytes) {
  std::size_t count = 0;
  try {
    for (;; ++count) (void)resource.allocate(bytes, 8);
  } catch (const std::bad_alloc&) {
  }
  return count;
}

/// What the standard pool gets out of a buffer, which is written to.
std::size_t blocks_of_the_standard_pool(const buffer_at& buffer, std::size_t buffer_bytes,
                                        std::size_t bytes) {
  std::pmr::monotonic_buffer_resource supply(buffer.start(), buffer_bytes, std::pmr::null_memory_resource());
  std::pmr::unsynchronized_pool_resource pool(&supply);
  return count_blocks(pool, bytes);
}

// Bytes wanted, of the `standard` ones that the standard pool gets out of a buffer; libc++'s gets more than others out of 16 KiB.
constexpr std::size_t wanted_bytes(std::size_t standard) {
#if defined(_LIBCPP_VERSION)
  return standard * 98 / 100;
#else
  return standard;
#endif
}

// Bytes wanted under a limit, of the `standard` ones that the standard pool gets out of a buffer of that size: a resource keeps
// parts for itself, a shelf and a small magazine of each class, and every block for parts has a header of its own besides.
constexpr std::size_t wanted_bytes_under_limit(std::size_t max_bytes, std::size_t standard) {
  return standard *
         (max_bytes <= 4 * kibibyte    ? 80
          : max_bytes <= 16 * kibibyte ? 90
          : max_bytes <= 32 * kibibyte ? 97
                                       : 99) /
         100;
}

// The synchronized resource has a cache for each thread on top.
template <class Resource>
constexpr std::size_t allowance = is_synchronized<Resource> ? 12 * kibibyte : 0;

template <class Resource>
class SmallSupply : public testing::Test {};
TYPED_TEST_SUITE(SmallSupply, both_resources, resource_names);

// Calls f(buffer, buffer_bytes, block_bytes, standard): what the standard pool gets out of the buffer are `standard` bytes.
template <class F>
void for_each_buffer(F f) {
  for (const std::size_t kibibytes : buffer_kibibytes)
    for (const std::size_t bytes : {24U, 64U, 400U})
      for (const std::size_t offset : offsets) {
        SCOPED_TRACE(testing::Message() << bytes << " B out of " << kibibytes << " KiB, offset " << offset);
        const std::size_t buffer_bytes = kibibytes * kibibyte;
        const buffer_at buffer(buffer_bytes, offset);
        f(buffer, buffer_bytes, bytes, blocks_of_the_standard_pool(buffer, buffer_bytes, bytes) * bytes);
      }
}

// Only the unsynchronized resource takes a buffer.
TEST(SmallBuffer, ServesAtLeastTheBlocksThatTheStandardPoolGetsOutOfIt) {
  for_each_buffer(
      [](const buffer_at& buffer, std::size_t buffer_bytes, std::size_t bytes, std::size_t standard) {
        quarry::unsynchronized_slab_resource resource(buffer.start(), buffer_bytes,
                                                      std::pmr::null_memory_resource());
        EXPECT_GE(allocate_until_refused(resource, bytes).size() * bytes, wanted_bytes(standard));
      });
}

TYPED_TEST(SmallSupply, OverAMonotonicBufferItServesAtLeastWhatTheStandardPoolDoes) {
  for_each_buffer(
      [](const buffer_at& buffer, std::size_t buffer_bytes, std::size_t bytes, std::size_t standard) {
        std::pmr::monotonic_buffer_resource supply(buffer.start(), buffer_bytes,
                                                   std::pmr::null_memory_resource());
        TypeParam resource(&supply);
        EXPECT_GE(allocate_until_refused(resource, bytes).size() * bytes + allowance<TypeParam>,
                  wanted_bytes(standard));
      });
}

TYPED_TEST(SmallSupply,
           ASmallMaxBytesServesTheWantedShareOfTheBlocksThatTheStandardPoolGetsOutOfABufferOfThatSize) {
  for (const std::size_t kibibytes : buffer_kibibytes)
    for (const std::size_t bytes : {24U, 64U, 400U}) {
      SCOPED_TRACE(testing::Message() << bytes << " B out of " << kibibytes << " KiB");
      slab_options options;
      options.max_bytes = kibibytes * kibibyte;
      TypeParam resource(options, std::pmr::new_delete_resource());
      const buffer_at buffer(options.max_bytes, 0);
      EXPECT_GE(
          allocate_until_refused(resource, bytes).size() * bytes + allowance<TypeParam>,
          wanted_bytes_under_limit(options.max_bytes,
                                   blocks_of_the_standard_pool(buffer, options.max_bytes, bytes) * bytes));
    }
}

TEST(SmallBuffer, AMixOfSizesGetsAtLeastAsMuchAsFromTheStandardPool) {
  for (const std::size_t kibibytes : {16U, 64U, 256U})
    for (const std::size_t offset : offsets) {
      SCOPED_TRACE(testing::Message() << kibibytes << " KiB, offset " << offset);
      const std::size_t buffer_bytes = kibibytes * kibibyte;
      const buffer_at buffer(buffer_bytes, offset);
      const auto served_until_refused = [](std::pmr::memory_resource& resource) {
        std::mt19937 random(5);
        std::size_t sum = 0;
        try {
          for (;;) {
            const std::size_t bytes = random() % 3 == 0 ? 400 : random() % 2 == 0 ? 64 : 24;
            (void)resource.allocate(bytes, 8);
            sum += bytes;
          }
        } catch (const std::bad_alloc&) {
        }
        return sum;
      };
      std::size_t standard = 0;
      {
        std::pmr::monotonic_buffer_resource supply(buffer.start(), buffer_bytes,
                                                   std::pmr::null_memory_resource());
        std::pmr::unsynchronized_pool_resource pool(&supply);
        standard = served_until_refused(pool);
      }
      quarry::unsynchronized_slab_resource resource(buffer.start(), buffer_bytes,
                                                    std::pmr::null_memory_resource());
      EXPECT_GE(served_until_refused(resource), standard);
    }
}

TEST(SmallBuffer, WhatIsFreedServesAnotherSize) {
  for (const std::size_t kibibytes : {16U, 64U, 100U, 512U})
    for (const std::size_t offset : {0U, 40U}) {
      const std::size_t buffer_bytes = kibibytes * kibibyte;
      const buffer_at buffer(buffer_bytes, offset);
      quarry::unsynchronized_slab_resource resource(buffer.start(), buffer_bytes,
                                                    std::pmr::null_memory_resource());
      for (const std::size_t bytes : {64U, 400U, 24U, 64U}) {
        SCOPED_TRACE(testing::Message() << bytes << " B out of " << kibibytes << " KiB, offset " << offset);
        std::vector<void*> blocks = allocate_until_refused(resource, bytes);
        EXPECT_GE(blocks.size() * bytes, buffer_bytes * 3 / 5);
        std::shuffle(blocks.begin(), blocks.end(), std::mt19937(static_cast<unsigned>(bytes)));
        deallocate_each(resource, blocks, bytes);
      }
    }
}

// One block less each where parts are taken for a slab that there is no memory for.
TEST(SmallBuffer, BehindAMonotonicResourceNoPartsAreTakenForASlabThatIsRefused) {
  constexpr struct {
    std::size_t kibibytes, bytes, blocks;
  } least[] = {{8, 64, 105}, {8, 400, 17}, {12, 400, 26}, {24, 24, 929}};
  for (const auto& each : least)
    for (const std::size_t offset : offsets) {
      SCOPED_TRACE(testing::Message()
                   << each.bytes << " B out of " << each.kibibytes << " KiB, offset " << offset);
      const buffer_at buffer(each.kibibytes * kibibyte, offset);
      std::pmr::monotonic_buffer_resource supply(buffer.start(), each.kibibytes * kibibyte,
                                                 std::pmr::null_memory_resource());
      quarry::unsynchronized_slab_resource resource(&supply);
      EXPECT_GE(allocate_until_refused(resource, each.bytes).size(), each.blocks);
    }
}

TYPED_TEST(SmallSupply, WhatIsFreeServesAgainAtEveryLevelOfChecks) {
  for (const quarry::check_level level :
       {quarry::check_level::off, quarry::check_level::pointers, quarry::check_level::full})
    for (const std::size_t buffer_bytes : {std::size_t{65536}, std::size_t{262144}})
      for (const std::size_t bytes : {16U, 64U, 200U, 1000U}) {
        const auto buffer = std::make_unique<std::max_align_t[]>(buffer_bytes / sizeof(std::max_align_t));
        quarry::slab_options options;
        options.checks = level;
        TypeParam resource(options, buffer.get(), buffer_bytes, std::pmr::null_memory_resource());
        const auto fill = [&] {
          std::vector<void*> blocks;
          while (void* const block = resource.try_allocate(bytes, 8)) blocks.push_back(block);
          for (void* const each : blocks) resource.deallocate(each, bytes, 8);
          return blocks.size();
        };
        const std::size_t first = fill();
        EXPECT_GT(first, 0U);
        for (int round = 0; round < 3; ++round)
          EXPECT_GE(fill() * 10, first * 8)
              << bytes << " of " << buffer_bytes << " at level " << static_cast<int>(level);
      }
}

TYPED_TEST(SmallSupply, OverAMonotonicBufferWhatOneClassHasFreedServesAnother) {
  for (const std::size_t kibibytes : {256U, 1000U, 3000U})
    for (const std::size_t bytes : {8U, 128U, 200U, 1000U})
      for (const bool is_limited : {false, true}) {
        SCOPED_TRACE(testing::Message()
                     << bytes << " B out of " << kibibytes << " KiB, limited " << is_limited);
        const std::size_t supply_bytes = kibibytes * kibibyte;
        const buffer_at buffer(supply_bytes * 2, 0);
        std::pmr::monotonic_buffer_resource supply(buffer.start(), supply_bytes * (is_limited ? 2 : 1),
                                                   std::pmr::null_memory_resource());
        slab_options options;
        if (is_limited) options.max_bytes = supply_bytes;
        TypeParam resource(options, &supply);
        deallocate_each(resource, allocate_until_refused(resource, 64), 64);
        const std::vector<void*> served = allocate_until_refused(resource, bytes);
        EXPECT_GE(served.size() * bytes * 4, supply_bytes);
        for (void* const each : served) ASSERT_TRUE(resource.owns(each));
      }
}

// A slab that lies in a larger block of before uses all of it.
TYPED_TEST(SmallSupply, OverAMonotonicBufferBlocksInAFreedBlockAreOwned) {
  const buffer_at buffer(mebibyte, 0);
  std::pmr::monotonic_buffer_resource supply(buffer.start(), mebibyte, std::pmr::null_memory_resource());
  TypeParam resource(&supply);
  resource.deallocate(resource.allocate(40000), 40000);
  for (int i = 0; i < 112; ++i) {
    const void* const block = resource.allocate(512);
    ASSERT_TRUE(resource.owns(block)) << i;
    ASSERT_EQ(resource.block_bytes(block), 512U);
  }
}

// What goes back to a monotonic buffer is lost there, so it must not go back.
TYPED_TEST(SmallSupply, OverAMonotonicBufferAWorkingSetIsBuiltAndFreedWithoutEndWhereTheStandardPoolCan) {
  constexpr std::size_t rounds = 40;
  const auto built = [](std::pmr::memory_resource& resource, std::size_t bytes, std::size_t count) {
    std::vector<void*> blocks(count);
    std::size_t round = 0;
    try {
      for (; round < rounds; ++round) {
        for (void*& each : blocks) each = resource.allocate(bytes, 8);
        for (void* const each : blocks) resource.deallocate(each, bytes, 8);
      }
    } catch (const std::bad_alloc&) {
    }
    return round;
  };
  for (const std::size_t kibibytes : {64U, 100U, 128U, 400U, 1000U, 4000U})
    for (const std::size_t bytes : {24U, 100U, 1000U, 3000U, 20000U})
      for (const std::size_t percent : {2U, 10U, 30U, 40U, 50U, 60U}) {
        const std::size_t buffer_bytes = kibibytes * kibibyte;
        const std::size_t count = (buffer_bytes - allowance<TypeParam>)*percent / 100 / bytes;
        if (count == 0) continue;
        SCOPED_TRACE(testing::Message() << count << " of " << bytes << " B out of " << kibibytes << " KiB");
        const buffer_at buffer(buffer_bytes, 40);
        std::size_t wanted = 0;
        {
          std::pmr::monotonic_buffer_resource supply(buffer.start(), buffer_bytes,
                                                     std::pmr::null_memory_resource());
          std::pmr::unsynchronized_pool_resource pool(&supply);
          wanted = built(pool, bytes, count);
        }
        std::pmr::monotonic_buffer_resource supply(buffer.start(), buffer_bytes,
                                                   std::pmr::null_memory_resource());
        TypeParam resource(&supply);
        EXPECT_GE(built(resource, bytes, count), wanted);
      }
}

// Everything is idle then, in pieces of other sizes and behind a directory that wants to grow.
TYPED_TEST(SmallSupply, WhatAMonotonicBufferServedOnceItServesAgain) {
  for (const std::size_t kibibytes : {20U, 64U, 100U, 128U, 200U, 400U, 1000U, 3000U})
    for (const std::size_t bytes : {8U, 24U, 100U, 1000U, 3000U, 20000U})
      for (const std::size_t offset : {0U, 40U, 5000U, 35000U, 60000U}) {
        SCOPED_TRACE(testing::Message() << bytes << " B out of " << kibibytes << " KiB, offset " << offset);
        const std::size_t buffer_bytes = kibibytes * kibibyte;
        const buffer_at buffer(buffer_bytes, offset);
        std::pmr::monotonic_buffer_resource supply(buffer.start(), buffer_bytes,
                                                   std::pmr::null_memory_resource());
        TypeParam resource(&supply);
        std::vector<void*> blocks = allocate_until_refused(resource, bytes);
        const std::size_t served = blocks.size();
        for (int round = 0; round < 3; ++round) {
          deallocate_each(resource, blocks, bytes);
          blocks = allocate_until_refused(resource, bytes);
          ASSERT_GE(blocks.size() * 100, served * 99 - served % 2);
        }
      }
}

TYPED_TEST(SmallSupply, OverAMonotonicBufferTrimGivesNothingBackNorDoesALimitThatIsMet) {
  for (const std::size_t max_bytes : {std::size_t{0}, 8 * mebibyte}) {
    std::pmr::monotonic_buffer_resource supply;
    slab_options options;
    options.max_bytes = max_bytes;
    options.retain_bytes = 1;
    TypeParam resource(options, &supply);
    std::vector<void*> small(50000), large(20);
    for (void*& each : small) each = resource.allocate(40, 8);
    for (void*& each : large) each = resource.allocate(100000, 8);
    deallocate_each(resource, small, 40);
    deallocate_each(resource, large, 100000);
    const std::size_t held_bytes = resource.stats().upstream_bytes;
    EXPECT_EQ(resource.trim(), 0U);
    EXPECT_EQ(resource.stats().upstream_bytes, held_bytes);
    if (max_bytes != 0) {
      EXPECT_EQ(resource.try_allocate(max_bytes - held_bytes / 2), nullptr);
    }
    for (void*& each : large) each = resource.allocate(100000, 8);
    for (void*& each : small) each = resource.allocate(40, 8);
    EXPECT_EQ(resource.stats().upstream_bytes, held_bytes) << "all of it was used again";
  }
}

/// Returns what of all that is held serves blocks of `bytes`, at the moment when `held_now()` is about to grow: then every
/// slab is full and no extent has room left. Per mille; at least `at_least` blocks are allocated.
template <class Resource, class Held>
std::size_t share_in_use(Resource& resource, std::size_t bytes, std::size_t at_least, Held held_now) {
  std::vector<void*> blocks;
  std::size_t best = 0;
  for (std::size_t growths = 0; growths < 2 || blocks.size() < at_least;) {
    const std::size_t before = held_now();
    const std::size_t live = blocks.size() * bytes;
    blocks.push_back(resource.allocate(bytes));
    if (held_now() == before) continue;
    ++growths;
    if (blocks.size() > at_least / 2) best = std::max(best, live * 1000 / std::max<std::size_t>(before, 1));
  }
  for (void* const each : blocks) resource.deallocate(each, bytes);
  return best;
}

// Per mille: an eighth is wasted at most, and headers take a hundredth and a half.
constexpr std::size_t wanted = 1000 - 125 - 15;

TYPED_TEST(SmallSupply, LargeClassesWasteAtMostAnEighth) {
  // By default, with larger classes, and with slabs as small as such classes allow.
  for (const auto& [largest, slab_bytes] : {std::pair<std::size_t, std::size_t>{0, 0},
                                            {32 * kibibyte, 0},
                                            {32 * kibibyte, 128 * kibibyte},
                                            {8 * kibibyte, 32 * kibibyte}}) {
    slab_options options;
    options.largest_required_pool_block = largest;
    options.slab_bytes = slab_bytes;
    const TypeParam plain(options);
    for (const std::size_t bytes :
         class_sizes(plain, kibibyte, plain.options().largest_required_pool_block)) {
      SCOPED_TRACE(testing::Message() << bytes << " B, largest_required_pool_block " << largest
                                      << ", slab_bytes " << slab_bytes);
      TypeParam resource(options, quarry::os_page_resource());
      EXPECT_GE(share_in_use(resource, bytes, 2000, [&] { return resource.stats().upstream_bytes; }), wanted)
          << "over os_page_resource";
      counting_resource upstream;
      TypeParam other(options, &upstream);
      EXPECT_GE(share_in_use(other, bytes, 2000, [&] { return upstream.live_bytes(); }), wanted)
          << "over an upstream of the program's";
    }
  }
}

TYPED_TEST(SmallSupply, AThousandBlocksOfALargeClassTakeLittleMoreThanTheirSizeOfPages) {
  TypeParam plain;
  for (std::size_t bytes = kibibyte; bytes <= 32 * kibibyte; bytes = plain.good_size(bytes + 1)) {
    SCOPED_TRACE(testing::Message() << bytes << " B");
    TypeParam resource(quarry::os_page_resource());
    std::vector<void*> blocks;
    for (int i = 0; i < 1000; ++i) blocks.push_back(resource.allocate(bytes));
    // An eighth for slabs, and an extent that is begun: at most 2 MiB, and no more than is in use.
    const std::size_t live = resource.stats().live_bytes;
    EXPECT_LE(resource.stats().upstream_bytes, live * 8 / 7 + std::min(live, 2 * mebibyte) + 64 * kibibyte);
    for (void* const each : blocks) resource.deallocate(each, bytes);
    if (bytes > plain.options().largest_required_pool_block) bytes = bytes * 5 / 4;  // oversize: no classes
  }
}

}  // namespace
