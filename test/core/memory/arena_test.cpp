#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <quarry/core/memory/arena.hpp>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"

namespace {

using quarry::core::arena;
using quarry_test::counting_resource;

bool is_aligned(const void* address, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(address) % alignment == 0;
}

/// An arena and whoever brings it the blocks that it wishes for.
class supplied_arena {
 public:
  supplied_arena() = default;
  supplied_arena(const supplied_arena&) = delete;
  supplied_arena& operator=(const supplied_arena&) = delete;
  ~supplied_arena() { release(); }

  void* allocate(std::size_t bytes, std::size_t alignment) {
    if (void* const place = parts.try_allocate(bytes, alignment)) return place;
    add(parts.wished_block_bytes(bytes, alignment));
    return parts.try_allocate(bytes, alignment);
  }
  void add(std::size_t bytes) { parts.add(memory.allocate(bytes, arena::block_alignment), bytes); }
  void release() {
    parts.release([this](void* block, std::size_t bytes) {
      memory.deallocate(block, bytes, arena::block_alignment);  // the counting resource compares the bytes
    });
  }

  counting_resource memory;
  arena parts;
};

TEST(Arena, HasNoRoomUntilABlockIsAdded) {
  supplied_arena supplied;
  EXPECT_TRUE(supplied.parts.untouched());
  EXPECT_EQ(supplied.parts.try_allocate(1, 1), nullptr);
  EXPECT_EQ(supplied.parts.room_bytes(), 0U);
  EXPECT_FALSE(supplied.parts.has_room(0));
  EXPECT_FALSE(supplied.parts.is_in_buffer());
  EXPECT_FALSE(supplied.parts.owns(&supplied));
  supplied.release();
  EXPECT_EQ(supplied.memory.calls(), 0U);
}

TEST(Arena, HandsOutAlignedPartsThatDoNotOverlap) {
  supplied_arena supplied;
  std::vector<std::pair<unsigned char*, std::size_t>> all;
  for (std::size_t i = 1; i < 400; ++i) {
    const std::size_t bytes = i * 7 % 300 + 1;
    const std::size_t alignment = std::size_t{1} << (i % 9);
    auto* const place = static_cast<unsigned char*>(supplied.allocate(bytes, alignment));
    ASSERT_TRUE(is_aligned(place, alignment));
    EXPECT_TRUE(supplied.parts.owns(place));
    EXPECT_TRUE(supplied.parts.owns(place + bytes - 1));
    EXPECT_TRUE(supplied.parts.owns(place, bytes));
    std::memset(place, static_cast<int>(i % 251), bytes);
    all.emplace_back(place, bytes);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t byte = 0; byte < all[i].second; ++byte) ASSERT_EQ(all[i].first[byte], (i + 1) % 251);
  }
  EXPECT_FALSE(supplied.parts.untouched());
  supplied.release();
  EXPECT_TRUE(supplied.parts.untouched());
  EXPECT_EQ(supplied.memory.live_blocks(), 0U);
}

TEST(Arena, WishesForBlocksOfDoubleTheBytesUpToALimit) {
  supplied_arena supplied;
  for (int i = 0; i < 4000; ++i) static_cast<void>(supplied.allocate(100, 8));
  const auto history = supplied.memory.history();
  EXPECT_EQ(history.front().bytes, 2048U);
  for (std::size_t i = 1; i < history.size(); ++i)
    EXPECT_EQ(history[i].bytes, std::min<std::size_t>(2 * history[i - 1].bytes, 65536));
  EXPECT_EQ(history.back().bytes, 65536U);
}

TEST(Arena, WishesForLargeBlocksFromTheFirstOnWhereTheyAreLazy) {
  supplied_arena supplied;
  supplied.parts.wish_large_blocks();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), 65536U);
    static_cast<void>(supplied.allocate(1, 1));
    EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), 65536U);
    supplied.release();
  }
}

