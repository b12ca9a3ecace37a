// What a slab resource serves at its limit, be that max_bytes or an upstream that throws, and what a refusal leaves.
// timeout: 600
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <new>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_thread_view.hpp>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"
#include "support/refusing_resource.hpp"
#include "support/sanitizers.hpp"

namespace {

using quarry::slab_allocator;
using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry_test::allocate_until_refused;
using quarry_test::both_resources;
using quarry_test::class_sizes;
using quarry_test::counting_resource;
using quarry_test::deallocate_each;
using quarry_test::is_synchronized;
using quarry_test::refusing_resource;
using quarry_test::resource_names;
using quarry_test::upstream_failure;

constexpr std::size_t kibibyte = 1024;
constexpr std::size_t mebibyte = std::size_t{1} << 20;

/// Who says that there is no more.
enum class limit { max_bytes, throwing_upstream };
constexpr limit every_limit[] = {limit::max_bytes, limit::throwing_upstream};
const char* name_of(limit which) {
  return which == limit::max_bytes ? "max_bytes" : "a throwing upstream";
}

/// Calls f(resource) with a fresh resource that can have at most `bytes`.
template <class Resource, class F>
void with_limit(limit which, std::size_t bytes, F f) {
  refusing_resource upstream(which == limit::throwing_upstream ? bytes : SIZE_MAX);
  {
    slab_options options;
    if (which == limit::max_bytes) options.max_bytes = bytes;
    Resource resource(options, &upstream);
    f(resource);
    EXPECT_LE(upstream.live_bytes(), bytes);
  }
  EXPECT_EQ(upstream.live_bytes(), 0U);
}

template <class Resource>
std::size_t blocks_of_a_fresh_one(limit which, std::size_t limit_bytes, std::size_t bytes) {
  std::size_t count = 0;
  with_limit<Resource>(which, limit_bytes,
                       [&](Resource& resource) { count = allocate_until_refused(resource, bytes).size(); });
  return count;
}

template <class Resource>
void free_in_random_order(Resource& resource, std::vector<void*> blocks, std::size_t bytes, unsigned seed) {
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937(seed));
  deallocate_each(resource, blocks, bytes);
  EXPECT_EQ(resource.stats().live_bytes, 0U);
}

template <class Resource>
class Limits : public testing::Test {};
TYPED_TEST_SUITE(Limits, both_resources, resource_names);

// Per cent of what a fresh resource serves: slabs apart and records stay with the class and the resource they were made for.
constexpr std::size_t first_class_keeps = 93;

