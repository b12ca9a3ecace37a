#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <quarry/core/slabs/spare_headers.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/slab_memory.hpp"
#include "support/take_any.hpp"

namespace {

using quarry::core::spare_headers;
using quarry_test::slab_memory;

constexpr std::size_t unit_bytes = 64;

TEST(SpareHeaders, HasNothingUntilMemoryIsBrought) {
  const spare_headers spares;
  for (std::size_t bytes = 1; bytes < 5000; bytes += 63) EXPECT_FALSE(spares.has(bytes));
}

TEST(SpareHeaders, ARoomIsAWholeNumberOfUnitsAndOneUnitLargerAtMostUpToALargeOne) {
  for (std::size_t bytes = 1; bytes < 5000; ++bytes) {
    EXPECT_EQ(spare_headers().room_for(bytes) % unit_bytes, 0U);
    EXPECT_GE(spare_headers().room_for(bytes), bytes);
    EXPECT_LT(spare_headers().room_for(bytes), bytes <= 23 * unit_bytes ? bytes + unit_bytes : bytes * 2);
  }
}

TEST(SpareHeaders, CutsWhatIsBroughtIntoRoomsTheLowestOfWhichIsTakenFirst) {
  const slab_memory memory(4096);
  spare_headers spares;
  spares.bring(memory.base(), 8, 150);
  for (std::size_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(spares.has(150));
    EXPECT_EQ(spares.take(150), memory.base() + i * 192);
  }
  EXPECT_FALSE(spares.has(150));
}

TEST(SpareHeaders, ARoomComesBackForHeadersOfTheSameUnitsOnly) {
  const slab_memory memory(4096);
  spare_headers spares;
  for (std::size_t units = 1; units < 23; ++units) {
    spares.put(memory.base(), units * unit_bytes);
    EXPECT_FALSE(spares.has((units - 1) * unit_bytes));
    EXPECT_FALSE(spares.has(units * unit_bytes + 1));
    EXPECT_TRUE(spares.has((units - 1) * unit_bytes + 1));
    EXPECT_EQ(spares.take((units - 1) * unit_bytes + 1), memory.base());
    EXPECT_FALSE(spares.has(units * unit_bytes));
  }
}

TEST(SpareHeaders, TheLastRoomPutBackIsTakenFirst) {
  const slab_memory memory(4096);
  spare_headers spares;
  spares.put(memory.base(), 100);
  spares.put(memory.base() + 1024, 100);
  EXPECT_EQ(spares.take(100), memory.base() + 1024);
  EXPECT_EQ(spares.take(100), memory.base());
}

TEST(SpareHeaders, AVeryLargeHeaderNeverGetsASmallerRoom) {
  const slab_memory memory(65536);
  spare_headers spares;
  spares.put(memory.base(), 2000);
  EXPECT_TRUE(spares.has(2000));
  EXPECT_FALSE(spares.has(4000));
  spares.put(memory.base() + 8192, 4000);
  EXPECT_TRUE(spares.has(4000));
  EXPECT_EQ(spares.take(4000), memory.base() + 8192);
  EXPECT_FALSE(spares.has(4000));
}

TEST(SpareHeaders, LargeHeadersOfTwoSizesShareNoList) {
  const slab_memory memory(4096);
  const std::size_t largest = std::size_t{4096} * unit_bytes;
  for (std::size_t bytes = 32 * unit_bytes; bytes <= largest; bytes *= 2) {
    spare_headers spares;
    spares.put(memory.base(), bytes);
    for (std::size_t other = 32 * unit_bytes; other <= largest; other *= 2)
      EXPECT_EQ(spares.has(other), other == bytes) << other << " beside " << bytes;
  }
}

TEST(SpareHeaders, OfSmallUnitsNoRoomIsLostToASmallerHeader) {
  const slab_memory memory(65536);
  spare_headers spares(spare_headers::small_bytes);
  for (const std::size_t bytes : {88U, 120U, 392U, 1000U}) {
    EXPECT_EQ(spares.room_for(bytes) % spare_headers::small_bytes, 0U);
    spares.bring(memory.base() + bytes * 32, 1, bytes);
  }
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(spares.take(88), memory.base() + 88 * 32);
    EXPECT_FALSE(spares.has(88)) << "a larger one is not lent";
    EXPECT_TRUE(spares.has(120) && spares.has(392) && spares.has(1000));
    spares.put(memory.base() + 88 * 32, 88);
  }
}

