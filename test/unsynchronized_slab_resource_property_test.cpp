// Random operations on unsynchronized_slab_resource against a model that checks contents, alignment and
// accounting.
//
// 10^6 operations each by default; with QUARRY_LONG_TESTS=1 in the environment 10^8. The seed is fixed;
// QUARRY_TEST_SEED changes it. timeout: 3000
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <random>
#include <string>

#include "support/counting_resource.hpp"
#include "support/refusing_resource.hpp"
#include "support/resource_model.hpp"

namespace {

using quarry::slab_options;
using quarry::unsynchronized_slab_resource;
using quarry_test::counting_resource;
using quarry_test::refusing_resource;
using quarry_test::resource_model;

bool long_run() {
  const char* const value = std::getenv("QUARRY_LONG_TESTS");
  return value != nullptr && std::string(value) == "1";
}

std::uint64_t seed() {
  const char* const value = std::getenv("QUARRY_TEST_SEED");
  return value == nullptr ? 20240229U : std::strtoull(value, nullptr, 10);
}

class random_source {
 public:
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(engine_() % limit); }
  /// Small sizes most often, some up to the largest class and a few beyond it.
  std::size_t bytes() {
    const std::size_t kind = below(1000);
    if (kind < 900) return below(513);
    if (kind < 990) return below(9000);
    return below(300000);
  }
  /// Mostly what the size asks for by itself, sometimes any power of two up to 64 KiB.
  std::size_t alignment() {
    return below(10) != 0 ? std::size_t{1} << below(5) : std::size_t{1} << below(17);
  }

 private:
  std::mt19937_64 engine_{seed()};
};

/// Runs `operations` of every kind, with the number of live blocks swinging between empty and `live_limit`.
template <class Model>
void run_mixed(Model& model, std::size_t operations, std::size_t live_limit) {
  random_source random;
  std::size_t target = live_limit;
  for (std::size_t i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
    const std::size_t kind = random.below(100000);
    if (kind < 2) {
      model.release();
    } else if (kind < 12) {
      model.trim(random.below(3) * 65536);
    } else if (kind < 14) {
      model.check();
    } else if (kind < 30) {
      target = random.below(live_limit + 1);
    } else if (model.size() < target && random.below(4) != 0) {
      const std::size_t bytes = random.bytes();
      const std::size_t alignment = random.alignment();
      if (random.below(4) == 0) {
        model.try_allocate(bytes, alignment);
      } else {
        model.allocate(bytes, alignment);
      }
    } else if (model.size() > 0) {
      model.deallocate(random.below(model.size()));
    }
  }
  model.check();
}

class RandomOperations : public testing::TestWithParam<slab_options> {};

