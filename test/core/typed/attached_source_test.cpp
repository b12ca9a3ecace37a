#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <quarry/core/typed/attached_source.hpp>
#include <quarry/page_sources.hpp>
#include <utility>

namespace {

using quarry::core::attached_source;
using quarry::core::is_attached_by_value;

/// A source that can be copied: its state goes with it.
struct numbered_source {
  int number = 7;
};

/// A source that is its own memory, so that it cannot be copied.
struct fixed_source {
  constexpr fixed_source() = default;
  fixed_source(const fixed_source&) = delete;
  fixed_source& operator=(const fixed_source&) = delete;
  int lent = 0;
};

struct stateless_source {};

static_assert(is_attached_by_value<numbered_source>);
static_assert(is_attached_by_value<quarry::os_page_source>);
static_assert(is_attached_by_value<quarry::resource_page_source>);
static_assert(!is_attached_by_value<fixed_source>);
static_assert(!is_attached_by_value<quarry::static_page_source<4096>>);

static_assert(quarry::core::names_capacity<quarry::static_page_source<4096>>);
static_assert(!quarry::core::names_capacity<quarry::os_page_source>);

struct one_word : attached_source<stateless_source> {
  void* word = nullptr;
};
static_assert(sizeof(one_word) == sizeof(void*), "a source without state costs nothing");

/// No base for anything, and named like what it is held beside.
struct closed_source final {
  explicit constexpr closed_source(int number) : lock(number), root(number) {}
  int lock, root;
  int source() const { return lock; }
};

TEST(AttachedSource, HoldsAFinalClassWithMembersOfAnyNameAndNoDefault) {
  struct beside : attached_source<closed_source> {
    using attached_source::attached_source;
    int lock = 1;
  } const both(closed_source(2));
  EXPECT_EQ(both.lock, 1);
  EXPECT_EQ(both.source().source(), 2);
}

TEST(AttachedSource, HoldsACopyOfASourceThatCanBeCopied) {
  numbered_source original{1};
  attached_source<numbered_source> attached(original);
  original.number = 2;
  EXPECT_EQ(attached.source().number, 1);
  attached.source().number = 3;
  EXPECT_EQ(original.number, 2);
  EXPECT_EQ(std::as_const(attached).source().number, 3);
}

TEST(AttachedSource, CopiesOfAValueGoTheirOwnWays) {
  attached_source<numbered_source> first(numbered_source{1});
  attached_source<numbered_source> second(first);
  second.source().number = 2;
  EXPECT_EQ(first.source().number, 1);
  first = second;
  EXPECT_EQ(first.source().number, 2);
}

TEST(AttachedSource, AValueThatIsNotGivenIsTheSourcesDefault) {
  EXPECT_EQ(attached_source<numbered_source>().source().number, 7);
}

TEST(AttachedSource, RefersToASourceThatCannotBeCopied) {
  fixed_source original;
  const attached_source<fixed_source> first(original);
  const attached_source<fixed_source> second(first);
  first.source().lent = 1;
  EXPECT_EQ(original.lent, 1);
  EXPECT_EQ(&second.source(), &original);
}

TEST(AttachedSource, WithoutASourceAllReferToTheProgramsOneDefaultInstance) {
  const attached_source<fixed_source> first, second;
  fixed_source other;
  EXPECT_EQ(&first.source(), &second.source());
  EXPECT_NE(&first.source(), &other);
  EXPECT_NE(static_cast<void*>(&attached_source<quarry::static_page_source<256>>().source()),
            static_cast<void*>(&attached_source<quarry::static_page_source<512>>().source()));
}

TEST(AttachedSource, AssigningAReferenceTurnsToTheOtherSource) {
  fixed_source one, other;
  attached_source<fixed_source> attached(one);
  attached = attached_source<fixed_source>(other);
  EXPECT_EQ(&attached.source(), &other);
}

// What a program's static objects hold is ready before any constructor runs.
fixed_source program_source;
constexpr attached_source<fixed_source> constant_reference(program_source);
constexpr attached_source<numbered_source> constant_value(numbered_source{5});

TEST(AttachedSource, IsAConstantExpressionEitherWay) {
  EXPECT_EQ(&constant_reference.source(), &program_source);
  EXPECT_EQ(constant_value.source().number, 5);
}

}  // namespace
