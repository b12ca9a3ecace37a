#include <gtest/gtest.h>

#include <cstddef>
#include <quarry/core/bits.hpp>

namespace {

using quarry::core::bit_width;
using quarry::core::lowest_bit;

constexpr std::size_t bits_of_a_word = sizeof(std::size_t) * 8;

TEST(Bits, TheWidthOfAWordIsOneMoreThanItsHighestBit) {
  EXPECT_EQ(bit_width(0), 0U);
  for (std::size_t bit = 0; bit < bits_of_a_word; ++bit) {
    const std::size_t power = std::size_t{1} << bit;
    EXPECT_EQ(bit_width(power), bit + 1);
    EXPECT_EQ(bit_width(power | (power - 1)), bit + 1);
    EXPECT_EQ(bit_width(power - 1), bit);
  }
}

TEST(Bits, TheLowestBitIsFoundBelowAnyOthers) {
  for (std::size_t bit = 0; bit < bits_of_a_word; ++bit) {
    const std::size_t power = std::size_t{1} << bit;
    EXPECT_EQ(lowest_bit(power), bit);
    EXPECT_EQ(lowest_bit(~(power - 1)), bit);
  }
}

}  // namespace
