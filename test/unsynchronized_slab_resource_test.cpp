// unsynchronized_slab_resource through its public observers and a counting or failing upstream.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/refusing_resource.hpp"
#include "support/sanitizers.hpp"

namespace {

using quarry::slab_options;
using quarry::unsynchronized_slab_resource;
using quarry_test::counting_resource;
using quarry_test::failing_resource;
using quarry_test::refusing_resource;
using quarry_test::upstream_failure;

constexpr std::size_t max_alignment = alignof(std::max_align_t);
constexpr std::size_t largest_size = std::numeric_limits<std::size_t>::max();

bool is_aligned(const void* address, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

struct block {
  void* address;
  std::size_t bytes;
  std::size_t alignment = max_alignment;
};

std::vector<block> allocate_many(unsynchronized_slab_resource& resource, std::size_t count,
                                 std::size_t bytes) {
  std::vector<block> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.push_back({resource.allocate(bytes), bytes});
  return blocks;
}

void deallocate_all(unsynchronized_slab_resource& resource, std::vector<block>& blocks) {
  for (const block& each : blocks) resource.deallocate(each.address, each.bytes, each.alignment);
  blocks.clear();
}

std::size_t largest_request(const counting_resource& upstream) {
  std::size_t largest = 0;
  for (const counting_resource::block& each : upstream.history()) largest = std::max(largest, each.bytes);
  return largest;
}

// The class as a drop-in for the standard one.

// What is checked when this is compiled: a resource is neither copied nor moved.
static_assert(std::is_base_of_v<std::pmr::memory_resource, unsynchronized_slab_resource>);
static_assert(std::is_final_v<unsynchronized_slab_resource>);
static_assert(!std::is_copy_constructible_v<unsynchronized_slab_resource> &&
              !std::is_move_constructible_v<unsynchronized_slab_resource>);
static_assert(!std::is_copy_assignable_v<unsynchronized_slab_resource> &&
              !std::is_move_assignable_v<unsynchronized_slab_resource>);
static_assert(std::is_default_constructible_v<unsynchronized_slab_resource>);
static_assert(std::is_constructible_v<unsynchronized_slab_resource, std::pmr::memory_resource*>);
static_assert(std::is_constructible_v<unsynchronized_slab_resource, std::pmr::pool_options>);
static_assert(std::is_constructible_v<unsynchronized_slab_resource, std::pmr::pool_options,
                                      std::pmr::memory_resource*>);
static_assert(!std::is_convertible_v<std::pmr::memory_resource*, unsynchronized_slab_resource>);
static_assert(std::is_convertible_v<std::pmr::pool_options, slab_options>);

TEST(UnsynchronizedSlabResource, ConstructingUnusedReleasingAndDestroyingLeaveUpstreamAlone) {
  counting_resource upstream;
  {
    unsynchronized_slab_resource resource(&upstream);
    resource.release();
    EXPECT_EQ(resource.trim(), 0U);
    EXPECT_EQ(resource.stats().upstream_bytes, 0U);
    EXPECT_FALSE(resource.owns(&upstream));
  }
  EXPECT_EQ(upstream.calls(), 0U);
}

TEST(UnsynchronizedSlabResource, UsesTheDefaultResourceOfTheMomentItIsMade) {
  counting_resource upstream;
  std::pmr::memory_resource* const before = std::pmr::set_default_resource(&upstream);
  {
    unsynchronized_slab_resource first;
    unsynchronized_slab_resource second{slab_options{}};
    std::pmr::set_default_resource(before);
    EXPECT_EQ(first.upstream_resource(), &upstream);
    EXPECT_EQ(second.upstream_resource(), &upstream);
    first.deallocate(first.allocate(10), 10);
  }
  EXPECT_GT(upstream.allocations(), 0U);
  EXPECT_EQ(unsynchronized_slab_resource().upstream_resource(), before);
}

TEST(UnsynchronizedSlabResource, TellsTheOptionsInEffectAndTakesThemBackUnchanged) {
  const unsynchronized_slab_resource plain;
  const slab_options effective = plain.options();
  EXPECT_GT(effective.max_blocks_per_chunk, 0U);
  EXPECT_GT(effective.largest_required_pool_block, 0U);
  EXPECT_GT(effective.slab_bytes, 0U);
  const unsynchronized_slab_resource again(effective);
  EXPECT_EQ(again.options().max_blocks_per_chunk, effective.max_blocks_per_chunk);
  EXPECT_EQ(again.options().largest_required_pool_block, effective.largest_required_pool_block);
  EXPECT_EQ(again.options().slab_bytes, effective.slab_bytes);
  EXPECT_EQ(again.options().retain_bytes, effective.retain_bytes);
  EXPECT_EQ(again.options().max_bytes, effective.max_bytes);
}

TEST(UnsynchronizedSlabResource, EqualsOnlyItself) {
  const unsynchronized_slab_resource first;
  const unsynchronized_slab_resource second;
  EXPECT_TRUE(first.is_equal(first));
  EXPECT_FALSE(first.is_equal(second));
}

TEST(UnsynchronizedSlabResource, ServesStandardContainersAsTheStandardPoolDoes) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  std::pmr::map<std::pmr::string, std::pmr::vector<int>> index(&resource);
  std::map<std::string, std::vector<int>> expected;
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    const std::string key = "a key longer than any small string buffer " + std::to_string(random() % 500);
    if (random() % 3 == 0) {
      index.erase(std::pmr::string(key, &resource));
      expected.erase(key);
    } else {
      index[std::pmr::string(key, &resource)].push_back(i);
      expected[key].push_back(i);
    }
  }
  ASSERT_EQ(index.size(), expected.size());
  auto found = index.begin();
  for (const auto& [key, values] : expected) {
    EXPECT_EQ(std::string(found->first), key);
    EXPECT_TRUE(std::equal(values.begin(), values.end(), found->second.begin(), found->second.end()));
    ++found;
  }
  EXPECT_GT(upstream.allocations(), 0U);
}

