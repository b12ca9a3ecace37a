// How long does the slowest single call take? A resource grows to a million live blocks of 48 bytes, then
// gives them back in random order; every call is timed alone with the processor's time stamp counter, fenced
// on both sides.
//
// The counter ticks in steps (about 10 ns on some processors), and reading it costs time itself: "timer" is
// the same measurement around nothing. A few resources grow and go first, unmeasured, so the heap below is
// warm and the tail is the allocator's own, not the kernel's page faults.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "process_memory.hpp"
#include "random.hpp"
#include "rivals.hpp"

namespace {

constexpr std::size_t block_bytes = 48;
constexpr int unmeasured_lives = 4;  // until glibc's heap stops growing under every rival

#if defined(__x86_64__)
std::uint64_t ticks_now() {
  _mm_lfence();
  const std::uint64_t ticks = __rdtsc();
  _mm_lfence();
  return ticks;
}
#else
std::uint64_t ticks_now() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
#endif

// Ticks in a nanosecond, from 20 ms of both clocks.
double ticks_per_ns() {
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  const std::uint64_t first = ticks_now();
  while (clock::now() - start < std::chrono::milliseconds(20)) {
  }
  const std::uint64_t last = ticks_now();
  const auto elapsed = std::chrono::duration<double, std::nano>(clock::now() - start).count();
  return static_cast<double>(last - first) / elapsed;
}

using call_ticks = std::vector<std::uint32_t>;

void print_distribution(const char* call, call_ticks& ticks, double ticks_in_ns) {
  std::sort(ticks.begin(), ticks.end());
  const auto ns_at = [&](double part) {
    const auto index = static_cast<std::size_t>(part * static_cast<double>(ticks.size() - 1));
    return ticks[index] / ticks_in_ns;
  };
  std::printf(
      "\"%s\": {\"p50_ns\": %.1f, \"p99_ns\": %.1f, \"p999_ns\": %.1f, \"p9999_ns\": %.1f, \"max_ns\": %.1f}",
      call, ns_at(0.5), ns_at(0.99), ns_at(0.999), ns_at(0.9999), ns_at(1.0));
}

struct measured_calls {
  explicit measured_calls(std::size_t count) : timer(count), allocate(count), deallocate(count) {}
  call_ticks timer, allocate, deallocate;
};

void grow_and_shrink(const bench::rival& rival, const std::vector<std::size_t>& order,
                     measured_calls& calls) {
  std::vector<void*> blocks(order.size());
  rival.with(std::pmr::new_delete_resource(), [&](std::pmr::memory_resource& resource) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      std::uint64_t start = ticks_now();
      calls.timer[i] = static_cast<std::uint32_t>(ticks_now() - start);
      start = ticks_now();
      blocks[i] = resource.allocate(block_bytes, 8);
      calls.allocate[i] = static_cast<std::uint32_t>(ticks_now() - start);
      std::memset(blocks[i], 1, block_bytes);
    }
    for (const std::size_t index : order) {
      void* const block = blocks[index];
      const std::uint64_t start = ticks_now();
      resource.deallocate(block, block_bytes, 8);
      calls.deallocate[index] = static_cast<std::uint32_t>(ticks_now() - start);
    }
  });
}

void measure(const bench::rival& rival, std::size_t count, double ticks_in_ns) {
  const std::vector<std::size_t> order = bench::random_numbers(700).order(count);
  measured_calls calls(count);
  for (int life = 0; life <= unmeasured_lives; ++life) grow_and_shrink(rival, order, calls);
  std::printf("{\"rival\": \"%s\", \"kind\": \"%s\", ", rival.name.c_str(), bench::kind_name(rival.kind));
  print_distribution("timer", calls.timer, ticks_in_ns);
  std::printf(", ");
  print_distribution("allocate", calls.allocate, ticks_in_ns);
  std::printf(", ");
  print_distribution("deallocate", calls.deallocate, ticks_in_ns);
  std::printf("}");
}

}  // namespace

int main(int argc, char** argv) {
  bench::prepare_process(argv);
  std::size_t count = 1'000'000;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      count = 1000;
    } else if (std::strncmp(argv[i], "--blocks=", 9) == 0 && std::atoll(argv[i] + 9) > 0) {
      count = static_cast<std::size_t>(std::atoll(argv[i] + 9));
    } else {
      std::fprintf(stderr, "unknown option %s; allowed: --smoke, --blocks=COUNT\n", argv[i]);
      return 2;
    }
  }
  bench::keep_heap_warm();
  const double ticks_in_ns = ticks_per_ns();
  std::printf("{\"worst_call\": [\n  ");
  const char* separator = "";
  for (const bench::rival& rival : bench::rivals()) {
    std::printf("%s", separator);
    measure(rival, count, ticks_in_ns);
    separator = ",\n  ";
  }
  std::printf("\n]}\n");
  return 0;
}
