#include <gtest/gtest.h>

#include <cstddef>
#include <mutex>
#include <quarry/core/engine/oversize_shards.hpp>
#include <quarry/locks.hpp>
#include <vector>

namespace {

using shards = quarry::core::oversize_shards<std::mutex>;
using shard = shards::shard;

/// The shards that a search from `home` on visits.
std::vector<shard*> visited(shards& all, std::size_t home) {
  std::vector<shard*> result;
  EXPECT_FALSE(all.until(home, [&](shard& each) {
    result.push_back(&each);
    return false;
  }));
  return result;
}

TEST(OversizeShards, AreOneForOneThread) {
  using alone = quarry::core::oversize_shards<quarry::null_lock>;
  alone all;
  EXPECT_EQ(alone::count, 1U);
  EXPECT_EQ(all.at(0), &all.first());
}

TEST(OversizeShards, ComeOneAtATimeButForTheFirst) {
  shards all;
  EXPECT_EQ(all.at(0), &all.first());
  for (std::size_t i = 1; i < shards::count; ++i) EXPECT_EQ(all.at(i), nullptr) << i;
  alignas(shard) std::byte memory[2][sizeof(shard)];
  EXPECT_TRUE(all.bring(3, memory[0]));
  EXPECT_EQ(static_cast<void*>(all.at(3)), memory[0]);
  EXPECT_FALSE(all.bring(3, memory[1])) << "it had come";
  EXPECT_EQ(static_cast<void*>(all.at(3)), memory[0]);
}

TEST(OversizeShards, AreSearchedFromHomeOnUntilOneHasIt) {
  shards all;
  alignas(shard) std::byte memory[2][sizeof(shard)];
  ASSERT_TRUE(all.bring(2, memory[0]));
  ASSERT_TRUE(all.bring(6, memory[1]));
  shard* const first = all.at(0);
  shard* const second = all.at(2);
  shard* const sixth = all.at(6);
  EXPECT_EQ(visited(all, 0), (std::vector<shard*>{first, second, sixth}));
  EXPECT_EQ(visited(all, 2), (std::vector<shard*>{second, sixth, first}));
  EXPECT_EQ(visited(all, 3), (std::vector<shard*>{sixth, first, second})) << "a home that has not come";
  std::size_t calls = 0;
  EXPECT_TRUE(all.until(2, [&](shard& each) {
    ++calls;
    return &each == sixth;
  }));
  EXPECT_EQ(calls, 2U);
  std::vector<const shard*> every;
  const shards& seen = all;
  seen.for_each([&](const shard& each) { every.push_back(&each); });
  EXPECT_EQ(every, (std::vector<const shard*>{first, second, sixth}));
}

TEST(OversizeShards, AreForgottenOnReleaseButForTheFirst) {
  shards all;
  alignas(shard) std::byte memory[sizeof(shard)];
  ASSERT_TRUE(all.bring(1, memory));
  all.first().set_granted(100);
  alignas(std::max_align_t) std::byte indexes[2][quarry::core::oversize_blocks::first_index_bytes];
  quarry::core::oversize_block of_first, of_second;
  all.first().blocks.bring(indexes[0]);
  all.first().blocks.insert(of_first);
  all.at(1)->blocks.bring(indexes[1]);
  all.at(1)->blocks.insert(of_second);
  const quarry::core::oversize_block* const released = all.release();
  EXPECT_EQ(released, &of_second);
  EXPECT_EQ(released->next, &of_first);
  EXPECT_EQ(of_first.next, nullptr);
  EXPECT_EQ(all.at(1), nullptr);
  EXPECT_EQ(all.at(0), &all.first());
  EXPECT_EQ(all.first().granted(), 0U);
  EXPECT_FALSE(all.first().blocks.has_index());
}

}  // namespace