// Pooled sizes and alignments.

TEST(UnsynchronizedSlabResource, PoolsAndReusesEverySizeUpToTheLargestClass) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  const std::size_t largest = resource.options().largest_required_pool_block;
  for (std::size_t bytes = 0; bytes <= largest; ++bytes) {
    void* const first = resource.allocate(bytes, max_alignment);
    ASSERT_NE(first, nullptr);
    ASSERT_TRUE(is_aligned(first, max_alignment)) << bytes;
    std::memset(first, 0xA5, bytes);
    const std::size_t calls = upstream.calls();
    resource.deallocate(first, bytes, max_alignment);
    void* const second = resource.allocate(bytes, max_alignment);
    ASSERT_EQ(upstream.calls(), calls) << "a freed slot of " << bytes << " bytes was not used again";
    std::memset(second, 0x5A, bytes);
    resource.deallocate(second, bytes, max_alignment);
    ASSERT_EQ(upstream.calls(), calls) << "a free of " << bytes << " bytes reached upstream";
  }
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
}

TEST(UnsynchronizedSlabResource, ServesManyOfEverySizeWithFewUpstreamCalls) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  for (std::size_t bytes = 0; bytes <= 512; ++bytes) {
    std::vector<block> blocks = allocate_many(resource, 100, bytes);
    std::set<void*> distinct;
    for (const block& each : blocks) distinct.insert(each.address);
    EXPECT_EQ(distinct.size(), blocks.size());
    deallocate_all(resource, blocks);
  }
  EXPECT_LT(upstream.allocations(), 1000U);
}

TEST(UnsynchronizedSlabResource, HonoursEveryAlignmentForEverySize) {
  counting_resource upstream;
  upstream.forget_history();
  unsynchronized_slab_resource resource(&upstream);
  const std::size_t slab_bytes = resource.options().slab_bytes;
  for (std::size_t alignment = 1; alignment <= 4 * slab_bytes; alignment *= 2) {
    for (const std::size_t bytes : std::initializer_list<std::size_t>{
             0, 1, 7, 8, 9, 24, 48, 63, 64, 65, 72, 100, 200, 520, 1000, 4096, 5000, 70000, 200000}) {
      std::vector<block> blocks;
      for (int i = 0; i < 3; ++i) {
        blocks.push_back({resource.allocate(bytes, alignment), bytes, alignment});
        ASSERT_TRUE(is_aligned(blocks.back().address, alignment))
            << bytes << " bytes aligned to " << alignment;
        std::memset(blocks.back().address, 0xC3, bytes);
      }
      deallocate_all(resource, blocks);
    }
  }
}

TEST(UnsynchronizedSlabResource, HonoursTheAlignmentsThatOtherPoolsGetWrong) {
  unsynchronized_slab_resource resource;
  for (std::size_t bytes = 1; bytes <= 4096; bytes += bytes < 256 ? 1 : 61) {
    for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2) {
      void* const first = resource.allocate(bytes, alignment);
      void* const second = resource.allocate(bytes, alignment);
      ASSERT_TRUE(is_aligned(first, alignment)) << bytes << " bytes aligned to " << alignment;
      ASSERT_TRUE(is_aligned(second, alignment)) << bytes << " bytes aligned to " << alignment;
      resource.deallocate(first, bytes, alignment);
      resource.deallocate(second, bytes, alignment);
    }
  }
}

