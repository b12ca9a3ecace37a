#include <gtest/gtest.h>

#include <new>
#include <quarry/core/memory/page_source.hpp>
#include <quarry/resource_page_source.hpp>
#include <stdexcept>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"
#include "support/page_sources.hpp"

namespace {

using quarry::resource_page_source;
using quarry::core::can_discard_pages;
using quarry::core::plain_supply;
using quarry::core::without_throwing;
using quarry_test::counting_resource;

/// A page source that keeps what it was last asked to discard.
class discarding_source {
 public:
  struct call {
    void* pages = nullptr;
    std::size_t bytes = 0;
  };

  discarding_source(call& last, bool answer) noexcept : last_(&last), answer_(answer) {}
  void* allocate_pages(std::size_t, std::size_t) { return nullptr; }
  void deallocate_pages(void*, std::size_t, std::size_t) noexcept {}
  bool discard_pages(void* pages, std::size_t bytes) noexcept {
    *last_ = {pages, bytes};
    return answer_;
  }

 private:
  call* last_;
  bool answer_;
};

TEST(WithoutThrowing, ReturnsWhatTheCallReturns) {
  int value = 7;
  EXPECT_EQ(without_throwing([&value] { return &value; }), &value);
  EXPECT_TRUE(without_throwing([] { return true; }));
}

TEST(WithoutThrowing, ReturnsNothingWhenTheCallThrowsAnything) {
  EXPECT_EQ(without_throwing([]() -> void* { throw std::bad_alloc(); }), nullptr);
  EXPECT_FALSE(without_throwing([]() -> bool { throw std::runtime_error("no"); }));
  const auto throwing = []() -> std::size_t { throw 3; };
  EXPECT_EQ(without_throwing(throwing), 0U);
  EXPECT_TRUE(noexcept(without_throwing(throwing)));
}

TEST(CanDiscardPages, SaysWhetherThePageSourceHasTheThirdMember) {
  EXPECT_TRUE(can_discard_pages<discarding_source>);
  EXPECT_FALSE(can_discard_pages<resource_page_source>);
  EXPECT_FALSE(can_discard_pages<quarry_test::null_on_failure_source>);
}

TEST(PlainSupply, PassesSizeAndAlignmentOnAsTheyAre) {
  counting_resource memory;
  plain_supply<resource_page_source> supply{resource_page_source(&memory)};
  void* const pages = supply.allocate_pages(1234, 256);
  EXPECT_EQ(memory.history().back().bytes, 1234U);
  EXPECT_EQ(memory.history().back().alignment, 256U);
  supply.deallocate_pages(pages, 1234, 256);  // the counting resource compares both
  EXPECT_EQ(memory.live_blocks(), 0U);
  EXPECT_EQ(supply.source().upstream(), &memory);
}

TEST(PlainSupply, TakesAnExtentAsPagesAndKeepsNone) {
  counting_resource memory;
  plain_supply<resource_page_source> supply{resource_page_source(&memory)};
  void* const first = supply.allocate_extent(8192, 4096);
  void* const second = supply.allocate_extent(4096, 4096);
  EXPECT_EQ(memory.history().front().bytes, 8192U);
  EXPECT_EQ(memory.history().front().alignment, 4096U);
  supply.deallocate_extent(first, 8192, 4096);
  EXPECT_EQ(memory.live_blocks(), 1U);
  supply.keep_extent(second, 4096, 4096);
  EXPECT_EQ(memory.live_blocks(), 0U);
  EXPECT_FALSE(supply.keeps_blocks());
  EXPECT_FALSE(supply.blocks_are_lazy());
}

TEST(PlainSupply, LetsPassWhatThePageSourceThrowsOrReturns) {
  counting_resource memory;
  quarry_test::failing_resource failing(&memory);
  plain_supply<resource_page_source> throwing{resource_page_source(&failing)};
  failing.fail_always(true);
  EXPECT_THROW(static_cast<void>(throwing.allocate_pages(100, 8)), quarry_test::upstream_failure);
  EXPECT_THROW(static_cast<void>(throwing.allocate_extent(100, 8)), quarry_test::upstream_failure);
  quarry_test::null_on_failure_source::state state;
  plain_supply<quarry_test::null_on_failure_source> returning{quarry_test::null_on_failure_source(state)};
  state.fail_at_call = 1;
  EXPECT_EQ(returning.allocate_pages(1, 1), nullptr);
  state.fail_at_call = 2;
  EXPECT_EQ(returning.allocate_extent(1, 1), nullptr);
  EXPECT_EQ(memory.calls() + state.memory.calls(), 0U);
}

TEST(PlainSupply, DiscardsWhatThePageSourceDiscardsAndNothingElse) {
  counting_resource memory;
  plain_supply<resource_page_source> unable{resource_page_source(&memory)};
  EXPECT_FALSE(unable.can_discard());
  EXPECT_FALSE(unable.discard_pages(&memory, 16));
  for (const bool answer : {true, false}) {
    discarding_source::call last;
    plain_supply<discarding_source> able{discarding_source(last, answer)};
    EXPECT_TRUE(able.can_discard());
    able.expect_holes(&memory, 4096);
    EXPECT_EQ(last.pages, nullptr) << "announcing holes makes none";
    EXPECT_EQ(able.discard_pages(&memory, 16), answer);
    EXPECT_EQ(last.pages, &memory);
    EXPECT_EQ(last.bytes, 16U);
  }
}

}  // namespace
