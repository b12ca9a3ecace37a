// The tie between a thread and a resource, run through every interleaving of its real code; and proof that the
// exploration finds mistakes: each mistake that is planted below must be found.
#include "../src/node_handshake.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <quarry/locks.hpp>
#include <string>
#include <vector>

#include "support/all_interleavings.hpp"

namespace {

using quarry::detail::basic_node_handshake;
using quarry::detail::node_state;
using quarry::detail::part_as_resource;
using quarry::detail::part_as_thread;
using quarry::detail::visit_as_resource;
using quarry_test::interleaving;

// An atomic whose every access is a step, and that notices when its node has been recycled.
class stepping_atomic {
 public:
  stepping_atomic(node_state first) : value_(first) {}

  node_state load(std::memory_order) const {
    interleaving::step();
    check();
    return value_;
  }
  void store(node_state value, std::memory_order) {
    interleaving::step();
    check();
    value_ = value;
  }
  bool compare_exchange_strong(node_state& expected, node_state wanted, std::memory_order,
                               std::memory_order) {
    interleaving::step();
    check();
    if (value_ == expected) {
      value_ = wanted;
      return true;
    }
    expected = value_;
    return false;
  }

  static inline bool recycled = false;

 protected:
  static void check() {
    if (recycled) interleaving::violation("a node is touched after it was recycled");
  }
  node_state value_;
};

// Planted mistake: the exchange is not atomic.
class tearing_atomic : public stepping_atomic {
 public:
  using stepping_atomic::stepping_atomic;
  bool compare_exchange_strong(node_state& expected, node_state wanted, std::memory_order order,
                               std::memory_order) {
    const node_state seen = load(order);
    if (seen != expected) {
      expected = seen;
      return false;
    }
    store(wanted, order);
    return true;
  }
};

// A lock whose every look is a step.
class stepping_lock {
 public:
  void lock() {
    interleaving::step();
    while (is_held_) interleaving::wait();
    is_held_ = true;
  }
  void unlock() {
    interleaving::step();
    is_held_ = false;
  }

 private:
  bool is_held_ = false;
};

quarry::null_lock unlocked;  // where nobody forks

struct resource_state {
  bool exists = true;
  int flushes = 0;

  void flush() {
    interleaving::step();
    if (!exists) interleaving::violation("a thread flushes into a resource that has ended");
    ++flushes;
  }
  void end() {
    interleaving::step();
    exists = false;
  }
};

// One thread, one resource, one node; the actors of each test are made from these.
template <class Atomic>
struct world {
  basic_node_handshake<Atomic> tie;
  resource_state resource;
  int recyclings = 0;
  int inside = 0;         // who flush the cache now
  bool is_listed = true;  // in the resource's list of nodes

  world() { stepping_atomic::recycled = false; }

  void recycle() {
    ++recyclings;
    stepping_atomic::recycled = true;
  }
  void end_thread() {
    part_as_thread(
        tie, unlocked, interleaving::wait,
        [this] {
          if (++inside != 1) interleaving::violation("a cache is flushed by two");
          resource.flush();
          --inside;
        },
        [this] { recycle(); });
  }
  void visit() {
    visit_as_resource(tie, unlocked, interleaving::wait, [this] {
      if (++inside != 1) interleaving::violation("a cache is flushed by two");
      interleaving::step();
      --inside;
    });
  }
  void end_resource() {
    if (is_listed) part_as_resource(tie, interleaving::wait, [this] { recycle(); });
    resource.end();
  }
  void check_end() const {
    if (recyclings != 1)
      interleaving::violation("a node is recycled " + std::to_string(recyclings) + " times");
  }
};

using actors = std::vector<std::function<void()>>;

template <class World>
interleaving::result explore(const std::function<actors(World&)>& make) {
  World* current = nullptr;
  const auto result = interleaving::explore(
      [&] {
        delete current;
        current = new World;
        return make(*current);
      },
      [&] { current->check_end(); });
  delete current;
  return result;
}

TEST(NodeHandshake, AThreadAndItsResourceEndInEveryOrder) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] { in.end_thread(); }, [&] { in.end_resource(); }};
  });
  EXPECT_EQ(result.orders, 7U);
  EXPECT_TRUE(result.violations.empty()) << result.violations.front();
}

TEST(NodeHandshake, AnotherThreadSweepsTheListWhileAThreadEnds) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] { in.end_thread(); },
                  [&] {  // opens a cache, and later ends the resource
                    if (in.tie.thread_is_gone()) {
                      in.is_listed = false;
                      in.recycle();
                    }
                    in.end_resource();
                  }};
  });
  EXPECT_EQ(result.orders, 15U);
  EXPECT_TRUE(result.violations.empty()) << result.violations.front();
}

TEST(NodeHandshake, AThreadSweepsItsNodesWhileAResourceEnds) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] {  // opens a cache in another resource, and later ends
                    if (in.tie.resource_is_gone()) {
                      in.recycle();
                    } else {
                      in.end_thread();
                    }
                  },
                  [&] { in.end_resource(); }};
  });
  EXPECT_EQ(result.orders, 9U);
  EXPECT_TRUE(result.violations.empty()) << result.violations.front();
}

