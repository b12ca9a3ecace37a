// Every error of a user's, through every face, at every level that finds it: at the call, with its kind and a message, and without
// an effect. links and options as usual.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "quarry/quarry.hpp"

namespace quarry {
namespace {

struct report {
  slab_errc error;
  const void* pointer;
  const void* owner;
  std::string message;
};

std::vector<report> reports;  // since the test began

void note(const violation& found) {
  reports.push_back({found.error, found.pointer, found.owner, found.message});
}

enum class face { unsynchronized, synchronized, view };

const char* name_of(face which) {
  return which == face::unsynchronized ? "unsynchronized"
         : which == face::synchronized ? "synchronized"
                                       : "view";
}

// A checked resource through one of its faces.
class checked {
 public:
  checked(face which, check_level level) : which_(which) {
    slab_options options;
    options.checks = level;
    options.name = "orders";
    options.leaks = leak_action::quiet;
    if (which == face::unsynchronized) {
      lone_ = std::make_unique<unsynchronized_slab_resource>(options);
    } else {
      shared_ = std::make_unique<synchronized_slab_resource>(options);
      if (which == face::view) view_ = std::make_unique<slab_thread_view>(*shared_);
    }
  }

  std::pmr::memory_resource& face_of() {
    if (which_ == face::view) return *view_;
    if (which_ == face::synchronized) return *shared_;
    return *lone_;
  }
  const void* owner() { return lone_ != nullptr ? static_cast<const void*>(lone_.get()) : shared_.get(); }
  std::size_t trim() {
    if (view_ != nullptr) view_->flush();
    return lone_ != nullptr ? lone_->trim() : shared_->trim();
  }
  // By the concrete class: the standard's interface says that the pointer is not null.
  void deallocate_null() {
    if (view_ != nullptr) return view_->deallocate(nullptr, 16);
    lone_ != nullptr ? lone_->deallocate(nullptr, 16) : shared_->deallocate(nullptr, 16);
  }
  slab_stats stats() { return lone_ != nullptr ? lone_->stats() : shared_->stats(); }

 private:
  face which_;
  std::unique_ptr<unsynchronized_slab_resource> lone_;
  std::unique_ptr<synchronized_slab_resource> shared_;
  std::unique_ptr<slab_thread_view> view_;
};

class Checks : public testing::TestWithParam<std::tuple<face, check_level>> {
 protected:
  Checks() : memory_(std::get<0>(GetParam()), std::get<1>(GetParam())) {
    reports.clear();
    set_violation_handler(note);
  }
  ~Checks() override { set_violation_handler(nullptr); }

  void* allocate(std::size_t bytes, std::size_t alignment = 8) {
    return memory_.face_of().allocate(bytes, alignment);
  }
  void deallocate(void* pointer, std::size_t bytes, std::size_t alignment = 8) {
    memory_.face_of().deallocate(pointer, bytes, alignment);
  }

  // Expects that the last call was refused for `error`, with these words in the message, and nothing else was.
  void expect_refused(slab_errc error, const void* pointer, const char* words) {
    ASSERT_EQ(reports.size(), 1U);
    EXPECT_EQ(reports[0].error, error) << reports[0].message;
    EXPECT_EQ(reports[0].pointer, pointer);
    EXPECT_EQ(reports[0].owner, memory_.owner());
    EXPECT_NE(reports[0].message.find(words), std::string::npos) << reports[0].message;
    EXPECT_NE(reports[0].message.find("'orders'"), std::string::npos) << reports[0].message;
    EXPECT_NE(reports[0].message.find("docs/checks.md#"), std::string::npos) << reports[0].message;
    reports.clear();
  }

  bool is_full() const { return std::get<1>(GetParam()) == check_level::full; }

