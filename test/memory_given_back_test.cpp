// What a slab resource still holds when most or all of its blocks are freed, told by stats() and by the system.
//
// "Held" is upstream_bytes without discarded_bytes. No test depends on time: a bound holds at once or never.
// timeout: 900
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <quarry/memory_budget.hpp>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"
#include "support/in_child.hpp"
#include "support/process_memory.hpp"

namespace {

using quarry::os_page_resource;
using quarry::slab_options;
using quarry::synchronized_slab_resource;
using quarry_test::both_resources;
using quarry_test::class_sizes;
using quarry_test::common_upstreams;
using quarry_test::counting_resource;
using quarry_test::growth;
using quarry_test::held_bytes;
using quarry_test::is_synchronized;
using quarry_test::mapped_bytes;
using quarry_test::resident_bytes;
using quarry_test::resource_names;
using quarry_test::run_in_child;

constexpr std::size_t mebibyte = std::size_t{1} << 20;

struct block {
  unsigned char* address;
  std::size_t bytes;
};

/// Adds blocks of `bytes` until they come to `total_bytes`; the first bytes of each are written.
template <class Resource>
void fill(Resource& resource, std::size_t bytes, std::size_t total_bytes, std::vector<block>& blocks) {
  for (std::size_t sum = 0; sum < total_bytes; sum += bytes) {
    blocks.push_back({static_cast<unsigned char*>(resource.allocate(bytes)), bytes});
    std::memset(blocks.back().address, static_cast<int>(blocks.size() % 251),
                std::min<std::size_t>(bytes, 64));
  }
}

template <class Resource>
void free_all(Resource& resource, std::vector<block>& blocks) {
  for (const block& each : blocks) resource.deallocate(each.address, each.bytes);
  blocks.clear();
}

/// The orders in which blocks are freed.
enum class order { as_allocated, reversed, random, strided };
constexpr order every_order[] = {order::as_allocated, order::reversed, order::random, order::strided};

void arrange(std::vector<block>& blocks, order wanted, std::mt19937::result_type seed) {
  if (wanted == order::reversed) std::reverse(blocks.begin(), blocks.end());
  if (wanted == order::random) std::shuffle(blocks.begin(), blocks.end(), std::mt19937(seed));
  if (wanted == order::strided) {  // neighbours come far apart, so that every slab stays in use for long
    constexpr std::size_t stride = 997;
    std::vector<block> result;
    for (std::size_t first = 0; first < stride; ++first)
      for (std::size_t i = first; i < blocks.size(); i += stride) result.push_back(blocks[i]);
    blocks.swap(result);
  }
}

/// Takes one block of each `stride` out of `blocks`, at a place that `random` says.
std::vector<block> take_survivors(std::vector<block>& blocks, std::size_t stride, std::mt19937& random) {
  std::vector<block> survivors;
  std::vector<block> others;
  for (std::size_t first = 0; first < blocks.size(); first += stride) {
    const std::size_t count = std::min(stride, blocks.size() - first);
    const std::size_t chosen = first + random() % count;
    for (std::size_t i = first; i < first + count; ++i)
      (i == chosen ? survivors : others).push_back(blocks[i]);
  }
  blocks.swap(others);
  return survivors;
}

void write_each(const std::vector<block>& blocks) {
  for (std::size_t i = 0; i < blocks.size(); ++i)
    std::memset(blocks[i].address, static_cast<int>(i % 255 + 1), blocks[i].bytes);
}

void check_each(const std::vector<block>& blocks) {
  for (std::size_t i = 0; i < blocks.size(); ++i)
    for (std::size_t at = 0; at < blocks[i].bytes; ++at)
      ASSERT_EQ(blocks[i].address[at], i % 255 + 1) << "byte " << at << " of survivor " << i << " changed";
}

template <class Resource>
class MemoryGivenBack : public testing::Test {};
TYPED_TEST_SUITE(MemoryGivenBack, both_resources, resource_names);

TYPED_TEST(MemoryGivenBack, AfterTrimEachSurvivorHoldsAboutItsOwnSlab) {
  std::mt19937 random(11);
  for (const auto& upstream : common_upstreams())
    for (const std::size_t bytes : {24U, 64U, 256U, 1000U, 4000U}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes over " << upstream.name);
      TypeParam resource(upstream.resource);
      std::vector<block> blocks;
      fill(resource, bytes, 64 * mebibyte, blocks);
      std::vector<block> survivors = take_survivors(blocks, 2 * mebibyte / resource.good_size(bytes), random);
      write_each(survivors);
      arrange(blocks, every_order[random() % 4], random());
      free_all(resource, blocks);
      const std::size_t before = held_bytes(resource.stats());
      const std::size_t given_back = resource.trim();
      const auto stats = resource.stats();
      EXPECT_EQ(before - held_bytes(stats), given_back);
      EXPECT_EQ(stats.live_slots, survivors.size());
      EXPECT_LE(held_bytes(stats), survivors.size() * resource.options().slab_bytes * 3 / 2);
      check_each(survivors);
      fill(resource, bytes, 16 * mebibyte, blocks);
      check_each(survivors);
      free_all(resource, blocks);
      free_all(resource, survivors);
      resource.trim();
      EXPECT_LE(held_bytes(resource.stats()), mebibyte);
    }
}

TYPED_TEST(MemoryGivenBack, AfterEverythingIsFreedTrimLeavesNoSlab) {
  for (const auto& upstream : common_upstreams())
    for (const std::size_t total_bytes : {std::size_t{1}, 64 * std::size_t{1024}, 8 * mebibyte}) {
      SCOPED_TRACE(testing::Message() << total_bytes << " bytes of each size over " << upstream.name);
      TypeParam resource(upstream.resource);
      std::vector<block> blocks;
      for (const std::size_t bytes : {16U, 64U, 500U, 3000U}) fill(resource, bytes, total_bytes, blocks);
      arrange(blocks, order::random, 15);
      free_all(resource, blocks);
      resource.trim();
      EXPECT_EQ(resource.stats().slab_count, 0U);
      EXPECT_EQ(resource.stats().cached_slots, 0U);
    }
}

TYPED_TEST(MemoryGivenBack, AfterTrimSurvivorsOfManyClassesHoldASlabEach) {
  std::mt19937 random(12);
  for (const auto& upstream : common_upstreams()) {
    SCOPED_TRACE(upstream.name);
    TypeParam resource(upstream.resource);
    std::vector<block> blocks;
    while (resource.stats().live_bytes < 64 * mebibyte)
      for (int i = 0; i < 1000; ++i) fill(resource, 8 + random() % 1000, 1, blocks);
    const std::vector<block> survivors = take_survivors(blocks, 2000, random);
    arrange(blocks, order::random, random());
    free_all(resource, blocks);
    resource.trim();
    EXPECT_LE(held_bytes(resource.stats()), survivors.size() * resource.options().slab_bytes * 3 / 2);
  }
}

TYPED_TEST(MemoryGivenBack, OverAnUpstreamThatCannotDiscardASurvivorHoldsAtMostAnExtentOfFourSlabs) {
  std::mt19937 random(13);
  for (const std::size_t bytes : {24U, 64U, 256U, 1000U}) {
    SCOPED_TRACE(testing::Message() << bytes << " bytes");
    counting_resource upstream(os_page_resource());
    TypeParam resource(&upstream);
    std::vector<block> blocks;
    fill(resource, bytes, 64 * mebibyte, blocks);
    const std::vector<block> survivors =
        take_survivors(blocks, 2 * mebibyte / resource.good_size(bytes), random);
    arrange(blocks, order::random, random());
    free_all(resource, blocks);
    resource.trim();
    EXPECT_LE(upstream.live_bytes(), survivors.size() * resource.options().slab_bytes * 9 / 2);
    EXPECT_EQ(resource.stats().upstream_bytes, upstream.live_bytes());
  }
}

TYPED_TEST(MemoryGivenBack, WhatTrimSaysItGaveBackIsNoLongerResident) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  std::mt19937 random(14);
  for (const auto& upstream : common_upstreams()) {
    SCOPED_TRACE(upstream.name);
    TypeParam resource(upstream.resource);
    const std::size_t before = resident_bytes();
    std::vector<block> blocks;
    fill(resource, 256, 128 * mebibyte, blocks);
    const std::vector<block> survivors = take_survivors(blocks, 8192, random);
    arrange(blocks, order::random, random());
    free_all(resource, blocks);
    resource.trim();
    constexpr std::size_t lists_bytes = 28 * mebibyte;  // the test's own, of 512 Ki blocks, and the headers
    EXPECT_LE(growth(before, resident_bytes()),
              survivors.size() * resource.options().slab_bytes * 3 / 2 + lists_bytes);
  }
}

