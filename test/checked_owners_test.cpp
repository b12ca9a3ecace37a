#include "../src/checked_owners.hpp"

#include <gtest/gtest.h>

namespace quarry::detail {
namespace {

struct range {
  char bytes[16];
};

bool owns(const void* owner, const void* pointer) noexcept {
  const auto* const begin = static_cast<const char*>(owner);
  return pointer >= begin && pointer < begin + sizeof(range);
}

TEST(CheckedOwners, FindTheOtherOwnerOfAPointer) {
  range one, other;
  enter_checked_owner({&one, "range", "one", owns});
  enter_checked_owner({&other, "range", "other", owns});
  EXPECT_EQ(find_other_owner(&one, other.bytes + 3).owner, &other);
  EXPECT_STREQ(find_other_owner(&one, other.bytes + 3).name, "other");
  EXPECT_EQ(find_other_owner(&other, other.bytes + 3).owner, nullptr);
  leave_checked_owner(&other);
  EXPECT_EQ(find_other_owner(&one, other.bytes + 3).owner, nullptr);
  leave_checked_owner(&one);
}

}  // namespace
}  // namespace quarry::detail
