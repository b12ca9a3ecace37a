#include "workload.hpp"

#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>

#include "process_memory.hpp"
#include "real_input.hpp"
#include "rivals.hpp"

namespace bench {
namespace {

struct options {
  run_mode mode;
  std::size_t rotate = 0;                // which rival goes first; the script turns it from round to round
  std::optional<std::string> memory_of;  // "workload/rival": measure that one's memory and time nothing
  std::optional<std::string> untuned;    // time this rival alone, in a process whose heap nobody tuned
  bool list = false;
};

// Takes our own options out of argv; what is left is Google Benchmark's.
options parse_options(int& argc, char** argv) {
  options parsed;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value_of = [&](const char* option) {
      const std::size_t length = std::strlen(option);
      return argument.compare(0, length, option) == 0 ? argv[i] + length : nullptr;
    };
    if (argument == "--smoke") {
      parsed.mode.smoke = true;
    } else if (argument == "--list") {
      parsed.list = true;
    } else if (const char* milliseconds = value_of("--budget_ms=")) {
      parsed.mode.budget_ms = std::atof(milliseconds);
    } else if (const char* first = value_of("--rotate=")) {
      parsed.rotate = static_cast<std::size_t>(std::atoll(first));
    } else if (const char* name = value_of("--memory_of=")) {
      parsed.memory_of = name;
    } else if (const char* alone = value_of("--untuned=")) {
      parsed.untuned = alone;
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return parsed;
}

// What each workload computed, and on which rival first: all others must agree.
class agreement {
 public:
  bool holds(const std::string& workload_name, const std::string& rival_name, std::uint64_t sum) {
    const auto [entry, first] = sums_.try_emplace(workload_name, rival_name, sum);
    if (first || entry->second.second == sum) return true;
    std::fprintf(stderr, "%s: %s computed %llu, but %s computed %llu\n", workload_name.c_str(),
                 rival_name.c_str(), static_cast<unsigned long long>(sum), entry->second.first.c_str(),
                 static_cast<unsigned long long>(entry->second.second));
    broken_ = true;
    return false;
  }
  bool broken() const { return broken_; }

 private:
  std::map<std::string, std::pair<std::string, std::uint64_t>> sums_;
  bool broken_ = false;
};

// The floor runs in a buffer that is warm from its first round on, so that neither page faults nor growth are
// timed. It asks upstream only when a load outgrows the buffer.
constexpr std::size_t warm_buffer_bytes = std::size_t{1} << 28;
void* warm_buffer() {
  static void* const buffer = mmap(nullptr, warm_buffer_bytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (buffer == MAP_FAILED) throw std::bad_alloc();
  return buffer;
}

// What the round that is running now may speak to; null outside of one.
benchmark::State* running_state = nullptr;

void time_rounds(benchmark::State& state, const workload& load, const rival& rival,
                 const round_function& round, std::pmr::memory_resource* resource, agreement& sums) {
  const auto end_round = resource == nullptr ? nullptr : rival.end_round;
  running_state = nullptr;
  const std::uint64_t sum = round(true);
  if (end_round) end_round(*resource);
  if (&rival != &one_block() && !sums.holds(load.name, rival.name, sum)) {
    state.SkipWithError("this rival's result differs from another's");
    return;
  }
  running_state = &state;
  const std::uint64_t faults_before = page_faults();
  for (auto _ : state) {
    benchmark::DoNotOptimize(round(false));
    if (end_round) end_round(*resource);
  }
  state.counters["faults"] = benchmark::Counter(static_cast<double>(page_faults() - faults_before),
                                                benchmark::Counter::kAvgIterations);
  running_state = nullptr;
}

void time_rival(benchmark::State& state, const workload& load, const rival& rival, agreement& sums) {
  std::pmr::memory_resource* const upstream = std::pmr::new_delete_resource();
  if (load.prepare_rival) {
    time_rounds(state, load, rival, load.prepare_rival(rival), nullptr, sums);
  } else {
    const auto body = [&](std::pmr::memory_resource& resource) {
      time_rounds(state, load, rival, load.prepare(resource), &resource, sums);
    };
    if (rival.kind == rival_kind::floor && rival.with_buffer != nullptr) {
      rival.with_buffer(warm_buffer(), warm_buffer_bytes, upstream, body);
    } else {
      rival.with(upstream, body);
    }
  }
  const double operations = static_cast<double>(load.operations);
  state.counters["operations"] = operations;
  state.counters["ns_per_operation"] = benchmark::Counter(
      operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

// One round in this process alone, not timed: bytes asked for, bytes held from upstream, bytes resident, all
// at their peak.
void measure_memory(const workload& load, const rival& rival) {
  counting_resource upstream(std::pmr::new_delete_resource());
  std::size_t live_peak_bytes = 0;
  turn_huge_pages_off();
  reset_resident_peak();
  const std::size_t resident_before = resident_bytes();
  rival.with(&upstream, [&](std::pmr::memory_resource& resource) {
    counting_resource live(&resource);  // for one thread; what threads share is measured resident only
    const round_function round = load.shares_resource ? load.prepare(resource) : load.prepare(live);
    benchmark::DoNotOptimize(round(true));
    live_peak_bytes = live.peak_bytes();
  });
  const std::size_t resident_peak = std::max(resident_peak_bytes(), resident_before);
  std::printf(
      "{\"workload\": \"%s\", \"rival\": \"%s\", \"live_peak_bytes\": %zu, \"upstream_peak_bytes\": %zu, "
      "\"resident_peak_bytes\": %zu}\n",
      load.name.c_str(), rival.name.c_str(), live_peak_bytes, rival.has_upstream ? upstream.peak_bytes() : 0,
      resident_peak - resident_before);
}

bool takes_part(const workload& load, const rival& rival) {
  if (load.is_for && !load.is_for(rival)) return false;
  if (load.shares_resource && !rival.synchronized) return false;
  if (load.prepare_rival) return static_cast<bool>(load.prepare_rival(rival));
  return load.returns_to_empty || rival.kind != rival_kind::floor;
}

// Those of `among` that run `load`.
std::vector<const rival*> rivals_of(const workload& load, const std::vector<rival>& among) {
  std::vector<const rival*> present;
  for (const rival& each : among) {
    if (takes_part(load, each)) present.push_back(&each);
  }
  return present;
}

// Those that run `load`, the floor of the calls last.
std::vector<const rival*> rivals_of(const workload& load) {
  std::vector<const rival*> present = rivals_of(load, rivals());
  if (load.takes_one_block) present.push_back(&one_block());
  return present;
}

// Hands the load to Google Benchmark once for each rival, beginning with number `rotate`.
void enlist(const workload& load, const std::vector<const rival*>& present, const run_mode& mode,
            std::size_t rotate, agreement& sums) {
  const double round_ns = static_cast<double>(load.operations) * load.typical_ns;
  const auto rounds = mode.smoke ? 1 : static_cast<std::int64_t>(mode.budget_ms * 1e6 / round_ns);
  for (std::size_t turn = 0; turn < present.size(); ++turn) {
    const rival& rival = *present[(turn + rotate) % present.size()];
    benchmark::internal::Benchmark* const registered =
        benchmark::RegisterBenchmark((load.name + "/" + rival.name).c_str(), [&load, &rival, &sums](
                                                                                 benchmark::State& state) {
          time_rival(state, load, rival, sums);
        })->Iterations(std::max<std::int64_t>(rounds, 1));
    if (load.shares_resource || load.works_elsewhere) registered->UseRealTime();
  }
}

// Passes each time on and prints nothing.
class time_listener final : public benchmark::BenchmarkReporter {
 public:
  explicit time_listener(const time_report& report) : report_(report) {}
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const std::string& name = run.run_name.function_name;
      const std::size_t slash = name.find('/');
      const double ns = run.GetAdjustedCPUTime() / run.counters.at("operations").value;
      report_(name.substr(0, slash), name.substr(slash + 1), ns);
    }
  }

 private:
  const time_report& report_;
};

int measure_memory(const std::vector<workload>& loads, const std::string& name) {
  // Before the rivals' libraries are loaded: they move the program break, and then glibc can no longer trim.
  reset_resident_peak();
  for (const workload& load : loads) {
    for (const rival& rival : rivals()) {
      if (load.name + "/" + rival.name != name || !load.prepare || !takes_part(load, rival)) continue;
      measure_memory(load, rival);
      return 0;
    }
  }
  std::fprintf(stderr, "--memory_of=%s: no such workload/rival\n", name.c_str());
  return 2;
}

void list_workloads(const std::vector<workload>& loads) {
  for (const workload& load : loads) {
    for (const rival* const each : rivals_of(load)) {
      std::printf("%s/%s\t%s\t%s\n", load.name.c_str(), each->name.c_str(), kind_name(each->kind),
                  load.operation.c_str());
    }
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : "; ") + word;
  return all;
}

}  // namespace

stopped_clock::stopped_clock() {
  if (running_state != nullptr) running_state->PauseTiming();
}
stopped_clock::~stopped_clock() {
  if (running_state != nullptr) running_state->ResumeTiming();
}

void report_figure(const std::string& name, double figure) {
  if (running_state != nullptr) running_state->counters[name] = figure;
}

int run_workloads(int argc, char** argv,
                  const std::function<std::vector<workload>(const run_mode&)>& make_workloads) {
  prepare_process(argv);
  const options given = parse_options(argc, argv);
  std::vector<workload> loads;
  try {
    loads = make_workloads(given.mode);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  if (given.list) {
    list_workloads(loads);
    return 0;
  }
  if (given.memory_of) return measure_memory(loads, *given.memory_of);
  std::vector<rival> alone;
  if (given.untuned) {
    const rival* const found = only_rival(*given.untuned);
    if (found == nullptr) {
      std::fprintf(stderr, "--untuned=%s: no such rival\n", given.untuned->c_str());
      return 2;
    }
    alone.push_back(*found);
  } else {
    keep_heap_warm();
  }

  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!given.untuned) benchmark::AddCustomContext("absent_rivals", joined(absent_rivals()));
  benchmark::AddCustomContext("real_input", joined(real_input_used()));

  agreement sums;
  for (const workload& load : loads)
    enlist(load, given.untuned ? rivals_of(load, alone) : rivals_of(load), given.mode, given.rotate, sums);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return sums.broken() ? 1 : 0;
}

bool time_once(const std::vector<workload>& loads, const std::vector<rival>& among, const run_mode& mode,
               std::size_t rotate, const time_report& report) {
  std::string program = "benchmark";
  char* arguments[] = {program.data(), nullptr};
  int count = 1;
  benchmark::Initialize(&count, arguments);
  agreement sums;
  for (const workload& load : loads) enlist(load, rivals_of(load, among), mode, rotate, sums);
  time_listener listener(report);
  benchmark::RunSpecifiedBenchmarks(&listener);
  benchmark::Shutdown();
  return !sums.broken();
}

}  // namespace bench
