// The chain of free slots: order, corner rules of the empty chain, and what a container may do with
// iterators.
#include <quarry/multiallocation_chain.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace {

struct slot {
  void* words[2];
};
using chain = quarry::multiallocation_chain<slot>;

class MultiallocationChain : public ::testing::Test {
 protected:
  std::array<slot, 8> slots_{};

  void fill(chain& target, std::size_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) target.push_back(&slots_[first + i]);
  }

  std::vector<std::ptrdiff_t> indices(chain& of) {
    std::vector<std::ptrdiff_t> result;
    for (slot& each : of) result.push_back(&each - slots_.data());
    return result;
  }
};

using order = std::vector<std::ptrdiff_t>;
static_assert(!std::is_copy_constructible_v<chain> && std::is_nothrow_move_constructible_v<chain>);
static_assert(
    std::is_same_v<std::iterator_traits<chain::iterator>::iterator_category, std::forward_iterator_tag>);

TEST_F(MultiallocationChain, OfNothingEndsWhereItBegins) {
  chain none;
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(none.last() == none.before_begin());
  EXPECT_TRUE(none.begin() == none.end());
  EXPECT_EQ(none.end().operator->(), nullptr);
  const auto data = none.extract_data();
  EXPECT_EQ(data.first, nullptr);
  EXPECT_EQ(data.second, nullptr);
  none.incorporate_after(none.last(), nullptr, nullptr, 0);
  EXPECT_TRUE(none.empty());
}

TEST_F(MultiallocationChain, PushesAndPopsAtItsEnds) {
  chain some;
  some.push_front(&slots_[1]);
  some.push_back(&slots_[2]);
  some.push_front(&slots_[0]);
  EXPECT_EQ(indices(some), (order{0, 1, 2}));
  EXPECT_EQ(some.size(), 3U);
  EXPECT_EQ(some.pop_front(), &slots_[0]);
  EXPECT_EQ(some.pop_front(), &slots_[1]);
  EXPECT_EQ(some.pop_front(), &slots_[2]);
  EXPECT_TRUE(some.last() == some.before_begin());
  some.push_back(&slots_[3]);
  EXPECT_EQ(indices(some), (order{3}));
}

TEST_F(MultiallocationChain, MovesWithItsEnds) {
  chain some;
  fill(some, 0, 3);
  chain moved(std::move(some));
  EXPECT_TRUE(some.empty());  // NOLINT(bugprone-use-after-move): a moved-from chain is empty
  moved.push_back(&slots_[3]);
  EXPECT_EQ(indices(moved), (order{0, 1, 2, 3}));
  chain none;
  none.swap(moved);
  EXPECT_TRUE(moved.empty());
  moved.push_back(&slots_[4]);
  EXPECT_EQ(indices(moved), (order{4}));
  EXPECT_EQ(indices(none), (order{0, 1, 2, 3}));
  moved = std::move(none);
  EXPECT_EQ(indices(moved), (order{0, 1, 2, 3}));
}

TEST_F(MultiallocationChain, TakesLinkedSlotsInAnywhere) {
  chain some;
  chain other;
  fill(some, 0, 2);
  fill(other, 2, 3);
  const auto data = other.extract_data();
  EXPECT_TRUE(other.empty());
  some.incorporate_after(some.begin(), data.first, data.second, 3);
  EXPECT_EQ(indices(some), (order{0, 2, 3, 4, 1}));
  other.push_back(&slots_[5]);
  const auto one = other.extract_data();
  some.incorporate_after(some.last(), one.first, one.second, 1);
  some.push_back(&slots_[6]);
  EXPECT_EQ(indices(some), (order{0, 2, 3, 4, 1, 5, 6}));
  EXPECT_EQ(some.size(), 7U);
}

TEST_F(MultiallocationChain, SplicesRangesAndWholeChains) {
  chain some;
  chain other;
  fill(some, 0, 2);
  fill(other, 2, 4);
  auto last_of_three = std::next(other.begin(), 2);
  some.splice_after(some.before_begin(), other, other.begin(), last_of_three, 2);
  EXPECT_EQ(indices(some), (order{3, 4, 0, 1}));
  EXPECT_EQ(indices(other), (order{2, 5}));
  some.splice_after(some.last(), other);
  EXPECT_EQ(indices(some), (order{3, 4, 0, 1, 2, 5}));
  EXPECT_TRUE(other.empty());
  some.splice_after(some.last(), other);
  some.push_back(&slots_[7]);
  EXPECT_EQ(some.size(), 7U);
  EXPECT_TRUE(chain::iterator_to(&slots_[7]) == some.last());
}

TEST_F(MultiallocationChain, IteratorsOutliveClearingTheChain) {
  chain some;
  fill(some, 0, 3);
  auto at = some.begin();
  some.clear();
  std::vector<slot*> seen;
  for (int i = 0; i < 3; ++i) {
    slot* const used = at.operator->();
    ++at;                   // reads the link before the slot is used
    used->words[0] = used;  // overwrites it
    seen.push_back(used);
  }
  EXPECT_EQ(seen, (std::vector<slot*>{&slots_[0], &slots_[1], &slots_[2]}));
  EXPECT_TRUE(at == some.end());
}

TEST_F(MultiallocationChain, AppendsBehindWhatIsLeftWhenItsLastLinksWereSplicedAway) {
  chain from, to;
  fill(from, 0, 3);
  to.splice_after(to.before_begin(), from, from.begin(), from.last(), 2);
  fill(from, 3, 1);
  EXPECT_EQ(indices(from), (order{0, 3}));
  EXPECT_EQ(indices(to), (order{1, 2}));
}

}  // namespace