TEST(UnsynchronizedSlabResource, HonoursEveryAlignmentWhereASmallSupplyIsCutIntoFinerSlabs) {
  for (const std::size_t supply_bytes : {std::size_t{100000}, std::size_t{300000}, std::size_t{3000000}})
    for (const bool is_buffer : {true, false}) {
      SCOPED_TRACE(testing::Message()
                   << supply_bytes << " bytes of " << (is_buffer ? "buffer" : "max_bytes"));
      std::vector<std::byte> buffer(supply_bytes);
      slab_options options;
      if (!is_buffer) options.max_bytes = supply_bytes;
      unsynchronized_slab_resource resource(
          options, is_buffer ? buffer.data() : nullptr, is_buffer ? supply_bytes : 0,
          is_buffer ? std::pmr::null_memory_resource() : std::pmr::new_delete_resource());
      for (std::size_t alignment = 1; alignment <= 32768; alignment *= 2)
        for (const std::size_t bytes : {1U, 97U, 3000U, 20000U}) {
          std::vector<block> blocks;
          for (int i = 0; i < 5; ++i) {
            void* const address = resource.try_allocate(bytes, alignment);
            if (address == nullptr) continue;
            ASSERT_TRUE(is_aligned(address, alignment)) << bytes << " bytes aligned to " << alignment;
            blocks.push_back({address, bytes, alignment});
          }
          deallocate_all(resource, blocks);
        }
    }
}

TEST(UnsynchronizedSlabResource, PoolsEveryAlignmentThatFitsInASlab) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  const std::size_t slab_bytes = resource.options().slab_bytes;
  for (std::size_t alignment = 1; alignment < slab_bytes; alignment *= 2) {
    for (std::size_t bytes : {std::size_t{1}, std::size_t{8}, std::size_t{72}, std::size_t{500}}) {
      void* const first = resource.allocate(bytes, alignment);
      const std::size_t calls = upstream.calls();
      resource.deallocate(first, bytes, alignment);
      void* const second = resource.allocate(bytes, alignment);
      EXPECT_EQ(upstream.calls(), calls) << bytes << " bytes aligned to " << alignment;
      EXPECT_EQ(resource.stats().oversize_blocks, 0U) << bytes << " bytes aligned to " << alignment;
      resource.deallocate(second, bytes, alignment);
    }
  }
}

TEST(UnsynchronizedSlabResource, TouchesOnlyTheMemoryItHandsOut) {
  // An upstream that fills what it hands out shows which of it was written.
  class marking_resource final : public std::pmr::memory_resource {
   public:
    std::size_t touched_pages() const {
      std::size_t touched = 0;
      for (const auto& [start, bytes] : blocks_) {
        for (std::size_t page = 0; page < bytes; page += 4096) {
          const std::size_t end = std::min(page + 4096, bytes);
          touched += std::any_of(start + page, start + end, [](unsigned char byte) { return byte != 0xEE; });
        }
      }
      return touched;
    }

   private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      void* const address = std::pmr::new_delete_resource()->allocate(bytes, alignment);
      std::memset(address, 0xEE, bytes);
      blocks_.emplace(static_cast<unsigned char*>(address), bytes);
      return address;
    }
    void do_deallocate(void* address, std::size_t bytes, std::size_t alignment) override {
      blocks_.erase(static_cast<unsigned char*>(address));
      std::pmr::new_delete_resource()->deallocate(address, bytes, alignment);
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
      return this == &other;
    }
    std::map<unsigned char*, std::size_t> blocks_;
  };
  marking_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  for (std::size_t bytes = 8; bytes <= 80; bytes += 8) std::memset(resource.allocate(bytes), 0, bytes);
  EXPECT_LE(upstream.touched_pages(), 3 * resource.stats().slab_count);
}

// Oversize blocks.

TEST(UnsynchronizedSlabResource, SendsOversizeBlocksStraightUpstreamAndBack) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  const std::size_t bytes = resource.options().largest_required_pool_block + 1;
  // The record of a block and the index lie in the resource's own parts: a block of upstream, which stays.
  resource.deallocate(resource.allocate(bytes), bytes);
  EXPECT_EQ(upstream.allocations(), 2U);
  EXPECT_EQ(upstream.live_blocks(), 1U);
  const std::size_t parts_bytes = upstream.live_bytes();
  EXPECT_LE(parts_bytes, 4096U);
  for (int i = 0; i < 3; ++i) {
    const std::size_t allocations = upstream.allocations();
    const std::size_t deallocations = upstream.deallocations();
    void* const address = resource.allocate(bytes);
    std::memset(address, 1, bytes);
    EXPECT_EQ(upstream.allocations(), allocations + 1);
    EXPECT_EQ(upstream.history().back().bytes, bytes);
    EXPECT_EQ(resource.stats().oversize_blocks, 1U);
    EXPECT_EQ(resource.stats().oversize_bytes, bytes);
    EXPECT_EQ(resource.stats().upstream_bytes, parts_bytes + bytes);
    resource.deallocate(address, bytes);
    EXPECT_EQ(upstream.deallocations(), deallocations + 1);
    EXPECT_EQ(resource.stats().oversize_blocks, 0U);
    EXPECT_EQ(upstream.live_bytes(), parts_bytes);
  }
  EXPECT_EQ(resource.trim(), parts_bytes);
  EXPECT_EQ(upstream.live_bytes(), 0U);
  EXPECT_EQ(resource.stats().upstream_bytes, 0U);
}

