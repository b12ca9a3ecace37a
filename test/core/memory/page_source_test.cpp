#include <gtest/gtest.h>

#include <quarry/core/page_source.hpp>
#include <quarry/resource_page_source.hpp>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"

namespace {

using quarry::resource_page_source;
using quarry::core::metered_source;
using quarry_test::counting_resource;

TEST(MeteredSource, CountsWhatIsHeldAndItsPeak) {
  counting_resource memory;
  metered_source<resource_page_source> source(resource_page_source(&memory), 0);
  void* const first = source.allocate_pages(1000, 8);
  void* const second = source.allocate_pages(500, 8);
  EXPECT_EQ(source.held_bytes(), 1500U);
  source.deallocate_pages(first, 1000, 8);
  EXPECT_EQ(source.held_bytes(), 500U);
  EXPECT_EQ(source.peak_bytes(), 1500U);
  source.deallocate_pages(second, 500, 8);
  EXPECT_EQ(source.held_bytes(), 0U);
  EXPECT_EQ(source.below().upstream(), &memory);
}

TEST(MeteredSource, ReturnsNullPastItsLimitWithoutAskingBelow) {
  counting_resource memory;
  metered_source<resource_page_source> source(resource_page_source(&memory), 1000);
  void* const first = source.allocate_pages(600, 8);
  const std::size_t calls = memory.calls();
  EXPECT_EQ(source.allocate_pages(401, 8), nullptr);
  EXPECT_EQ(source.allocate_pages(1001, 8), nullptr);
  EXPECT_EQ(source.allocate_pages(SIZE_MAX, 8), nullptr);
  EXPECT_EQ(memory.calls(), calls);
  void* const second = source.allocate_pages(400, 8);
  EXPECT_NE(second, nullptr);
  source.deallocate_pages(first, 600, 8);
  source.deallocate_pages(second, 400, 8);
}

TEST(MeteredSource, CountsNothingForACallThatFailed) {
  counting_resource memory;
  quarry_test::failing_resource failing(&memory, 1);
  metered_source<resource_page_source> source(resource_page_source(&failing), 0);
  EXPECT_THROW(static_cast<void>(source.allocate_pages(100, 8)), quarry_test::upstream_failure);
  EXPECT_EQ(source.held_bytes(), 0U);
  EXPECT_EQ(source.peak_bytes(), 0U);
}

TEST(MeteredSource, CountsNothingForANullFromBelow) {
  quarry_test::null_on_failure_source::state state;
  state.fail_at_call = 1;
  metered_source<quarry_test::null_on_failure_source> source(quarry_test::null_on_failure_source(state), 0);
  EXPECT_EQ(source.allocate_pages(100, 8), nullptr);
  EXPECT_EQ(source.held_bytes() + source.peak_bytes(), 0U);
  void* const pages = source.allocate_pages(100, 8);
  EXPECT_EQ(source.held_bytes(), 100U);
  source.deallocate_pages(pages, 100, 8);
}

TEST(MeteredSource, HoldsItsLimitExactlyAndAgainAfterAFree) {
  counting_resource memory;
  metered_source<resource_page_source> source(resource_page_source(&memory), 4096);
  for (int round = 0; round < 3; ++round) {
    void* const pages = source.allocate_pages(4096, 4096);
    ASSERT_NE(pages, nullptr);
    EXPECT_EQ(source.allocate_pages(1, 1), nullptr);
    source.deallocate_pages(pages, 4096, 4096);
  }
  EXPECT_EQ(source.peak_bytes(), 4096U);
}

TEST(MeteredSource, PassesSizeAndAlignmentOnAsTheyAre) {
  counting_resource memory;
  metered_source<resource_page_source> source(resource_page_source(&memory), 0);
  void* const pages = source.allocate_pages(1234, 256);
  EXPECT_EQ(memory.history().back().bytes, 1234U);
  EXPECT_EQ(memory.history().back().alignment, 256U);
  source.deallocate_pages(pages, 1234, 256);  // the counting resource compares both
}

}  // namespace
