// An upstream that comes back into the resource that calls it: to free objects that live there, as a cache does that is
// evicted when memory is asked for, or to take what is at hand.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <new>
#include <quarry/locks.hpp>
#include <quarry/resource_page_source.hpp>
#include <quarry/slab_cache.hpp>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "support/both_resources.hpp"
#include "support/counting_resource.hpp"

namespace {

using quarry::check_level;
using quarry_test::both_resources;
using quarry_test::resource_names;

/// Calls a hook before or after each call that it passes on, but for those that the hook itself causes.
class returning_upstream final : public std::pmr::memory_resource {
 public:
  std::function<void()> before_allocate = [] {};
  std::function<void()> before_deallocate = [] {};
  std::function<void()> after_deallocate = [] {};
  std::pmr::memory_resource* below = std::pmr::new_delete_resource();

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    come_back(before_allocate);
    return below->allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    come_back(before_deallocate);
    below->deallocate(block, bytes, alignment);
    come_back(after_deallocate);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  void come_back(const std::function<void()>& hook) {
    if (is_back_) return;
    is_back_ = true;
    hook();
    is_back_ = false;
  }

  bool is_back_ = false;
};

/// Objects of up to four sizes, of any small size, or of four for which each is a block of its own, that live in a resource; none is
/// ever handed out twice.
template <class Resource>
class population {
 public:
  population(Resource& resource, unsigned seed) : resource_(resource), random_(seed), sizes_(1 + seed % 6) {}

  void allocate_one() {
    static constexpr std::size_t each_bytes[] = {16, 48, 200, 1024};
    const std::size_t bytes = sizes_ <= std::size(each_bytes) ? each_bytes[random_() % sizes_]
                              : is_of_blocks()                ? 40000 + random_() % 4 * 20000
                                                              : 1 + random_() % 2500;
    void* memory = nullptr;
    try {
      memory = resource_.allocate(bytes, 8);
    } catch (const std::bad_alloc&) {
      return;  // the upstream came back for more than was at hand
    }
    ASSERT_TRUE(places_.insert(memory).second) << "handed out twice";
    objects_.push_back({memory, bytes});
  }
  void free_one() {
    if (objects_.empty()) return;
    std::swap(objects_[random_() % objects_.size()], objects_.back());
    const object freed = objects_.back();
    objects_.pop_back();
    places_.erase(freed.memory);
    resource_.deallocate(freed.memory, freed.bytes, 8);
  }
  void free_some() {
    for (std::size_t left = random_() % 100; left != 0; --left) free_one();
  }
  void free_all_and_trim() {
    while (!objects_.empty()) free_one();
    resource_.trim();
  }
  void free_and_allocate_some() {
    for (std::size_t left = random_() % 100; left != 0; --left)
      random_() % 2 != 0 ? free_one() : allocate_one();
  }

  /// Bursts of up to 400 allocations or frees.
  void churn(int calls) {
    int burst = 0;
    for (int i = 0; i < calls; ++i) {
      if (burst == 0) burst = (random_() % 2 != 0 ? 1 : -1) * static_cast<int>(random_() % 400);
      if (burst > 0 && objects_.size() < (is_of_blocks() ? 200 : 5000)) {
        allocate_one();
        --burst;
      } else if (burst != 0) {
        free_one();
        burst += burst > 0 ? -1 : 1;
      }
    }
  }
  std::size_t size() const { return objects_.size(); }

 private:
  bool is_of_blocks() const { return sizes_ == 6; }

  struct object {
    void* memory;
    std::size_t bytes;
  };
  Resource& resource_;
  std::mt19937 random_;
  std::size_t sizes_;
  std::vector<object> objects_;
  std::set<void*> places_;
};

template <class Resource>
class ReentrantUpstream : public testing::Test {
 protected:
  /// `set_hooks` gets the upstream and the objects.
  template <class F>
  static void lose_nothing(F set_hooks) {
    for (unsigned seed = 0; seed < 15; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      returning_upstream upstream;
      quarry::slab_options options;
      options.retain_bytes = 1;
      if (seed % 3 == 1) options.max_bytes = seed % 2 == 0 ? 400000 : 65536;
      Resource resource(options, &upstream);
      population<Resource> objects(resource, seed);
      set_hooks(upstream, objects);
      objects.churn(20000);
      upstream.before_allocate = upstream.before_deallocate = [] {};
      ASSERT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, objects.size());
      while (objects.size() != 0) objects.free_one();
      resource.trim();
      ASSERT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, 0U);
    }
  }
};
TYPED_TEST_SUITE(ReentrantUpstream, both_resources, resource_names);

