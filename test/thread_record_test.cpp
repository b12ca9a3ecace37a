// What a thread knows of its resources: nodes by id, many of them, those of ended resources recycled on the way.
#include "../src/thread_record.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <set>
#include <thread>
#include <vector>

#include "support/process_memory.hpp"

namespace {

using quarry::detail::cache_node;
using quarry::detail::thread_record;
using quarry::detail::thread_table;

cache_node& started_node(std::uint64_t id) {
  cache_node& node = *quarry::detail::pool_of_nodes().take();
  node.tie.start();
  node.resource_id = id;
  return node;
}

// The resource of `node` ends before the thread does.
void end_resource_of(cache_node& node) {
  ASSERT_FALSE(node.tie.leave([] {}));
}

TEST(ThreadRecord, FindsTheNodesOfThousandsOfResources) {
  thread_record record{};
  for (const std::uint64_t id : {std::uint64_t{5}, std::uint64_t{1} << 40})
    EXPECT_EQ(record.find(id), nullptr) << "it has not started";
  record.bucket_count = thread_record::first_buckets;
  std::deque<cache_node*> nodes;
  for (std::uint64_t id = 2; id < 5000; ++id) {
    nodes.push_back(&started_node(id));
    record.insert(*nodes.back());
  }
  EXPECT_GT(record.bucket_count, thread_record::first_buckets) << "the chains would grow with the resources";
  for (std::uint64_t id = 2; id < 5000; ++id) ASSERT_EQ(record.find(id), nodes[id - 2]);
  EXPECT_EQ(record.find(1), nullptr);
  EXPECT_EQ(record.find(5000), nullptr);
  for (cache_node* const each : nodes) end_resource_of(*each);
  record.end();
}

TEST(ThreadRecord, RecyclesTheNodesOfEndedResourcesWhenItEntersOthers) {
  thread_record record{};
  record.bucket_count = thread_record::first_buckets;
  std::set<const cache_node*> used;
  for (std::uint64_t id = 2; id < 20000; ++id) {  // each ends before the next begins
    cache_node& node = started_node(id);
    used.insert(&node);
    record.insert(node);
    end_resource_of(node);
  }
  EXPECT_LE(used.size(), std::size_t{2} * thread_record::first_buckets) << "the same nodes again and again";
  EXPECT_LE(record.nodes, std::size_t{2} * thread_record::first_buckets);
  EXPECT_EQ(record.bucket_count, thread_record::first_buckets);
  record.end();
  EXPECT_TRUE(record.is_over);
}

TEST(ThreadRecord, EndsWithItsThread) {
  cache_node* node = nullptr;
  std::thread([&node] {
    thread_record& mine = thread_record::of_this_thread();
    ASSERT_FALSE(mine.is_over);
    mine.start();
    ASSERT_EQ(thread_table, mine.table);
    node = &started_node(9);
    mine.insert(*node);
    mine.remember(3, *node);
    EXPECT_EQ(thread_table[3].id, 9U);
    end_resource_of(*node);
  }).join();
  EXPECT_EQ(quarry::detail::pool_of_nodes().take(), node) << "the thread's end recycles what came last";
}

// Bytes by which the address space may grow for what the system's own library keeps.
constexpr std::size_t few_mapped_bytes = 65536;

TEST(ThreadRecord, GivesItsBucketsBackWhenItEnds) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  std::size_t before_bytes = 0;
  for (int round = 0; round < 30; ++round) {
    if (round == 5) before_bytes = quarry_test::mapped_bytes();
    thread_record record{};
    record.bucket_count = thread_record::first_buckets;
    std::vector<cache_node*> nodes;
    for (std::uint64_t id = 2; id < 5000; ++id) {
      nodes.push_back(&started_node(id));
      record.insert(*nodes.back());
    }
    for (cache_node* const each : nodes) end_resource_of(*each);
    record.end();
  }
  EXPECT_LE(quarry_test::growth(before_bytes, quarry_test::mapped_bytes()), few_mapped_bytes);
}

TEST(ThreadRecord, GivesItsTableBackWhenItsThreadEnds) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  std::size_t before_bytes = 0;
  for (int round = 0; round < 300; ++round) {
    if (round == 20) before_bytes = quarry_test::mapped_bytes();
    std::thread([] { thread_record::of_this_thread().start(); }).join();
  }
  EXPECT_LE(quarry_test::growth(before_bytes, quarry_test::mapped_bytes()), few_mapped_bytes);
}

}  // namespace
