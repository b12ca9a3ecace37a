// The bugs: small programs, right but for one step.
#pragma once

#include <string>
#include <vector>

namespace bug_classes {

struct bug {
  const char* name;
  const char* what;  // for a person: a row of the table in docs/reliability.md
};

const std::vector<bug>& all_bugs();

/// Runs a bug over a new memory of that kind, with the steps of outcome.hpp; `no_bug` is a program without one.
void run_bug(const std::string& kind_of_memory, const std::string& name);

}  // namespace bug_classes