TEST(UnsynchronizedSlabResource, FreesOversizeBlocksInAnyOrderWithAHundredThousandLive) {
  // A block is found by its address; with a search for each free this takes minutes, and the time limit of the test ends it.
  unsynchronized_slab_resource resource(slab_options{0, 64});
  const std::size_t bytes = resource.options().largest_required_pool_block + 1;
  std::vector<block> blocks = allocate_many(resource, 100000, bytes);
  EXPECT_EQ(resource.stats().oversize_blocks, 100000U);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(1));
  deallocate_all(resource, blocks);
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
  EXPECT_EQ(resource.stats().oversize_bytes, 0U);
  resource.trim();  // the records and the index are the resource's own until then
  EXPECT_EQ(resource.stats().upstream_bytes, 0U);
}

TEST(UnsynchronizedSlabResource, AnOversizeBlockIsFoundByItsFirstAddressAlone) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  const std::size_t bytes = resource.options().largest_required_pool_block + 1;
  auto* const first = static_cast<std::byte*>(resource.allocate(bytes));
  void* const second = resource.allocate(3 * bytes, 4096);
  resource.deallocate(first, 5 * bytes, 64);  // any size and alignment that no class serves
  EXPECT_EQ(resource.stats().oversize_bytes, 3 * bytes);
  resource.deallocate(second, bytes);
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
  resource.trim();
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST(UnsynchronizedSlabResource, ReleaseGivesEverythingBackAndLeavesTheResourceUsable) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  for (int round = 0; round < 3; ++round) {
    static_cast<void>(allocate_many(resource, 5000, 40));
    static_cast<void>(allocate_many(resource, 10, 1U << 20));
    static_cast<void>(resource.allocate(100, 4 * resource.options().slab_bytes));
    EXPECT_GT(upstream.live_blocks(), 10U);
    resource.release();
    EXPECT_EQ(upstream.live_blocks(), 0U);
    EXPECT_EQ(resource.stats().live_slots, 0U);
    EXPECT_EQ(resource.stats().oversize_blocks, 0U);
    EXPECT_EQ(resource.stats().upstream_bytes, 0U);
  }
  const std::size_t calls = upstream.calls();
  resource.release();
  EXPECT_EQ(upstream.calls(), calls);
}

TEST(UnsynchronizedSlabResource, TheDestructorReleases) {
  counting_resource upstream;
  {
    unsynchronized_slab_resource resource(&upstream);
    static_cast<void>(allocate_many(resource, 1000, 100));
    static_cast<void>(allocate_many(resource, 3, 1U << 18));
  }
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

// Failure.

TEST(UnsynchronizedSlabResource, PassesTheExceptionOfUpstreamOnAtEveryCallAndChangesNothing) {
  const std::size_t sizes[] = {8, 24, 100, 300, 1000, 4000, 100000, 8, 64, 70000, 5000, 2000};
  std::size_t failures = 0;
  std::size_t served = 0;
  for (bool is_refused = true; is_refused; ++served) {
    SCOPED_TRACE(testing::Message() << served << " calls served, then none");
    counting_resource memory;
    refusing_resource upstream(std::numeric_limits<std::size_t>::max(), &memory);
    unsynchronized_slab_resource resource(&upstream);
    upstream.refuse_after(served);
    std::vector<block> blocks;
    bool has_failed = false;
    for (std::size_t i = 0; i < 400; ++i) {
      const std::size_t bytes = sizes[i % std::size(sizes)];
      const auto before = resource.stats();
      const std::size_t held = memory.live_bytes();
      void* address = nullptr;
      try {
        address = resource.allocate(bytes);
      } catch (const upstream_failure&) {
        has_failed = true;
        ++failures;
        EXPECT_TRUE(upstream.refused());
        // What the resource took for its own parts before the failure may stay, ready for the next call; a second failure
        // adds nothing to it.
        const auto after = resource.stats();
        EXPECT_LE(memory.live_bytes(), held + 64 * 1024);
        const std::size_t held_after_failure = memory.live_bytes();
        EXPECT_THROW(static_cast<void>(resource.allocate(bytes)), upstream_failure);
        EXPECT_EQ(memory.live_bytes(), held_after_failure);
        EXPECT_EQ(after.live_slots, before.live_slots);
        EXPECT_EQ(after.live_bytes, before.live_bytes);
        EXPECT_EQ(after.upstream_bytes, held_after_failure);
        EXPECT_EQ(after.oversize_blocks, before.oversize_blocks);
        upstream.refuse_nothing_more();
        address = resource.allocate(bytes);  // upstream serves again, so the same request now succeeds
      }
      std::memset(address, static_cast<int>(i % 251), bytes);
      blocks.push_back({address, bytes});
    }
    is_refused = has_failed || upstream.refused();
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto* const bytes = static_cast<const unsigned char*>(blocks[i].address);
      ASSERT_TRUE(
          std::all_of(bytes, bytes + blocks[i].bytes, [i](unsigned char byte) { return byte == i % 251; }));
    }
    deallocate_all(resource, blocks);
    resource.release();
    EXPECT_EQ(memory.live_blocks(), 0U);
  }
  EXPECT_GT(served, 50U);
  EXPECT_GE(failures + 10, served) << "a refusal that lasts shows, but for the last calls";
}