  checked memory_;
};

std::string case_name(const testing::TestParamInfo<Checks::ParamType>& info) {
  return std::string(name_of(std::get<0>(info.param))) +
         (std::get<1>(info.param) == check_level::full ? "_full" : "_pointers");
}

INSTANTIATE_TEST_SUITE_P(Faces, Checks,
                         testing::Combine(testing::Values(face::unsynchronized, face::synchronized,
                                                          face::view),
                                          testing::Values(check_level::pointers, check_level::full)),
                         case_name);

TEST_P(Checks, SayNothingOfWhatIsRight) {
  std::vector<std::tuple<void*, std::size_t, std::size_t>> live;
  std::uint32_t random = 1;
  for (int i = 0; i < 20000; ++i) {
    random = random * 1664525 + 1013904223;
    if (live.size() < 500 && random % 5 < 3) {
      const std::size_t bytes = random % 3 == 0 ? random / 8 % 70000 : random / 8 % 300;
      const std::size_t alignment = std::size_t{1} << random / 64 % 8;
      void* const pointer = allocate(bytes, alignment);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(pointer) % alignment, 0U);
      std::memset(pointer, 0x5A, bytes);
      live.emplace_back(pointer, bytes, alignment);
    } else if (!live.empty()) {
      const std::size_t at = random / 8 % live.size();
      const auto [pointer, bytes, alignment] = live[at];
      deallocate(pointer, bytes, alignment);
      live[at] = live.back();
      live.pop_back();
    }
    if (i % 5000 == 4999) memory_.trim();
  }
  for (const auto& [pointer, bytes, alignment] : live) deallocate(pointer, bytes, alignment);
  memory_.deallocate_null();
  EXPECT_TRUE(reports.empty()) << reports[0].message;
  EXPECT_EQ(memory_.stats().live_slots, 0U);
  EXPECT_EQ(memory_.stats().oversize_blocks, 0U);
}

TEST_P(Checks, SayNothingOfBlocksThatAreFreedInARow) {
  for (const std::size_t bytes : {24U, 64U, 1000U})
    for (const bool descends : {false, true}) {
      std::vector<void*> blocks(5000);
      for (void*& each : blocks) each = allocate(bytes, 8);
      std::sort(blocks.begin(), blocks.end());
      EXPECT_EQ(std::adjacent_find(blocks.begin(), blocks.end()), blocks.end());
      if (descends) std::reverse(blocks.begin(), blocks.end());
      for (void* const each : blocks) deallocate(each, bytes, 8);
      EXPECT_TRUE(reports.empty()) << reports[0].message;
      EXPECT_EQ(memory_.stats().live_slots, 0U);
      memory_.trim();
      EXPECT_TRUE(reports.empty()) << reports[0].message;
      EXPECT_EQ(memory_.stats().slab_count, 0U);
    }
}

TEST_P(Checks, FindADoubleFree) {
  void* const pointer = allocate(48);
  deallocate(pointer, 48);
  deallocate(pointer, 48);
  expect_refused(slab_errc::double_free, pointer, "free already");
  EXPECT_NE(allocate(48), allocate(48));
}

TEST_P(Checks, FindADoubleFreeOfASlotThatRestsBelowOthers) {
  std::vector<void*> slots;
  for (int i = 0; i < 200; ++i) slots.push_back(allocate(48));
  for (void* each : slots) deallocate(each, 48);
  for (const int i : {0, 7, 100, 150, 199}) {
    deallocate(slots[static_cast<std::size_t>(i)], 48);
    expect_refused(slab_errc::double_free, slots[static_cast<std::size_t>(i)], "free already");
  }
}

TEST_P(Checks, FindADoubleFreeAfterTheSlotWasHandedOutAndFreedAgain) {
  void* const stays = allocate(48);
  void* const pointer = allocate(48);
  deallocate(pointer, 48);
  std::vector<void*> others;
  for (int i = 0; i < 3000; ++i) others.push_back(allocate(48));  // beyond any quarantine
  for (void* each : others) deallocate(each, 48);
  deallocate(pointer, 48);
  deallocate(stays, 48);
  expect_refused(slab_errc::double_free, pointer, "free already");
}

TEST_P(Checks, FindADoubleFreeOfASlotThatWentToItsSlab) {
  void* const stays = allocate(48);
  void* const pointer = allocate(48);
  deallocate(pointer, 48);
  memory_.trim();
  deallocate(pointer, 48);
  expect_refused(slab_errc::double_free, pointer, "free already");
  deallocate(stays, 48);
  EXPECT_TRUE(reports.empty());
}

TEST_P(Checks, FindADoubleFreeOfASlabThatWentBack) {
  void* const pointer = allocate(48);
  deallocate(pointer, 48);
  memory_.trim();
  deallocate(pointer, 48);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].error == slab_errc::invalid_pointer || reports[0].error == slab_errc::double_free);
}

