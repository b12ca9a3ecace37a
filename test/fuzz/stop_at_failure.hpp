// What every fuzz target has: a failed expectation aborts, which the fuzzer reports with the input that did it.
//
// Included once in a program. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace quarry_test {

class stop_at_failure final : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::cerr << result.file_name() << ":" << result.line_number() << ": " << result.message() << std::endl;
    std::abort();
  }
};

}  // namespace quarry_test

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  int no_arguments = 1;
  testing::InitGoogleTest(&no_arguments, *arguments);
  testing::UnitTest::GetInstance()->listeners().Append(new quarry_test::stop_at_failure);
  return count == nullptr;
}