TYPED_TEST(MemoryGivenBack, FreeingEverythingLeavesRetainBytesAndAtMostEightMebibytes) {
  unsigned seed = 20;
  for (const auto& upstream : common_upstreams())
    for (const std::size_t retain_bytes : {1U, 0U})
      for (const std::size_t bytes : {24U, 64U, 512U, 4096U}) {
        slab_options options;
        options.retain_bytes = retain_bytes;
        TypeParam resource(options, upstream.resource);
        SCOPED_TRACE(testing::Message() << bytes << " bytes over " << upstream.name << ", retain_bytes "
                                        << resource.options().retain_bytes << ", seed " << seed);
        std::vector<block> blocks;
        fill(resource, bytes, 64 * mebibyte, blocks);
        arrange(blocks, order::random, ++seed);
        free_all(resource, blocks);
        EXPECT_EQ(resource.stats().live_bytes, 0U);
        EXPECT_LE(held_bytes(resource.stats()), resource.options().retain_bytes + 8 * mebibyte);
      }
}

TYPED_TEST(MemoryGivenBack, FreeingEverythingLeavesLittleWhateverTheOrder) {
  for (const order each : every_order) {
    SCOPED_TRACE(testing::Message() << "order " << static_cast<int>(each));
    slab_options options;
    options.retain_bytes = 1;
    TypeParam resource(options, os_page_resource());
    std::vector<block> blocks;
    fill(resource, 128, 64 * mebibyte, blocks);
    arrange(blocks, each, 31);
    free_all(resource, blocks);
    EXPECT_LE(held_bytes(resource.stats()), 8 * mebibyte);
  }
}

