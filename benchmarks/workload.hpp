// A workload and its driver: one `main` line per benchmark file.
//
//   int main(int argc, char** argv) {
//     return bench::run_workloads(argc, argv, [](const bench::run_mode& mode) {
//       return std::vector<bench::workload>{...};
//     });
//   }
//
// Every workload runs on every rival in turn, in one process; Google Benchmark does the timing. Each rival's
// resource is new, its first round is untimed (page faults stay out of the numbers), and what that round
// computed must be the same for every rival, else the program fails. The page faults of the timed rounds are
// counted beside the time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <string>
#include <vector>

#include "rivals.hpp"

namespace bench {

/// How much to run, from the command line.
struct run_mode {
  bool smoke = false;      // each workload tiny: shows that it runs, measures nothing
  double budget_ms = 100;  // timed work for each workload and rival

  /// The size of a workload: `full`, or in a smoke run `tiny`.
  std::size_t pick(std::size_t full, std::size_t tiny) const { return smoke ? tiny : full; }
};

/// One timed round. In the one untimed round `check` is true: it reads all contents back and returns a sum
/// over them.
using round_function = std::function<std::uint64_t(bool check)>;

struct workload {
  std::string name;        // as in the table: letters, digits, underscores
  std::string operation;   // what one operation is, for the reader: "allocate and free 64 bytes"
  std::size_t operations;  // in one round
  double
      typical_ns;  // of one operation on a common rival: sets the number of rounds, no result depends on it
  bool returns_to_empty;  // each round frees all it allocated; if not, monotonic sits out, for it would only
                          // grow
  /// Sets up on `resource`, untimed, and returns the round. What the round holds is freed when it is
  /// destroyed.
  std::function<round_function(std::pmr::memory_resource& resource)> prepare;
  /// Set instead of `prepare` where the question is the resource itself: makes its own resources from the
  /// rival. Returns an empty function for a rival that cannot take part.
  std::function<round_function(const rival& rival)> prepare_rival = nullptr;
  /// Threads share the resource: only rivals that allow that take part, and the clock on the wall counts.
  bool shares_resource = false;
  /// A thread of the round's own does the work: the clock on the wall counts.
  bool works_elsewhere = false;
  /// The round means something when all its blocks are one and the same: the floor of the calls takes part. Its sum
  /// is not compared.
  bool takes_one_block = false;
  /// Says which rivals the question is for; empty: for all.
  std::function<bool(const rival& rival)> is_for = nullptr;
};

/// While one lives, the clock of the round stands still: for work that a round needs and nobody asks the price of. It
/// costs about a microsecond, so only long rounds may have one. Only in the thread that runs the round.
class stopped_clock {
 public:
  stopped_clock();
  ~stopped_clock();
  stopped_clock(const stopped_clock&) = delete;
  stopped_clock& operator=(const stopped_clock&) = delete;
};

/// Adds a figure of this rival's run to the report, beside its time. In an untimed round of a memory measurement it
/// goes nowhere.
void report_figure(const std::string& name, double figure);

/// Runs what the command line asks for. Returns the exit code: 1 when rivals disagree, 2 for a wrong option.
int run_workloads(int argc, char** argv,
                  const std::function<std::vector<workload>(const run_mode&)>& make_workloads);

/// Takes the time of one operation, for each load and rival.
using time_report = std::function<void(const std::string& load, const std::string& rival, double ns)>;

/// Times each load on each of `among` that can take part, once and in turns, beginning with number `rotate`. For programs
/// with rivals and tables of their own; once in a process. Returns false when rivals disagree.
bool time_once(const std::vector<workload>& loads, const std::vector<rival>& among, const run_mode& mode,
               std::size_t rotate, const time_report& report);

}  // namespace bench
