// What does the order of frees cost? First in first out keeps neighbours together; a random order scatters them,
// and an allocator that links free blocks through the blocks themselves then waits for each one: for the outer
// cache with 100,000 blocks (5 MB), for memory with a million (48 MB). A program whose destructors look at the objects
// has waited for each block before it frees it: "_read" loads read one word of each block first.
#include <algorithm>
#include <cstring>
#include <memory>

#include "loads.hpp"
#include "random.hpp"
#include "workload.hpp"

namespace {

// What a free does first with the block.
enum class before_free { nothing, read_a_word };

std::size_t first_word(const void* block) {
  std::size_t word = 0;
  std::memcpy(&word, block, sizeof word);
  return word;
}

// Allocates all blocks, then frees them in the given order. A block is written when allocated, as a constructor would; in
// the checked round all are read back, so blocks that overlap are found.
bench::round_function allocate_all_free_in(std::vector<std::size_t> order, std::size_t block_bytes,
                                           before_free first, std::pmr::memory_resource& resource) {
  auto blocks = std::make_shared<std::vector<void*>>(order.size());
  auto free_order = std::make_shared<const std::vector<std::size_t>>(std::move(order));
  return [blocks, free_order, block_bytes, first, &resource](bool check) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < blocks->size(); ++i) {
      void* const block = resource.allocate(block_bytes, 8);
      std::memcpy(block, &i, sizeof i);
      (*blocks)[i] = block;
    }
    if (check) {
      for (std::size_t i = 0; i < blocks->size(); ++i) sum += first_word((*blocks)[i]) * (i + 1);
    }
    if (first == before_free::nothing) {
      for (const std::size_t index : *free_order) resource.deallocate((*blocks)[index], block_bytes, 8);
    } else {
      for (const std::size_t index : *free_order) {
        void* const block = (*blocks)[index];
        sum += first_word(block);
        resource.deallocate(block, block_bytes, 8);
      }
    }
    return sum;
  };
}

bench::workload first_in_first_out(const bench::run_mode& mode) {
  const std::size_t count = mode.pick(1000, 50);
  bench::workload load{"fifo1k",
                       "1,000 blocks of 64 bytes allocated, then freed in the same order",
                       count,
                       20,
                       true,
                       [count](std::pmr::memory_resource& resource) {
                         std::vector<std::size_t> order(count);
                         std::iota(order.begin(), order.end(), std::size_t{0});
                         return allocate_all_free_in(std::move(order), 64, before_free::nothing, resource);
                       }};
  load.takes_one_block = true;
  return load;
}

bench::workload random_order(const std::string& name, const std::string& blocks, std::size_t count,
                             double typical_ns, before_free first) {
  const bool reads = first == before_free::read_a_word;
  bench::workload load{name + (reads ? "_read" : ""),
                       blocks + " blocks of 48 bytes allocated, then freed in random order" +
                           (reads ? ", a word of each read first" : ""),
                       count,
                       typical_ns,
                       true,
                       [count, first](std::pmr::memory_resource& resource) {
                         return allocate_all_free_in(bench::random_numbers(100).order(count), 48, first,
                                                     resource);
                       }};
  load.takes_one_block = true;
  return load;
}

}  // namespace

std::vector<bench::workload> bench::free_order_loads(const run_mode& mode) {
  std::vector loads{first_in_first_out(mode)};
  for (const before_free first : {before_free::nothing, before_free::read_a_word}) {
    loads.push_back(random_order("rand100k", "100,000", mode.pick(100'000, 500), 60, first));
    loads.push_back(random_order("rand1M", "1,000,000", mode.pick(1'000'000, 1000), 150, first));
  }
  return loads;
}
