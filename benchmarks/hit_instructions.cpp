// How many instructions does a hit take? This program makes pairs of hits and times nothing: `run` starts it
// under callgrind with N and with 2N pairs, collecting inside do_allocate or do_deallocate only. The
// difference over N is one hit, exact and the same on every run.
//
//   valgrind --tool=callgrind --toggle-collect='*slab_face<quarry::unsynchronized_slab_resource>::do_allocate*'
//   hit_instructions 100000
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory_resource>

#include "rivals.hpp"

int main(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && std::strcmp(argv[1], "--smoke") != 0 && std::atoll(argv[1]) <= 0)) {
    std::fprintf(stderr, "unknown option %s; allowed: --smoke, or the number of pairs\n", argv[1]);
    return 2;
  }
  const long long pairs = argc == 2 && std::strcmp(argv[1], "--smoke") != 0 ? std::atoll(argv[1]) : 1000;
  constexpr std::size_t block_bytes = 64;
  const bench::rival& quarry = bench::rivals().front();
  quarry.with(std::pmr::new_delete_resource(), [pairs](std::pmr::memory_resource& resource) {
    for (long long i = 0; i < pairs; ++i) {
      void* block = resource.allocate(block_bytes);
      benchmark::DoNotOptimize(block);
      resource.deallocate(block, block_bytes);
    }
  });
  return 0;
}