TYPED_TEST(ReentrantUpstream, MayFreeWhenItIsAskedForMemory) {
  this->lose_nothing(
      [](auto& upstream, auto& objects) { upstream.before_allocate = [&] { objects.free_some(); }; });
}

TYPED_TEST(ReentrantUpstream, MayFreeTheBlockThatWasHandedOutLastWhenItIsAskedForAnother) {
  returning_upstream upstream;
  TypeParam resource(&upstream);
  void* last = resource.allocate(100000, 8);
  upstream.before_allocate = [&] {
    if (last != nullptr) resource.deallocate(std::exchange(last, nullptr), 100000, 8);
  };
  void* const first = resource.allocate(200000, 8);
  upstream.before_allocate = [] {};
  EXPECT_EQ(last, nullptr);
  EXPECT_EQ(resource.stats().oversize_blocks, 1U);
  EXPECT_EQ(resource.stats().oversize_bytes, 200000U);
  void* const second = resource.allocate(200000, 8);
  EXPECT_NE(first, second);
  resource.deallocate(first, 200000, 8);
  resource.deallocate(second, 200000, 8);
  EXPECT_EQ(resource.stats().oversize_blocks, 0U);
}

TYPED_TEST(ReentrantUpstream, MayFreeAndAllocateWhenItIsAskedForMemory) {
  this->lose_nothing([](auto& upstream, auto& objects) {
    upstream.before_allocate = [&] { objects.free_and_allocate_some(); };
  });
}

TYPED_TEST(ReentrantUpstream, MayFreeAllAndTrimWhenItIsAskedForMemory) {
  this->lose_nothing([](auto& upstream, auto& objects) {
    upstream.before_allocate = [&, calls = 0]() mutable {
      if (++calls % 4 == 0) objects.free_all_and_trim();
    };
  });
}

TYPED_TEST(ReentrantUpstream, MayFreeAllAndTrimWhenItGetsMemoryBack) {
  this->lose_nothing([](auto& upstream, auto& objects) {
    upstream.before_deallocate = [&, calls = 0]() mutable {
      if (++calls % 4 == 0) objects.free_all_and_trim();
    };
  });
}

TYPED_TEST(ReentrantUpstream, MayFreeWhenItGetsMemoryBack) {
  this->lose_nothing(
      [](auto& upstream, auto& objects) { upstream.before_deallocate = [&] { objects.free_some(); }; });
}

// With nothing live a trim of the resource of one thread gives all of it back.
// Uses small slots, large ones and blocks of their own.
template <class Resource>
void use_all_kinds(Resource& resource) {
  for (const std::size_t bytes : {16U, 1024U, 30000U, 3000000U})
    for (std::size_t i = 0; i < 200 && i * bytes < 7000000; ++i)
      static_cast<void>(resource.allocate(bytes, 8));
}

TYPED_TEST(ReentrantUpstream, LooksAtAndUsesWhatAReleaseLeaves) {
  alignas(64) static std::byte buffer[100000];
  for (const check_level checks : {check_level::off, check_level::pointers})
    for (const bool has_buffer : {false, true})
      for (const std::size_t keep_bytes : {std::size_t{0}, std::size_t{2} << 20}) {
        SCOPED_TRACE(testing::Message() << keep_bytes << " bytes stay, buffer: " << has_buffer
                                        << ", checks: " << (checks != check_level::off));
        quarry_test::counting_resource below;
        returning_upstream upstream;
        upstream.below = &below;
        quarry::slab_options options;
        options.checks = checks;
        TypeParam resource =
            has_buffer ? TypeParam(options, buffer, sizeof buffer, &upstream) : TypeParam(options, &upstream);
        for (int round = 0; round < 3; ++round) {
          use_all_kinds(resource);
          int calls = 0;
          std::vector<std::pair<void*, std::size_t>> taken;
          upstream.before_deallocate = upstream.after_deallocate = [&] {
            if (++calls > 200) return;
            if (calls == 2) {
              resource.release();
              taken.clear();
            }
            EXPECT_LE(resource.stats().live_slots, taken.size());
            EXPECT_FALSE(resource.owns(&calls));
            for (const std::size_t bytes : {48U, 9000U, 900000U}) {
              taken.emplace_back(resource.allocate(bytes, 8), bytes);
              std::memset(taken.back().first, 0xAB, bytes);
            }
          };
          resource.release(keep_bytes);
          upstream.before_deallocate = upstream.after_deallocate = [] {};
          ASSERT_GT(calls, 2);
          std::set<void*> places;
          for (const auto& [place, bytes] : taken) {
            EXPECT_TRUE(places.insert(place).second) << "handed out twice";
            EXPECT_TRUE(resource.owns(place));
            EXPECT_EQ(static_cast<unsigned char*>(place)[bytes - 1], 0xAB);
          }
          for (const auto& [place, bytes] : taken) resource.deallocate(place, bytes, 8);
          EXPECT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, 0U);
          EXPECT_EQ(resource.stats().upstream_bytes, below.live_bytes());
        }
      }
}

