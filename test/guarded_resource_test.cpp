// Blocks between guard pages: what is a fault of the processor, what is a violation, what is handed on, and how often one is guarded.
#include "quarry/guarded_resource.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <memory_resource>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../src/os_pages.hpp"
#include "quarry/synchronized_slab_resource.hpp"
#include "quarry/unsynchronized_slab_resource.hpp"
#include "quarry/violation.hpp"
#include "support/counting_resource.hpp"
#include "support/sanitizers.hpp"

namespace quarry {
namespace {

using quarry_test::counting_resource;

const std::size_t page_bytes = whole_pages(1);

std::uintptr_t page_of(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) & ~(std::uintptr_t{page_bytes} - 1);
}

// Guards as much as it can.
guard_options each_one(std::size_t blocks = 64) {
  guard_options options;
  options.every = 1;
  options.blocks = blocks;
  options.pause_us = 0;
  options.name = "orders";
  return options;
}

// A sanitizer takes the signal itself, writes a report of its own, and ends the program with a status.
bool ended_by_a_fault(int status) {
  if (quarry_test::has_address_sanitizer || quarry_test::has_thread_sanitizer)
    return WIFEXITED(status) && WEXITSTATUS(status) != 0;
  return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

void write_to(void* place, std::ptrdiff_t offset) {
  static_cast<volatile char*>(place)[offset] = 1;
}
char read_from(void* place, std::ptrdiff_t offset) {
  return static_cast<volatile char*>(place)[offset];
}

struct report {
  slab_errc error;
  const void* pointer;
  const void* owner;
  std::string message;
};
std::vector<report> reports;  // since the test began

class GuardedResource : public testing::Test {
 protected:
  GuardedResource() {
    reports.clear();
    set_violation_handler([](const violation& found) {
      reports.push_back({found.error, found.pointer, found.owner, found.message});
    });
  }
  ~GuardedResource() override { set_violation_handler(nullptr); }

  // Blocks lie at the end of their pages and at the begin in turns.
  static char* take_at_end(guarded_resource& memory, std::size_t bytes, std::size_t alignment = 1) {
    if (memory.guarded_allocations() % 2 != 0) memory.deallocate(memory.allocate(1, 1), 1, 1);
    return static_cast<char*>(memory.allocate(bytes, alignment));
  }
  static char* take_at_begin(guarded_resource& memory, std::size_t bytes, std::size_t alignment = 1) {
    if (memory.guarded_allocations() % 2 == 0) memory.deallocate(memory.allocate(1, 1), 1, 1);
    return static_cast<char*>(memory.allocate(bytes, alignment));
  }

  void expect_refused(slab_errc error, const void* pointer, const char* words) const {
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].error, error) << reports[0].message;
    EXPECT_EQ(reports[0].pointer, pointer);
    EXPECT_EQ(reports[0].owner, &memory_);
    EXPECT_NE(reports[0].message.find(words), std::string::npos) << reports[0].message;
    EXPECT_NE(reports[0].message.find("'orders', quarry::guarded_resource"), std::string::npos)
        << reports[0].message;
    EXPECT_NE(reports[0].message.find("docs/checks.md#"), std::string::npos) << reports[0].message;
    reports.clear();
  }

  counting_resource upstream_;
  guarded_resource memory_{each_one(), &upstream_};
};

using GuardedResourceDeathTest = GuardedResource;

TEST_F(GuardedResourceDeathTest, FaultsWhereAByteBehindTheEndIsWritten) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{45}, page_bytes}) {
    char* const block = take_at_end(memory_, bytes);
    std::memset(block, 1, bytes);
    EXPECT_EXIT(write_to(block, static_cast<std::ptrdiff_t>(bytes)), ended_by_a_fault, "");
    memory_.deallocate(block, bytes, 1);
  }
}

TEST_F(GuardedResourceDeathTest, FaultsBehindTheEndRoundedUpToTheAlignment) {
  char* const block = take_at_end(memory_, 45, 16);
  write_to(block, 47);
  EXPECT_EXIT(write_to(block, 48), ended_by_a_fault, "");
  block[47] = '\xFD';
  memory_.deallocate(block, 45, 16);
  EXPECT_TRUE(reports.empty());
}