TEST(Arena, WishesForFewerBlocksFromTheFirstOnWhereThereIsEnough) {
  supplied_arena supplied;
  supplied.parts.wish_fewer_blocks();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), 4096U);
    static_cast<void>(supplied.allocate(1, 1));
    EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), 8192U);
    supplied.release();
  }
}

TEST(Arena, APartFitsIntoABlockOfTheLeastBytesWhereverThatLies) {
  for (std::size_t alignment = 1; alignment <= 8192; alignment *= 2) {
    for (const std::size_t bytes : {1U, 8U, 100U, 2048U, 100000U}) {
      const std::size_t least = arena::least_block_bytes(bytes, alignment);
      supplied_arena supplied;
      EXPECT_GE(supplied.parts.wished_block_bytes(bytes, alignment), least);
      supplied.add(least);
      void* const place = supplied.parts.try_allocate(bytes, alignment);
      ASSERT_NE(place, nullptr) << bytes << " bytes aligned to " << alignment;
      EXPECT_TRUE(is_aligned(place, alignment));
      std::memset(place, 1, bytes);  // a sanitizer sees when it does not fit
    }
  }
}

TEST(Arena, ABlockThatIsSmallerThanWishedForMakesTheNextOneNoLarger) {
  supplied_arena supplied;
  const std::size_t wished = supplied.parts.wished_block_bytes(1, 1);
  supplied.add(arena::block_bytes_of_one(100, 1));
  EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), wished);
  supplied.add(wished);
  EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), 2 * wished);
}

TEST(Arena, OnePartFitsInTheSmallestBlockForIt) {
  for (std::size_t alignment = 1; alignment <= 64; alignment *= 2)
    for (const std::size_t bytes : {1U, 7U, 16U, 100U, 1001U}) {
      SCOPED_TRACE(testing::Message() << bytes << " bytes aligned to " << alignment);
      const std::size_t block_bytes = arena::block_bytes_of_one(bytes, alignment);
      EXPECT_LE(block_bytes, arena::least_block_bytes(bytes, alignment));
      supplied_arena supplied;
      supplied.add(block_bytes);
      EXPECT_NE(supplied.parts.try_allocate(bytes, alignment), nullptr);
    }
}

TEST(Arena, UsesTheBufferItStartsInFirstAndNeverGivesItBack) {
  supplied_arena supplied;
  alignas(16) std::byte buffer[500];
  supplied.parts.start_in(buffer, sizeof(buffer));
  EXPECT_TRUE(supplied.parts.is_in_buffer());
  EXPECT_EQ(supplied.parts.room_bytes(), 500U);
  EXPECT_EQ(supplied.allocate(100, 16), buffer);
  EXPECT_EQ(supplied.memory.calls(), 0U);
  EXPECT_EQ(supplied.parts.try_allocate(401, 1), nullptr);
  EXPECT_TRUE(supplied.parts.is_in_buffer()) << "what does not fit changes nothing";
  void* const beyond = supplied.allocate(401, 1);
  EXPECT_TRUE(supplied.memory.holds(beyond));
  EXPECT_FALSE(supplied.parts.is_in_buffer());
  supplied.release();
  EXPECT_EQ(supplied.memory.live_blocks(), 0U);
}

TEST(Arena, JoinsMemoryOfTheBufferToWhatItFollows) {
  alignas(16) std::byte buffer[512];
  arena parts;
  parts.start_in(buffer, 128);
  ASSERT_EQ(parts.try_allocate(100, 1), buffer);
  parts.add_of_buffer(buffer + 128, 128);
  EXPECT_FALSE(parts.is_in_buffer());
  EXPECT_EQ(parts.try_allocate(156, 1), buffer + 100) << "over the joint";
  EXPECT_EQ(parts.room_bytes(), 0U);
  parts.add_of_buffer(buffer + 384, 128);
  EXPECT_FALSE(parts.is_in_buffer());
  EXPECT_LT(parts.room_bytes(), 128U) << "a block with a header of its own";
  EXPECT_TRUE(parts.owns(buffer + 384));
  EXPECT_FALSE(parts.owns(buffer + 383));
  int blocks = 0;
  parts.release([&](void* memory, std::size_t bytes) {
    ++blocks;
    EXPECT_EQ(memory, buffer + 384);
    EXPECT_EQ(bytes, 128U);
  });
  EXPECT_EQ(blocks, 1);
}

