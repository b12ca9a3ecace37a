// How long does the slowest single call of a typed cache take while it grows to a million objects of 48 bytes?
//
// Every call is timed alone with the processor's time stamp counter, fenced on both sides; "timer" is the same
// measurement around nothing. The system's own work (page faults, other programs, the virtual machine) lies in
// the tail of every row, so that rows are compared with each other, not with a clock.
#include <algorithm>
#include <boost/pool/pool_alloc.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "process_memory.hpp"

#include <quarry/slab_cache.hpp>

namespace {

struct object {
  std::uint64_t words[6];
};

std::uint64_t ticks_now() {
#if defined(__x86_64__)
  _mm_lfence();
  const std::uint64_t ticks = __rdtsc();
  _mm_lfence();
  return ticks;
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

using call_ticks = std::vector<std::uint32_t>;

void print_row(const char* rival, const char* call, call_ticks ticks) {
  std::sort(ticks.begin(), ticks.end());
  const auto at = [&](double part) {
    return ticks[static_cast<std::size_t>(part * static_cast<double>(ticks.size() - 1))];
  };
  std::printf("%-24s %-10s p50 %5u  p99 %5u  p99.9 %5u  p99.99 %6u  max %8u ticks\n", rival, call, at(0.5),
              at(0.99), at(0.999), at(0.9999), at(1.0));
}

template <class Allocate, class Deallocate>
void measure(const char* rival, std::size_t count, Allocate allocate, Deallocate deallocate) {
  call_ticks timer(count), made(count), freed(count);
  std::vector<object*> live(count);
  for (int life = 0; life < 2; ++life) {  // the first one warms the memory that a rival keeps
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t start = ticks_now();
      timer[i] = static_cast<std::uint32_t>(ticks_now() - start);
      start = ticks_now();
      live[i] = allocate();
      made[i] = static_cast<std::uint32_t>(ticks_now() - start);
      live[i]->words[0] = i;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t start = ticks_now();
      deallocate(live[i]);
      freed[i] = static_cast<std::uint32_t>(ticks_now() - start);
    }
  }
  print_row(rival, "timer", timer);
  print_row(rival, "allocate", made);
  print_row(rival, "deallocate", freed);
}

}  // namespace

int main(int argc, char** argv) {
  const bool smoke = argc == 2 && std::strcmp(argv[1], "--smoke") == 0;
  if (argc > 1 && !smoke) {
    std::fprintf(stderr, "unknown option %s; allowed: --smoke\n", argv[1]);
    return 2;
  }
  const std::size_t count = smoke ? 1000 : 1'000'000;
  bench::keep_heap_warm();
  {
    quarry::slab_cache<object> cache;
    if (cache.retain(count) != quarry::slab_errc::ok) return 1;
    measure(
        "quarry", count, [&] { return cache.allocate(); }, [&](object* one) { cache.deallocate(one); });
  }
  {
    quarry::slab_cache<object> cache;
    if (cache.reserve(count) != quarry::slab_errc::ok) return 1;
    measure(
        "quarry_reserved", count, [&] { return cache.allocate(); },
        [&](object* one) { cache.deallocate(one); });
  }
  {
    std::allocator<object> allocator;
    measure(
        "std_allocator", count, [&] { return allocator.allocate(1); },
        [&](object* one) { allocator.deallocate(one, 1); });
  }
  {
    using pool = boost::fast_pool_allocator<object, boost::default_user_allocator_new_delete,
                                            boost::details::pool::null_mutex>;
    measure(
        "boost_fast_pool", count, [] { return pool::allocate(); },
        [](object* one) { pool::deallocate(one); });
  }
  return 0;
}
