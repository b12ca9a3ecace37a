#include "quarry/violation.hpp"

#include <gtest/gtest.h>

#include <string>

namespace quarry {
namespace {

std::string last_message;

void note(const violation& found) {
  last_message = found.message;
}

TEST(Violation, GoesToTheHandlerThatWasSetLast) {
  EXPECT_EQ(set_violation_handler(note), nullptr);
  detail::report_violation({slab_errc::double_free, nullptr, nullptr, "a block was freed twice"});
  EXPECT_EQ(last_message, "a block was freed twice");
  EXPECT_EQ(set_violation_handler(nullptr), note);
}

TEST(ViolationDeathTest, EndsTheProgramWithItsMessageByDefault) {
  EXPECT_DEATH(detail::report_violation({slab_errc::corrupted, nullptr, nullptr, "a header was overwritten"}),
               "a header was overwritten");
}

TEST(ViolationDeathTest, SaysInWhichCallWhereTheMessageDoesNot) {
  EXPECT_DEATH(
      detail::report_violation({slab_errc::corrupted, nullptr, nullptr, "a header was overwritten\n"}),
      "a header was overwritten\n  stacks    addr2line .*\n    found in a call by\n.*\\+0x");
}

TEST(ViolationDeathTest, EndsWithTheMessageWhereThatSaysIt) {
  EXPECT_DEATH(detail::report_violation({slab_errc::double_free, nullptr, nullptr,
                                         "a block was freed twice\n    called by\n      somebody\n"}),
               "      somebody\n$");
}

}  // namespace
}  // namespace quarry
