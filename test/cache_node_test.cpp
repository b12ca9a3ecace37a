// The pool of nodes: each is lent to one at a time, and comes back as it was used last.
#include "../src/cache_node.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace {

using quarry::detail::cache_node;
using quarry::detail::node_pool;

TEST(NodePool, LendsEachNodeToOneAtATime) {
  node_pool pool;
  std::set<cache_node*> lent;
  for (int i = 0; i < 3000; ++i) {  // of several blocks
    cache_node* const taken = pool.take();
    ASSERT_NE(taken, nullptr);
    ASSERT_TRUE(lent.insert(taken).second) << "lent twice";
  }
  for (cache_node* const each : lent) pool.recycle(*each);
  std::set<cache_node*> again;
  for (std::size_t i = 0; i < lent.size(); ++i) again.insert(pool.take());
  EXPECT_EQ(again, lent) << "those that came back are lent before others";
}

TEST(NodePool, ServesManyThreads) {
  node_pool pool;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&pool] {
      for (int round = 0; round < 2000; ++round) {
        cache_node* const mine = pool.take();
        mine->thread = &mine;
        std::this_thread::yield();
        ASSERT_EQ(mine->thread, &mine) << "somebody else has it too";
        pool.recycle(*mine);
      }
    });
  for (std::thread& each : threads) each.join();
}

}  // namespace
