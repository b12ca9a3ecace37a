// What does the order of frees cost? First in first out keeps neighbours together; a random order scatters them,
// and an allocator that links free blocks through the blocks themselves then waits for each one: for the outer
// cache with 100,000 blocks (5 MB), for memory with a million (48 MB).
#include <algorithm>
#include <cstring>
#include <memory>

#include "random.hpp"
#include "workload.hpp"

namespace {

// Allocates all blocks, then frees them in the given order. A block is written when allocated, as a
// constructor would, but not read when freed; in the checked round it is, so blocks that overlap are found.
bench::round_function allocate_all_free_in(std::vector<std::size_t> order, std::size_t block_bytes,
                                           std::pmr::memory_resource& resource) {
  auto blocks = std::make_shared<std::vector<void*>>(order.size());
  auto free_order = std::make_shared<const std::vector<std::size_t>>(std::move(order));
  return [blocks, free_order, block_bytes, &resource](bool check) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < blocks->size(); ++i) {
      void* const block = resource.allocate(block_bytes, 8);
      std::memcpy(block, &i, sizeof i);
      (*blocks)[i] = block;
    }
    if (check) {
      for (std::size_t i = 0; i < blocks->size(); ++i) {
        std::size_t written = 0;
        std::memcpy(&written, (*blocks)[i], sizeof written);
        sum += written * (i + 1);
      }
    }
    for (const std::size_t index : *free_order) resource.deallocate((*blocks)[index], block_bytes, 8);
    return sum;
  };
}

bench::workload first_in_first_out(const bench::run_mode& mode) {
  const std::size_t count = mode.pick(1000, 50);
  return {"fifo1k",
          "1,000 blocks of 64 bytes allocated, then freed in the same order",
          count,
          20,
          true,
          [count](std::pmr::memory_resource& resource) {
            std::vector<std::size_t> order(count);
            std::iota(order.begin(), order.end(), std::size_t{0});
            return allocate_all_free_in(std::move(order), 64, resource);
          }};
}

bench::workload random_order(std::string name, const std::string& blocks, std::size_t count,
                             double typical_ns) {
  return {std::move(name),
          blocks + " blocks of 48 bytes allocated, then freed in random order",
          count,
          typical_ns,
          true,
          [count](std::pmr::memory_resource& resource) {
            return allocate_all_free_in(bench::random_numbers(100).order(count), 48, resource);
          }};
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_workloads(argc, argv, [](const bench::run_mode& mode) {
    return std::vector{first_in_first_out(mode),
                       random_order("rand100k", "100,000", mode.pick(100'000, 500), 60),
                       random_order("rand1M", "1,000,000", mode.pick(1'000'000, 1000), 150)};
  });
}
