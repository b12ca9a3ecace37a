// What the caches of many threads leave behind: nodes that are used again, counts of those that are there, a list without
// those that ended.
#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <set>
#include <thread>
#include <vector>

#include "../src/cache_node.hpp"
#include "../src/thread_registry.hpp"

namespace {

using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;
using quarry::detail::cache_node;
using quarry::detail::pool_of_nodes;
using quarry::detail::registry_of_this_copy;

void use(std::pmr::memory_resource& resource) {
  resource.deallocate(resource.allocate(64), 64);
}

template <class F>
void in_a_thread(F f) {
  std::thread(f).join();
}

// Calls round() many times. Returns how many nodes were the next to be lent after one of them: few when what a round takes
// comes back.
template <class F>
std::size_t nodes_that_pass(F round) {
  std::set<const cache_node*> next;
  for (int i = 0; i < 1000; ++i) {
    round();
    cache_node& head = *pool_of_nodes().take();
    next.insert(&head);
    pool_of_nodes().recycle(head);
  }
  return next.size();
}

constexpr std::size_t few_nodes = 20;

/// A thread that has used a resource and stays until end().
class staying_thread {
 public:
  explicit staying_thread(std::pmr::memory_resource& resource)
      : thread_([this, &resource] {
          use(resource);
          used_.set_value();
          end_.get_future().wait();
        }) {
    used_.get_future().wait();
  }
  void end() {
    end_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> used_;
  std::promise<void> end_;
  std::thread thread_;
};

TEST(ThreadCaches, TheNodesOfEndedThreadsServeOthersOfTheSameResource) {
  synchronized_slab_resource resource;
  EXPECT_LE(nodes_that_pass([&] { in_a_thread([&] { use(resource); }); }), few_nodes);
}

TEST(ThreadCaches, AThreadGivesTheNodesOfResourcesThatEndedBeforeItBack) {
  EXPECT_LE(nodes_that_pass([] {
              in_a_thread([] {
                synchronized_slab_resource resource;
                use(resource);
              });
            }),
            few_nodes);
}

TEST(ThreadCaches, AResourceGivesTheNodesOfThreadsThatEndedBeforeItBack) {
  EXPECT_LE(nodes_that_pass([] {
              synchronized_slab_resource resource;
              in_a_thread([&] { use(resource); });
            }),
            few_nodes);
}

TEST(ThreadCaches, AViewGivesItsNodeBackWhicheverEndsFirst) {
  EXPECT_LE(nodes_that_pass([] {
              std::optional<synchronized_slab_resource> resource(std::in_place);
              slab_thread_view last(*resource);
              {
                slab_thread_view first(*resource);
                use(first);
              }
              use(last);
              resource.reset();
            }),
            few_nodes);
}

// Returns whether the nodes that the pool lends next are different ones.
bool lends_each_node_once() {
  constexpr std::size_t count = 50;
  std::set<cache_node*> lent;
  for (std::size_t i = 0; i < count; ++i) lent.insert(pool_of_nodes().take());
  for (cache_node* const each : lent) pool_of_nodes().recycle(*each);
  return lent.size() == count;
}

// However many nodes there are: the sweep may stop at a node of a view just when release() makes all of them void.
TEST(ThreadCaches, TheSweepBeginsAnewAfterRelease) {
  for (int count = 1; count < 12; ++count) {
    synchronized_slab_resource resource;
    staying_thread thread(resource);
    std::deque<slab_thread_view> views;
    for (int i = 0; i < count; ++i) views.emplace_back(resource);
    thread.end();
    resource.release();
    for (slab_thread_view& each : views) {
      use(each);
      ASSERT_TRUE(lends_each_node_once()) << count << " views";
    }
  }
}

// An ended thread's cache goes to the next who opens one; its node waits for the sweep.
TEST(ThreadCaches, WhatAThreadCachesCountsOnceThoughAnEndedOneHadItsCacheBefore) {
  for (int views_before = 1; views_before < 12; ++views_before) {
    synchronized_slab_resource resource;
    std::vector<void*> live;
    for (int i = 0; i < 500; ++i) live.push_back(resource.allocate(64));
    staying_thread thread(resource);
    std::deque<slab_thread_view> views;
    for (int i = 0; i < views_before; ++i) views.emplace_back(resource);
    thread.end();
    slab_thread_view next(resource);
    use(next);
    const std::size_t cached = resource.stats().cached_slots;
    EXPECT_EQ(resource.stats().live_slots, live.size()) << cached << " cached, " << views_before << " views";
    for (void* const each : live) resource.deallocate(each, 64);
  }
}

TEST(ThreadCaches, AResourceThatEndsGivesItsNumberBack) {
  for (std::size_t i = 0; i < 2 * quarry::detail::thread_table_entries; ++i)
    synchronized_slab_resource resource;
  const std::lock_guard<std::mutex> held(registry_of_this_copy().lock);
  const std::size_t number = registry_of_this_copy().numbers.take();
  EXPECT_LT(number, quarry::detail::thread_table_entries);
  registry_of_this_copy().numbers.give_back(number);
}

TEST(ThreadCaches, TheListOfResourcesHasThoseThatExistInWhateverOrderTheyEnd) {
  const auto* const before = registry_of_this_copy().first;
  constexpr int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (const auto& order : orders) {
    std::optional<synchronized_slab_resource> resources[3];
    for (auto& each : resources) each.emplace();
    EXPECT_NE(registry_of_this_copy().first, before);
    for (const int each : order) resources[each].reset();
    EXPECT_EQ(registry_of_this_copy().first, before);
  }
}

}  // namespace