TEST_P(Checks, FindAPointerIntoABlock) {
  char* const pointer = static_cast<char*>(allocate(48));
  for (const int offset : {1, 8, 47}) {
    deallocate(pointer + offset, 48);
    expect_refused(slab_errc::invalid_pointer, pointer + offset, "begin of its block");
  }
  deallocate(pointer, 48);
  EXPECT_TRUE(reports.empty());
}

TEST_P(Checks, FindASlotThatWasNeverAllocated) {
  char* const pointer = static_cast<char*>(allocate(48));
  const std::size_t step = is_full() ? 56 : 48;
  deallocate(pointer + step * 500, 48);
  expect_refused(slab_errc::invalid_pointer, pointer + step * 500, "never allocated");
}

TEST_P(Checks, FindMemoryOfTheStackOfMallocAndOfNobody) {
  deallocate(allocate(48), 48);
  std::uint64_t local[6] = {};
  deallocate(local, 48);
  expect_refused(slab_errc::invalid_pointer, local, "no block of this resource");
  const std::unique_ptr<void, void (*)(void*)> heap(std::malloc(48), std::free);
  deallocate(heap.get(), 48);
  expect_refused(slab_errc::invalid_pointer, heap.get(), "no block of this resource");
  void* const nobody = reinterpret_cast<void*>(std::uintptr_t{0x123450});
  deallocate(nobody, 48);
  expect_refused(slab_errc::invalid_pointer, nobody, "no block of this resource");
  deallocate(nobody, 100000);
  expect_refused(slab_errc::invalid_pointer, nobody, "no block of this resource");
}

TEST_P(Checks, FindThemInAClassThatWasNeverUsed) {
  std::uint64_t local[6] = {};
  deallocate(local, 48);
  expect_refused(slab_errc::invalid_pointer, local, "no block of this resource");
  void* const pointer = allocate(24);
  deallocate(pointer, 512);
  expect_refused(slab_errc::size_mismatch, pointer, "size");
}

TEST_P(Checks, FindABlockOfAnotherResource) {
  slab_options options;
  options.checks = check_level::pointers;
  options.name = "customers";
  unsynchronized_slab_resource other(options);
  void* const pointer = other.allocate(48, 8);
  deallocate(pointer, 48);
  expect_refused(slab_errc::invalid_pointer, pointer, "'customers'");
  other.deallocate(pointer, 48, 8);
  EXPECT_TRUE(reports.empty());
}

TEST_P(Checks, FindASizeOfAnotherClass) {
  void* const pointer = allocate(48);
  for (const std::size_t bytes :
       {std::size_t{8}, std::size_t{200}, std::size_t{20000}, std::size_t{100000}, std::size_t{0}}) {
    deallocate(pointer, bytes);
    expect_refused(slab_errc::size_mismatch, pointer, "size is not the one");
  }
  deallocate(pointer, 48);
  EXPECT_TRUE(reports.empty());
}