TEST(UnsynchronizedSlabResource, ASingleRefusalIsSurvivedOrPassedOnAndChangesNothing) {
  const std::size_t sizes[] = {8, 24, 100, 300, 1000, 4000, 100000, 8, 64, 70000, 5000, 2000};
  std::size_t survived = 0;
  std::size_t call = 1;
  for (bool is_refused = true; is_refused; ++call) {
    SCOPED_TRACE(testing::Message() << "call " << call << " refused");
    counting_resource memory;
    failing_resource upstream(&memory, call);
    unsynchronized_slab_resource resource(&upstream);
    std::vector<block> blocks;
    std::size_t failures = 0;
    for (std::size_t i = 0; i < 400; ++i) {
      const std::size_t bytes = sizes[i % std::size(sizes)];
      const auto before = resource.stats();
      void* address = nullptr;
      try {
        address = resource.allocate(bytes);
      } catch (const upstream_failure& failure) {
        ++failures;
        EXPECT_EQ(failure.call(), call);
        EXPECT_EQ(resource.stats().live_slots, before.live_slots);
        EXPECT_EQ(resource.stats().live_bytes, before.live_bytes);
        address = resource.allocate(bytes);
      }
      std::memset(address, static_cast<int>(i % 251), bytes);
      blocks.push_back({address, bytes});
    }
    is_refused = upstream.failed();
    EXPECT_LE(failures, is_refused ? 1U : 0U);
    survived += is_refused && failures == 0 ? 1 : 0;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto* const bytes = static_cast<const unsigned char*>(blocks[i].address);
      ASSERT_TRUE(
          std::all_of(bytes, bytes + blocks[i].bytes, [i](unsigned char byte) { return byte == i % 251; }));
    }
    deallocate_all(resource, blocks);
    resource.release();
    EXPECT_EQ(memory.live_blocks(), 0U);
  }
  EXPECT_GT(call, 50U);
  EXPECT_GT(survived, 0U) << "what rests or less memory will often do";
}

TEST(UnsynchronizedSlabResource, TryAllocateReturnsNullWhenUpstreamFails) {
  counting_resource memory;
  failing_resource upstream(&memory);
  unsynchronized_slab_resource resource(&upstream);
  static_assert(noexcept(resource.try_allocate(8, 8)));
  upstream.fail_always(true);
  EXPECT_EQ(resource.try_allocate(8), nullptr);
  EXPECT_EQ(resource.try_allocate(1U << 20), nullptr);
  EXPECT_EQ(resource.try_allocate(largest_size), nullptr);
  upstream.fail_always(false);
  void* const pooled = resource.try_allocate(8);
  void* const oversize = resource.try_allocate(1U << 20, 4096);
  ASSERT_NE(pooled, nullptr);
  ASSERT_NE(oversize, nullptr);
  EXPECT_TRUE(is_aligned(oversize, 4096));
  resource.deallocate(pooled, 8);
  resource.deallocate(oversize, 1U << 20, 4096);
}

TEST(UnsynchronizedSlabResource, RefusesSizesWhoseRoundingOverflows) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  void* const kept = resource.allocate(100);
  const auto before = resource.stats();
  const std::size_t held = upstream.live_bytes();
  for (std::size_t less = 0; less < 200; ++less) {
    for (std::size_t alignment = 1; alignment <= 1U << 20; alignment *= 16) {
      EXPECT_THROW(static_cast<void>(resource.allocate(largest_size - less, alignment)), std::bad_alloc);
      EXPECT_EQ(resource.try_allocate(largest_size - less, alignment), nullptr);
    }
  }
  for (std::size_t bytes = largest_size / 2 + 1; bytes > SIZE_MAX >> (sizeof(std::size_t) == 8 ? 14 : 1);
       bytes /= 2) {
    EXPECT_THROW(static_cast<void>(resource.allocate(bytes)), std::bad_alloc);
  }
  EXPECT_EQ(resource.stats().live_slots, before.live_slots);
  EXPECT_EQ(resource.stats().oversize_blocks, before.oversize_blocks);
  EXPECT_EQ(upstream.live_bytes(), held);
  resource.deallocate(kept, 100);
}

#if !QUARRY_TEST_HAS_ADDRESS_SANITIZER  // AddressSanitizer ends the program at such a request
TEST(UnsynchronizedSlabResource, RefusesSizesWhoseRoundingOverflowsOverTheHeapToo) {
  unsynchronized_slab_resource resource;
  for (std::size_t alignment = 1; alignment <= 1U << 20; alignment *= 16) {
    for (std::size_t less = 0; less < 200; ++less) {
      EXPECT_THROW(static_cast<void>(resource.allocate(largest_size - less, alignment)), std::bad_alloc);
    }
  }
}
#endif

