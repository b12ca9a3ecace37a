#include "../src/call_stacks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../src/sentence.hpp"

namespace quarry::detail {
namespace {

__attribute__((noinline)) std::uint32_t from_here() {
  const std::uint32_t number = current_call_stack();
  __asm__ volatile("");  // no tail call
  return number;
}

__attribute__((noinline)) std::uint32_t from_there() {
  const std::uint32_t number = current_call_stack();
  __asm__ volatile("");
  return number;
}

TEST(CallStacks, HaveOneNumberForOnePlace) {
  std::set<std::uint32_t> numbers;
  for (int i = 0; i < 100; ++i) numbers.insert(from_here());
  EXPECT_EQ(numbers.size(), 1U);
  EXPECT_EQ(numbers.count(0), 0U);
  EXPECT_EQ(numbers.count(from_there()), 0U);
}

TEST(CallStacks, AreWrittenAsModuleAndOffset) {
  sentence text;
  write_call_stack(text, from_here());
  EXPECT_NE(std::string(text.text()).find("+0x"), std::string::npos) << text.text();
  sentence nothing;
  write_call_stack(nothing, 0);
  EXPECT_STREQ(nothing.text(), "");
}

__attribute__((noinline)) std::uint32_t from_below(int depth, std::size_t most_frames) {
  const std::uint32_t number =
      depth == 0 ? current_call_stack(most_frames) : from_below(depth - 1, most_frames);
  __asm__ volatile("");
  return number;
}

TEST(CallStacks, HaveAsManyFramesAsWereAskedForAtMost) {
  for (const std::size_t most : {std::size_t{1}, frames_of_a_block, frames_of_a_fault}) {
    sentence text;
    write_call_stack(text, from_below(40, most));
    const std::string lines = text.text();
    EXPECT_EQ(static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n')), most) << lines;
  }
}

TEST(CallStacks, AreTakenByManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      std::set<std::uint32_t> numbers;
      for (int turn = 0; turn < 1000; ++turn) numbers.insert(from_here());
      EXPECT_EQ(numbers.size(), 1U);
    });
  for (std::thread& each : threads) each.join();
}

}  // namespace
}  // namespace quarry::detail