TEST_P(Checks, FindASizeOfAnotherClassThatIsInUseToo) {
  std::vector<void*> others;
  for (int i = 0; i < 40; ++i) others.push_back(allocate(200));
  for (int i = 0; i < 20; ++i) {
    deallocate(others.back(), 200);
    others.pop_back();
  }
  void* const pointer = allocate(48);
  deallocate(allocate(48), 48);
  deallocate(pointer, 200);
  expect_refused(slab_errc::size_mismatch, pointer, "size is not the one");
  for (void* const each : others) deallocate(each, 200);
  deallocate(pointer, 48);
  EXPECT_TRUE(reports.empty());
  EXPECT_EQ(memory_.stats().live_slots, 0U);
}

TEST_P(Checks, FindAnAlignmentOfAnotherClass) {
  void* const pointer = allocate(40, 8);
  deallocate(pointer, 40, 64);
  expect_refused(slab_errc::alignment_mismatch, pointer, "alignment is not the one");
  deallocate(pointer, 40, 8);
  EXPECT_TRUE(reports.empty());
}

TEST_P(Checks, FindErrorsWithBlocksOfTheirOwn) {
  char* const pointer = static_cast<char*>(allocate(100000));
  deallocate(pointer, 100001);
  expect_refused(slab_errc::size_mismatch, pointer, "size is not the one");
  deallocate(pointer, 48);
  expect_refused(slab_errc::size_mismatch, pointer, "size is not the one");
  deallocate(pointer + 4096, 100000);
  expect_refused(slab_errc::invalid_pointer, pointer + 4096, "begin of its block");
  deallocate(pointer, 100000);
  EXPECT_TRUE(reports.empty());
  deallocate(pointer, 100000);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_TRUE(reports[0].error == slab_errc::double_free || reports[0].error == slab_errc::invalid_pointer);
}

TEST_P(Checks, LoseNothingWhenTheHandlerReturns) {
  std::vector<void*> slots;
  for (int i = 0; i < 1000; ++i) slots.push_back(allocate(48));
  for (void* each : slots) {
    deallocate(static_cast<char*>(each) + 4, 48);
    deallocate(each, 24);
  }
  EXPECT_EQ(reports.size(), 2000U);
  reports.clear();
  EXPECT_EQ(memory_.stats().live_slots, 1000U);
  for (void* each : slots) deallocate(each, 48);
  for (void* each : slots) deallocate(each, 48);
  EXPECT_EQ(reports.size(), 1000U);
  memory_.trim();
  EXPECT_EQ(memory_.stats().live_slots, 0U);
}

TEST_P(Checks, SayWhoMadeTheCallAndHowToReadThat) {
  void* const pointer = allocate(48);
  deallocate(pointer, 48);
  deallocate(pointer, 48);
  ASSERT_EQ(reports.size(), 1U);
  const std::string& message = reports[0].message;
  const std::size_t called = message.find("    called by\n      ");
  EXPECT_NE(called, std::string::npos) << message;
  EXPECT_LT(message.find("addr2line -Cfpie FILE OFFSET"), called) << message;
  EXPECT_LT(message.find("docs/checks.md#double-free"), called)
      << "what may be cut off comes last: " << message;
  EXPECT_EQ(message.find("QUARRY_CHECKS=full") == std::string::npos, is_full()) << message;
}

class FullChecks : public Checks {};

INSTANTIATE_TEST_SUITE_P(Faces, FullChecks,
                         testing::Combine(testing::Values(face::unsynchronized, face::synchronized,
                                                          face::view),
                                          testing::Values(check_level::full)),
                         case_name);

TEST_P(FullChecks, FindAnOverrun) {
  char* const pointer = static_cast<char*>(allocate(45));
  for (const int beyond : {45, 47, 52}) {
    const char kept = pointer[beyond];
    pointer[beyond] = 1;
    deallocate(pointer, 45);
    expect_refused(slab_errc::corrupted, pointer, ("first written byte: " + std::to_string(beyond)).c_str());
    pointer[beyond] = kept;
  }
  deallocate(pointer, 45);
  EXPECT_TRUE(reports.empty());
}

