// Every verb of slab_cache that allocates, at every level of checks, over a page source that throws or returns null at any call.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <quarry/locks.hpp>
#include <quarry/resource_page_source.hpp>
#include <quarry/slab_cache.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/refusals.hpp"

namespace {

using quarry::check_level;
using quarry::slab_errc;
using quarry_test::counting_resource;
using quarry_test::failing_resource;
using quarry_test::refusal;

struct plain {
  std::uint64_t number = 7;
  std::uint64_t others[5] = {};
};
struct owning {
  std::string text = "longer than what a string keeps inside itself";
};

template <class T, class Lock>
using cache_of = quarry::slab_cache<T, Lock, 4096, quarry::resource_page_source>;
template <class Cache>
using owners_of = std::vector<typename Cache::ptr>;

/// Takes at most one object into `owners`, or memory for some; returns whether it was served.
template <class Cache>
struct typed_verb {
  const char* name;
  bool throws;  // where it is refused; else it says so by what it returns
  std::function<bool(Cache&, owners_of<Cache>& owners)> call;
};

template <class Cache>
bool adopt(owners_of<Cache>& owners, typename Cache::ptr owner) {
  if (owner == nullptr) return false;
  owners.push_back(std::move(owner));
  return true;
}

template <class Cache>
std::vector<typed_verb<Cache>> verbs() {
  using object = typename Cache::value_type;
  using owners = owners_of<Cache>;
  const auto construct = [](object* slot) {
    return typename Cache::ptr(slot == nullptr ? nullptr : ::new (static_cast<void*>(slot)) object());
  };
  return {
      {"make", true, [](Cache& cache, owners& into) { return adopt<Cache>(into, cache.make()); }},
      {"reuse", true, [](Cache& cache, owners& into) { return adopt<Cache>(into, cache.reuse()); }},
      {"allocate", true,
       [construct](Cache& cache, owners& into) { return adopt<Cache>(into, construct(cache.allocate())); }},
      {"try_make", false, [](Cache& cache, owners& into) { return adopt<Cache>(into, cache.try_make()); }},
      {"try_allocate", false,
       [construct](Cache& cache, owners& into) {
         return adopt<Cache>(into, construct(cache.try_allocate()));
       }},
      {"reserve", false,
       [](Cache& cache, owners&) {
         const std::size_t spare = cache.stats().free_slots + cache.stats().cached_slots;
         return cache.reserve(spare + 2 * Cache::extension_slots) == slab_errc::ok;
       }},
      {"a copy", true, [](Cache& cache, owners& into) {
         Cache copy(cache);
         return adopt<Cache>(into, copy.make());
       }}};
}

template <class Cache>
class refused_cache {
 public:
  refused_cache(const refusal& how, const typed_verb<Cache>& verb) : how_(how), verb_(verb) {}

  /// Returns whether the chosen call was reached.
  bool run(std::size_t fail_at_call) {
    counting_resource memory;
    failing_resource pages(&memory);
    pages.fail_by_null(how_.by_null);
    bool was_reached = false;
    {
      Cache cache{quarry::resource_page_source(&pages)};
      how_.for_good ? pages.fail_from(fail_at_call) : pages.fail_at(fail_at_call);
      set_checks(cache, memory);
      for (int calls = 0; calls < most_calls && refusals_ == 0 && !pages.failed(); ++calls)
        call(cache, memory);
      was_reached = pages.failed();
      EXPECT_EQ(refusals_ != 0, was_reached) << "a refusal shows, and nothing else looks like one";
      pages.fail_at(failing_resource::never);
      EXPECT_EQ(cache.set_checks(how_.checks), slab_errc::ok);
      for (int i = 0; i < 2 * most_calls; ++i) owners_.push_back(cache.make());
      EXPECT_TRUE(verb_.call(cache, owners_));
      EXPECT_EQ(cache.stats().live_slots, owners_.size());
      std::size_t met = 0;
      cache.for_each_live([&met](const auto&) { ++met; });
      EXPECT_EQ(met, owners_.size());
      owners_.clear();
      EXPECT_EQ(cache.stats().live_slots, 0U);
    }
    EXPECT_EQ(memory.live_blocks(), 0U);
    return was_reached;
  }

 private:
  static constexpr int most_calls = 5 * static_cast<int>(Cache::extension_slots);

  // Checks take a slab of their own, so they may be refused as well; then the cache stays unchecked.
  void set_checks(Cache& cache, const counting_resource& memory) {
    const std::size_t before = memory.live_blocks();
    if (cache.set_checks(how_.checks) == slab_errc::ok) return;
    ++refusals_;
    EXPECT_LE(memory.live_blocks(), before + 1) << "the cache's first slab, which stays";
    EXPECT_EQ(cache.stats().live_slots, 0U);
  }

