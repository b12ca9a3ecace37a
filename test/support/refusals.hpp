// The ways in which an upstream refuses and a resource is checked: the parameter of tests that refuse every call.
//
// Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <quarry/check_level.hpp>
#include <quarry/violation.hpp>
#include <string>
#include <vector>

#include "support/sanitizers.hpp"

namespace quarry_test {

/// How upstream refuses, and how the resource is checked meanwhile.
struct refusal {
  quarry::check_level checks;
  bool by_null;   // upstream returns null, or throws
  bool for_good;  // it refuses whatever is asked after the chosen call, or serves again

  std::string name() const {
    const char* const level = checks == quarry::check_level::off        ? "Unchecked"
                              : checks == quarry::check_level::pointers ? "Pointers"
                                                                        : "Full";
    return std::string(level) + (by_null ? "Null" : "Exception") + (for_good ? "ForGood" : "Once");
  }
  friend void PrintTo(const refusal& which, std::ostream* out) { *out << which.name(); }
};

/// UndefinedBehaviorSanitizer, which runs together with AddressSanitizer, ends a program whose memory resource returns null.
inline constexpr bool may_return_null = !has_address_sanitizer;

inline std::vector<refusal> every_refusal() {
  std::vector<refusal> all;
  for (const auto level :
       {quarry::check_level::off, quarry::check_level::pointers, quarry::check_level::full})
    for (const bool by_null : {false, true})
      for (const bool for_good : {false, true})
        if (!by_null || may_return_null) all.push_back({level, by_null, for_good});
  return all;
}

/// A violation in a program that uses everything right is the fault of who tells it.
class no_violations {
 public:
  no_violations()
      : before_(quarry::set_violation_handler(
            [](const quarry::violation& found) { ADD_FAILURE() << found.message; })) {}
  no_violations(const no_violations&) = delete;
  no_violations& operator=(const no_violations&) = delete;
  ~no_violations() { quarry::set_violation_handler(before_); }

 private:
  quarry::violation_handler before_;
};

}  // namespace quarry_test