TEST_P(FullChecks, FindASizeOfTheSameClass) {
  void* const pointer = allocate(45);
  deallocate(pointer, 46);
  expect_refused(slab_errc::size_mismatch, pointer, "allocated for 45 bytes");
}

TEST_P(FullChecks, FindAWriteAfterTheFreeWhenTheSlotIsHandedOutAgain) {
  char* const pointer = static_cast<char*>(allocate(48));
  deallocate(pointer, 48);
  pointer[11] = 1;
  for (int i = 0; i < 3000 && reports.empty(); ++i) deallocate(allocate(48), 48);
  expect_refused(slab_errc::corrupted, pointer, "first written byte: 11");
}

TEST_P(FullChecks, FindAWriteAfterTheFreeWhenTheResourceIsTrimmed) {
  void* const stays = allocate(48);
  char* const pointer = static_cast<char*>(allocate(48));
  deallocate(pointer, 48);
  pointer[0] = 1;
  memory_.trim();
  expect_refused(slab_errc::corrupted, pointer, "after it was freed");
  deallocate(stays, 48);
}

TEST_P(FullChecks, TellEveryWriteToAFreedSlotWithoutHoldingALock) {
  constexpr std::size_t count = 40;
  void* const stays = allocate(48);
  std::vector<char*> freed;
  for (std::size_t i = 0; i < count; ++i) freed.push_back(static_cast<char*>(allocate(48)));
  for (char* const each : freed) deallocate(each, 48);
  for (char* const each : freed) each[7] = 1;
  static std::pmr::memory_resource* here;
  static std::size_t told;
  here = &memory_.face_of();
  told = 0;
  const auto previous = set_violation_handler([](const violation&) {
    ++told;
    here->deallocate(here->allocate(64), 64);
    here->deallocate(here->allocate(48), 48);  // takes the lock of the class that is looked at
  });
  memory_.trim();
  set_violation_handler(previous);
  EXPECT_GE(told, count);
  deallocate(stays, 48);
}

TEST_P(FullChecks, HandAFreedSlotOutLate) {
  void* const pointer = allocate(48);
  deallocate(pointer, 48);
  for (int i = 0; i < 500; ++i) EXPECT_NE(allocate(48), pointer);
}

TEST_P(FullChecks, SayWhoAllocatedAndFreedABlock) {
  void* const pointer = allocate(48);
  deallocate(pointer, 48);
  deallocate(pointer, 48);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].message.find("allocated by\n"), std::string::npos) << reports[0].message;
  EXPECT_NE(reports[0].message.find("freed by\n"), std::string::npos) << reports[0].message;
  EXPECT_NE(reports[0].message.find("+0x"), std::string::npos) << reports[0].message;
}

TEST_P(FullChecks, SayWhoAllocatedABlockOfAnotherResource) {
  slab_options options;
  options.checks = check_level::full;
  options.name = "customers";
  unsynchronized_slab_resource other(options);
  void* const pointer = other.allocate(48, 8);
  deallocate(pointer, 48);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].message.find("'customers'"), std::string::npos) << reports[0].message;
  EXPECT_NE(reports[0].message.find("allocated by\n"), std::string::npos) << reports[0].message;
  other.deallocate(pointer, 48, 8);
}

TEST(ChecksAtTheEnd, FindAWriteAfterTheFreeWhereverTheSlotRests) {
  reports.clear();
  set_violation_handler(note);
  slab_options options;
  options.checks = check_level::full;
  {
    synchronized_slab_resource memory(options);
    slab_thread_view view(memory);
    auto* const pointer = static_cast<char*>(view.allocate(48, 8));
    view.deallocate(pointer, 48, 8);
    pointer[5] = 1;
    memory.release();
  }
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].message.find("first written byte: 5"), std::string::npos) << reports[0].message;
  set_violation_handler(nullptr);
}