TEST(Arena, UsesTheLargestRestOfTheBufferFirst) {
  alignas(16) std::byte buffer[512];
  arena parts;
  parts.start_in(buffer, 128);
  parts.add_rest(buffer + 400, 112);
  EXPECT_EQ(parts.room_bytes(), 128U);
  EXPECT_EQ(parts.try_allocate(100, 8), buffer + 400);
  EXPECT_EQ(parts.try_allocate(100, 8), buffer) << "what does not fit in the rest";
  parts.add_rest(buffer + 300, 8);
  EXPECT_EQ(parts.try_allocate(12, 4), buffer + 500) << "a smaller rest does not take its place";
  EXPECT_EQ(parts.try_allocate(16, 4), buffer + 100);
  parts.add_rest(buffer + 300, 16);
  EXPECT_EQ(parts.try_allocate(16, 4), buffer + 300);
  int blocks = 0;
  parts.release([&](void*, std::size_t) { ++blocks; });
  EXPECT_EQ(blocks, 0) << "the buffer is the user's";
  EXPECT_EQ(parts.room_bytes(), 0U);
}

TEST(Arena, UsesTheLargestRestOfTheBlocksBefore) {
  supplied_arena supplied;
  supplied.add(1024);
  auto* const first = static_cast<std::byte*>(supplied.parts.try_allocate(400, 8));
  ASSERT_NE(first, nullptr);
  supplied.add(4096);
  const std::size_t room = supplied.parts.room_bytes();
  EXPECT_GT(room, 4000U) << "of the larger of the two";
  EXPECT_EQ(supplied.parts.try_allocate(200, 8), first + 400) << "the older rest first";
  EXPECT_EQ(supplied.parts.room_bytes(), room);
  ASSERT_NE(supplied.parts.try_allocate(room, 8), nullptr);
  const std::size_t left = supplied.parts.room_bytes();
  EXPECT_GT(left, 300U);
  EXPECT_TRUE(supplied.parts.has_room(left - arena::block_alignment));
  supplied.add(128);
  supplied.add(128);
  EXPECT_EQ(supplied.parts.try_allocate(left, 8), first + 600) << "a smaller rest does not take its place";
  supplied.add(1024);
  supplied.add(128);  // so there is a rest when all goes back
  supplied.release();
  EXPECT_EQ(supplied.parts.room_bytes(), 0U);
  EXPECT_EQ(supplied.parts.try_allocate(1, 1), nullptr);
}

TEST(Arena, TakesTheNewestBlockBackEmptyAfterAnotherTookAllOver) {
  supplied_arena supplied;
  arena other;
  other.take_blocks_of(supplied.parts);
  supplied.parts.take_newest_of(other);
  EXPECT_EQ(other.newest_bytes() + supplied.parts.newest_bytes(), 0U) << "there was none";
  for (const std::size_t bytes : {512U, 1024U, 4096U}) supplied.add(bytes);
  const std::size_t room = supplied.parts.room_bytes();
  const std::size_t wished = supplied.parts.wished_block_bytes(1, 1);
  ASSERT_NE(supplied.parts.try_allocate(300, 1), nullptr);
  other.take_blocks_of(supplied.parts);
  supplied.parts.take_newest_of(other);
  std::vector<std::size_t> left;
  other.release([&](void* block, std::size_t bytes) {
    left.push_back(bytes);
    supplied.memory.deallocate(block, bytes, arena::block_alignment);
  });
  EXPECT_EQ(left, (std::vector<std::size_t>{1024, 512}));
  EXPECT_EQ(supplied.memory.live_bytes(), 4096U);
  EXPECT_EQ(supplied.parts.newest_bytes(), 4096U);
  EXPECT_EQ(supplied.parts.room_bytes(), room);
  EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), wished);
  void* const part = supplied.parts.try_allocate(room, 1);
  EXPECT_TRUE(supplied.memory.holds(part));
  EXPECT_TRUE(supplied.parts.owns(part));
}