TEST(NodeHandshake, TwoThreadsAndTheirResourceEndInEveryOrder) {
  struct two_threads {
    basic_node_handshake<stepping_atomic> ties[2];
    resource_state resource;
    int recyclings[2] = {0, 0};

    two_threads() { stepping_atomic::recycled = false; }
    void end_thread(int i) {
      part_as_thread(
          ties[i], unlocked, interleaving::wait, [this] { resource.flush(); },
          [this, i] { ++recyclings[i]; });
    }
    void end_resource() {
      for (int i = 0; i < 2; ++i)
        part_as_resource(ties[i], interleaving::wait, [this, i] { ++recyclings[i]; });
      resource.end();
    }
    void check_end() const {
      if (recyclings[0] != 1 || recyclings[1] != 1) interleaving::violation("a node is not recycled once");
    }
  };
  const auto result = explore<two_threads>([](two_threads& in) {
    return actors{[&] { in.end_thread(0); }, [&] { in.end_thread(1); }, [&] { in.end_resource(); }};
  });
  EXPECT_EQ(result.orders, 1521U);
  EXPECT_TRUE(result.violations.empty()) << result.violations.front();
}

TEST(NodeHandshake, AThreadEndsWhileItsCacheIsVisited) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] { in.end_thread(); },
                  [&] {
                    in.visit();
                    in.end_resource();
                  }};
  });
  EXPECT_GT(result.orders, 10U);
  EXPECT_TRUE(result.violations.empty()) << result.violations.front();
}

// What a fork does of its parent's memory: it looks whether the cache is flushed, and copies it piece by piece.
template <class Lock>
struct forking_world : world<stepping_atomic> {
  Lock forks;

  void end_thread() {
    part_as_thread(
        tie, forks, interleaving::wait, [this] { resource.flush(); }, [this] { recycle(); });
  }
  void visit() {
    visit_as_resource(tie, forks, interleaving::wait, [this] { resource.flush(); });
  }
  void fork() {
    const std::lock_guard<Lock> held(forks);
    if (tie.is_flushed()) return;  // and tries again later
    const int flushes = resource.flushes;
    interleaving::step();
    if (tie.is_flushed() || resource.flushes != flushes)
      interleaving::violation("a fork copies a cache that is being flushed");
  }
  void check_end() const {}  // the resource stays: it ends under another lock that a fork holds
};

template <class Lock>
interleaving::result fork_beside(void (forking_world<Lock>::*flush)()) {
  using world = forking_world<Lock>;
  return explore<world>([flush](world& in) {
    return actors{[&] { in.fork(); }, [&, flush] { (in.*flush)(); }};
  });
}

TEST(NodeHandshake, AForkCopiesNoCacheThatIsBeingFlushed) {
  using world = forking_world<stepping_lock>;
  for (const auto flush : {&world::end_thread, &world::visit}) {
    const auto result = fork_beside<stepping_lock>(flush);
    EXPECT_GT(result.orders, 10U);
    EXPECT_TRUE(result.violations.empty()) << result.violations.front();
  }
}

TEST(PlantedMistake, AForkThatHoldsNoLockIsFound) {
  using world = forking_world<quarry::null_lock>;
  for (const auto flush : {&world::end_thread, &world::visit})
    EXPECT_FALSE(fork_beside<quarry::null_lock>(flush).violations.empty());
}

TEST(PlantedMistake, AVisitThatDoesNotKeepTheThreadFromEndingIsFound) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] { in.end_thread(); },
                  [&] {
                    if (in.tie.may_hold_slots()) {
                      if (++in.inside != 1) interleaving::violation("a cache is flushed by two");
                      interleaving::step();
                      --in.inside;
                    }
                    in.end_resource();
                  }};
  });
  EXPECT_FALSE(result.violations.empty());
}

TEST(PlantedMistake, AnExchangeThatIsNotAtomicIsFound) {
  using world = world<tearing_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] { in.end_thread(); }, [&] { in.end_resource(); }};
  });
  EXPECT_FALSE(result.violations.empty());
}

TEST(PlantedMistake, AResourceThatDoesNotWaitForAFlushIsFound) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] { in.end_thread(); },
                  [&] {
                    struct gone_on {};
                    try {  // leaves the loop that waits
                      part_as_resource(
                          in.tie, [] { throw gone_on(); }, [&] { in.recycle(); });
                    } catch (const gone_on&) {
                      in.recycle();
                    }
                    in.resource.end();
                  }};
  });
  EXPECT_FALSE(result.violations.empty());
}

TEST(PlantedMistake, AThreadThatFlushesAfterItSaidGoodbyeIsFound) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] {
                    if (!in.tie.begin_flush(unlocked, interleaving::wait)) return in.recycle();
                    in.tie.end_flush();
                    in.resource.flush();
                  },
                  [&] { in.end_resource(); }};
  });
  EXPECT_FALSE(result.violations.empty());
}

TEST(PlantedMistake, AThreadThatDoesNotRecycleAsTheSecondIsFound) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] {
                    part_as_thread(
                        in.tie, unlocked, interleaving::wait, [&] { in.resource.flush(); }, [] {});
                  },
                  [&] { in.end_resource(); }};
  });
  EXPECT_FALSE(result.violations.empty());
}

TEST(PlantedMistake, AThreadThatNeverEndsItsFlushIsFound) {
  using world = world<stepping_atomic>;
  const auto result = explore<world>([](world& in) {
    return actors{[&] {
                    if (!in.tie.begin_flush(unlocked, interleaving::wait)) return in.recycle();
                    in.resource.flush();
                  },
                  [&] {
                    try {
                      in.end_resource();
                    } catch (const interleaving::gave_up&) {
                      in.recycle();
                    }
                  }};
  });
  EXPECT_FALSE(result.violations.empty());
}

}  // namespace
