// Runs this same program again, so that each rival is measured in a process of its own.
#pragma once

#include <string>

namespace bench {

/// Returns what `this-program arguments` prints; an empty string when it fails.
std::string output_of_child(const std::string& arguments);

}  // namespace bench
