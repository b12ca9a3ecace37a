// Spare ranges, over addresses of a buffer that nothing maps.
#include "../src/spare_ranges.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace {

using quarry::detail::spare_ranges;

constexpr std::size_t page_bytes = 4096;

class SpareRanges : public testing::Test {
 protected:
  static constexpr std::size_t pages = 4096;

  unsigned char* page(std::size_t index) noexcept { return begin_ + index * page_bytes; }
  std::size_t index_of(const void* at) const noexcept {
    return static_cast<std::size_t>(static_cast<const unsigned char*>(at) - begin_) / page_bytes;
  }
  void add(std::size_t index, std::size_t count, bool reads_as_zero = true) {
    spare_.add(spare_.join({page(index), count * page_bytes, reads_as_zero}), page_bytes);
  }
  spare_ranges::range take(std::size_t count, std::size_t alignment = 1) {
    return spare_.take(count * page_bytes, alignment, page_bytes);
  }

  std::vector<unsigned char> buffer_ = std::vector<unsigned char>((pages + 512) * page_bytes);
  unsigned char* begin_ =
      buffer_.data() + (-reinterpret_cast<std::uintptr_t>(buffer_.data()) & (512 * page_bytes - 1));
  spare_ranges spare_;
};

TEST_F(SpareRanges, WriteOnlyIntoOnePageOfTheFirstRange) {
  for (std::size_t i = 0; i < 60; ++i) add(2 * i, 1);
  const auto written = [&](std::size_t index) {
    return std::any_of(page(index), page(index + 1), [](unsigned char each) { return each != 0; });
  };
  EXPECT_TRUE(written(0));
  for (std::size_t i = 1; i < pages; ++i) EXPECT_FALSE(written(i)) << i;
}

TEST_F(SpareRanges, AreServedAgainWholeAndInParts) {
  add(0, 1);  // becomes records
  add(10, 8);
  EXPECT_EQ(take(9).pages, nullptr);
  EXPECT_EQ(take(3).pages, page(10));
  EXPECT_EQ(take(5).pages, page(13));
  EXPECT_EQ(take(1).pages, nullptr);
  EXPECT_EQ(spare_.count(), 0U);
}

TEST_F(SpareRanges, AreServedAligned) {
  add(0, 1);
  add(3, 6);
  EXPECT_EQ(take(4, 4 * page_bytes).pages, page(4));
  EXPECT_EQ(take(2, 2 * page_bytes).pages, nullptr);
  EXPECT_EQ(take(1).pages, page(3));
  EXPECT_EQ(take(1).pages, page(8));
}

TEST_F(SpareRanges, ThatTouchBecomeOne) {
  add(0, 1);
  add(10, 2);
  add(14, 2);
  EXPECT_EQ(spare_.count(), 2U);
  const spare_ranges::range joined = spare_.join({page(12), 2 * page_bytes, true});
  EXPECT_EQ(joined.pages, page(10));
  EXPECT_EQ(joined.bytes, 6 * page_bytes);
  EXPECT_EQ(spare_.count(), 0U);
}

TEST_F(SpareRanges, SayWhenTheirContentsAreNotZero) {
  add(0, 1);
  add(10, 2);
  add(12, 2, false);
  add(20, 4);
  add(32, 2, false);
  add(30, 2);
  EXPECT_FALSE(take(4).reads_as_zero);
  EXPECT_TRUE(take(4).reads_as_zero);
  EXPECT_FALSE(take(4).reads_as_zero);
}

TEST_F(SpareRanges, ServeTheLargestWhateverWentBefore) {
  add(0, 1);
  std::map<std::size_t, std::size_t> begin_of;  // by how many pages
  for (std::size_t i = 1; i < 61; ++i) {
    const std::size_t count = 1 + i * 7 % 61;
    add(64 * i, count);
    begin_of[count] = 64 * i;
  }
  for (auto each = begin_of.rbegin(); each != begin_of.rend(); ++each)
    EXPECT_EQ(take(each->first).pages, page(each->second)) << each->first << " pages";
}

TEST_F(SpareRanges, NeitherLoseNorOverlapAPageInRandomUse) {
  std::mt19937 random(1);  // NOLINT: fixed, so that a failure can be repeated
  std::vector<bool> is_spare(pages, false);
  std::map<std::size_t, std::size_t> taken;
  for (std::size_t i = 0; i < pages; i += 8) taken.emplace(i, 8);
  std::size_t spare_pages = 0;
  std::size_t most_spare_pages = 0;
  for (int step = 0; step < 20000; ++step) {
    if (!taken.empty() && random() % 2 == 0) {
      auto chosen = taken.lower_bound(random() % pages);
      if (chosen == taken.end()) chosen = taken.begin();
      add(chosen->first, chosen->second);
      spare_pages += chosen->second;
      most_spare_pages = std::max(most_spare_pages, spare_pages);
      taken.erase(chosen);
    } else {
      const std::size_t count = 1 + random() % 12;
      const std::size_t alignment = page_bytes << random() % 3;
      const spare_ranges::range part = take(count, alignment);
      if (part.pages == nullptr) continue;
      ASSERT_EQ(part.bytes, count * page_bytes);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(part.pages) % alignment, 0U);
      const auto behind = taken.lower_bound(index_of(part.pages));
      ASSERT_TRUE(behind == taken.end() || index_of(part.pages) + count <= behind->first);
      ASSERT_TRUE(behind == taken.begin() ||
                  std::prev(behind)->first + std::prev(behind)->second <= index_of(part.pages));
      std::fill(page(index_of(part.pages)), page(index_of(part.pages) + count),
                static_cast<unsigned char>(0xEE));
      taken.emplace(index_of(part.pages), count);
      spare_pages -= count;
    }
  }
  for (const auto& each : taken) add(each.first, each.second);
  std::size_t found_bytes = 0;
  for (spare_ranges::range each = spare_.take_any(); each.pages != nullptr; each = spare_.take_any())
    found_bytes += each.bytes;
  EXPECT_LE(found_bytes, pages * page_bytes);
  EXPECT_GE(found_bytes, (pages - most_spare_pages / 32) * page_bytes);  // all but the pages of records
}

}  // namespace
