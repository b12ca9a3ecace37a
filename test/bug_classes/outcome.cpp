#include "outcome.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "bugs.hpp"

namespace bug_classes {
namespace {

constexpr const char* marks[] = {"@before", "@fault", "@freed", "@use", "@end"};  // by step
constexpr const char* harm_mark = "@harm ";
constexpr const char* done_mark = "@done";
constexpr const char* impossible_mark = "@impossible";
constexpr rlim_t most_seconds =
    10;  // of the processor: a program that runs in circles ends, one that waits its turn goes on
constexpr unsigned most_waiting = 300;  // seconds: a program that waits for a lock ends

void write_line(const char* text, const char* more = "") {
  char line[128];
  const int bytes = std::snprintf(line, sizeof line, "%s%s\n", text, more);
  if (write(STDOUT_FILENO, line, static_cast<std::size_t>(bytes)) != bytes) _exit(3);
}

[[noreturn]] void run_child(const std::string& kind_of_memory, const std::string& bug) {
  const rlimit processor{most_seconds, most_seconds};
  const rlimit core{0, 0};
  setrlimit(RLIMIT_CPU, &processor);
  setrlimit(RLIMIT_CORE, &core);
  alarm(most_waiting);
  unsetenv("QUARRY_CHECKS");
  begin(step::before);
  run_bug(kind_of_memory, bug);
  write_line(done_mark);
  _exit(0);
}

// What a process wrote.
struct told {
  step last = step::before;         // that was begun
  bool has_words = false;           // in that step
  step first_words = step::before;  // the step in which something was said first; before: none
  bool is_harm_first = false;       // harm was done before anything was said
  std::string harm;
  bool is_done = false;
  bool is_impossible = false;
};

bool starts_with(const std::string& text, const char* what) {
  return text.compare(0, std::strlen(what), what) == 0;
}

void read_line(told& found, const std::string& line) {
  for (std::size_t i = 0; i < std::size(marks); ++i) {
    if (line != marks[i]) continue;
    found.last = static_cast<step>(i);
    found.has_words = false;
    return;
  }
  if (starts_with(line, harm_mark)) {
    if (!found.harm.empty()) return;
    found.harm = line.substr(std::strlen(harm_mark));
    found.is_harm_first = found.first_words == step::before;
  } else if (line == done_mark) {
    found.is_done = true;
  } else if (line == impossible_mark) {
    found.is_impossible = true;
  } else if (!line.empty()) {
    found.has_words = true;
    if (found.first_words == step::before) found.first_words = found.last;
  }
}

told read_output(const std::string& output) {
  told found;
  for (std::size_t begin = 0; begin < output.size();) {
    const std::size_t end = std::min(output.find('\n', begin), output.size());
    read_line(found, output.substr(begin, end - begin));
    begin = end + 1;
  }
  return found;
}

const char* when(step at) {
  switch (at) {
    case step::fault:
      return "at the call";
    case step::freed:
      return "later, when freed";
    case step::use:
      return "later";
    case step::end:
      return "at the end";
    case step::before:
      break;
  }
  return "before the bug";
}

// How the process was stopped; empty when it came to its end.
std::string stop_of(const told& found, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && found.is_done) return "";
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
    return "runs for ever";
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "waits for ever";
  if (found.has_words) return when(found.last);
  return found.last <= step::fault ? "crash at the call" : "crash elsewhere";
}

std::string cell_of(const told& found, int status) {
  if (found.is_impossible) return "—";
  const std::string stop = stop_of(found, status);
  std::string words;  // of who told, and went on
  if (found.first_words != step::before && stop != when(found.first_words)) {
    words = when(found.first_words);
    if (found.first_words != step::end) words += ", goes on";
  }
  if (stop.empty() && words.empty()) return found.harm.empty() ? "never" : "never: " + found.harm;
  std::string cell;
  for (const std::string& each :
       {found.is_harm_first ? found.harm : words, found.is_harm_first ? words : found.harm, stop})
    if (!each.empty()) cell += (cell.empty() ? "" : ", then ") + each;
  return cell;
}

}  // namespace

void begin(step next) {
  write_line(marks[static_cast<int>(next)]);
}

void note_harm(const char* what) {
  write_line(harm_mark, what);
}

void end_as_impossible() {
  write_line(impossible_mark);
  _exit(0);
}

outcome observe(const std::string& kind_of_memory, const std::string& bug) {
  int ends[2];
  std::fflush(nullptr);
  if (pipe(ends) != 0) return {"no pipe", ""};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    run_child(kind_of_memory, bug);
  }
  close(ends[1]);
  outcome result;
  char buffer[4096];
  for (ssize_t bytes = 0; (bytes = read(ends[0], buffer, sizeof buffer)) > 0;)
    result.output.append(buffer, static_cast<std::size_t>(bytes));
  close(ends[0]);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return {"no child", result.output};
  result.cell = cell_of(read_output(result.output), status);
  return result;
}

}  // namespace bug_classes