TEST_F(GuardedResourceDeathTest, FaultsWhereAByteAheadOfTheBeginIsRead) {
  char* const block = take_at_begin(memory_, 48, 8);
  EXPECT_EXIT(read_from(block, -1), ended_by_a_fault, "");
  memory_.deallocate(block, 48, 8);
}

TEST_F(GuardedResourceDeathTest, FaultsWhereAFreedBlockIsReadOrWritten) {
  for (int i = 0; i < 2; ++i) {
    void* const block = memory_.allocate(48, 8);
    memory_.deallocate(block, 48, 8);
    EXPECT_EXIT(read_from(block, 0), ended_by_a_fault, "");
    EXPECT_EXIT(write_to(block, 47), ended_by_a_fault, "");
  }
}

TEST_F(GuardedResourceDeathTest, TellsOfAFaultAndLetsTheProgramEndAsBefore) {
  char* const block = take_at_end(memory_, 45);
  EXPECT_EXIT(
      {
        guarded_resource::install_fault_reports();
        guarded_resource::install_fault_reports();
        write_to(block, 50);
      },
      ended_by_a_fault,
      "quarry: a guarded page was touched at 0x[0-9a-f]+\\.\n"
      "  address   6 bytes behind the end of a live block\n"
      "  resource  'orders', quarry::guarded_resource at 0x[0-9a-f]+\n"
      "  block     45 bytes from 0x[0-9a-f]+ on, aligned to 1\n"
      "  look for  an index or length that is too large.*docs/checks.md#a-guarded-page-was-touched\n"
      "  stacks    .*\n    touched by\n(.*\n)+    allocated by\n(.*\n)+");
  memory_.deallocate(block, 45, 1);
  EXPECT_EXIT(
      {
        guarded_resource::install_fault_reports();
        read_from(block, 3);
      },
      ended_by_a_fault,
      "in a freed block, 3 bytes from its begin\n(.*\n)+    freed by\n(.*\n)+    allocated by\n");
}

TEST_F(GuardedResourceDeathTest, PassesOtherFaultsOnToWhoHandledThemBefore) {
  EXPECT_EXIT(
      {
        std::signal(SIGSEGV, [](int) { _exit(7); });
        guarded_resource::install_fault_reports();
        guarded_resource::install_fault_reports();
        volatile std::uintptr_t nowhere = 64;
        write_to(reinterpret_cast<void*>(nowhere), 0);
      },
      testing::ExitedWithCode(7), "^$");
  char* const block = take_at_begin(memory_, 8);
  EXPECT_EXIT(
      {
        std::signal(SIGSEGV, [](int) { _exit(7); });
        guarded_resource::install_fault_reports();
        guarded_resource::install_fault_reports();
        write_to(block, -1);
      },
      testing::ExitedWithCode(7), "1 bytes ahead of the begin of a live block");
  EXPECT_EXIT(
      {
        guarded_resource::install_fault_reports();
        raise(SIGSEGV);
      },
      ended_by_a_fault, "");
  memory_.deallocate(block, 8, 1);
}

TEST_F(GuardedResource, DescribesWhatItGuardsAndNothingElse) {
  char* const block = take_at_end(memory_, 16);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(guarded_resource::describe(block + 5));
  EXPECT_TRUE(guarded_resource::describe(block + 16 + page_bytes -
                                         96));  // nearer to the place behind, where no block was
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("in a live block, 5 bytes from its begin"), std::string::npos) << told;
  EXPECT_NE(told.find(std::to_string(page_bytes - 95) + " bytes behind the end of a live block"),
            std::string::npos)
      << told;
  testing::internal::CaptureStderr();
  EXPECT_FALSE(guarded_resource::describe(&upstream_));
  EXPECT_FALSE(guarded_resource::describe(nullptr));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  memory_.deallocate(block, 16, 1);
}

TEST_F(GuardedResource, ReportsADoubleFreeWithItsStacks) {
  void* const block = memory_.allocate(48, 8);
  memory_.deallocate(block, 48, 8);
  memory_.deallocate(block, 48, 8);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].message.find("    called by\n"), std::string::npos) << reports[0].message;
  EXPECT_NE(reports[0].message.find("    freed by\n"), std::string::npos) << reports[0].message;
  EXPECT_NE(reports[0].message.find("    allocated by\n"), std::string::npos) << reports[0].message;
  expect_refused(slab_errc::double_free, block, "free already");
}

