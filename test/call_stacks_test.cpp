#include "../src/call_stacks.hpp"

#include <gtest/gtest.h>

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
