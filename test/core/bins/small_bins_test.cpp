// Every sequence of operations on bins of a few slabs of a few slots.
// again with: -Os
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "support/sanitizers.hpp"
#include "support/worlds/bin_world.hpp"

namespace {

// A sanitizer makes a step slow.
constexpr std::size_t fewer_steps = quarry_test::has_address_sanitizer ? 1 : 0;

struct small_bin {
  std::size_t slots;         // of each slab
  std::size_t slabs;         // at most
  std::size_t adopted;       // of them before the first step
  std::size_t most_at_once;  // slots of one operation
  std::size_t steps;
};

class SmallBins : public testing::TestWithParam<small_bin> {};

TEST_P(SmallBins, AgreeWithAModelInEverySequenceOfOperations) {
  const small_bin& kind = GetParam();
  const std::size_t steps = kind.steps - fewer_steps;
  const std::size_t ways = quarry_test::take_every_way(steps, [&kind] {
    return quarry_test::bin_world(kind.slots, kind.slabs, kind.adopted, kind.most_at_once);
  });
  RecordProperty("sequences", static_cast<int>(ways));
  EXPECT_GT(ways, std::size_t{1} << steps);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SmallBins,
                         testing::Values(small_bin{1, 3, 0, 3, 6}, small_bin{2, 2, 0, 3, 5},
                                         small_bin{2, 3, 3, 2, 4}, small_bin{3, 3, 2, 2, 4},
                                         small_bin{6, 1, 1, 3, 4}, small_bin{6, 2, 2, 4, 3},
                                         small_bin{6, 3, 3, 4, 3}),
                         [](const auto& each) {
                           return "AtMost" + std::to_string(each.param.slabs) + "Of" +
                                  std::to_string(each.param.slots);
                         });

}  // namespace