  void call(Cache& cache, const counting_resource& memory) {
    const auto before = cache.stats();
    const std::size_t held = memory.live_blocks();
    const std::size_t owned = owners_.size();
    bool is_served = false;
    try {
      is_served = verb_.call(cache, owners_);
      EXPECT_TRUE(is_served || !verb_.throws) << "a verb that throws returns an object";
    } catch (const quarry_test::upstream_failure&) {
      EXPECT_TRUE(verb_.throws && !how_.by_null) << "nobody threw that";
    } catch (const std::bad_alloc&) {
      EXPECT_TRUE(verb_.throws && how_.by_null) << "the page source's own exception is lost";
    }
    const auto after = cache.stats();
    EXPECT_EQ(after.live_slots, owners_.size());
    if (is_served) return;
    ++refusals_;
    EXPECT_EQ(owners_.size(), owned);
    EXPECT_EQ(after.live_slots, before.live_slots);
    EXPECT_EQ(after.slab_count - before.slab_count, memory.live_blocks() - held);
    EXPECT_TRUE(after.slab_count == before.slab_count || std::string(verb_.name) == "reserve")
        << "only what is reserved stays";
  }

  const refusal how_;
  const typed_verb<Cache>& verb_;
  owners_of<Cache> owners_;
  int refusals_ = 0;  // calls that were refused
};

class SlabCacheRefusedCalls : public testing::TestWithParam<refusal> {
 protected:
  template <class T, class Lock>
  static void run() {
    using cache = cache_of<T, Lock>;
    const quarry_test::no_violations none;
    for (const typed_verb<cache>& verb : verbs<cache>())
      for (std::size_t call = 1; call < most_calls_refused; ++call) {
        SCOPED_TRACE(testing::Message() << verb.name << ", call " << call << " refused");
        const bool was_reached = refused_cache<cache>(GetParam(), verb).run(call);
        if (HasFailure()) return;
        EXPECT_TRUE(was_reached || call > 5U) << "it hardly ever asks the page source";
        if (!was_reached) break;
      }
  }

 private:
  static constexpr std::size_t most_calls_refused = 12;  // one verb would go on for ever
};

TEST_P(SlabCacheRefusedCalls, LeaveEverythingAsItWas) {
  run<plain, quarry::null_lock>();
}
TEST_P(SlabCacheRefusedCalls, LeaveEverythingAsItWasBesideALock) {
  run<plain, quarry::spin_lock>();
}
TEST_P(SlabCacheRefusedCalls, LeaveObjectsWithADestructorAsTheyWere) {
  run<owning, quarry::null_lock>();
}
TEST_P(SlabCacheRefusedCalls, LeaveObjectsWithADestructorAsTheyWereBesideALock) {
  run<owning, quarry::spin_lock>();
}

// So many slabs that checks need another block to know them by.
constexpr std::size_t many_slabs = 300;

template <class Cache>
slab_errc reserve_slabs(Cache& cache, std::size_t slabs) {
  return cache.reserve(slabs * Cache::extension_slots);
}

/// Returns the numbers of the calls by which a checked cache gets blocks for itself while it takes many slabs.
template <class Cache>
std::vector<std::size_t> calls_for_blocks(check_level level) {
  counting_resource memory;
  Cache cache{quarry::resource_page_source(&memory)};
  EXPECT_EQ(cache.set_checks(level), slab_errc::ok);
  std::vector<std::size_t> calls;
  std::size_t blocks = memory.live_blocks() - cache.stats().slab_count;
  for (std::size_t slabs = 1; slabs <= many_slabs; ++slabs) {
    EXPECT_EQ(reserve_slabs(cache, slabs), slab_errc::ok);
    if (memory.live_blocks() - cache.stats().slab_count == blocks) continue;
    ++blocks;
    calls.push_back(memory.allocations());
  }
  return calls;
}

TEST_P(SlabCacheRefusedCalls, LeaveAReserveOfManySlabsToBeTriedAgain) {
  using cache = cache_of<plain, quarry::null_lock>;
  const check_level level = GetParam().checks;
  const quarry_test::no_violations none;
  std::vector<std::size_t> calls = calls_for_blocks<cache>(level);
  EXPECT_EQ(calls.empty(), level == check_level::off);
  calls.insert(calls.end(), {3, many_slabs / 2, many_slabs / 2 + 1});
  for (const std::size_t call : calls) {
    SCOPED_TRACE(testing::Message() << "call " << call << " refused");
    counting_resource memory;
    failing_resource pages(&memory);
    pages.fail_by_null(GetParam().by_null);
    {
      cache reserved{quarry::resource_page_source(&pages)};
      GetParam().for_good ? pages.fail_from(call) : pages.fail_at(call);
      ASSERT_EQ(reserved.set_checks(level), slab_errc::ok);
      EXPECT_EQ(reserve_slabs(reserved, many_slabs), slab_errc::out_of_memory);
      EXPECT_EQ(pages.calls(), call);
      pages.fail_at(failing_resource::never);
      EXPECT_EQ(reserve_slabs(reserved, many_slabs), slab_errc::ok);
      const std::size_t held = memory.live_blocks();
      owners_of<cache> owners;
      for (std::size_t i = 0; i < many_slabs * cache::extension_slots; ++i) owners.push_back(reserved.make());
      EXPECT_EQ(memory.live_blocks(), held) << "all of it was reserved";
      EXPECT_EQ(reserved.stats().live_slots, owners.size());
    }
    EXPECT_EQ(memory.live_blocks(), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryRefusal, SlabCacheRefusedCalls, testing::ValuesIn(quarry_test::every_refusal()),
                         [](const auto& each) { return each.param.name(); });

}  // namespace