template <class Make>
std::string message_of_invalid_argument(Make make) {
  try {
    make();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no std::invalid_argument was thrown";
}

TEST(UnsynchronizedSlabResource, RefusesOptionsThatMakeNoSenseAndSaysWhatIsAllowed) {
  const auto with_slab_bytes = [](std::size_t slab_bytes) {
    return message_of_invalid_argument([slab_bytes] {
      slab_options options;
      options.slab_bytes = slab_bytes;
      unsynchronized_slab_resource resource(options);
    });
  };
  const auto holds = [](const std::string& text, std::initializer_list<const char*> words) {
    for (const char* const word : words)
      EXPECT_NE(text.find(word), std::string::npos) << '"' << text << "\" lacks " << word;
  };
  holds(with_slab_bytes(3000), {"slab_bytes", "3000", "power of two"});
  holds(with_slab_bytes(65537), {"slab_bytes", "65537", "power of two"});
  holds(with_slab_bytes(64), {"slab_bytes", "64"});
  holds(with_slab_bytes(1), {"slab_bytes", "1"});
  holds(message_of_invalid_argument(
            [] { unsynchronized_slab_resource resource(static_cast<std::pmr::memory_resource*>(nullptr)); }),
        {"upstream", "null"});
  holds(message_of_invalid_argument([] { unsynchronized_slab_resource resource(slab_options{}, nullptr); }),
        {"upstream", "null"});
}

// Memory goes back.

TEST(UnsynchronizedSlabResource, TrimGivesEverythingBackOnceEverythingIsFreed) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  std::vector<block> blocks;
  std::mt19937 random(3);
  for (int i = 0; i < 50000; ++i) {
    const std::size_t bytes = 8 + random() % 1000;
    blocks.push_back({resource.allocate(bytes), bytes});
  }
  std::shuffle(blocks.begin(), blocks.end(), random);
  deallocate_all(resource, blocks);
  const std::size_t held = upstream.live_bytes();
  const std::size_t given_back = resource.trim();
  EXPECT_EQ(held, given_back);
  EXPECT_EQ(upstream.live_blocks(), 0U);
  EXPECT_EQ(resource.stats().upstream_bytes, 0U);
  EXPECT_EQ(resource.trim(), 0U);
}

TEST(UnsynchronizedSlabResource, TrimKeepsWhatItIsToldTo) {
  counting_resource upstream;
  slab_options options;
  options.retain_bytes = 16U << 20;
  unsynchronized_slab_resource resource(options, &upstream);
  std::vector<block> blocks = allocate_many(resource, 100000, 64);
  deallocate_all(resource, blocks);
  const std::size_t keep_bytes = 1U << 20;
  ASSERT_GT(upstream.live_bytes(), keep_bytes);
  EXPECT_EQ(resource.stats().live_slots, 0U);
  resource.trim(keep_bytes);
  // Memory comes and goes in extents of several slabs.
  EXPECT_LE(upstream.live_bytes(), keep_bytes + 2 * resource.options().slab_bytes);
  ASSERT_LE(largest_request(upstream), keep_bytes / 2) << "so that the next line says something";
  EXPECT_GE(upstream.live_bytes(), keep_bytes - largest_request(upstream));
}

TEST(UnsynchronizedSlabResource, TrimLeavesLiveSlotsAlone) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  std::vector<block> blocks = allocate_many(resource, 20000, 48);
  for (std::size_t i = 0; i < blocks.size(); ++i)
    std::memset(blocks[i].address, static_cast<int>(i % 255), 48);
  std::vector<block> kept;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 100 == 0 && i < blocks.size() / 2) {  // the slabs of the second half become empty
      kept.push_back(blocks[i]);
    } else {
      resource.deallocate(blocks[i].address, 48);
    }
  }
  const std::size_t held = upstream.live_bytes();
  const std::size_t given_back = resource.trim();
  EXPECT_EQ(held - upstream.live_bytes(), given_back);
  EXPECT_LT(upstream.live_bytes(), held * 2 / 3) << "memory goes back around what is live";
  EXPECT_EQ(resource.stats().live_slots, kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto* const bytes = static_cast<const unsigned char*>(kept[i].address);
    EXPECT_TRUE(std::all_of(bytes, bytes + 48, [i](unsigned char byte) { return byte == i * 100 % 255; }));
  }
  deallocate_all(resource, kept);
}

TEST(UnsynchronizedSlabResource, EmptySlabsAboveRetainBytesGoBackByThemselves) {
  for (const std::size_t retain_bytes : {std::size_t{1}, std::size_t{1} << 20}) {
    counting_resource upstream;
    slab_options options;
    options.retain_bytes = retain_bytes;
    unsynchronized_slab_resource resource(options, &upstream);
    std::vector<block> blocks = allocate_many(resource, 200000, 64);
    const std::size_t held = upstream.live_bytes();
    deallocate_all(resource, blocks);
    // Memory comes and goes in extents of several slabs, and a cached slot holds on to the whole of its extent.
    EXPECT_LE(upstream.live_bytes(), resource.options().retain_bytes + 2 * largest_request(upstream) +
                                         resource.options().slab_bytes);
    EXPECT_LT(upstream.live_bytes(), held / 2);
    EXPECT_GE(upstream.live_bytes(), retain_bytes - std::min(retain_bytes, largest_request(upstream)));
  }
}

