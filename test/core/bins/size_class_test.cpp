#include <gtest/gtest.h>

#include <quarry/core/bins/size_class.hpp>

namespace {

using namespace quarry::core;

TEST(SizeClass, SizesRiseStrictlyFromTheSmallestToTheLargest) {
  EXPECT_EQ(slot_bytes_of(0), smallest_slot_bytes);
  for (class_index index = 1; index < class_count; ++index)
    EXPECT_GT(slot_bytes_of(index), slot_bytes_of(index - 1));
  EXPECT_EQ(slot_bytes_of(class_count - 1), largest_slot_bytes);
}

TEST(SizeClass, ASizeGetsTheSmallestClassThatHoldsIt) {
  for (std::size_t bytes = 0; bytes <= largest_slot_bytes; ++bytes) {
    const class_index index = class_of_bytes(bytes);
    ASSERT_LT(index, class_count);
    ASSERT_GE(slot_bytes_of(index), bytes);
    if (index > 0) {
      ASSERT_LT(slot_bytes_of(index - 1), bytes == 0 ? 1 : bytes);
    }
  }
}

TEST(SizeClass, ASizeBeyondTheLargestClassHasNone) {
  EXPECT_EQ(class_of_bytes(largest_slot_bytes + 1), no_class);
  EXPECT_EQ(class_of_bytes(SIZE_MAX), no_class);
  EXPECT_EQ(class_of(largest_slot_bytes + 1, 1), no_class);
  EXPECT_EQ(class_of(1, 2 * largest_slot_bytes), no_class);
  EXPECT_EQ(class_of(SIZE_MAX, 1), no_class);
  EXPECT_EQ(class_of(SIZE_MAX - 5, 4096), no_class);
}

TEST(SizeClass, EverySizeAndAlignmentGetsASlotThatIsAMultipleOfTheAlignment) {
  for (std::size_t alignment = 1; alignment <= largest_slot_bytes; alignment *= 2) {
    for (std::size_t bytes = 0; bytes <= largest_slot_bytes; bytes += bytes < 2100 ? 1 : 37) {
      const class_index index = class_of(bytes, alignment);
      ASSERT_LT(index, class_count);
      ASSERT_GE(slot_bytes_of(index), bytes);
      ASSERT_EQ(slot_bytes_of(index) % alignment, 0U) << bytes << " bytes aligned to " << alignment;
    }
  }
}

TEST(SizeClass, TheTableOfTheHitPathAgreesWithTheComputation) {
  for (std::size_t alignment = 1; alignment <= table_bytes; alignment *= 2) {
    for (std::size_t bytes = 1; bytes <= table_bytes; ++bytes) {
      const std::size_t last_byte = last_byte_of(bytes, alignment);
      ASSERT_LT(last_byte, table_bytes);
      const std::size_t rounded = (bytes + alignment - 1) & ~(alignment - 1);
      ASSERT_EQ(class_keys[last_byte], 2 * class_of_bytes(rounded))
          << bytes << " bytes aligned to " << alignment;
    }
  }
}

TEST(SizeClass, ASizeOfZeroLeavesTheTableAndStillHasAClass) {
  EXPECT_GE(last_byte_of(0, 1), table_bytes);
  EXPECT_EQ(class_of(0, 1), 0U);
  EXPECT_EQ(slot_bytes_of(class_of(0, 64)), 64U);
}

TEST(SizeClass, RoundingCostsLessThanAnEighthAboveSixtyFourBytes) {
  for (std::size_t bytes = 65; bytes <= largest_slot_bytes; ++bytes) {
    const std::size_t slot_bytes = slot_bytes_of(class_of_bytes(bytes));
    ASSERT_LT((slot_bytes - bytes) * 8, slot_bytes);
  }
}

TEST(SizeClass, StepsByEightBytesThenBySixteenAndThenByEightClassesADoubling) {
  for (class_index index = 1; index < class_count; ++index) {
    const std::size_t below = slot_bytes_of(index - 1);
    std::size_t doubling = 128;  // the largest power of two that is no larger than the class below
    while (2 * doubling <= below) doubling *= 2;
    const std::size_t step = below < 128 ? 8 : below < 1024 ? doubling / 16 : doubling / 8;
    EXPECT_EQ(slot_bytes_of(index), below + step) << "class " << index;
  }
}

TEST(SizeClass, ARequestGetsTheSmallestClassThatIsBothLargeAndAlignedEnough) {
  for (std::size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    for (std::size_t bytes = 0; bytes <= 4096; ++bytes) {
      class_index smallest = 0;
      while (slot_bytes_of(smallest) < bytes || slot_bytes_of(smallest) % alignment != 0) ++smallest;
      ASSERT_EQ(class_of(bytes, alignment), smallest) << bytes << " bytes aligned to " << alignment;
    }
  }
}

TEST(SizeClass, AnAlignmentThatWrapsTheSizeHasNone) {
  for (std::size_t alignment = 65536; alignment != 0; alignment *= 2) {
    EXPECT_EQ(class_of(0, alignment), no_class);
    EXPECT_EQ(class_of(SIZE_MAX, alignment), no_class);
    EXPECT_EQ(class_of(alignment, alignment), no_class);
  }
}

TEST(SizeClass, TheKeyOfARequestIsTwiceItsClassAtEverySizeAndAlignment) {
  for (const std::size_t alignment : {1U, 2U, 8U, 16U, 32U, 64U, 256U, 1024U, 4096U, 32768U}) {
    for (std::size_t bytes = 1; bytes <= largest_slot_bytes; ++bytes) {
      const std::size_t rounded = (bytes + alignment - 1) & ~(alignment - 1);
      ASSERT_EQ(key_of(last_byte_of(bytes, alignment)), 2 * class_of_bytes(rounded))
          << bytes << " bytes aligned to " << alignment;
    }
  }
}

TEST(SizeClass, ASlabLeavesAnEighthOverAtMostInTheSmallestPowerOfTwoOfGranulesThatDoes) {
  for (std::size_t granule_bytes = 1024; granule_bytes <= 65536; granule_bytes *= 2) {
    for (class_index index = 0; index < class_count; ++index) {
      const std::size_t slot_bytes = slot_bytes_of(index);
      const auto is_tight = [&](std::size_t granules) {
        const std::size_t bytes = granules * granule_bytes;
        return bytes >= slot_bytes && bytes % slot_bytes * 8 <= bytes;
      };
      const std::size_t granules = granules_for(slot_bytes, granule_bytes);
      ASSERT_GE(granules, 1U);
      ASSERT_LE(granules, 64U) << "an extent has no more";
      ASSERT_TRUE(is_tight(granules)) << slot_bytes << " bytes in granules of " << granule_bytes;
      const bool is_power_of_two = (granules & (granules - 1)) == 0;
      for (std::size_t fewer = 1; fewer < (is_power_of_two ? granules : 64); fewer *= 2)
        ASSERT_FALSE(is_tight(fewer)) << slot_bytes << " bytes in granules of " << granule_bytes;
    }
  }
}

TEST(SizeClass, ASlabOfSlotsThatNoClassHasIsAsTight) {
  EXPECT_EQ(granules_for(30000, 1024), 32U);
  EXPECT_EQ(granules_for(65536, 1024), 64U);
  EXPECT_EQ(granules_for(57000, 1024), 56U);
  EXPECT_EQ(granules_for(48 * 1024, 32 * 1024), 8U);
  EXPECT_EQ(granules_for(65 * 1024, 1024), 0U) << "no extent has so many";
}

}  // namespace