TYPED_TEST(MemoryGivenBack, FreeingEverythingOfManyClassesLeavesLittle) {
  for (const unsigned seed : {41U, 42U}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    slab_options options;
    options.retain_bytes = 1;
    TypeParam resource(options, os_page_resource());
    std::vector<block> blocks;
    for (const std::size_t bytes : {16U, 48U, 64U, 128U, 320U, 1024U, 1500U, 4096U, 8192U})
      fill(resource, bytes, 12 * mebibyte, blocks);
    arrange(blocks, order::random, seed);
    free_all(resource, blocks);
    EXPECT_EQ(resource.stats().live_bytes, 0U);
    EXPECT_LE(held_bytes(resource.stats()), 8 * mebibyte);
  }
}

TYPED_TEST(MemoryGivenBack, FreeingAllClassesOneAfterTheOtherLeavesLittle) {
  slab_options options;
  options.retain_bytes = 1;
  TypeParam resource(options, os_page_resource());
  for (const std::size_t bytes : class_sizes(resource, 8, 8192)) {
    std::vector<block> blocks;
    fill(resource, bytes, 8 * mebibyte, blocks);
    arrange(blocks, order::random, static_cast<unsigned>(bytes));
    free_all(resource, blocks);
  }
  EXPECT_EQ(resource.stats().live_bytes, 0U);
  EXPECT_LE(held_bytes(resource.stats()), 8 * mebibyte);
}

