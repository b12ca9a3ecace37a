// Every sequence of operations on slabs of a few slots.
// again with: -Os
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "support/sanitizers.hpp"
#include "support/worlds/slab_world.hpp"

namespace {

// A sanitizer makes a step slow.
constexpr std::size_t fewer_steps = quarry_test::has_address_sanitizer ? 1 : 0;

struct small_slab {
  std::size_t slots;
  std::size_t slot_bytes;
  std::size_t steps;
};

class SmallSlabs : public testing::TestWithParam<small_slab> {};

TEST_P(SmallSlabs, AgreeWithAModelInEverySequenceOfOperations) {
  const auto [slots, slot_bytes, most_steps] = GetParam();
  const std::size_t steps = most_steps - fewer_steps;
  const std::size_t ways = quarry_test::take_every_way(
      steps, [slots = slots, slot_bytes = slot_bytes] { return quarry_test::slab_world(slots, slot_bytes); });
  RecordProperty("sequences", static_cast<int>(ways));
  EXPECT_GT(ways, std::size_t{1} << steps);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SmallSlabs,
                         testing::Values(small_slab{1, 8, 8}, small_slab{2, 24, 6}, small_slab{3, 16, 5},
                                         small_slab{4, 40, 4}, small_slab{5, 8, 4}, small_slab{6, 48, 4}),
                         [](const auto& each) { return "Of" + std::to_string(each.param.slots); });

}  // namespace