TEST(UnsynchronizedSlabResource, HoldsNeverMoreThanMaxBytes) {
  counting_resource upstream;
  slab_options options;
  options.max_bytes = 1U << 20;
  unsynchronized_slab_resource resource(options, &upstream);
  EXPECT_THROW(static_cast<void>(resource.allocate(2U << 20)), std::bad_alloc);
  EXPECT_EQ(resource.try_allocate(2U << 20), nullptr);
  for (int round = 0; round < 3; ++round) {
    std::vector<block> blocks;
    try {
      while (blocks.size() < 100000) blocks.push_back({resource.allocate(100), 100});
      FAIL() << "the limit was never felt";
    } catch (const std::bad_alloc&) {
    }
    EXPECT_GT(blocks.size(), (1U << 20) / 2 / 100);
    EXPECT_EQ(resource.stats().live_slots, blocks.size());
    deallocate_all(resource, blocks);
  }
  EXPECT_LE(upstream.peak_bytes(), options.max_bytes);
}

// The initial buffer.

TEST(UnsynchronizedSlabResource, CutsSlabsFromTheInitialBufferBeforeItAsksUpstream) {
  // At addresses that are aligned to less and less.
  for (const std::size_t bytes : {std::size_t{20000}, std::size_t{1} << 20, std::size_t{8} << 20})
    for (const std::size_t offset : {0U, 8U, 1000U, 33000U, 65528U}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes, " << offset << " behind a multiple of 64 KiB");
      constexpr std::size_t alignment = 65536;
      std::vector<std::byte> memory(bytes + 2 * alignment);
      void* start = memory.data();
      std::size_t room = memory.size();
      std::byte* const buffer = static_cast<std::byte*>(std::align(alignment, bytes, start, room)) + offset;
      const auto inside = [buffer, bytes](const void* address) {
        return address >= buffer && address < buffer + bytes;
      };
      counting_resource upstream;
      unsynchronized_slab_resource resource(buffer, bytes, &upstream);
      for (int round = 0; round < 2; ++round) {
        std::vector<block> blocks = allocate_many(resource, bytes / 1000, 100);
        EXPECT_EQ(upstream.calls(), 0U);
        for (const block& each : blocks) EXPECT_TRUE(inside(each.address));
        deallocate_all(resource, blocks);
        resource.release();
      }
      std::vector<block> many = allocate_many(resource, bytes / 33, 100);
      EXPECT_GT(upstream.allocations(), 0U);
      std::size_t from_buffer = 0;
      for (const block& each : many) {
        from_buffer += inside(each.address) ? 1 : 0;
        std::memset(each.address, 1, each.bytes);
      }
      // Before an upstream a buffer is cut into slabs as usual: one that holds none serves the small ones apart.
      EXPECT_GT(from_buffer * 100, bytes * (bytes >= std::size_t{1} << 20 ? 7 : 2) / 10);
      deallocate_all(resource, many);
    }
}

TEST(UnsynchronizedSlabResource, TakesAnInitialBufferOfAnySizeAndAddress) {
  for (const std::size_t bytes :
       std::initializer_list<std::size_t>{0, 1, 63, 500, 2048, 5000, 65535, 65536, 131072}) {
    for (const std::size_t offset : std::initializer_list<std::size_t>{0, 1, 8, 40}) {
      counting_resource upstream;
      std::vector<std::byte> memory(bytes + offset + 64, std::byte{0x77});
      {
        unsynchronized_slab_resource resource(memory.data() + offset, bytes, &upstream);
        std::vector<block> blocks;
        for (std::size_t size = 1; size < 300; ++size) {
          blocks.push_back({resource.allocate(size), size});
          ASSERT_TRUE(is_aligned(blocks.back().address, max_alignment));
          std::memset(blocks.back().address, 1, size);
        }
        deallocate_all(resource, blocks);
      }
      for (std::size_t i = 0; i < offset; ++i)
        EXPECT_EQ(memory[i], std::byte{0x77}) << "written before the buffer";
      for (std::size_t i = offset + bytes; i < memory.size(); ++i)
        EXPECT_EQ(memory[i], std::byte{0x77}) << "written behind";
    }
  }
}

// Observers.

TEST(UnsynchronizedSlabResource, StatsFollowAllocationAndFree) {
  counting_resource upstream;
  unsynchronized_slab_resource resource(&upstream);
  std::vector<block> blocks = allocate_many(resource, 1000, 64);
  void* const oversize = resource.allocate(1U << 20);
  const auto full = resource.stats();
  EXPECT_EQ(full.live_slots, 1000U);
  EXPECT_EQ(full.live_bytes, 64000U + (1U << 20));
  EXPECT_EQ(full.oversize_blocks, 1U);
  EXPECT_EQ(full.oversize_bytes, 1U << 20);
  EXPECT_GE(full.slab_count, 1U);
  EXPECT_EQ(full.upstream_bytes, upstream.live_bytes());
  resource.deallocate(oversize, 1U << 20);
  deallocate_all(resource, blocks);
  const auto empty = resource.stats();
  EXPECT_EQ(empty.live_slots, 0U);
  EXPECT_EQ(empty.live_bytes, 0U);
  EXPECT_EQ(empty.oversize_blocks, 0U);
  EXPECT_EQ(empty.oversize_bytes, 0U);
  EXPECT_EQ(empty.upstream_bytes, upstream.live_bytes());
  EXPECT_EQ(empty.upstream_peak_bytes, upstream.peak_bytes());
}