TYPED_TEST(ReentrantUpstream, OwnsNothingWhileItEnds) {
  std::pmr::monotonic_buffer_resource below;  // leaves what was given back as it was
  returning_upstream upstream;
  upstream.below = &below;
  auto ending = std::make_unique<TypeParam>(&upstream);
  const TypeParam& resource = *ending;
  std::vector<void*> blocks;
  for (const std::size_t bytes : {16U, 48U, 1024U, 30000U, 300000U})
    for (int i = 0; i < 40; ++i) blocks.push_back(ending->allocate(bytes, 8));
  for (void* const each : blocks) ASSERT_TRUE(resource.owns(each));
  std::size_t calls = 0, owned = 0;
  upstream.before_deallocate = [&] {
    ++calls;
    for (void* const each : blocks) owned += resource.owns(each);
  };
  ending.reset();
  EXPECT_GT(calls, 2U);
  EXPECT_EQ(owned, 0U);
}

TYPED_TEST(ReentrantUpstream, IsServedOutOfWhatStaysWhenItAllocatesWhileATrimGivesBack) {
  for (int first = 1; first <= 4;
       ++first) {  // of the calls that give back, the one from which on it allocates
    SCOPED_TRACE(first);
    quarry_test::counting_resource counted(std::pmr::new_delete_resource());
    returning_upstream upstream;
    upstream.below = &counted;
    quarry::slab_options options;
    options.upstream_only = true;
    TypeParam resource(options, &upstream);
    std::vector<void*> blocks;
    for (int i = 0; i < 20000; ++i) blocks.push_back(resource.allocate(48));
    for (void* const each : blocks) resource.deallocate(each, 48);
    std::vector<void*> taken;
    upstream.after_deallocate = [&, call = 0]() mutable {
      if (++call == first)
        for (int i = 0; i < 10; ++i) taken.push_back(resource.allocate(48));
    };
    resource.trim();
    upstream.after_deallocate = [] {};
    for (void* const each : taken) EXPECT_TRUE(counted.holds(each));
    EXPECT_EQ(resource.stats().live_slots, taken.size());
    for (void* const each : taken) resource.deallocate(each, 48);
  }
}

template <class Lock>
using cache_over_upstream = quarry::slab_cache<int, Lock, 4096, quarry::resource_page_source>;

// Makes two objects, the second while the cache asks for memory for the first.
template <class Lock>
void open_while_opening() {
  quarry_test::counting_resource below;
  returning_upstream upstream;
  upstream.below = &below;
  {
    cache_over_upstream<Lock> cache{quarry::resource_page_source(&upstream)};
    typename cache_over_upstream<Lock>::ptr inner;
    upstream.before_allocate = [&] {
      if (inner == nullptr) inner = cache.make(1);
    };
    const auto outer = cache.make(2);
    ASSERT_TRUE(outer != nullptr && inner != nullptr);
    EXPECT_EQ(*inner + *outer, 3);
    EXPECT_TRUE(cache.owns(inner.get()) && cache.owns(outer.get()));
    EXPECT_EQ(cache.stats().live_slots, 2U);
  }
  EXPECT_EQ(below.live_bytes(), 0U);
}

TEST(ReentrantPageSource, MayUseTheCacheWhileThatOpens) {
  open_while_opening<quarry::null_lock>();
  open_while_opening<quarry::spin_lock>();
}

}  // namespace