TEST_P(RandomOperations, KeepEveryByteOfEveryLiveBlock) {
  counting_resource upstream;
  upstream.forget_history();
  unsynchronized_slab_resource resource(GetParam(), &upstream);
  resource_model<unsynchronized_slab_resource> model(resource, upstream, 64);
  run_mixed(model, long_run() ? 10000000 : 300000, 5000);
  model.deallocate_all();
  model.check();
  resource.trim();
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

slab_options with(std::size_t blocks, std::size_t largest, std::size_t slab_bytes, std::size_t retain_bytes) {
  slab_options options;
  options.max_blocks_per_chunk = blocks;
  options.largest_required_pool_block = largest;
  options.slab_bytes = slab_bytes;
  options.retain_bytes = retain_bytes;
  return options;
}

INSTANTIATE_TEST_SUITE_P(Options, RandomOperations,
                         testing::Values(slab_options{}, with(0, 64, 0, 0), with(16, 0, 0, 0),
                                         with(0, 0, 16384, 0), with(0, 0, 262144, 0),
                                         with(0, 0, 0, 1U << 20)),
                         [](const testing::TestParamInfo<slab_options>& each) {
                           const slab_options& options = each.param;
                           return "largest" + std::to_string(options.largest_required_pool_block) + "slab" +
                                  std::to_string(options.slab_bytes) + "retain" +
                                  std::to_string(options.retain_bytes) + "chunk" +
                                  std::to_string(options.max_blocks_per_chunk);
                         });

TEST(RandomOperations, InAnInitialBufferKeepEveryByte) {
  counting_resource upstream;
  upstream.forget_history();
  std::vector<std::byte> buffer(300000);
  unsynchronized_slab_resource resource(buffer.data(), buffer.size(), &upstream);
  resource_model<unsynchronized_slab_resource> model(resource, upstream, 64);
  run_mixed(model, long_run() ? 10000000 : 300000, 5000);
}

TEST(RandomOperations, OutOfASmallSupplyKeepEveryByte) {
  for (const std::size_t supply_bytes : {std::size_t{20000}, std::size_t{300000}, std::size_t{2000000}})
    for (const bool is_buffer : {false, true}) {
      SCOPED_TRACE(testing::Message()
                   << supply_bytes << " bytes of " << (is_buffer ? "buffer" : "max_bytes"));
      counting_resource memory;
      memory.forget_history();
      std::vector<std::byte> buffer(is_buffer ? supply_bytes : 0);
      slab_options options;
      if (!is_buffer) options.max_bytes = supply_bytes;
      unsynchronized_slab_resource resource(
          options, buffer.data(), buffer.size(),
          is_buffer ? std::pmr::null_memory_resource() : static_cast<std::pmr::memory_resource*>(&memory));
      resource_model<unsynchronized_slab_resource> model(resource, memory, 64);
      random_source random;
      for (std::size_t i = 0; i < (long_run() ? 3000000U : 100000U) && !HasFailure(); ++i) {
        if (random.below(2) == 0) {
          model.try_allocate(random.bytes(), random.alignment());
        } else if (model.size() > 0) {
          model.deallocate(random.below(model.size()));
        }
        if (i % 10000 == 0) model.check();
        if (i % 7000 == 0) model.trim(random.below(3) * 65536);
        if (i % 30000 == 29999) model.release();
      }
      model.deallocate_all();
      model.check();
    }
}

TEST(RandomOperations, WithAnUpstreamThatFailsNowAndThenChangeNothingWhenTheyFail) {
  counting_resource memory;
  memory.forget_history();
  refusing_resource upstream(SIZE_MAX, &memory);
  unsynchronized_slab_resource resource(&upstream);
  resource_model<unsynchronized_slab_resource> model(resource, memory, 64);
  random_source random;
  std::size_t failures = 0;
  for (std::size_t i = 0; i < (long_run() ? 10000000U : 300000U) && !HasFailure(); ++i) {
    // Some refusals last and others do not; the resource survives many of those.
    if (random.below(50) == 0) upstream.refuse_after(random.below(3));
    if (random.below(100) == 0) upstream.refuse_nothing_more();
    if (model.size() < 4000 && random.below(2) == 0) {
      try {
        model.allocate(random.bytes(), random.alignment());
      } catch (const quarry_test::upstream_failure&) {
        EXPECT_TRUE(upstream.refused());
        ++failures;
        if (failures % 16 == 0) model.check();
      }
    } else if (model.size() > 0) {
      model.deallocate(random.below(model.size()));
    }
  }
  EXPECT_GT(failures, 100U);
  upstream.refuse_nothing_more();
  model.check();
}

TEST(RandomReplacement, HoldsFewMoreBytesThanAreLive) {
  counting_resource upstream;
  upstream.forget_history();
  unsynchronized_slab_resource resource(&upstream);
  resource_model<unsynchronized_slab_resource> model(resource, upstream, 8);
  random_source random;
  constexpr std::size_t live = 200000;
  const auto bytes = [&random] { return 8 + random.below(500); };
  const auto held_per_requested_byte = [&] {
    return static_cast<double>(upstream.live_bytes()) / static_cast<double>(model.requested_bytes());
  };
  for (std::size_t i = 0; i < live; ++i) model.allocate(bytes(), 8);
  const double when_fresh = held_per_requested_byte();
  const std::size_t operations = long_run() ? 100000000 : 1000000;
  for (std::size_t i = 0; i < operations && !HasFailure(); i += 2) {
    model.deallocate(random.below(model.size()));
    model.allocate(bytes(), 8);
  }
  model.check();
  std::printf("held bytes per live byte: %.3f fresh, %.3f after %zu operations\n", when_fresh,
              held_per_requested_byte(), operations);
  EXPECT_LE(when_fresh, 1.10);
  EXPECT_LE(held_per_requested_byte(), long_run() ? 1.14 : 1.12);
  model.deallocate_all();
  resource.trim();
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

}  // namespace
