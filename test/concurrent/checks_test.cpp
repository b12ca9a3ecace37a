// Checks beside other threads: what two of them do to one block, and forks in the middle of a check. timeout: 300
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory_resource>
#include <new>
#include <optional>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/violation.hpp>
#include <set>
#include <thread>

#if defined(__unix__)
#include "support/in_child.hpp"
#endif

namespace {

using quarry::check_level;
using quarry::slab_options;
using quarry::slab_thread_view;
using quarry::synchronized_slab_resource;

std::atomic<int> violations{0};

void count(const quarry::violation&) {
  ++violations;
}

slab_options options_of(check_level level) {
  slab_options options;
  options.checks = level;
  return options;
}

// Each round one block is freed twice, by two threads at about the same moment.
TEST(ChecksOfThreads, ABlockThatTwoThreadsFreeIsToldOnceAndNeverHasTwoOwners) {
  constexpr int rounds = 500;
  violations = 0;
  quarry::set_violation_handler(count);
  {
    synchronized_slab_resource memory(options_of(check_level::pointers));
    slab_thread_view mine(memory), others(memory);
    std::atomic<void*> shared{nullptr};
    std::atomic<int> freed{0};
    std::thread other([&] {
      for (int round = 1; round <= rounds; ++round) {
        void* block = nullptr;
        while ((block = shared.exchange(nullptr)) == nullptr) std::this_thread::yield();
        others.deallocate(block, 48, 8);
        freed = round;
        while (shared.load() != &freed) std::this_thread::yield();
        shared = nullptr;
        freed = -round;
      }
    });
    for (int round = 1; round <= rounds; ++round) {
      void* const block = mine.allocate(48, 8);
      shared = block;
      mine.deallocate(block, 48, 8);
      while (freed != round) std::this_thread::yield();
      std::set<void*> owned;
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(owned.insert(mine.allocate(48, 8)).second);
      for (void* each : owned) mine.deallocate(each, 48, 8);
      shared = &freed;
      while (freed != -round) std::this_thread::yield();
    }
    other.join();
    mine.flush();
    others.flush();
    memory.trim();
    EXPECT_EQ(memory.stats().live_slots, 0U);
    EXPECT_EQ(violations, rounds);
  }
  quarry::set_violation_handler(nullptr);
}

// Where memory leaves it, others free what they have of the resource that it serves.
class upstream_of_late_frees final : public std::pmr::memory_resource {
 public:
  std::function<void()> when_memory_leaves = [] {};
  std::size_t live_blocks = 0;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    ++live_blocks;
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    std::thread(when_memory_leaves).join();
    --live_blocks;
    std::pmr::new_delete_resource()->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

class LateFrees : public ::testing::TestWithParam<check_level> {
 protected:
  static inline std::atomic<int> told{0};

  LateFrees() {
    told = 0;
    quarry::set_violation_handler([](const quarry::violation& found) {
      EXPECT_EQ(found.error, quarry::slab_errc::invalid_pointer);
      EXPECT_NE(std::strstr(found.message, "a block is freed while its resource ends or is released"),
                nullptr);
      ++told;
    });
    slab_options options = options_of(GetParam());
    options.leaks = quarry::leak_action::quiet;
    memory.emplace(options, &upstream);
    view.emplace(*memory);
    upstream.when_memory_leaves = [this, small = memory->allocate(64), other = view->allocate(64),
                                   large = memory->allocate(large_bytes)] {
      memory->deallocate(small, 64);
      memory->deallocate_fixed<64, 8>(small);
      memory->deallocate(large, large_bytes);
      view->deallocate(other, 64);
      memory->deallocate(nullptr, 64);  // nothing, as ever
      ++visits;
    };
  }
  ~LateFrees() override { quarry::set_violation_handler(nullptr); }

  static constexpr std::size_t large_bytes = 300000;  // a block of its own

  upstream_of_late_frees upstream;
  std::optional<synchronized_slab_resource> memory;
  std::optional<slab_thread_view> view;
  int visits = 0;  // of whom memory leaves to
};

TEST_P(LateFrees, DuringTheEndAreToldAndLeftAlone) {
  memory->~synchronized_slab_resource();
  EXPECT_GT(visits, 0);
  EXPECT_EQ(told, 4 * visits);
  EXPECT_EQ(upstream.live_blocks, 0U);
  new (&*memory) synchronized_slab_resource;  // for the one that memory holds
}

TEST_P(LateFrees, DuringAReleaseAreToldAndLeftAlone) {
  memory->release();
  EXPECT_GT(visits, 0);
  EXPECT_EQ(told, 4 * visits);
  EXPECT_EQ(upstream.live_blocks, 0U);
  told = 0;
  upstream.when_memory_leaves = [] {};
  memory->deallocate(memory->allocate(64), 64);
  view->deallocate(view->allocate(64), 64);
  EXPECT_EQ(told, 0) << "what is allocated afterwards";
  EXPECT_EQ(memory->stats().live_slots, 0U);
}

INSTANTIATE_TEST_SUITE_P(AtEachLevel, LateFrees, ::testing::Values(check_level::pointers, check_level::full));

#if defined(__unix__)

TEST(ChecksOfThreads, AForkBesideThemLeavesTheChildItsChecks) {
  synchronized_slab_resource memory(options_of(check_level::full));
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done) memory.deallocate(memory.allocate(48, 8), 48, 8);
  });
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(quarry_test::run_in_child(30,
                                        [&] {
                                          void* const block = memory.allocate(64, 8);
                                          memory.deallocate(block, 64, 8);
                                          synchronized_slab_resource own(options_of(check_level::full));
                                          own.deallocate(own.allocate(64, 8), 64, 8);
                                          return 7;
                                        }),
              7);
  done = true;
  busy.join();
}

#endif

}  // namespace
