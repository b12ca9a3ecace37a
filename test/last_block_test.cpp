// The oversize block that a cache keeps: where it counts, and how it goes back.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <quarry/memory_budget.hpp>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry::unsynchronized_slab_resource;

constexpr std::size_t bytes = 100'000;

template <class Resource>
class LastBlock : public testing::Test {
 protected:
  // Frees a block, so that it rests in the cache.
  static void* rest_in(Resource& resource) {
    resource.deallocate(resource.allocate(1), 1);  // now the thread has a cache
    void* const block = resource.allocate(bytes);
    resource.deallocate(block, bytes);
    return block;
  }
};

struct resource_name {
  template <class Resource>
  static std::string GetName(int) {
    return std::is_same_v<Resource, unsynchronized_slab_resource> ? "Unsynchronized" : "Synchronized";
  }
};
using resources = testing::Types<unsynchronized_slab_resource, synchronized_slab_resource>;
TYPED_TEST_SUITE(LastBlock, resources, resource_name);

TYPED_TEST(LastBlock, ServesTheNextRequestOfItsSizeAndCountsAsFreeUntilThen) {
  TypeParam resource;
  void* const block = this->rest_in(resource);
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
  EXPECT_EQ(resource.stats().oversize_bytes, 0U);
  EXPECT_EQ(resource.stats().live_bytes, 0U);
  const std::size_t held_bytes = resource.stats().upstream_bytes;
  EXPECT_GE(held_bytes, bytes);
  void* const again = resource.allocate(bytes);
  EXPECT_EQ(again, block);
  EXPECT_EQ(resource.stats().oversize_blocks, 1U);
  EXPECT_EQ(resource.stats().oversize_bytes, bytes);
  EXPECT_EQ(resource.stats().upstream_bytes, held_bytes);
  void* const other = resource.allocate(bytes);
  EXPECT_NE(other, block) << "it was handed out";
  EXPECT_EQ(resource.stats().oversize_blocks, 2U);
  resource.deallocate(again, bytes);
  resource.deallocate(other, bytes);
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
}

TYPED_TEST(LastBlock, StandsInNoReportOfWhatLives) {
  slab_options options;
  options.name = "blocks";
  TypeParam resource(options);
  void* const live = resource.allocate(bytes + 1);
  this->rest_in(resource);
  std::ostringstream report;
  resource.report_live(report);
  EXPECT_NE(report.str().find("1 oversize blocks (100001 bytes)"), std::string::npos) << report.str();
  EXPECT_EQ(report.str().find("100000 bytes"), std::string::npos) << report.str();
  resource.deallocate(live, bytes + 1);
}

TYPED_TEST(LastBlock, GoesBackWithATrimAFlushAndTheEnd) {
  for (const bool flushes : {false, true}) {
    TypeParam resource;
    this->rest_in(resource);
    EXPECT_GE(resource.trim(), bytes);
    EXPECT_LT(resource.stats().upstream_bytes, bytes);
    this->rest_in(resource);
    if (flushes) {
      if constexpr (std::is_same_v<TypeParam, synchronized_slab_resource>) resource.flush_thread_cache();
      std::thread([&] { EXPECT_EQ(resource.stats().oversize_blocks, 0U); }).join();
    }
    resource.release();
    EXPECT_EQ(resource.stats().upstream_bytes, 0U);
    EXPECT_NE(this->rest_in(resource), nullptr) << "after release it has the block no more";
  }
}

TYPED_TEST(LastBlock, ServesASmallerRequestToo) {
  TypeParam resource;
  void* const block = this->rest_in(resource);
  const std::size_t held_bytes = resource.stats().upstream_bytes;
  void* const smaller = resource.allocate(bytes - bytes / 8);
  EXPECT_EQ(smaller, block);
  EXPECT_EQ(resource.stats().oversize_bytes, bytes - bytes / 8);
  EXPECT_EQ(resource.stats().upstream_bytes, held_bytes);
  resource.deallocate(smaller, bytes - bytes / 8);
  void* const as_before = resource.allocate(bytes);
  EXPECT_EQ(as_before, block) << "nothing of it was forgotten";
  EXPECT_EQ(resource.stats().oversize_bytes, bytes);
  resource.deallocate(as_before, bytes);
}