TYPED_TEST(Limits, WhenEverythingIsFreedAnotherSizeGetsAllThatFits) {
  unsigned seed = 0;
  for (const limit which : every_limit)
    for (const std::size_t limit_bytes : {512 * kibibyte, 4 * mebibyte, 12 * mebibyte})
      for (const auto& [first, second] : {std::pair<std::size_t, std::size_t>{64, 200},
                                          {200, 64},
                                          {24, 1000},
                                          {1000, 24},
                                          {4096, 48},
                                          {48, 8000},
                                          {100'000, 64}}) {
        SCOPED_TRACE(testing::Message() << name_of(which) << " of " << limit_bytes << " bytes, " << first
                                        << " B and then " << second << " B, seed " << ++seed);
        const std::size_t fit = blocks_of_a_fresh_one<TypeParam>(which, limit_bytes, second);
        with_limit<TypeParam>(
            which, limit_bytes, [fit, seed, first = first, second = second](TypeParam& resource) {
              free_in_random_order(resource, allocate_until_refused(resource, first), first, seed);
              EXPECT_GE(allocate_until_refused(resource, second).size(), fit * first_class_keeps / 100);
            });
      }
}

TYPED_TEST(Limits, OneSizeAfterTheOtherGetsAllThatFits) {
  for (const limit which : every_limit)
    with_limit<TypeParam>(which, 4 * mebibyte, [&](TypeParam& resource) {
      for (const std::size_t bytes : {64U, 200U, 1000U, 16U, 3000U, 100'000U, 400U, 64U}) {
        SCOPED_TRACE(testing::Message() << name_of(which) << ", " << bytes << " bytes");
        const std::vector<void*> blocks = allocate_until_refused(resource, bytes);
        EXPECT_GE(blocks.size(),
                  blocks_of_a_fresh_one<TypeParam>(which, 4 * mebibyte, bytes) * first_class_keeps / 100);
        free_in_random_order(resource, blocks, bytes, static_cast<unsigned>(bytes));
      }
    });
}

TYPED_TEST(Limits, WhenEverythingIsFreedALargeBlockFits) {
  for (const limit which : every_limit)
    for (const std::size_t limit_bytes : {512 * kibibyte, 4 * mebibyte})
      for (const std::size_t first : {24U, 64U, 1000U})
        for (const std::size_t large : {std::size_t{100'000}, limit_bytes / 2}) {
          SCOPED_TRACE(testing::Message() << name_of(which) << " of " << limit_bytes << " bytes, " << first
                                          << " B and then a block of " << large);
          with_limit<TypeParam>(which, limit_bytes, [&](TypeParam& resource) {
            free_in_random_order(resource, allocate_until_refused(resource, first), first, 7);
            EXPECT_NE(resource.try_allocate(large), nullptr);
          });
        }
}

// A resource keeps what it needs for itself; the synchronized one has a cache for each thread on top.
template <class Resource>
constexpr std::size_t own_bytes = is_synchronized<Resource> ? 24 * kibibyte : 0;

TYPED_TEST(Limits, NearlyAllOfEitherLimitIsUsable) {
  for (const std::size_t limit_bytes :
       {128 * kibibyte, 256 * kibibyte, 512 * kibibyte, mebibyte, 3 * mebibyte, 7 * mebibyte, 10 * mebibyte,
        20 * mebibyte, std::size_t{1'000'000}, std::size_t{5'555'555}})
    for (const std::size_t bytes : {24U, 64U, 400U, 1024U}) {
      // Percent. Slabs of 1 KiB slots and more may waste an eighth.
      const std::size_t share = (limit_bytes < 256 * kibibyte   ? 91U
                                 : limit_bytes < 512 * kibibyte ? 92U
                                 : limit_bytes < 3 * mebibyte   ? 95U
                                                                : 97U) -
                                (bytes >= 1024 ? 12U : 0U);
      std::size_t usable[2] = {};
      for (const limit which : every_limit) {
        SCOPED_TRACE(testing::Message()
                     << name_of(which) << " of " << limit_bytes << " bytes, " << bytes << " B");
        std::size_t& by_this = usable[static_cast<int>(which)];
        with_limit<TypeParam>(which, limit_bytes, [&](TypeParam& resource) {
          by_this = allocate_until_refused(resource, bytes).size() * resource.good_size(bytes, 8);
        });
        EXPECT_GE(by_this * 100, (limit_bytes - own_bytes<TypeParam>)*share);
      }
      // Under a small max_bytes slabs are cut finer, which costs headers; the synchronized resource has a cache beside.
      const std::size_t allowed =
          limit_bytes / 50 + (limit_bytes < mebibyte ? limit_bytes / 16 + own_bytes<TypeParam> / 2 : 0);
      EXPECT_GE(usable[1] + allowed, usable[0]) << "the same limit, said by exceptions";
    }
}

TYPED_TEST(Limits, AMixOfSizesUsesNearlyAllOfEitherLimit) {
  for (const limit which : every_limit)
    for (const std::size_t limit_bytes : {mebibyte, 8 * mebibyte}) {
      // Per cent. Where only exceptions tell the limit, slabs are of full size until the first: some fifty classes then hold
      // one each that is partly free.
      const std::size_t share = limit_bytes > mebibyte ? 88 : which == limit::max_bytes ? 75 : 52;
      SCOPED_TRACE(testing::Message() << name_of(which) << " of " << limit_bytes << " bytes");
      with_limit<TypeParam>(which, limit_bytes, [limit_bytes, share](TypeParam& resource) {
        std::mt19937 random(3);
        std::size_t refusals = 0;
        while (refusals < 1000)  // a class that is full does not end it: the others may have room
          if (resource.try_allocate(8 + random() % 500) == nullptr) ++refusals;
        EXPECT_GE(resource.stats().live_bytes * 100, (limit_bytes - own_bytes<TypeParam>)*share);
      });
    }
}

// A verb that allocates, by name: takes blocks of `bytes` and returns them, throws or returns none.
template <class Resource>
struct verb {
  const char* name;
  std::function<std::vector<void*>(Resource&, std::size_t bytes)> call;
  std::size_t burst_blocks = 0;  // taken by one call, when more than one
};

template <class Resource>
std::vector<verb<Resource>> verbs() {
  using allocator = slab_allocator<unsigned char, Resource>;
  std::vector<verb<Resource>> result = {
      {"allocate",
       [](Resource& resource, std::size_t bytes) { return std::vector<void*>{resource.allocate(bytes, 8)}; }},
      {"do_allocate",
       [](Resource& resource, std::size_t bytes) {
         std::pmr::memory_resource& face = resource;
         return std::vector<void*>{face.allocate(bytes, 8)};
       }},
      {"try_allocate",
       [](Resource& resource, std::size_t bytes) {
         void* const block = resource.try_allocate(bytes, 8);
         return block == nullptr ? std::vector<void*>() : std::vector<void*>{block};
       }},
      {"slab_allocator::allocate_many",
       [](Resource& resource, std::size_t bytes) {
         allocator over(resource);
         typename allocator::multiallocation_chain chain;
         over.allocate_many(bytes, 40, chain);
         std::vector<void*> blocks;
         while (!chain.empty()) blocks.push_back(chain.pop_front());
         return blocks;
       },
       40}};
  if constexpr (is_synchronized<Resource>)
    result.push_back({"slab_thread_view::allocate", [](Resource& resource, std::size_t bytes) {
                        slab_thread_view view(resource);
                        std::pmr::memory_resource& face = view;
                        return std::vector<void*>{face.allocate(bytes, 8)};
                      }});
  return result;
}

// What a resource took for its own parts and small slabs apart before upstream refused the rest may stay, ready for the next
// call: less than a slab. What a burst had taken by then is free memory, kept as any other.
constexpr std::size_t part_bytes = 64 * kibibyte;

/// Calls a verb over and over on a fresh resource until upstream refuses, and checks what the refused call left.
/// Returns false when upstream was not asked often enough to refuse.
template <class Resource>
bool refuse_after(std::size_t served, bool for_good, const verb<Resource>& tried, std::size_t bytes,
                  bool warm) {
  counting_resource counting;
  counting.forget_history();
  refusing_resource upstream(SIZE_MAX, &counting);
  bool refused = false;
  {
    Resource resource(&upstream);
    std::vector<std::pair<void*, std::size_t>> blocks;
    if (warm)
      for (const std::size_t each : {16U, 64U, 64U, 500U, 3000U, 50'000U})
        blocks.emplace_back(resource.allocate(each, 8), each);
    const auto first = resource.stats();
    upstream.refuse_after(served);
    std::size_t slots = 0;
    const std::size_t calls = std::max<std::size_t>(400 * kibibyte / bytes, 4);
    for (std::size_t call = 0; call < calls && !refused; ++call) {
      const std::size_t before = counting.live_bytes();
      std::vector<void*> fresh;
      try {
        fresh = tried.call(resource, bytes);
        refused = fresh.empty();
      } catch (const upstream_failure&) {
        refused = true;
      }
      if (refused) {
        EXPECT_TRUE(upstream.refused()) << "refused although upstream served";
        EXPECT_LT(counting.live_bytes(),
                  before + part_bytes + tried.burst_blocks * resource.good_size(bytes, 8));
      } else if (upstream.refused() && !for_good) {
        upstream.refuse_nothing_more();  // served by another try: no call failed
        refused = true;
      }
      for (void* const each : fresh) blocks.emplace_back(each, bytes);
      slots += fresh.size();
      if (upstream.refused() && !for_good) upstream.refuse_nothing_more();
    }
    const auto stats = resource.stats();
    EXPECT_EQ(stats.live_slots + stats.oversize_blocks, first.live_slots + first.oversize_blocks + slots);
    EXPECT_EQ(stats.live_bytes, first.live_bytes + slots * resource.good_size(bytes, 8));
    EXPECT_EQ(stats.upstream_bytes, counting.live_bytes());
    if (refused && for_good) {  // refused again and again, it takes nothing
      const std::size_t before = counting.live_bytes();
      for (int i = 0; i < 20; ++i) EXPECT_EQ(resource.try_allocate(16 * mebibyte), nullptr);
      EXPECT_LE(counting.live_bytes(), before);
    }
    upstream.refuse_nothing_more();
    for (const std::size_t each : {std::size_t{8}, bytes, std::size_t{100'000}})
      blocks.emplace_back(resource.allocate(each, 8), each);
    for (const auto& [address, each] : blocks) resource.deallocate(address, each, 8);
    EXPECT_EQ(resource.stats().live_bytes, 0U);
    EXPECT_EQ(resource.stats().live_slots, 0U);
  }
  EXPECT_EQ(counting.live_blocks(), 0U);
  return refused;
}

TYPED_TEST(Limits, AVerbThatUpstreamRefusesAtAnyCallLeavesEverythingAsItWas) {
  const TypeParam plain;
  std::vector<std::size_t> sizes = class_sizes(plain, 8, plain.options().largest_required_pool_block);
  for (const std::size_t oversize : {sizes.back() + 1, std::size_t{100'000}, std::size_t{3'000'000}})
    sizes.push_back(oversize);
  // A sanitizer makes a call ten times as long, and sees the same lines for every fourth class.
  const std::size_t step = quarry_test::has_address_sanitizer ? 4 : 1;
  std::size_t refusals = 0;
  for (const auto& tried : verbs<TypeParam>())
    for (std::size_t at = (sizes.size() - 1) % step; at < sizes.size(); at += step)
      for (const bool warm : {false, true})
        for (const bool for_good : {true, false})
          for (std::size_t served = 0; served < 6; ++served) {
            const std::size_t bytes = sizes[at];
            SCOPED_TRACE(testing::Message()
                         << tried.name << " of " << bytes << " B, " << (warm ? "warm" : "fresh") << ", "
                         << served << " calls served, " << (for_good ? "then none" : "one refused"));
            if (!refuse_after<TypeParam>(served, for_good, tried, bytes, warm)) break;
            if (this->HasFailure()) return;  // one is told; thousands would be one message over and over
            ++refusals;
          }
  EXPECT_GT(refusals, 300U / step);
}

template <std::size_t Bytes>
struct object {
  unsigned char bytes[Bytes];
};

/// Calls the typed verbs of a slab_allocator over an upstream that serves `served` calls more.
template <class T, class Resource>
void refuse_typed_verbs(std::size_t served) {
  using allocator = slab_allocator<T, Resource>;
  SCOPED_TRACE(testing::Message() << "objects of " << sizeof(T) << " B, " << served << " calls served");
  counting_resource counting;
  refusing_resource upstream(SIZE_MAX, &counting);
  {
    Resource resource(&upstream);
    allocator over(resource);
    upstream.refuse_after(served);
    std::vector<T*> objects;
    const auto expect_unchanged = [&](auto verb) {
      const std::size_t before = counting.live_bytes();
      EXPECT_THROW(verb(), upstream_failure);
      EXPECT_LE(counting.live_bytes(), before);
      EXPECT_EQ(resource.stats().live_slots, objects.size());
      EXPECT_EQ(resource.stats().upstream_bytes, counting.live_bytes());
    };
    try {
      while (objects.size() * sizeof(T) < 64 * mebibyte) objects.push_back(over.allocate(1));
    } catch (const upstream_failure&) {
    }
    ASSERT_TRUE(upstream.refused());
    expect_unchanged([&] { objects.push_back(over.allocate(1)); });
    expect_unchanged([&] { (void)over.allocate(300'000 / sizeof(T)); });
    typename allocator::multiallocation_chain chain;
    expect_unchanged([&] { over.allocate_individual(5000, chain); });
    EXPECT_TRUE(chain.empty());
    expect_unchanged([&] { over.allocate_many(3, 5000, chain); });
    EXPECT_TRUE(chain.empty());
    upstream.refuse_nothing_more();
    over.allocate_individual(5000, chain);
    EXPECT_EQ(resource.stats().live_slots, objects.size() + 5000);
    over.deallocate_individual(chain);
    for (T* const each : objects) over.deallocate(each, 1);
    EXPECT_EQ(resource.stats().live_bytes, 0U);
  }
  EXPECT_EQ(counting.live_blocks(), 0U);
}

TYPED_TEST(Limits, TypedVerbsThatUpstreamRefusesLeaveEverythingAsItWas) {
  for (std::size_t served = 0; served < 8; ++served) {
    refuse_typed_verbs<object<8>, TypeParam>(served);
    refuse_typed_verbs<object<48>, TypeParam>(served);
    refuse_typed_verbs<object<1000>, TypeParam>(served);
    refuse_typed_verbs<object<5000>, TypeParam>(served);
  }
}

TYPED_TEST(Limits, ReserveThatUpstreamRefusesLeavesEverythingAsItWas) {
  for (std::size_t served = 0; served < 6; ++served)
    for (const std::size_t bytes : {std::size_t{1000}, 100 * kibibyte, 8 * mebibyte}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes, " << served << " calls served");
      counting_resource counting;
      refusing_resource upstream(SIZE_MAX, &counting);
      TypeParam resource(&upstream);
      upstream.refuse_after(served);
      const bool reserved = resource.reserve(bytes);
      EXPECT_EQ(resource.stats().upstream_bytes, counting.live_bytes());
      if (reserved) continue;
      EXPECT_TRUE(upstream.refused());
      EXPECT_LT(counting.live_bytes(), part_bytes);
      upstream.refuse_nothing_more();
      EXPECT_TRUE(resource.reserve(bytes));
    }
}

// Whose memory is used up by parts of a class that is refused serves less of the next one.
TYPED_TEST(Limits, AFirstBlockOfAClassThatIsRefusedCostsTheOthersNextToNothing) {
  constexpr std::size_t slot_bytes = 8;
  constexpr std::size_t lost_slots = 4;  // parts taken in another order may leave other gaps
  const TypeParam plain;
  const std::vector<std::size_t> sizes = class_sizes(plain, 256, plain.options().largest_required_pool_block);
  std::size_t refusals = 0;
  for (const limit which : every_limit)
    for (std::size_t limit_bytes = kibibyte; limit_bytes <= 8 * kibibyte; limit_bytes += kibibyte / 2) {
      SCOPED_TRACE(testing::Message() << name_of(which) << " of " << limit_bytes << " bytes");
      const std::size_t fit = blocks_of_a_fresh_one<TypeParam>(which, limit_bytes, slot_bytes);
      with_limit<TypeParam>(which, limit_bytes, [&](TypeParam& resource) {
        std::vector<std::size_t> refused;
        for (std::size_t at = sizes.size(); at-- > 0;) {
          void* const block = resource.try_allocate(sizes[at], 8);
          if (block == nullptr) {
            refused.push_back(sizes[at]);
            continue;
          }
          resource.deallocate(block, sizes[at], 8);
          break;
        }
        refusals += refused.size();
        if (refused.size() == sizes.size()) {
          EXPECT_GE(allocate_until_refused(resource, slot_bytes).size() + lost_slots, fit);
        }
      });
    }
  EXPECT_GT(refusals, 300U);
}

TYPED_TEST(Limits, AFirstRequestThatMaxBytesCannotHoldTakesNothing) {
  std::size_t served = 0, refused = 0;
  for (std::size_t max_bytes = 2 * kibibyte; max_bytes <= 10 * kibibyte; max_bytes += 512)
    for (std::size_t missing = 0; missing <= 200; missing += 10) {
      slab_options options;
      options.max_bytes = max_bytes;
      TypeParam resource(options);
      void* const block = resource.try_allocate(max_bytes - missing);
      ++(block != nullptr ? served : refused);
      if (block != nullptr) continue;
      EXPECT_EQ(resource.stats().upstream_bytes, 0U) << max_bytes << " but " << missing;
      EXPECT_EQ(resource.stats().upstream_peak_bytes, 0U) << max_bytes << " but " << missing;
    }
  EXPECT_GT(served, 10U);
  EXPECT_GT(refused, 200U);
}

// Checked or not: the first one is refused, and the second is served as by a fresh resource. From 7 KiB on what a checked one keeps
// for its calls may be all that it holds.
TYPED_TEST(Limits, ASmallerRequestIsServedAfterOneThatMaxBytesCouldNotHold) {
  std::size_t refused = 0;
  for (const quarry::check_level level : {quarry::check_level::off, quarry::check_level::pointers})
    for (std::size_t max_bytes = 4 * kibibyte; max_bytes <= 8 * kibibyte; max_bytes += 51)
      for (std::size_t bytes = max_bytes / 2; bytes < max_bytes; bytes += 97) {
        slab_options options;
        options.max_bytes = max_bytes;
        options.checks = level;
        TypeParam resource(options);
        if (resource.try_allocate(bytes, 8) != nullptr) continue;
        ++refused;
        void* const block = resource.try_allocate(40, 8);
        EXPECT_NE(block, nullptr) << bytes << " of " << max_bytes;
        if (block != nullptr) resource.deallocate(block, 40, 8);
      }
  EXPECT_GT(refused, 500U);
}

TYPED_TEST(Limits, PartsLeaveRoomForWhatTheyAreFor) {
  struct requests {
    std::size_t max_bytes, first, second;
  };
  for (const requests each : {requests{4557, 3281, 1536}, requests{13824, 5000, 3000},
                              requests{3264, 2000, 1000}, requests{23554, 8000, 3000}}) {
    slab_options options;
    options.max_bytes = each.max_bytes;
    options.checks = quarry::check_level::pointers;
    TypeParam resource(options);
    if (void* const block = resource.try_allocate(each.first, 1)) resource.deallocate(block, each.first, 1);
    void* const block = resource.try_allocate(each.second, 1);
    EXPECT_NE(block, nullptr) << each.second << " of " << each.max_bytes << " after " << each.first;
    if (block != nullptr) resource.deallocate(block, each.second, 1);
  }
}

TYPED_TEST(Limits, TwoClassesShareTwoKibibytes) {
  slab_options options;
  options.max_bytes = 2 * kibibyte;
  TypeParam resource(options);
  EXPECT_NE(resource.try_allocate(300, 8), nullptr);
  EXPECT_NE(resource.try_allocate(8, 8), nullptr);
}

TYPED_TEST(Limits, MaxBytesRefusesWithoutTakingAnything) {
  for (const std::size_t bytes : {24U, 64U, 1000U, 8000U, 100'000U}) {
    SCOPED_TRACE(testing::Message() << bytes << " bytes");
    counting_resource upstream;
    slab_options options;
    options.max_bytes = mebibyte;
    TypeParam resource(options, &upstream);
    std::vector<void*> blocks = allocate_until_refused(resource, bytes);
    const auto before = resource.stats();
    for (int i = 0; i < 100; ++i) {
      EXPECT_THROW((void)resource.allocate(mebibyte), std::bad_alloc);
      EXPECT_EQ(resource.try_allocate(bytes, bytes % 16 == 0 ? 16 : 8), nullptr);
    }
    const auto after = resource.stats();
    EXPECT_EQ(after.live_bytes, before.live_bytes);
    EXPECT_LE(after.upstream_bytes, before.upstream_bytes);
    EXPECT_EQ(after.upstream_bytes, upstream.live_bytes());
    deallocate_each(resource, blocks, bytes);
    EXPECT_GE(allocate_until_refused(resource, bytes).size(), blocks.size() * 99 / 100);
  }
}

TEST(LimitsOfThreads, EachOfFortyThreadsIsServedFromFreeSlotsAlthoughUpstreamRefuses) {
  constexpr int thread_count = 40;
  for (const std::size_t bytes : {24U, 64U, 1000U, 5000U})
    for (const bool trimmed : {true, false}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes, " << (trimmed ? "trimmed" : "not trimmed"));
      refusing_resource upstream(4 * mebibyte);
      synchronized_slab_resource resource(&upstream);
      deallocate_each(resource, allocate_until_refused(resource, bytes), bytes);
      if (trimmed) resource.trim(32 * mebibyte);
      const auto before = resource.stats();
      upstream.refuse_everything();
      std::atomic<int> done{0};
      std::atomic<int> refused{0};
      std::vector<std::thread> threads;
      for (int i = 0; i < thread_count; ++i)
        threads.emplace_back([&] {
          std::vector<void*> mine;
          for (int each = 0; each < 4; ++each) mine.push_back(resource.try_allocate(bytes, 8));
          refused += static_cast<int>(std::count(mine.begin(), mine.end(), nullptr));
          ++done;
          while (done < thread_count) std::this_thread::yield();  // all of them are there at the same time
          for (void* const block : mine)
            if (block != nullptr) resource.deallocate(block, bytes, 8);
        });
      for (std::thread& each : threads) each.join();
      EXPECT_EQ(refused, 0) << "of " << 4 * thread_count << " requests, with " << before.slab_count
                            << " slabs of free slots";
      EXPECT_EQ(resource.stats().live_slots, 0U);
    }
}

TEST(LimitsOfThreads, ASecondThreadIsServedFromFreeSlotsAlthoughUpstreamRefuses) {
  for (const std::size_t bytes : {16U, 64U, 500U, 4000U}) {
    SCOPED_TRACE(testing::Message() << bytes << " bytes");
    refusing_resource upstream(4 * mebibyte);
    synchronized_slab_resource resource(&upstream);
    const std::vector<void*> blocks = allocate_until_refused(resource, bytes);
    deallocate_each(resource, blocks, bytes);
    upstream.refuse_everything();
    std::thread([&] {
      const std::vector<void*> mine = allocate_until_refused(resource, bytes, blocks.size() / 4);
      EXPECT_EQ(mine.size(), blocks.size() / 4);
      deallocate_each(resource, mine, bytes);
    }).join();
    EXPECT_EQ(resource.stats().live_slots, 0U);
  }
}

}  // namespace
