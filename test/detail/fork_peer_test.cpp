#include <gtest/gtest.h>

#include <mutex>
#include <quarry/detail/fork_peer.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <thread>

#include "../../src/checked_owners.hpp"
#include "support/in_child.hpp"

namespace quarry::detail {
namespace {

bool is_free(std::mutex& lock) {
  bool taken = false;
  std::thread([&] {
    taken = lock.try_lock();
    if (taken) lock.unlock();
  }).join();
  return taken;
}

// In a child: what is held for a fork is opened for good only after one.
TEST(ForkPeer, HoldsTheLibrarysLocksUntilItIsLetGo) {
  const synchronized_slab_resource resource;
  EXPECT_EQ(quarry_test::run_in_child(30,
                                      [] {
                                        if (!is_free(checked_owners_lock())) return 1;
                                        if (!try_hold_peer() || !try_hold_peer()) return 2;
                                        if (is_free(checked_owners_lock())) return 3;
                                        let_peer_go();
                                        if (!is_free(checked_owners_lock())) return 4;
                                        let_peer_go();
                                        return try_hold_peer() ? 0 : 5;
                                      }),
            0);
}

}  // namespace
}  // namespace quarry::detail
