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

}  // namespace
}  // namespace quarry