TEST(Arena, IsAsNewWhereAnotherTakesItsBlocksOver) {
  alignas(16) std::byte buffer[512];
  supplied_arena supplied;
  supplied.parts.start_in(buffer, 128);
  for (const std::size_t bytes : {512U, 4096U}) supplied.add(bytes);
  arena other;
  other.take_blocks_of(supplied.parts);
  EXPECT_TRUE(supplied.parts.untouched());
  EXPECT_EQ(supplied.parts.try_allocate(1, 1), nullptr) << "the buffer's rest, too, is forgotten";
  EXPECT_EQ(supplied.parts.newest_bytes(), 0U);
  EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), arena().wished_block_bytes(1, 1));
  std::size_t taken = 0;
  other.release([&](void* block, std::size_t bytes) {
    ++taken;
    supplied.memory.deallocate(block, bytes, arena::block_alignment);
  });
  EXPECT_EQ(taken, 2U);
  EXPECT_EQ(supplied.memory.live_blocks(), 0U);
}

TEST(Arena, TellsTheRoomThatIsLeft) {
  supplied_arena supplied;
  supplied.add(4096);
  const std::size_t room = supplied.parts.room_bytes();
  EXPECT_GT(room, 4000U);
  EXPECT_LT(room, 4096U);
  ASSERT_NE(supplied.parts.try_allocate(100, 1), nullptr);
  EXPECT_EQ(supplied.parts.room_bytes(), room - 100);
  EXPECT_EQ(supplied.parts.try_allocate(room - 99, 1), nullptr);
  EXPECT_EQ(supplied.parts.room_bytes(), room - 100);
  ASSERT_NE(supplied.parts.try_allocate(room - 100, 1), nullptr);
  EXPECT_EQ(supplied.parts.room_bytes(), 0U);
  supplied.add(128);
  EXPECT_GT(supplied.parts.room_bytes(), 0U);
  EXPECT_LT(supplied.parts.room_bytes(), 128U);
}

TEST(Arena, WhatHasRoomFitsAtTheAlignmentOfABlock) {
  for (std::size_t taken = 0; taken < 40; ++taken) {
    for (std::size_t bytes = 0; bytes < 256; ++bytes) {
      alignas(16) std::byte buffer[256];
      arena parts;
      parts.start_in(buffer, sizeof(buffer));
      static_cast<void>(parts.try_allocate(taken, 1));
      if (!parts.has_room(bytes)) continue;
      ASSERT_NE(parts.try_allocate(bytes, arena::block_alignment), nullptr) << bytes << " behind " << taken;
    }
  }
  supplied_arena supplied;
  supplied.add(4096);
  EXPECT_TRUE(supplied.parts.has_room(3000));
  EXPECT_FALSE(supplied.parts.has_room(4096));
}

TEST(Arena, PartsOfOneBlockFollowEachOther) {
  supplied_arena supplied;
  auto* const first = static_cast<std::byte*>(supplied.allocate(24, 8));
  EXPECT_EQ(supplied.allocate(8, 8), first + 24);
  EXPECT_EQ(supplied.parts.try_allocate(1, 1), first + 32);
  EXPECT_EQ(supplied.parts.try_allocate(4, 4), first + 36) << "padding to the alignment and no more";
  EXPECT_EQ(supplied.memory.allocations(), 1U);
}