TYPED_TEST(LastBlock, WrongFreesDoNoHarmAsBefore) {
  TypeParam resource;
  int foreign[4] = {};
  void* const first = resource.allocate(bytes);
  void* const second = resource.allocate(bytes);
  resource.deallocate(foreign, bytes);
  resource.deallocate(static_cast<std::byte*>(first) + 64, bytes);
  resource.deallocate(first, 2 * bytes);  // the store finds it by its address
  resource.deallocate(second, bytes);
  resource.deallocate(first, bytes);
  resource.deallocate(second, bytes);
  std::set<void*> owners;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(owners.insert(resource.allocate(bytes)).second) << "two owners";
  EXPECT_EQ(owners.count(foreign), 0U);
  void* const larger = resource.allocate(2 * bytes);
  EXPECT_EQ(resource.block_bytes(larger), 2 * bytes);
  EXPECT_EQ(resource.stats().oversize_bytes, 6 * bytes);
  resource.release();
  resource.deallocate(larger, 2 * bytes);
  EXPECT_NE(resource.allocate(2 * bytes), nullptr);
  EXPECT_EQ(resource.stats().oversize_bytes, 2 * bytes);
}

TYPED_TEST(LastBlock, StandsInThePictureWithWhatIsHeldForIt) {
  TypeParam resource;
  resource.deallocate(resource.allocate(bytes), bytes);
  resource.deallocate(resource.allocate(bytes - bytes / 8), bytes - bytes / 8);
  std::ostringstream picture;
  resource.report_svg(picture);
  EXPECT_NE(picture.str().find("100,000 bytes, kept"), std::string::npos);
}

TYPED_TEST(LastBlock, ServesNoRequestThatItIsNotAlignedFor) {
  TypeParam resource;
  resource.deallocate(resource.allocate(1), 1);
  std::vector<void*> blocks;
  for (int i = 0; i < 20; ++i) {
    void* const block = resource.allocate(bytes);
    resource.deallocate(block, bytes);
    void* const aligned = resource.allocate(bytes, 65536);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned) % 65536, 0U);
    blocks.push_back(aligned);
  }
  for (void* const each : blocks) resource.deallocate(each, bytes, 65536);
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
}

TEST(LastBlockOfThreads, ComesBackWhenTheThreadEnds) {
  synchronized_slab_resource resource;
  void* freed = nullptr;
  std::thread([&] {
    resource.deallocate(resource.allocate(1), 1);
    freed = resource.allocate(bytes);
    resource.deallocate(freed, bytes);
  }).join();
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
  EXPECT_EQ(resource.allocate(bytes), freed) << "the store keeps it, for any thread";
  resource.deallocate(freed, bytes);
}

TEST(LastBlockOfThreads, AThreadThatUsesLargeBlocksAloneHasACacheToo) {
  synchronized_slab_resource resource;
  for (int round = 0; round < 2; ++round) {
    std::thread([&] {
      resource.deallocate(resource.allocate(bytes), bytes);  // in the second round one that the store keeps
      std::thread([&] { resource.trim(); }).join();
      EXPECT_GE(resource.stats().upstream_bytes, bytes)
          << "round " << round << ": out of the other thread's reach";
    }).join();
  }
}

TEST(LastBlockOfThreads, IsAnyThreadsWhoFreedIt) {
  synchronized_slab_resource resource;
  void* const mine = resource.allocate(bytes);
  std::thread([&] {
    resource.deallocate(resource.allocate(1), 1);
    resource.deallocate(mine, bytes);
    void* const again = resource.allocate(bytes);
    EXPECT_EQ(again, mine);
    resource.deallocate(again, bytes);
    EXPECT_EQ(resource.stats().oversize_blocks, 0U);
  }).join();
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
}