TEST(ChecksAtTheEnd, ReportWhatLives) {
  testing::internal::CaptureStderr();
  {
    slab_options options;
    options.checks = check_level::full;
    options.name = "orders";
    unsynchronized_slab_resource memory(options);
    memory.deallocate(memory.allocate(45, 8), 45, 8);  // the first call opens a cache, and its stack says so
    for (int i = 0; i < 3; ++i) static_cast<void>(memory.allocate(45, 8));
    static_cast<void>(memory.allocate(100000, 8));
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("4 blocks of 100135 bytes live while their resource ended"), std::string::npos) << said;
  EXPECT_NE(said.find("3 of 45 bytes"), std::string::npos) << said;
  EXPECT_NE(said.find("1 of 100000 bytes"), std::string::npos) << said;
  EXPECT_NE(said.find("allocated by\n"), std::string::npos) << said;
  EXPECT_NE(said.find("'orders'"), std::string::npos) << said;
}

TEST(ChecksAtTheEnd, AreQuietWhenNothingLivesOrTheOptionsSaySo) {
  testing::internal::CaptureStderr();
  slab_options options;
  options.checks = check_level::full;
  {
    synchronized_slab_resource memory(options);
    memory.deallocate(memory.allocate(45, 8), 45, 8);
    std::thread([&] { memory.deallocate(memory.allocate(45, 8), 45, 8); }).join();
  }
  options.leaks = leak_action::quiet;
  {
    unsynchronized_slab_resource memory(options);
    static_cast<void>(memory.allocate(45, 8));
    memory.release();
    static_cast<void>(memory.allocate(45, 8));
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ChecksAtTheEndDeathTest, EndTheProgramWhenTheOptionsSaySo) {
  const auto leak = [] {
    slab_options options;
    options.checks = check_level::pointers;
    options.leaks = leak_action::abort;
    synchronized_slab_resource memory(options);
    static_cast<void>(memory.allocate(45, 8));
    memory.release();
  };
  EXPECT_DEATH(leak(), "1 blocks of 48 bytes live while their resource was released");
}

TEST(ChecksDeathTest, EndTheProgramByDefault) {
  const auto free_twice = [] {
    slab_options options;
    options.checks = check_level::pointers;
    unsynchronized_slab_resource memory(options);
    void* const pointer = memory.allocate(48, 8);
    memory.deallocate(pointer, 48, 8);
    memory.deallocate(pointer, 48, 8);
  };
  EXPECT_DEATH(free_twice(), "a block is freed that is free already");
}

TEST(ChecksOfAllocators, LeaveABurstOfBlocksSmallerThanAPointerAlone) {
  reports.clear();
  set_violation_handler(note);
  slab_options options;
  options.checks = check_level::full;
  unsynchronized_slab_resource memory(options);
  slab_allocator<int> allocator(&memory);
  slab_allocator<int>::multiallocation_chain chain;
  allocator.allocate_individual(100, chain);
  allocator.deallocate_individual(chain);
  int* const one = allocator.allocate(3);
  allocator.deallocate(one, 3);
  EXPECT_TRUE(reports.empty()) << reports[0].message;
  int* const two = allocator.allocate(3);
  allocator.deallocate(two, 4);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].error, slab_errc::size_mismatch);
  allocator.deallocate(two, 3);
  EXPECT_EQ(memory.stats().live_slots, 0U);
  set_violation_handler(nullptr);
}

// Two threads that free one block at the same moment: what one of them does not see, is seen before the block has two owners.
TEST(ChecksOfThreads, FindABlockThatTwoThreadsFree) {
  reports.clear();
  set_violation_handler(note);
  slab_options options;
  options.checks = check_level::pointers;
  {
    synchronized_slab_resource memory(options);
    slab_thread_view one(memory), other(memory);
    void* const pointer = one.allocate(48, 8);
    one.deallocate(pointer, 48, 8);
    other.deallocate(pointer, 48, 8);
    EXPECT_EQ(reports.size(), 1U);
  }
  set_violation_handler(nullptr);
}

}  // namespace
}  // namespace quarry