TEST(MemoryGivenBackByThreads, FreeingEverythingInAnotherThreadLeavesLittle) {
  slab_options options;
  options.retain_bytes = 1;
  synchronized_slab_resource resource(options, os_page_resource());
  for (const std::size_t bytes : {64U, 512U}) {
    SCOPED_TRACE(testing::Message() << bytes << " bytes");
    std::vector<block> blocks;
    fill(resource, bytes, 64 * mebibyte, blocks);
    arrange(blocks, order::random, 51);
    std::thread([&] {
      free_all(resource, blocks);
      EXPECT_LE(held_bytes(resource.stats()), 8 * mebibyte);
    }).join();
    EXPECT_LE(held_bytes(resource.stats()), 8 * mebibyte);
  }
}

/// Runs phases one after the other, each of one size and freed whole in random order, and returns the most that was
/// held at any of 32 moments of each phase.
template <class Resource>
std::size_t most_held_in_phases(Resource& resource, std::size_t phase_bytes,
                                const std::vector<std::size_t>& sizes) {
  std::size_t most = 0;
  for (const std::size_t bytes : sizes) {
    std::vector<block> blocks;
    for (int part = 0; part < 16; ++part) {
      fill(resource, bytes, phase_bytes / 16, blocks);
      most = std::max(most, held_bytes(resource.stats()));
    }
    arrange(blocks, order::random, static_cast<unsigned>(bytes));
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      resource.deallocate(blocks[i].address, blocks[i].bytes);
      if (i % (blocks.size() / 16 + 1) == 0) most = std::max(most, held_bytes(resource.stats()));
    }
  }
  return most;
}

TYPED_TEST(MemoryGivenBack, TenPhasesOfDifferentSizesHoldLittleMoreThanOne) {
  for (const auto& upstream : common_upstreams()) {
    SCOPED_TRACE(upstream.name);
    slab_options options;
    options.retain_bytes = 2 * mebibyte;
    TypeParam resource(options, upstream.resource);
    constexpr std::size_t phase_bytes = 48 * mebibyte;
    EXPECT_LE(most_held_in_phases(resource, phase_bytes, {32, 48, 64, 112, 192, 256, 512, 1024, 2048, 4096}),
              phase_bytes * 5 / 4 + options.retain_bytes);
  }
}

TYPED_TEST(MemoryGivenBack, TenPhasesHoldLittleMoreThanOneAndWhatIsRetainedByDefault) {
  TypeParam resource(os_page_resource());
  constexpr std::size_t phase_bytes = 100'000'000;
  EXPECT_LE(
      most_held_in_phases(resource, phase_bytes, {4096, 320, 1024, 128, 2048, 512, 256, 1536, 640, 3072}),
      phase_bytes * 5 / 4 + resource.options().retain_bytes);
}

/// Returns what is discarded after a phase of small blocks was freed in random order, and after another size has then taken half of
/// what rests.
template <class Resource>
std::pair<std::size_t, std::size_t> discarded_bytes_around_a_phase(const slab_options& options) {
  Resource resource(options, os_page_resource());
  std::vector<block> blocks;
  fill(resource, 64, 100 * mebibyte, blocks);
  arrange(blocks, order::random, 11);
  free_all(resource, blocks);
  const std::size_t before = resource.stats().discarded_bytes;
  fill(resource, 24, resource.options().retain_bytes / 2, blocks);
  const std::size_t after = resource.stats().discarded_bytes;
  free_all(resource, blocks);
  return {before, after};
}

TYPED_TEST(MemoryGivenBack, APhaseUsesWhatRestsBeforeWhatIsDiscarded) {
  const auto [before, after] = discarded_bytes_around_a_phase<TypeParam>({});
  EXPECT_GT(before, mebibyte) << "there is nothing to choose";
  EXPECT_GE(after, before) << "pages were faulted in while others rested";
}

TYPED_TEST(MemoryGivenBack, UnderALimitAPhaseLeavesIdleExtentsWhole) {
  slab_options options;
  options.max_bytes = 512 * mebibyte;
  const auto [before, after] = discarded_bytes_around_a_phase<TypeParam>(options);
  EXPECT_LT(after, before) << "what is discarded counts against max_bytes, so it is used first";

  quarry::memory_budget budget(512 * mebibyte);
  slab_options shared;
  shared.budget = &budget;
  const auto [before_shared, after_shared] = discarded_bytes_around_a_phase<TypeParam>(shared);
  EXPECT_LT(after_shared, before_shared);
}