TEST(LastBlockOfThreads, NoneRestsWhereMemoryIsLimitedOrNothingIsKept) {
  const auto rests_in_cache = [&](const slab_options& options) {
    synchronized_slab_resource resource(options);
    slab_thread_view view(resource);
    view.deallocate(view.allocate(bytes), bytes);
    void* const block = resource.allocate(bytes);  // out of another cache
    const bool is_another = resource.stats().upstream_bytes >= 2 * bytes;
    resource.deallocate(block, bytes);
    return is_another;
  };
  slab_options options;
  EXPECT_TRUE(rests_in_cache(options));
  options.max_bytes = std::size_t{64} << 20;
  EXPECT_FALSE(rests_in_cache(options)) << "another thread's request could fail for want of it";
  options = {};
  quarry::memory_budget budget(std::size_t{64} << 20);
  options.budget = &budget;
  EXPECT_FALSE(rests_in_cache(options));
  options = {};
  options.retain_bytes = 1;
  EXPECT_FALSE(rests_in_cache(options));
  options = {};
  options.thread_cache_bytes = 1;
  EXPECT_FALSE(rests_in_cache(options));
  options = {};
  options.upstream_only = true;
  EXPECT_FALSE(rests_in_cache(options));
  options = {};
  options.checks = quarry::check_level::pointers;
  EXPECT_FALSE(rests_in_cache(options));
}

// What a resource holds once `views` caches have each taken and freed a block, some at a time.
std::size_t held_by(std::size_t views, std::size_t block_bytes, std::size_t at_once) {
  synchronized_slab_resource resource;
  std::vector<std::unique_ptr<slab_thread_view>> caches;
  while (caches.size() < views) {
    for (std::size_t i = 0; i < at_once; ++i) caches.push_back(std::make_unique<slab_thread_view>(resource));
    std::vector<void*> blocks;
    for (std::size_t i = caches.size() - at_once; i < caches.size(); ++i)
      blocks.push_back(caches[i]->allocate(block_bytes));
    for (std::size_t i = 0; i < at_once; ++i)
      caches[caches.size() - at_once + i]->deallocate(blocks[i], block_bytes);
  }
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
  resource.trim();  // takes all that rests in no other cache
  return resource.stats().upstream_bytes;
}

TEST(LastBlockOfThreads, ManyIdleCachesTogetherKeepLittle) {
  constexpr std::size_t mebibyte = std::size_t{1} << 20;
  EXPECT_GE(held_by(8, mebibyte, 1), 8 * mebibyte) << "few may hold one of the largest each";
  for (const std::size_t at_once : {1U, 8U, 64U})
    for (const std::size_t block_bytes : {mebibyte, mebibyte / 2, mebibyte / 9})
      EXPECT_LE(held_by(64, block_bytes, at_once), 9 * mebibyte) << at_once << " at once, " << block_bytes;
}

TEST(LastBlockOfThreads, WhatCachesMayKeepComesBackWithThem) {
  constexpr std::size_t mebibyte = std::size_t{1} << 20;
  synchronized_slab_resource resource;
  const auto keeps_block = [&](slab_thread_view& view) {
    view.deallocate(view.allocate(mebibyte), mebibyte);
    resource.trim();
    const std::size_t with_bytes = resource.stats().upstream_bytes;
    view.flush();
    resource.trim();
    return with_bytes >= resource.stats().upstream_bytes + mebibyte;
  };
  std::vector<std::unique_ptr<slab_thread_view>> views;
  for (int i = 0; i < 16; ++i) {
    views.push_back(std::make_unique<slab_thread_view>(resource));
    views.back()->deallocate(views.back()->allocate(mebibyte), mebibyte);
  }
  slab_thread_view late(resource);
  EXPECT_FALSE(keeps_block(late)) << "others may keep all that is granted";
  for (auto& each : views)
    each.reset();  // those that were granted nothing end last, and are the first to be used again
  EXPECT_TRUE(keeps_block(late));
  slab_thread_view next(resource);
  EXPECT_TRUE(keeps_block(next));
}

TEST(LastBlockOfThreads, ServesAResourceAmongMoreThanAThreadsTableHolds) {
  std::vector<std::unique_ptr<synchronized_slab_resource>> many;
  for (int i = 0; i < 600; ++i) many.push_back(std::make_unique<synchronized_slab_resource>());
  for (int round = 0; round < 4; ++round)
    for (auto& each : many) each->deallocate(each->allocate(bytes), bytes);
  for (auto& each : many) EXPECT_LT(each->stats().upstream_bytes, 2 * bytes);
}

}  // namespace
