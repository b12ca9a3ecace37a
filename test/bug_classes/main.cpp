// Runs planted bugs and tells who noticed. `bug_classes --bugs` lists them, `bug_classes --kinds` the kinds of memory,
// `bug_classes KIND BUG [--output]` prints what becomes of one.
#include <cstdio>
#include <cstring>

#include "bugs.hpp"
#include "memory.hpp"
#include "outcome.hpp"

int main(int count, char** arguments) {
  if (count == 2 && std::strcmp(arguments[1], "--bugs") == 0) {
    for (const auto& each : bug_classes::all_bugs()) std::printf("%s\t%s\n", each.name, each.what);
    return 0;
  }
  if (count == 2 && std::strcmp(arguments[1], "--kinds") == 0) {
    for (const auto& each : bug_classes::kinds_of_memory()) std::printf("%s\n", each.c_str());
    return 0;
  }
  if (count < 3) {
    std::fprintf(stderr, "usage: bug_classes --bugs | --kinds | KIND BUG [--output]\n");
    return 2;
  }
  const auto seen = bug_classes::observe(arguments[1], arguments[2]);
  std::printf("%s\n", seen.cell.c_str());
  if (count > 3) std::printf("%s", seen.output.c_str());
  return 0;
}
