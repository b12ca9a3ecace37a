#include <gtest/gtest.h>

#include <quarry/detail/fork_peer.hpp>
#include <quarry/synchronized_slab_resource.hpp>

#include "../../src/checked_owners.hpp"
#include "support/another_thread.hpp"
#include "support/in_child.hpp"

namespace quarry::detail {
namespace {

// In a child: what is held for a fork is opened for good only after one.
TEST(ForkPeer, HoldsTheLibrarysLocksUntilItIsLetGo) {
  const synchronized_slab_resource resource;
  EXPECT_EQ(quarry_test::run_in_child(30,
                                      [] {
                                        if (!quarry_test::another_thread_gets(checked_owners_lock()))
                                          return 1;
                                        if (!try_hold_peer() || !try_hold_peer()) return 2;
                                        if (quarry_test::another_thread_gets(checked_owners_lock())) return 3;
                                        let_peer_go();
                                        if (!quarry_test::another_thread_gets(checked_owners_lock()))
                                          return 4;
                                        let_peer_go();
                                        return try_hold_peer() ? 0 : 5;
                                      }),
            0);
}

}  // namespace
}  // namespace quarry::detail
