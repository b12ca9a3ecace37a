#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <quarry/core/bits.hpp>

namespace {

namespace core = quarry::core;
namespace portable = quarry::core::portable;

constexpr std::size_t bits_of_a_word = sizeof(std::size_t) * 8;

TEST(Bits, TheWidthOfAWordIsOneMoreThanItsHighestBit) {
  EXPECT_EQ(core::bit_width(0), 0U);
  EXPECT_EQ(portable::bit_width(0), 0U);
  for (std::size_t bit = 0; bit < bits_of_a_word; ++bit) {
    const std::size_t power = std::size_t{1} << bit;
    for (const std::size_t word : {power, power | (power - 1)}) {
      EXPECT_EQ(core::bit_width(word), bit + 1);
      EXPECT_EQ(portable::bit_width(word), bit + 1);
    }
    EXPECT_EQ(core::bit_width(power - 1), bit);
    EXPECT_EQ(portable::bit_width(power - 1), bit);
  }
}

TEST(Bits, TheLowestBitIsFoundBelowAnyOthers) {
  for (std::size_t bit = 0; bit < bits_of_a_word; ++bit) {
    const std::size_t power = std::size_t{1} << bit;
    for (const std::size_t word : {power, ~(power - 1)}) {
      EXPECT_EQ(core::lowest_bit(word), bit);
      EXPECT_EQ(portable::lowest_bit(word), bit);
    }
  }
}

TEST(Bits, AWordMayBeNarrowerOrWiderThanASize) {
  EXPECT_EQ(core::lowest_bit(std::uint32_t{1} << 31), 31U);
  EXPECT_EQ(core::lowest_bit(std::uint64_t{1} << 63), 63U);
}

TEST(Bits, SetBitsAreCounted) {
  EXPECT_EQ(core::count_bits(0), 0U);
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t below = (std::uint64_t{1} << bit) - 1;
    for (const std::uint64_t word : {below, below << (64 - bit) % 64, ~below}) {
      const unsigned expected = word == ~below ? 64 - bit : bit;
      EXPECT_EQ(core::count_bits(word), expected);
      EXPECT_EQ(portable::count_bits(word), expected);
    }
  }
}

TEST(Bits, AProductIsWholeInTwoWords) {
  constexpr std::uint64_t ones = ~std::uint64_t{0};
  const std::uint64_t words[] = {0, 1, 3, 0xFFFFFFFF, 0x100000000, 0x123456789ABCDEF0, ones - 1, ones};
  for (const std::uint64_t a : words) {
    for (const std::uint64_t b : words) {
      std::uint64_t high = 7, portable_high = 7;
      EXPECT_EQ(core::multiply(a, b, high), a * b);
      EXPECT_EQ(portable::multiply(a, b, portable_high), a * b);
      EXPECT_EQ(high, portable_high) << a << " " << b;
    }
    std::uint64_t high = 7;
    EXPECT_EQ(core::multiply(a, std::uint64_t{1} << 60, high), a << 60);
    EXPECT_EQ(high, a >> 4);
    EXPECT_EQ(portable::multiply(a, std::uint64_t{1} << 60, high), a << 60);
    EXPECT_EQ(high, a >> 4);
  }
  std::uint64_t high = 0;
  EXPECT_EQ(core::multiply(ones, ones, high), 1U);
  EXPECT_EQ(high, ones - 1);
  EXPECT_EQ(portable::multiply(ones, ones, high), 1U);
  EXPECT_EQ(high, ones - 1);
}

TEST(Bits, PositionsAreConstants) {
  static_assert(core::bit_width(5) == 3 && portable::bit_width(5) == 3);
  static_assert(core::lowest_bit(std::size_t{12}) == 2 && portable::lowest_bit(12) == 2);
  static_assert(core::count_bits(7) == 3 && portable::count_bits(7) == 3);
}

}  // namespace
