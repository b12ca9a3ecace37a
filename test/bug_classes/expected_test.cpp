// What Quarry says of each bug, through each face, at each level: docs/reliability.md has the same table beside other allocators'.
#include <gtest/gtest.h>

#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "bugs.hpp"
#include "outcome.hpp"

namespace {

// What a face must have so that the bug can be made there.
enum class needs { nothing, sizes, threads, release };

// Cells as outcome::cell; of off only whether there was harm, in whatever way it shows: nothing is promised there.
struct row {
  const char* bug;
  needs of_face;
  const char* off;  // never, harm, or null: chance
  const char* pointers;
  const char* full;
  const char* typed_full = nullptr;  // of typed caches, where they differ
};

// What a guarded_resource tells that guards each block. What it hands on is for the resource behind it: no row.
struct guarded_row {
  const char* bug;
  const char* cell;
};

constexpr const char* call = "at the call";
constexpr const char* changed = "never: a value changed";

constexpr row table[] = {
    {"double_free", needs::nothing, "harm", call, call},
    {"double_free_after_others", needs::nothing, "harm", call, call},
    {"double_free_of_a_large_block", needs::sizes, "never", call, call},
    {"free_by_two_threads", needs::threads, nullptr, "at the call or later", "at the call or later"},
    {"stale_free", needs::nothing, "harm", "two owners, then later", call},
    {"stale_free_long_after", needs::nothing, "harm", "two owners, then later",
     "a value changed, then later"},
    {"free_after_release", needs::release, nullptr, call, call},
    {"interior_pointer", needs::nothing, "harm", call, call},
    {"misaligned_pointer", needs::nothing, "harm", call, call},
    {"never_allocated", needs::nothing, nullptr, call, call},
    {"stack_pointer", needs::nothing, "harm", call, call},
    {"static_pointer", needs::nothing, "harm", call, call},
    {"unmapped_pointer", needs::nothing, "harm", call, call},
    {"pointer_of_malloc", needs::nothing, "harm", call, call},
    {"pointer_of_another_resource", needs::nothing, "harm", call, call},
    {"wrong_size", needs::sizes, "never", call, call},
    {"wrong_size_of_the_same_class", needs::sizes, "never", "never", call},
    {"wrong_alignment", needs::sizes, "never", call, call},
    {"underrun", needs::nothing, "harm", changed, "later, when freed", changed},
    {"overrun_by_one_byte", needs::sizes, "never", "never", "later, when freed"},
    {"overrun_of_a_full_block", needs::nothing, "harm", changed, "later, when freed", changed},
    {"overrun_into_the_neighbour", needs::nothing, "harm", changed, "a value changed, then later, when freed",
     changed},
    {"write_after_free", needs::nothing, "never", "never", "later"},
    {"write_after_free_at_the_begin", needs::nothing, "never", "never", "later"},
    {"write_after_reuse", needs::nothing, "harm", changed, "later"},
    {"read_after_free", needs::nothing, "harm", "never: reads the old value", "never: reads another value"},
    {"leak", needs::nothing, "never", "never", "at the end", "never"},
};

constexpr guarded_row guarded_table[] = {{"double_free", call},
                                         {"double_free_after_others", call},
                                         {"stale_free", call},
                                         {"interior_pointer", call},
                                         {"misaligned_pointer", call},
                                         {"never_allocated", call},
                                         {"wrong_size", call},
                                         {"wrong_size_of_the_same_class", call},
                                         {"wrong_alignment", call},
                                         {"underrun", call},
                                         {"overrun_by_one_byte", "later, when freed"},
                                         {"overrun_of_a_full_block", call},
                                         {"overrun_into_the_neighbour", call},
                                         {"write_after_free", call},
                                         {"write_after_free_at_the_begin", call},
                                         {"write_after_reuse", call},
                                         {"read_after_free", call},
                                         {"leak", "at the end"}};

struct face {
  const char* name;
  bool has_sizes;
  bool has_threads;
  bool has_release;
};

constexpr face faces[] = {{"unsynchronized", true, false, true},
                          {"synchronized", true, true, true},
                          {"view", true, false, false},
                          {"typed", false, false, false},
                          {"typed_locked", false, true, false}};

bool has(const face& which, needs what) {
  switch (what) {
    case needs::sizes:
      return which.has_sizes;
    case needs::threads:
      return which.has_threads;
    case needs::release:
      return which.has_release;
    case needs::nothing:
      break;
  }
  return true;
}

struct expectation {
  std::string bug;
  std::string memory;
  std::string cell;  // or several, parted by " or "
};

std::ostream& operator<<(std::ostream& out, const expectation& each) {
  return out << each.bug << ", " << each.memory << ": " << each.cell;
}

std::vector<expectation> all_expectations() {
  std::vector<expectation> all;
  for (const row& each : table)
    for (const face& which : faces) {
      if (!has(which, each.of_face)) continue;
      const auto add = [&, name = std::string(which.name)](const char* level, const char* cell) {
        all.push_back({each.bug, name + "_" + level, cell});
      };
#if defined(NDEBUG)  // otherwise the engine asserts what no level checks
      if (each.off != nullptr) add("off", each.off);
#endif
      add("pointers", each.pointers);
      add("full", !which.has_sizes && each.typed_full != nullptr ? each.typed_full : each.full);
    }
  for (const guarded_row& each : guarded_table)
    for (const char* const memory : {"guarded", "guarded_synchronized"})
      all.push_back({each.bug, memory, each.cell});
  all.push_back({"free_by_two_threads", "guarded_synchronized", call});
  return all;
}

std::string case_name(const testing::TestParamInfo<expectation>& info) {
  return info.param.bug + "_" + info.param.memory;
}

class BugClasses : public testing::TestWithParam<expectation> {};

INSTANTIATE_TEST_SUITE_P(Table, BugClasses, testing::ValuesIn(all_expectations()), case_name);

TEST_P(BugClasses, AreToldWhereTheTableSays) {
  const bug_classes::outcome seen = bug_classes::observe(GetParam().memory, GetParam().bug);
  const std::string& cell = GetParam().cell;
  if (cell == "harm") {
    EXPECT_NE(seen.cell, "never");
    EXPECT_NE(seen.cell, call) << seen.output;
    return;
  }
  EXPECT_NE((" or " + cell + " or ").find(" or " + seen.cell + " or "), std::string::npos)
      << seen.cell << ", expected " << cell << ":\n"
      << seen.output;
}

TEST(BugClassesTable, HasARowForEachBug) {
  std::set<std::string> rows, bugs;
  for (const row& each : table) rows.insert(each.bug);
  for (const auto& each : bug_classes::all_bugs()) bugs.insert(each.name);
  EXPECT_EQ(rows, bugs);
}

TEST(BugClassesTable, RunsRightProgramsToTheirEnd) {
  for (const face& each : faces)
    for (const char* const level : {"off", "pointers", "full"})
      EXPECT_EQ(bug_classes::observe(std::string(each.name) + "_" + level, "no_bug").cell, "never")
          << each.name << level;
  EXPECT_EQ(bug_classes::observe("guarded", "no_bug").cell, "never");
}

}  // namespace
