// Calls every verb that allocates over an upstream that refuses at call 1, 2, ... n, and checks what a refusal leaves.
//
// A face is what a program allocates from: a resource, a view, an adaptor. Its test lists its verbs; the rest is the same for
// each. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <new>
#include <quarry/slab_options.hpp>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/refusals.hpp"

namespace quarry_test {

struct taken_block {
  void* address;
  std::size_t bytes;
  std::size_t alignment;
};
using taken_blocks = std::vector<taken_block>;

/// One call that allocates through a Face, of the size that the work asks for.
template <class Face>
struct allocating_verb {
  const char* name;
  bool throws;  // where it is refused; else it returns no block
  std::function<taken_blocks(Face&, std::size_t bytes)> call;
};

/// One work on a fresh resource: a verb again and again until upstream has refused. World has: a constructor from options and an
/// upstream; resource(), which has stats(); face().
template <class World, class Face>
class refused_work {
 public:
  refused_work(const refusal& how, const allocating_verb<Face>& verb, std::size_t bytes, bool is_warm)
      : how_(how), verb_(verb), bytes_(bytes), is_warm_(is_warm) {}

  /// Returns whether the chosen call was reached.
  bool run(std::size_t fail_at_call) {
    counting_resource memory;
    memory.forget_history();
    failing_resource upstream(&memory);
    upstream.fail_by_null(how_.by_null);
    bool was_reached = false;
    {
      quarry::slab_options options;
      options.checks = how_.checks;
      World world(options, upstream);
      if (is_warm_)
        for (const std::size_t bytes : {16U, 64U, 64U, 500U, 50'000U})
          keep({{world.resource().allocate(bytes, 8), bytes, 8}});
      how_.for_good ? upstream.fail_from(fail_at_call) : upstream.fail_at(fail_at_call);
      kept_bytes_ = 0;
      while (kept_bytes_ < most_work_bytes && !is_over(upstream) && !testing::Test::HasFailure())
        call(world, memory, upstream);
      was_reached = upstream.failed();
      upstream.fail_at(failing_resource::never);
      serves_as_before(world, memory);
    }
    EXPECT_EQ(memory.live_blocks(), 0U);
    return was_reached;
  }

  std::size_t refusals() const { return refusals_; }

 private:
  // More than a resource takes of its parts: several slabs apart, loose ones, and the first extent.
  static constexpr std::size_t most_work_bytes = 96 * 1024;

  // A refusal for good is tried until a call of the work is refused; one that does not last may be survived by another try.
  bool is_over(const failing_resource& upstream) const {
    return how_.for_good ? refusals_ != 0 : upstream.failed();
  }

  void call(World& world, const counting_resource& memory, const failing_resource& upstream) {
    const auto before = world.resource().stats();
    taken_blocks taken;
    try {
      taken = verb_.call(world.face(), bytes_);
      EXPECT_TRUE(!taken.empty() || !verb_.throws) << "a verb that throws returns memory";
    } catch (const upstream_failure&) {
      EXPECT_TRUE(verb_.throws && !how_.by_null) << "nobody threw that";
    } catch (const std::bad_alloc& thrown) {
      EXPECT_TRUE(verb_.throws && how_.by_null) << thrown.what();
      EXPECT_NE(std::strstr(thrown.what(), "upstream"), nullptr) << thrown.what();
    }
    const auto after = world.resource().stats();
    EXPECT_EQ(after.upstream_bytes, memory.live_bytes());
    if (taken.empty()) {
      ++refusals_;
      EXPECT_TRUE(upstream.failed()) << "refused although upstream served";
      EXPECT_EQ(after.live_bytes, before.live_bytes);
      EXPECT_EQ(after.live_slots, before.live_slots);
      EXPECT_EQ(after.oversize_bytes, before.oversize_bytes);
      EXPECT_EQ(after.oversize_blocks, before.oversize_blocks);
    }
    keep(taken);
  }

  // The blocks hold what was written into them, and all goes as if nothing had been refused.
  void serves_as_before(World& world, const counting_resource& memory) {
    for (const std::size_t bytes : {bytes_, std::size_t{8}, bytes_, std::size_t{100'000}})
      keep({{world.resource().allocate(bytes, 8), bytes, 8}});
    keep(verb_.call(world.face(), bytes_));
    const auto stats = world.resource().stats();
    EXPECT_EQ(stats.live_slots + stats.oversize_blocks, blocks_.size());
    EXPECT_EQ(stats.upstream_bytes, memory.live_bytes());
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const auto* const begin = static_cast<const unsigned char*>(blocks_[i].address);
      const auto mark = static_cast<unsigned char>(i % 251);
      EXPECT_TRUE(
          std::all_of(begin, begin + blocks_[i].bytes, [mark](unsigned char byte) { return byte == mark; }))
          << "block " << i << " of " << blocks_[i].bytes << " bytes";
      world.resource().deallocate(blocks_[i].address, blocks_[i].bytes, blocks_[i].alignment);
    }
    blocks_.clear();
    EXPECT_EQ(world.resource().stats().live_bytes, 0U);
    EXPECT_EQ(world.resource().stats().live_slots, 0U);
  }

  void keep(const taken_blocks& taken) {
    for (const taken_block& each : taken) {
      std::memset(each.address, static_cast<int>(blocks_.size() % 251), each.bytes);
      blocks_.push_back(each);
      kept_bytes_ += each.bytes;
    }
  }

  const refusal how_;
  const allocating_verb<Face>& verb_;
  const std::size_t bytes_;  // that the verb is asked for
  const bool is_warm_;
  taken_blocks blocks_;         // live
  std::size_t kept_bytes_ = 0;  // of blocks taken since upstream began to count
  std::size_t refusals_ = 0;    // calls that were refused
};

/// Runs every verb with upstream refusing at call 1, 2, ... until a work does not get so far. Stops at the first failure: one
/// is told, and thousands would be one message over and over.
template <class World, class Face>
void refuse_every_call(const refusal& how, const std::vector<allocating_verb<Face>>& verbs,
                       const std::vector<std::size_t>& sizes) {
  const no_violations none;
  for (const auto& verb : verbs) {
    std::size_t reached = 0, refusals = 0;
    for (const std::size_t bytes : sizes)
      for (const bool is_warm : {false, true})
        for (std::size_t call = 1; call < 40; ++call) {
          SCOPED_TRACE(testing::Message() << verb.name << " of " << bytes << " bytes, "
                                          << (is_warm ? "warm" : "fresh") << ", call " << call << " refused");
          refused_work<World, Face> work(how, verb, bytes, is_warm);
          const bool was_reached = work.run(call);
          if (testing::Test::HasFailure()) return;
          if (!was_reached) break;
          ++reached;
          refusals += work.refusals();
        }
    EXPECT_GT(reached, 2 * sizes.size()) << verb.name << " hardly ever asks upstream";
    if (how.for_good) {  // one refusal alone is survived by another try
      EXPECT_GT(refusals, sizes.size()) << verb.name << " is hardly ever refused";
    }
  }
}

}  // namespace quarry_test