TEST_F(GuardedResource, ReportsAWrongSizeAndAWrongAlignmentAndKeepsTheBlock) {
  void* const block = memory_.allocate(48, 8);
  memory_.deallocate(block, 47, 8);
  expect_refused(slab_errc::size_mismatch, block, "size is not the one");
  memory_.deallocate(block, 48, 16);
  expect_refused(slab_errc::alignment_mismatch, block, "alignment is not the one");
  std::memset(block, 1, 48);
  memory_.deallocate(block, 48, 8);
  EXPECT_TRUE(reports.empty());
}

TEST_F(GuardedResource, ReportsPointersThatAreNoBegin) {
  char* const block = take_at_end(memory_, 48, 8);
  memory_.deallocate(block + 8, 48, 8);
  expect_refused(slab_errc::invalid_pointer, block + 8, "begin of its block");
  memory_.deallocate(block - 8, 48, 8);
  expect_refused(slab_errc::invalid_pointer, block - 8, "no block of this resource");
  memory_.deallocate(block + 48, 48, 8);  // a guard page
  expect_refused(slab_errc::invalid_pointer, block + 48, "no block of this resource");
  memory_.deallocate(block + 20 * page_bytes, 48, 8);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].error, slab_errc::invalid_pointer);
  reports.clear();
  memory_.deallocate(block, 48, 8);
  EXPECT_TRUE(reports.empty());
}

TEST_F(GuardedResource, ReportsAWriteBehindABlockThatFaultsNowhereWhenItIsFreed) {
  char* const block = take_at_begin(memory_, 45);
  block[46] = 1;
  memory_.deallocate(block, 45, 1);
  expect_refused(slab_errc::corrupted, block, "first written byte: 46");
  block[46] = '\xFD';
  memory_.deallocate(block, 45, 1);
  EXPECT_TRUE(reports.empty());
}

TEST_F(GuardedResource, ReportsAWriteAheadOfABlockThatFaultsNowhereWhenItIsFreed) {
  char* const block = take_at_end(memory_, 48, 8);
  block[-8] = block[-5] = 1;
  memory_.deallocate(block, 48, 8);
  expect_refused(slab_errc::corrupted, block, "last written byte: -5");
  block[-8] = block[-5] = '\xFD';
  memory_.deallocate(block, 48, 8);
  EXPECT_TRUE(reports.empty());
}

TEST_F(GuardedResource, UsesThePlaceThatWasFreedFirst) {
  guarded_resource memory(each_one(8), &upstream_);
  std::vector<std::uintptr_t> pages;
  for (int i = 0; i < 8; ++i) {
    void* const block = memory.allocate(16, 8);
    pages.push_back(page_of(block));
    memory.deallocate(block, 16, 8);
  }
  EXPECT_EQ(std::set<std::uintptr_t>(pages.begin(), pages.end()).size(), 8U);
  std::vector<void*> blocks;
  for (int i = 0; i < 8; ++i) {
    blocks.push_back(memory.allocate(16, 8));
    EXPECT_EQ(page_of(blocks.back()), pages[static_cast<std::size_t>(i)]);
  }
  for (const std::size_t i : {5U, 2U, 7U, 0U, 1U, 3U, 4U, 6U}) memory.deallocate(blocks[i], 16, 8);
  for (const std::size_t i : {5U, 2U, 7U, 0U, 1U, 3U, 4U, 6U}) {
    void* const block = memory.allocate(16, 8);
    EXPECT_EQ(page_of(block), pages[i]);
    memory.deallocate(block, 16, 8);
  }
}

TEST_F(GuardedResource, TakesFromUpstreamWhatItCannotGuard) {
  guarded_resource memory(each_one(2), &upstream_);
  void* const first = memory.allocate(16, 8);
  void* const second = memory.allocate(16, 8);
  EXPECT_EQ(upstream_.allocations(), 0U);
  void* const third = memory.allocate(16, 8);
  EXPECT_EQ(upstream_.allocations(), 1U);
  EXPECT_FALSE(memory.guards(third));
  memory.deallocate(third, 16, 8);
  memory.deallocate(first, 16, 8);
  void* const too_large = memory.allocate(page_bytes + 1, 8);
  void* const too_aligned = memory.allocate(64, 2 * page_bytes);
  EXPECT_FALSE(memory.guards(too_large));
  EXPECT_FALSE(memory.guards(too_aligned));
  void* const fourth = memory.allocate(page_bytes, page_bytes);
  EXPECT_TRUE(memory.guards(fourth));
  memory.deallocate(too_large, page_bytes + 1, 8);
  memory.deallocate(too_aligned, 64, 2 * page_bytes);
  memory.deallocate(second, 16, 8);
  memory.deallocate(fourth, page_bytes, page_bytes);
  EXPECT_EQ(upstream_.live_blocks(), 0U);
}

