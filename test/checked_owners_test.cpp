#include "../src/checked_owners.hpp"

#include <gtest/gtest.h>

namespace quarry::detail {
namespace {

struct range {
  char bytes[16];
};

bool holds(const void* owner, const void* pointer) noexcept {
  const auto* const begin = static_cast<const char*>(owner);
  return pointer >= begin && pointer < begin + sizeof(range);
}

TEST(CheckedOwners, FindTheOtherOwnerOfAPointer) {
  range one, other;
  enter_checked_owner({&one, "range", "one", holds});
  enter_checked_owner({&other, "range", "other", holds});
  EXPECT_EQ(find_other_owner(&one, other.bytes + 3).owner, &other);
  EXPECT_STREQ(find_other_owner(&one, other.bytes + 3).name, "other");
  EXPECT_EQ(find_other_owner(&other, other.bytes + 3).owner, nullptr);
  leave_checked_owner(&other);
  EXPECT_EQ(find_other_owner(&one, other.bytes + 3).owner, nullptr);
  leave_checked_owner(&one);
}

TEST(CheckedOwners, TellWhatTheOtherOneHasRecorded) {
  range one, other, third;
  enter_checked_owner({&one, "range", "one", holds, [](const void*, const void*) noexcept {
                         core::slot_record record;
                         record.bytes = 12;
                         return record;
                       }});
  enter_checked_owner({&other, "range", "other", holds});
  core::slot_record record;
  EXPECT_EQ(find_other_owner(&third, other.bytes, &record).owner, &other);
  EXPECT_EQ(record.bytes, 0U);
  EXPECT_EQ(find_other_owner(&third, one.bytes, &record).owner, &one);
  EXPECT_EQ(record.bytes, 12U);
  leave_checked_owner(&other);
  leave_checked_owner(&one);
}

}  // namespace
}  // namespace quarry::detail