TEST(Arena, UsesTheLastByteOfABlock) {
  supplied_arena supplied;
  static_cast<void>(supplied.allocate(1, 1));
  std::size_t left = 0;
  while (supplied.parts.try_allocate(1, 1) != nullptr) ++left;
  EXPECT_GT(left, 1900U);
  EXPECT_LT(left, 2048U);
  EXPECT_NE(supplied.parts.try_allocate(0, 1), nullptr) << "nothing still fits";
}

TEST(Arena, FillsItsBufferToTheLastByteAndNotBeyond) {
  alignas(16) std::byte buffer[64];
  arena parts;
  parts.start_in(buffer, sizeof(buffer));
  EXPECT_EQ(parts.try_allocate(65, 1), nullptr);
  EXPECT_EQ(parts.try_allocate(64, 16), buffer);
  EXPECT_EQ(parts.try_allocate(1, 1), nullptr);
}

TEST(Arena, LetsBlocksDoubleFurtherWhereFewAreWished) {
  arena parts, few;
  few.wish_doubling_blocks();
  alignas(16) static std::byte memory[2][20][64];
  for (std::size_t i = 0; i < 20; ++i) {
    parts.add(memory[0][i], parts.wished_block_bytes(1, 1));  // no byte behind its header is used
    few.add(memory[1][i], few.wished_block_bytes(1, 1));
  }
  EXPECT_EQ(parts.wished_block_bytes(1, 1), 65536U);
  EXPECT_EQ(few.wished_block_bytes(1, 1), std::size_t{4} << 20);
}

TEST(Arena, OwnsTheBytesOfEveryBlockThatWasAddedAndNoOthers) {
  alignas(16) std::byte memory[3][256];
  alignas(16) std::byte buffer[256];
  arena parts;
  parts.start_in(buffer, sizeof(buffer));
  for (const int i : {0, 2}) parts.add(memory[i], 256);
  for (const int i : {0, 2}) {
    EXPECT_TRUE(parts.owns(memory[i]));
    EXPECT_TRUE(parts.owns(memory[i] + 255));
  }
  EXPECT_TRUE(parts.owns(memory[0] + 200, 56));
  EXPECT_FALSE(parts.owns(memory[0] + 200, 57));
  EXPECT_FALSE(parts.owns(memory[1]));
  EXPECT_FALSE(parts.owns(memory[1] + 255));
  EXPECT_FALSE(parts.owns(buffer)) << "the buffer stays the caller's";
  int given_back = 0;
  parts.release([&](void* block, std::size_t bytes) {
    EXPECT_EQ(block, memory[given_back == 0 ? 2 : 0]);
    EXPECT_EQ(bytes, 256U);
    ++given_back;
  });
  EXPECT_EQ(given_back, 2);
  EXPECT_FALSE(parts.owns(memory[0]));
}

TEST(Arena, ForgetsItsBufferOnReleaseUntilItStartsInItAgain) {
  alignas(16) std::byte buffer[256];
  arena parts;
  for (int round = 0; round < 2; ++round) {
    parts.start_in(buffer, sizeof(buffer));
    EXPECT_TRUE(parts.untouched());
    EXPECT_EQ(parts.try_allocate(16, 16), buffer);
    EXPECT_FALSE(parts.untouched());
    parts.release([](void*, std::size_t) { ADD_FAILURE() << "there is no block"; });
    EXPECT_FALSE(parts.is_in_buffer());
    EXPECT_EQ(parts.try_allocate(1, 1), nullptr);
  }
}

TEST(Arena, StartsSmallAgainAfterReleaseHoweverLargeItWas) {
  for (const int blocks : {1, 2, 5, 8, 20}) {
    supplied_arena supplied;
    for (int i = 0; i < blocks; ++i) supplied.add(supplied.parts.wished_block_bytes(1, 1));
    supplied.release();
    EXPECT_EQ(supplied.parts.wished_block_bytes(1, 1), 2048U) << blocks << " blocks";
  }
}

}  // namespace