TEST(UnsynchronizedSlabResource, GoodSizeHoldsTheRequestAndIsItsOwnGoodSize) {
  const unsynchronized_slab_resource resource;
  const std::size_t largest = resource.options().largest_required_pool_block;
  std::size_t before = 0;
  for (std::size_t bytes = 1; bytes <= largest; ++bytes) {
    const std::size_t good = resource.good_size(bytes, 1);
    ASSERT_GE(good, bytes);
    ASSERT_GE(good, before);
    ASSERT_EQ(resource.good_size(good, 1), good);
    // 8-byte steps, and above 64 bytes eight classes for each doubling.
    ASSERT_LT(good - bytes, std::max<std::size_t>(8, bytes / 7)) << bytes;
    before = good;
  }
  for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2)
    EXPECT_GE(resource.good_size(24, alignment), 24U);
}

TEST(UnsynchronizedSlabResource, OwnsWhatItHandedOutAndNothingElse) {
  unsynchronized_slab_resource resource;
  unsynchronized_slab_resource other;
  int local = 0;
  void* const pooled = resource.allocate(40);
  void* const oversize = resource.allocate(1U << 20);
  void* const foreign = other.allocate(40);
  const auto heap = std::make_unique<int>(1);
  EXPECT_TRUE(resource.owns(pooled));
  EXPECT_TRUE(resource.owns(oversize));
  EXPECT_FALSE(resource.owns(foreign));
  EXPECT_FALSE(resource.owns(&local));
  EXPECT_FALSE(resource.owns(heap.get()));
  EXPECT_FALSE(resource.owns(nullptr));
  EXPECT_TRUE(other.owns(foreign));
  EXPECT_FALSE(other.owns(oversize));
  void* const nothing = resource.allocate(0, 1U << 20);
  EXPECT_TRUE(resource.owns(nothing)) << "a block of no bytes has an address too";
  resource.deallocate(nothing, 0, 1U << 20);
  resource.deallocate(pooled, 40);
  resource.deallocate(oversize, 1U << 20);
  other.deallocate(foreign, 40);
}

TEST(UnsynchronizedSlabResource, NeverAsksItsUpstreamForNothing) {
  class something_only final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      EXPECT_NE(bytes, 0U);
      return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
      EXPECT_NE(bytes, 0U);
      std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
    }
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
      return this == &other;
    }
  } upstream;
  unsynchronized_slab_resource resource(&upstream);
  for (std::size_t alignment = 1; alignment <= (std::size_t{1} << 22); alignment *= 2) {
    void* const block = resource.allocate(0, alignment);
    void* const other = resource.allocate(0, alignment);
    EXPECT_NE(block, other);
    EXPECT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, 2U);
    resource.deallocate(block, 0, alignment);
    resource.deallocate(other, 0, alignment);
  }
}

TEST(UnsynchronizedSlabResource, ForEachLiveVisitsExactlyTheLiveSlots) {
  unsynchronized_slab_resource resource;
  std::set<void*> live;
  std::vector<block> blocks = allocate_many(resource, 5000, 40);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 3 == 0) {
      live.insert(blocks[i].address);
    } else {
      resource.deallocate(blocks[i].address, 40);
    }
  }
  std::set<void*> visited;
  resource.for_each_live([&visited](void* slot, std::size_t slot_bytes) {
    EXPECT_GE(slot_bytes, 40U);
    EXPECT_TRUE(visited.insert(slot).second) << "visited twice";
  });
  EXPECT_EQ(visited, live);
}

TEST(UnsynchronizedSlabResource, ReportsATableWithOneRowForEachClassInUse) {
  unsynchronized_slab_resource resource;
  static_cast<void>(allocate_many(resource, 10, 48));
  static_cast<void>(allocate_many(resource, 20, 250));
  std::ostringstream text;
  resource.report(text);
  const std::string table = text.str();
  EXPECT_NE(table.find(" 48 "), std::string::npos) << table;
  EXPECT_NE(table.find(" 256 "), std::string::npos) << table;
  EXPECT_GE(std::count(table.begin(), table.end(), '\n'), 3) << table;
}

TEST(UnsynchronizedSlabResource, LivesBesideThousandsOfOthers) {
  counting_resource upstream;
  std::vector<std::unique_ptr<unsynchronized_slab_resource>> resources;
  for (int i = 0; i < 2000; ++i) {
    resources.push_back(std::make_unique<unsynchronized_slab_resource>(&upstream));
    static_cast<void>(resources.back()->allocate(32));
  }
  resources.clear();
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

}  // namespace
