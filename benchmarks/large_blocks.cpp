// What do blocks cost that no slab holds: pairs of 9 KiB to 1 MiB, alone and beside a second thread, and containers that
// grow into such blocks? For Quarry's resources and the mallocs: pools pass these sizes on.
#include <benchmark/benchmark.h>

#include <memory>
#include <unordered_map>

#include "team.hpp"
#include "workload.hpp"

namespace {

bool is_quarry_or_malloc(const bench::rival& rival) {
  return rival.kind == bench::rival_kind::quarry || rival.kind == bench::rival_kind::malloc;
}

// One block allocated, its first byte written, and freed.
void large_pair(std::pmr::memory_resource& resource, std::size_t bytes) {
  void* const block = resource.allocate(bytes);
  auto* first = static_cast<unsigned char*>(block);
  *first = 1;
  benchmark::DoNotOptimize(first);
  benchmark::ClobberMemory();
  resource.deallocate(block, bytes);
}

bench::workload pairs(const bench::run_mode& mode, std::size_t kibibytes, std::size_t threads) {
  const std::size_t each = mode.pick(40'000, 20) / threads;
  const std::size_t bytes = kibibytes * 1024;
  bench::workload load{"pair" + std::to_string(kibibytes) + "k_t" + std::to_string(threads),
                       "allocate, touch and free " + std::to_string(kibibytes) + " KiB, " +
                           std::to_string(threads) + (threads == 1 ? " thread" : " threads"),
                       each * threads,
                       300,
                       true,
                       {}};
  load.prepare = [=](std::pmr::memory_resource& resource) -> bench::round_function {
    if (threads == 1) {
      return [=, &resource](bool) -> std::uint64_t {
        for (std::size_t i = 0; i < each; ++i) large_pair(resource, bytes);
        return each;
      };
    }
    auto workers = std::make_shared<bench::team>(threads);
    return [=, &resource](bool) -> std::uint64_t {
      workers->run([&](std::size_t) {
        for (std::size_t i = 0; i < each; ++i) large_pair(resource, bytes);
      });
      return each * threads;
    };
  };
  load.shares_resource = threads > 1;
  load.is_for = is_quarry_or_malloc;
  return load;
}

bench::workload vector_growth(const bench::run_mode& mode) {
  const std::size_t bytes = mode.pick(std::size_t{4} << 20, std::size_t{64} << 10);
  bench::workload load{"grow_vector", "1 KiB appended to a vector<char> that grows from empty to 4 MiB",
                       bytes / 1024,  100,
                       true,          {}};
  load.prepare = [bytes](std::pmr::memory_resource& resource) -> bench::round_function {
    return [bytes, &resource](bool check) {
      const std::vector<char> piece(1024, 'x');
      std::pmr::vector<char> grown(&resource);
      while (grown.size() < bytes) grown.insert(grown.end(), piece.begin(), piece.end());
      std::uint64_t sum = grown.size();
      if (check) {
        for (const char each : grown) sum = sum * 31 + static_cast<unsigned char>(each);
      }
      return sum;
    };
  };
  load.is_for = is_quarry_or_malloc;
  return load;
}

bench::workload map_growth(const bench::run_mode& mode) {
  const std::size_t entries = mode.pick(100'000, 1000);
  bench::workload load{"grow_unordered_map",
                       "one entry inserted into an unordered_map that grows from empty to 100,000",
                       entries,
                       60,
                       true,
                       {}};
  load.prepare = [entries](std::pmr::memory_resource& resource) -> bench::round_function {
    return [entries, &resource](bool check) {
      std::pmr::unordered_map<std::uint64_t, std::uint64_t> grown(&resource);
      for (std::uint64_t i = 0; i < entries; ++i) grown.emplace(i * 7919, i);
      std::uint64_t sum = grown.size();
      if (check) {
        for (const auto& [key, value] : grown) sum += key ^ value;
      }
      return sum;
    };
  };
  load.is_for = is_quarry_or_malloc;
  return load;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_workloads(argc, argv, [](const bench::run_mode& mode) {
    std::vector<bench::workload> loads;
    for (const std::size_t threads : {1U, 2U}) {
      for (const std::size_t kibibytes : {9U, 33U, 100U, 300U, 1024U})
        loads.push_back(pairs(mode, kibibytes, threads));
    }
    loads.push_back(vector_growth(mode));
    loads.push_back(map_growth(mode));
    return loads;
  });
}