TYPED_TEST(MemoryGivenBack, OfReservedMemoryFewExtentsAreBroken) {
  TypeParam resource(os_page_resource());
  resource.reserve(64 * mebibyte);
  std::vector<block> blocks;
  fill(resource, 64, 4 * mebibyte, blocks);
  resource.trim(0);
  EXPECT_LE(resource.stats().upstream_bytes, 8 * mebibyte);
  free_all(resource, blocks);
}

TEST(MemoryGivenBackToABuffer, ALaterPhaseUsesTheBufferFirst) {
  std::vector<unsigned char> buffer(8 * mebibyte);
  quarry::unsynchronized_slab_resource resource(buffer.data(), buffer.size(), os_page_resource());
  std::vector<block> blocks;
  fill(resource, 64, 24 * mebibyte, blocks);
  arrange(blocks, order::random, 5);
  free_all(resource, blocks);
  blocks.clear();
  fill(resource, 200, 4 * mebibyte, blocks);
  const auto inside = std::count_if(blocks.begin(), blocks.end(), [&buffer](const block& each) {
    return each.address >= buffer.data() && each.address < buffer.data() + buffer.size();
  });
  EXPECT_GT(static_cast<std::size_t>(inside), blocks.size() * 9 / 10);
  free_all(resource, blocks);
}

/// Threads that have used a resource and now make no call until they are told to end.
class idle_threads {
 public:
  template <class Use>
  idle_threads(int count, Use use) {
    for (int i = 0; i < count; ++i)
      threads_.emplace_back([this, use] {
        use();
        std::unique_lock<std::mutex> lock(mutex_);
        ++idle_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return ending_; });
      });
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this, count] { return idle_ == count; });
  }
  idle_threads(const idle_threads&) = delete;
  idle_threads& operator=(const idle_threads&) = delete;
  ~idle_threads() { end(); }

  void end() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
      changed_.notify_all();
    }
    for (std::thread& each : threads_) each.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;  // owner
  std::mutex mutex_;                  // guards what follows
  std::condition_variable changed_;
  int idle_ = 0;         // threads whose use() has ended
  bool ending_ = false;  // threads may end
};

std::size_t cached_bytes(const quarry::slab_stats& stats) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < stats.class_rows; ++i)
    sum += stats.classes[i].cached_slots * stats.classes[i].slot_bytes;
  return sum;
}

TEST(MemoryGivenBackByThreads, SixtyFourIdleThreadsDoNotMakeABusyOneHoldMuch) {
  for (const bool many_classes : {false, true}) {
    SCOPED_TRACE(many_classes ? "the idle threads used twelve classes" : "the idle threads used one class");
    synchronized_slab_resource resource(os_page_resource());
    idle_threads threads(64, [&resource, many_classes] {
      for (std::size_t i = 0; i < (many_classes ? 12U : 1U); ++i)
        resource.deallocate(resource.allocate(64 + i * 96), 64 + i * 96);
    });
    for (const std::size_t bytes : class_sizes(resource, 8, 8192)) {
      std::vector<block> blocks;
      fill(resource, bytes, 8 * mebibyte, blocks);
      free_all(resource, blocks);
    }
    const auto stats = resource.stats();
    EXPECT_EQ(stats.live_bytes, 0U);
    EXPECT_LE(cached_bytes(stats), 32 * mebibyte);
    EXPECT_LE(held_bytes(stats), resource.options().retain_bytes + 64 * mebibyte);
    threads.end();
    EXPECT_LE(held_bytes(resource.stats()), resource.options().retain_bytes + 64 * mebibyte);
  }
}

#if defined(__linux__)

