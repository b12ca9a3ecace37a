// The helpers are judges, so they are judged first: each mistake they exist to find is made once.
#include "support/counting_resource.hpp"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "support/failing_resource.hpp"

namespace {

using quarry_test::counting_resource;
using quarry_test::failing_resource;
using quarry_test::upstream_failure;

TEST(CountingResource, CountsCallsAndBytes) {
  counting_resource upstream;
  void* const block = upstream.allocate(100, 32);
  EXPECT_EQ(upstream.allocations(), 1U);
  EXPECT_EQ(upstream.live_bytes(), 100U);
  EXPECT_EQ(upstream.history().at(0).alignment, 32U);
  EXPECT_TRUE(upstream.holds(static_cast<std::byte*>(block) + 99));
  EXPECT_FALSE(upstream.holds(static_cast<std::byte*>(block) + 100));
  upstream.deallocate(block, 100, 32);
  EXPECT_EQ(upstream.deallocations(), 1U);
  EXPECT_EQ(upstream.live_bytes(), 0U);
  EXPECT_EQ(upstream.peak_bytes(), 100U);
}

TEST(CountingResource, AFreeWithAnotherSizeOrAlignmentFailsTheTest) {
  counting_resource upstream;
  void* first = upstream.allocate(64, 16);
  EXPECT_NONFATAL_FAILURE(upstream.deallocate(first, 63, 16), "another size");
  void* second = upstream.allocate(64, 16);
  EXPECT_NONFATAL_FAILURE(upstream.deallocate(second, 64, 8), "another alignment");
}

TEST(CountingResource, AFreeOfAnUnknownBlockFailsTheTest) {
  counting_resource upstream;
  int elsewhere = 0;
  EXPECT_NONFATAL_FAILURE(upstream.deallocate(&elsewhere, 4, 4), "not out");
}

TEST(CountingResource, ABlockNeverGivenBackFailsTheTest) {
  EXPECT_NONFATAL_FAILURE(
      {
        counting_resource upstream;
        static_cast<void>(upstream.allocate(8, 8));
      },
      "never given back");
}

TEST(FailingResource, ThrowsItsOwnExceptionAtTheChosenCallOnly) {
  counting_resource memory;
  failing_resource upstream(&memory, 2);
  void* const first = upstream.allocate(8, 8);
  EXPECT_THROW(static_cast<void>(upstream.allocate(8, 8)), upstream_failure);
  EXPECT_TRUE(upstream.failed());
  void* const third = upstream.allocate(8, 8);
  EXPECT_EQ(upstream.calls(), 3U);
  upstream.deallocate(first, 8, 8);
  upstream.deallocate(third, 8, 8);
}

}  // namespace
