// What does a long-running program cost: a fixed number of live blocks of mixed sizes, one picked at random
// and replaced, over and over? With 10,000 live all fits in the cache; with 500,000 every free is of a cold
// block. The "_read" loads read one word of each block before its free, as destructors do.
#include <cstring>
#include <memory>

#include "loads.hpp"
#include "random.hpp"
#include "workload.hpp"

namespace {

constexpr std::size_t smallest_bytes = 8, largest_bytes = 508;

struct replacement_step {
  std::uint32_t place;
  std::uint32_t bytes;
};

// The blocks that live on from round to round.
class living_blocks {
 public:
  living_blocks(std::size_t count, std::pmr::memory_resource& resource)
      : resource_(resource), blocks_(count) {
    bench::random_numbers random(400);
    for (block& each : blocks_)
      each = make(static_cast<std::uint32_t>(random.between(smallest_bytes, largest_bytes)));
  }
  ~living_blocks() {
    for (const block& each : blocks_) resource_.deallocate(each.start, each.bytes, 8);
  }
  living_blocks(const living_blocks&) = delete;
  living_blocks& operator=(const living_blocks&) = delete;

  void replace(const replacement_step& step) {
    block& each = blocks_[step.place];
    resource_.deallocate(each.start, each.bytes, 8);
    each = make(step.bytes);
  }

  // Returns the word that it read before the free.
  std::uint64_t read_and_replace(const replacement_step& step) {
    const std::uint64_t stamp = stamp_of(blocks_[step.place]);
    replace(step);
    return stamp;
  }

  // Each block starts with its own size: found changed, it was overwritten by a neighbour.
  std::uint64_t sum() const {
    std::uint64_t total = 0;
    for (const block& each : blocks_) total = total * 31 + stamp_of(each);
    return total;
  }

 private:
  struct block {
    void* start;
    std::uint32_t bytes;
  };
  static std::uint64_t stamp_of(const block& of) {
    std::uint64_t stamp = 0;
    std::memcpy(&stamp, of.start, sizeof stamp);
    return stamp;
  }
  block make(std::uint32_t bytes) {
    const block made{resource_.allocate(bytes, 8), bytes};
    const std::uint64_t stamp = bytes;
    std::memcpy(made.start, &stamp, sizeof stamp);
    return made;
  }
  std::pmr::memory_resource& resource_;
  std::vector<block> blocks_;
};

bench::workload replacement(std::string name, std::size_t live, std::size_t steps_a_round, double typical_ns,
                            bool reads) {
  auto steps = std::make_shared<std::vector<replacement_step>>(steps_a_round);
  bench::random_numbers random(500);
  for (replacement_step& step : *steps) {
    step = {static_cast<std::uint32_t>(random.below(live)),
            static_cast<std::uint32_t>(random.between(smallest_bytes, largest_bytes))};
  }
  std::string operation =
      "one of " + std::to_string(live) + " live blocks of 8..508 bytes replaced at random";
  if (reads) operation += ", a word of it read first";
  return {reads ? name + "_read" : std::move(name),
          std::move(operation),
          steps_a_round,
          typical_ns,
          false,
          [live, steps, reads](std::pmr::memory_resource& resource) {
            auto blocks = std::make_shared<living_blocks>(live, resource);
            return [blocks, steps, reads](bool check) {
              std::uint64_t sum = 0;
              if (reads) {
                for (const replacement_step& step : *steps) sum += blocks->read_and_replace(step);
              } else {
                for (const replacement_step& step : *steps) blocks->replace(step);
              }
              return sum + (check ? blocks->sum() : 0);
            };
          }};
}

}  // namespace

std::vector<bench::workload> bench::replacement_loads(const run_mode& mode) {
  std::vector<bench::workload> loads;
  for (const bool reads : {false, true}) {
    loads.push_back(replacement("mix10k", mode.pick(10'000, 100), mode.pick(100'000, 500), 40, reads));
    loads.push_back(replacement("mix500k", mode.pick(500'000, 300), mode.pick(500'000, 500), 220, reads));
  }
  return loads;
}