TYPED_TEST(MemoryGivenBack, ASparseLargeBlockStaysSparse) {
  constexpr std::size_t bytes = 256 * mebibyte;
  const auto touch = [](unsigned char* pages) {
    const std::size_t before = resident_bytes();
    for (std::size_t at = 0; at < bytes; at += 2 * mebibyte) pages[at] = 1;
    return growth(before, resident_bytes());
  };
  auto* const plain = static_cast<unsigned char*>(std::pmr::new_delete_resource()->allocate(bytes));
  const std::size_t plain_growth = touch(plain);
  std::pmr::new_delete_resource()->deallocate(plain, bytes);
  for (const auto& upstream : common_upstreams()) {
    SCOPED_TRACE(upstream.name);
    TypeParam resource(upstream.resource);
    auto* const pages = static_cast<unsigned char*>(resource.allocate(bytes));
    EXPECT_LE(touch(pages), plain_growth + 16 * mebibyte);
    resource.deallocate(pages, bytes);
  }
}

/// Returns whether this process locks as much memory as the next test does, asked with pages that are not the library's.
bool locks_memory() {
  return run_in_child(60, [] {
           const std::vector<unsigned char> pages(64 * mebibyte, 1);
           const bool is_done = mlock(pages.data(), pages.size()) == 0 && mlockall(MCL_CURRENT) == 0;
           return is_done && quarry_test::bytes_on_line("/proc/self/status", "VmLck:") >= pages.size() ? 0
                                                                                                       : 1;
         }) == 0;
}

TYPED_TEST(MemoryGivenBack, PagesThatAreLockedInMemoryAreNotCountedAsDiscarded) {
  if (!locks_memory())
    GTEST_SKIP()
        << "64 MiB are not locked: RLIMIT_MEMLOCK, or AddressSanitizer, which makes nothing of mlock()";
  for (const bool lock_all : {true, false}) {
    SCOPED_TRACE(lock_all ? "every page is locked" : "a page of each slab is locked");
    const int result = run_in_child(120, [lock_all] {
      std::vector<block> blocks(mebibyte / 2);
      blocks.clear();
      TypeParam resource(os_page_resource());
      if (lock_all && mlockall(MCL_CURRENT) != 0) return 2;  // what is not the resource's comes in now
      const std::size_t before = resident_bytes();
      fill(resource, 64, 32 * mebibyte, blocks);
      if (lock_all) {
        if (mlockall(MCL_CURRENT) != 0) return 2;
      } else {
        for (std::size_t i = 500; i < blocks.size(); i += resource.options().slab_bytes / 64)
          if (mlock(blocks[i].address, 1) != 0) return 2;
      }
      for (std::size_t i = 0; i < blocks.size(); ++i)
        if (i % 8192 != 0) resource.deallocate(blocks[i].address, 64);
      resource.trim();
      const std::size_t resident = growth(before, resident_bytes());
      const std::size_t held = held_bytes(resource.stats());
      if (resident <= held + 8 * mebibyte) return 0;
      std::fprintf(stderr, "%zu bytes are resident, %zu are said to be held\n", resident, held);
      return 1;
    });
    EXPECT_EQ(result, 0);
  }
}

TYPED_TEST(MemoryGivenBack, NothingIsLostWhenTheSystemCanSplitNoMoreMappings) {
  for (const std::size_t bytes : {12000U, 40000U}) {
    SCOPED_TRACE(testing::Message() << bytes << " bytes");
    EXPECT_EQ(
        run_in_child(240,
                     [bytes] {
                       std::vector<block> blocks;
                       TypeParam resource(os_page_resource());
                       const std::size_t before = mapped_bytes();
                       for (int i = 0; i < 150'000; ++i)
                         blocks.push_back({static_cast<unsigned char*>(resource.allocate(bytes)), bytes});
                       for (const std::size_t parity : {0U, 1U})  // every other one: each leaves a hole
                         for (std::size_t i = parity; i < blocks.size(); i += 2)
                           resource.deallocate(blocks[i].address, bytes);
                       blocks = std::vector<block>();
                       resource.trim();
                       const std::size_t mapped = growth(before, mapped_bytes());
                       const std::size_t told = resource.stats().upstream_bytes;
                       if (mapped <= told + 32 * mebibyte) return 0;
                       std::fprintf(stderr, "%zu bytes stay mapped, stats() tells %zu\n", mapped, told);
                       return 1;
                     }),
        0);
  }
}

#endif

}  // namespace