TEST_F(GuardedResource, HandsEverythingOnWhereItCanGuardNothing) {
  guard_options none = each_one();
  none.every = 0;
  guard_options huge = each_one(std::size_t{1} << 20);
  huge.most_bytes = std::size_t{1} << 30;  // 2^50 bytes of addresses: more than the system has
  guard_options no_blocks = each_one(0);
  for (const guard_options& options : {none, huge, no_blocks}) {
    guarded_resource memory(options, &upstream_);
    EXPECT_EQ(memory.places(), 0U);
    for (int i = 0; i < 100; ++i) {
      void* const block = memory.allocate(16, 8);
      EXPECT_FALSE(memory.guards(block));
      memory.deallocate(block, 16, 8);
    }
    EXPECT_EQ(memory.guarded_allocations(), 0U);
  }
  EXPECT_THROW(guarded_resource(nullptr), std::invalid_argument);
}

TEST_F(GuardedResource, ServesAllSizesAndAlignments) {
  guard_options options = each_one();
  options.most_bytes = 3 * page_bytes;
  guarded_resource memory(options, &upstream_);
  std::mt19937 random(20240229);
  struct block {
    unsigned char* begin;
    std::size_t bytes;
    std::size_t alignment;
    unsigned char filled;
  };
  std::vector<block> live;
  for (int i = 0; i < 20000; ++i) {
    if (live.size() < 80 && random() % 2 == 0) {
      const std::size_t bytes = random() % 4 == 0 ? random() % 14000 : random() % 200;
      const std::size_t alignment = std::size_t{1} << random() % 14;
      auto* const begin = static_cast<unsigned char*>(memory.allocate(bytes, alignment));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(begin) % alignment, 0U);
      const auto filled = static_cast<unsigned char>(random());
      std::memset(begin, filled, bytes);
      live.push_back({begin, bytes, alignment, filled});
    } else if (!live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      const block gone = live.back();
      live.pop_back();
      ASSERT_TRUE(std::all_of(gone.begin, gone.begin + gone.bytes,
                              [&](unsigned char each) { return each == gone.filled; }));
      memory.deallocate(gone.begin, gone.bytes, gone.alignment);
    }
  }
  for (const block& each : live) memory.deallocate(each.begin, each.bytes, each.alignment);
  EXPECT_GT(memory.guarded_allocations(), 1000U);
  EXPECT_TRUE(reports.empty()) << reports[0].message;
}

TEST_F(GuardedResource, CarriesContainersOverASlabResource) {
  for (const std::size_t every : {1U, 2U, 3U}) {
    guard_options options = each_one(1000);
    options.every = every;
    unsynchronized_slab_resource slabs;
    guarded_resource memory(options, &slabs);
    {
      std::pmr::list<int> list(&memory);
      std::pmr::map<int, std::pmr::string> map(&memory);
      std::mt19937 random(7);
      for (int i = 0; i < 3000; ++i) {
        list.push_back(i);
        if (i % 3 == 0) list.pop_front();
        const int key = static_cast<int>(random() % 500);
        if (!map.try_emplace(key, std::string(random() % 100, 'x')).second) map.erase(key);
      }
      EXPECT_EQ(list.size(), 2000U);
      EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
    }
    EXPECT_GT(memory.guarded_allocations(), 500U);
    EXPECT_EQ(slabs.stats().live_slots, 0U);
  }
  EXPECT_TRUE(reports.empty()) << reports[0].message;
}

TEST_F(GuardedResource, IsEqualToItselfAlone) {
  guarded_resource other(each_one(), &upstream_);
  EXPECT_EQ(memory_, memory_);
  EXPECT_NE(memory_, other);
  EXPECT_NE(static_cast<std::pmr::memory_resource&>(memory_), upstream_);
}