TEST(SpareHeaders, LendsTheSmallestOfLargerRoomsWhichComesBackAsWhatItIs) {
  const slab_memory memory(65536);
  spare_headers spares;
  spares.put(memory.base(), 1000);
  spares.put(memory.base() + 8192, 5000);
  EXPECT_FALSE(spares.has(100));
  EXPECT_TRUE(spares.has_larger(100));
  EXPECT_TRUE(spares.has_larger(5000));
  EXPECT_FALSE(spares.has_larger(20000));
  std::uint8_t list = 0;
  EXPECT_EQ(spares.take(100, &list), memory.base());
  EXPECT_FALSE(spares.has(1000));
  spares.put_back(memory.base(), list, 100);
  EXPECT_FALSE(spares.has(100));
  EXPECT_TRUE(spares.has(1000));
  EXPECT_EQ(spares.take(1000), memory.base());
  EXPECT_EQ(spares.take(1000, &list), memory.base() + 8192);
  EXPECT_FALSE(spares.has_larger(1));
  for (const int wrong : {0, 1, 200, 255}) {  // of a header that was overwritten
    spares.put_back(memory.base(), static_cast<std::uint8_t>(wrong), 1000);
    EXPECT_TRUE(spares.has(1000)) << wrong;
    EXPECT_EQ(spares.take(1000), memory.base());
  }
}

TEST(SpareHeaders, ForgetsEverythingOnRelease) {
  const slab_memory memory(65536);
  spare_headers spares;
  spares.bring(memory.base(), 4, 128);
  spares.bring(memory.base() + 8192, 2, 3000);
  spares.release();
  EXPECT_FALSE(spares.has(128));
  EXPECT_FALSE(spares.has(3000));
  EXPECT_FALSE(spares.has_larger(1));
  spares.bring(memory.base(), 1, 128);
  EXPECT_EQ(spares.take(128), memory.base());
}

TEST(SpareHeaders, CutsRoomsInTheSameUnitsAfterRelease) {
  for (const std::size_t unit : {spare_headers::small_bytes, spare_headers::line_bytes}) {
    spare_headers spares(unit);
    const std::size_t room = spares.room_for(1);
    spares.release();
    EXPECT_EQ(spares.unit_bytes(), unit);
    EXPECT_EQ(spares.room_for(1), room);
  }
}

TEST(SpareHeaders, NoRoomIsLostOrLentTwiceUnderRandomTakesAndPuts) {
  struct room {
    void* place;
    std::size_t bytes;
  };
  constexpr std::size_t each_bytes = 32768;
  const std::vector<std::size_t> sizes{72, 96, 200, 640, 1160, 1472};
  spare_headers spares;
  std::vector<std::unique_ptr<slab_memory>> memory;
  std::map<std::size_t, std::size_t> spare;  // rooms by header_bytes
  for (const std::size_t bytes : sizes) {
    memory.push_back(std::make_unique<slab_memory>(each_bytes));
    spare[bytes] = each_bytes / spare_headers().room_for(bytes);
    spares.bring(memory.back()->base(), spare[bytes], bytes);
  }
  std::vector<room> lent;
  std::set<void*> places;
  std::mt19937 random(11);
  for (int step = 0; step < 20000; ++step) {
    const std::size_t bytes = sizes[random() % sizes.size()];
    ASSERT_EQ(spares.has(bytes), spare[bytes] != 0) << bytes;
    if (random() % 5 < 3 && spare[bytes] != 0) {
      void* const place = spares.take(bytes);
      ASSERT_TRUE(places.insert(place).second) << "lent twice";
      std::memset(place, 0xEE, bytes);
      lent.push_back({place, bytes});
      --spare[bytes];
    } else if (!lent.empty()) {
      const room back = quarry_test::take_any(lent, random);
      spares.put(back.place, back.bytes);
      places.erase(back.place);
      ++spare[back.bytes];
    }
  }
}

}  // namespace
