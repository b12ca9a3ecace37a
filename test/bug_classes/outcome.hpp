// What becomes of a program with a bug: the program writes marks between its steps, and from the last of them, from what was printed
// behind it and from how the process ended follows who noticed the bug, and when.
//
// Threads: one.
#pragma once

#include <string>

namespace bug_classes {

/// The steps of a program with a bug.
enum class step {
  before,  // what is right
  fault,   // the call or the access that is wrong
  freed,   // the blocks that were touched are freed as they should be
  use,     // other code allocates and frees
  end      // the memory ends, and the process
};

/// Marks the begin of a step. Async-signal-safe.
void begin(step next);

/// Notes harm that was done without a word: two owners of one block, for instance. Only the first one counts.
void note_harm(const char* what);

/// Says that this memory cannot have the bug, and ends the process.
[[noreturn]] void end_as_impossible();

/// What was observed of a process.
struct outcome {
  std::string cell;    // as in the table of docs/reliability.md
  std::string output;  // of the process, with its marks
};

/// Runs the bug in a child of this process, which is given bounded time of the processor. Requires that no other thread runs.
outcome observe(const std::string& kind_of_memory, const std::string& bug);

}  // namespace bug_classes