TEST_F(GuardedResource, GuardsOneInAsManyAsItIsTold) {
  for (const auto& [every, count] : {std::pair{2, 20000}, {10, 50000}, {1000, 1000000}}) {
    guard_options options = each_one();
    options.every = static_cast<std::size_t>(every);
    unsynchronized_slab_resource slabs;
    guarded_resource memory(options, &slabs);
    std::size_t guarded = 0;
    std::size_t odd = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      void* const block = memory.allocate(16, 8);
      if (memory.guards(block)) {
        ++guarded;
        odd += i % 2;
      }
      memory.deallocate(block, 16, 8);
    }
    EXPECT_EQ(memory.guarded_allocations(), guarded);
    const double expected = static_cast<double>(count) / every;
    EXPECT_NEAR(static_cast<double>(guarded), expected, 0.15 * expected);
    EXPECT_NEAR(static_cast<double>(odd), expected / 2, 0.15 * expected) << "of a loop of two allocations";
  }
}

TEST_F(GuardedResource, KeepsItsRateInThreadsThatMakeFewAllocations) {
  guard_options options = each_one();
  options.every = 10;
  synchronized_slab_resource slabs;
  guarded_resource memory(options, &slabs);
  std::size_t first_guarded = 0;
  for (int i = 0; i < 1000; ++i)
    std::thread([&] {
      for (int k = 0; k < 2; ++k) {
        void* const block = memory.allocate(16, 8);
        if (k == 0 && memory.guards(block)) ++first_guarded;
        memory.deallocate(block, 16, 8);
      }
    }).join();
  EXPECT_NEAR(static_cast<double>(memory.guarded_allocations()), 200, 75);
  EXPECT_NEAR(static_cast<double>(first_guarded), 100, 50);
}

TEST_F(GuardedResource, KeepsItsRateBesideOthersOfTheSameThread) {
  guard_options options = each_one();
  options.every = 100;
  unsynchronized_slab_resource slabs;
  guarded_resource often(options, &slabs);
  options.every = 1000;
  guarded_resource rarely(options, &slabs);
  for (int i = 0; i < 100000; ++i)
    for (guarded_resource* const each : {&often, &rarely, &memory_}) {
      if (each == &memory_ && i % 100 != 0) continue;
      each->deallocate(each->allocate(16, 8), 16, 8);
    }
  EXPECT_NEAR(static_cast<double>(often.guarded_allocations()), 1000, 200);
  EXPECT_NEAR(static_cast<double>(rarely.guarded_allocations()), 100, 40);
  EXPECT_EQ(memory_.guarded_allocations(), 1000U);
}

TEST_F(GuardedResource, PausesBetweenGuardedBlocks) {
  guard_options options = each_one();
  options.pause_us = 2000;
  unsynchronized_slab_resource slabs;
  guarded_resource memory(options, &slabs);
  const auto begin = std::chrono::steady_clock::now();
  std::size_t allocations = 0;
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(60)) {
    memory.deallocate(memory.allocate(16, 8), 16, 8);
    ++allocations;
  }
  const auto passed_us =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_GE(memory.guarded_allocations(), 2U);
  EXPECT_LE(memory.guarded_allocations(), static_cast<std::size_t>(passed_us / 2000 + 1));
  EXPECT_GT(allocations, 100U);
}

TEST_F(GuardedResource, TellsWhatLivesAtTheEndWhereThatIsAskedFor) {
  guard_options options = each_one();
  for (const leak_action leaks : {leak_action::quiet, leak_action::by_level, leak_action::report}) {
    testing::internal::CaptureStderr();
    {
      options.leaks = leaks;
      guarded_resource memory(options, &upstream_);
      memory.deallocate(memory.allocate(8, 8), 8, 8);
      static_cast<void>(memory.allocate(40, 8));
      static_cast<void>(memory.allocate(60, 8));
    }
    const std::string told = testing::internal::GetCapturedStderr();
    if (leaks != leak_action::report) {
      EXPECT_EQ(told, "");
      continue;
    }
    EXPECT_NE(told.find("quarry: 2 blocks of 100 bytes live while their resource ended"), std::string::npos)
        << told;
    EXPECT_NE(told.find("'orders', quarry::guarded_resource"), std::string::npos) << told;
    EXPECT_NE(told.find("allocated by"), std::string::npos) << told;
  }
  options.leaks = leak_action::abort;
  EXPECT_DEATH(
      {
        guarded_resource memory(options, &upstream_);
        static_cast<void>(memory.allocate(40, 8));
      },
      "1 blocks of 40 bytes");
}

}  // namespace
}  // namespace quarry
