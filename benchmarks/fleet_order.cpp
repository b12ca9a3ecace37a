// What do frees cost that come as those of a fleet of servers do: in batches of 32, neither sorted nor scattered?
//
// Of the 31 pairs of neighbours in a batch so many lie in one span of 64 KiB: 12.7 with blocks of 64 bytes, 17.7 with 16
// bytes, 5.6 with 1 KiB (run lengths that tcmalloc's authors published in 2026). The order is made from the addresses that
// the rival handed out, anew for each round, while the clock stands still. Both the allocations and the frees are timed.
#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "random.hpp"
#include "workload.hpp"

namespace {

constexpr std::size_t batch_blocks = 32;
constexpr std::size_t span_bytes = 65536;

std::size_t span_of(const void* block) {
  return reinterpret_cast<std::size_t>(block) / span_bytes;
}

// Orders blocks for freeing: the next one in a batch is with the given probability of the same span, else the next in
// random order of another span.
class fleet {
 public:
  fleet(std::size_t count, double pairs_in_one_span)
      : stays_in_a_million_(
            static_cast<std::size_t>(1e6 * pairs_in_one_span / static_cast<double>(batch_blocks - 1))),
        shuffled_(bench::random_numbers(800).order(count)),
        random_(801),
        by_span_(count),
        span_number_(count),
        freed_(count),
        ordered_(count) {}

  // Returns `blocks` in the order of their frees; valid until the next call.
  const std::vector<void*>& order(const std::vector<void*>& blocks) {
    sort_by_span(blocks);
    std::fill(freed_.begin(), freed_.end(), '\0');
    next_shuffled_ = 0;
    pairs_in_one_span_ = 0;
    std::size_t last = blocks.size();  // none
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const bool starts_a_batch = i % batch_blocks == 0;
      const bool stays = !starts_a_batch && random_.below(1'000'000) < stays_in_a_million_;
      std::size_t next = stays ? next_in_span(span_number_[last]) : blocks.size();
      if (next == blocks.size()) next = next_outside(starts_a_batch ? spans_.size() : span_number_[last]);
      if (!starts_a_batch && span_number_[next] == span_number_[last]) ++pairs_in_one_span_;
      freed_[next] = 1;
      ordered_[i] = blocks[next];
      last = next;
    }
    return ordered_;
  }

  // Pairs of neighbours in one span, for each batch of the last order.
  double pairs_in_one_span() const {
    return static_cast<double>(pairs_in_one_span_ * batch_blocks) / static_cast<double>(ordered_.size());
  }

 private:
  struct span {
    std::size_t next = 0;  // in by_span_
    std::size_t end = 0;   // in by_span_
  };

  // Groups the blocks by their spans, inside of each in random order.
  void sort_by_span(const std::vector<void*>& blocks) {
    spans_.clear();
    number_of_.clear();
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto [entry, is_new] = number_of_.try_emplace(span_of(blocks[i]), spans_.size());
      if (is_new) spans_.emplace_back();
      span_number_[i] = entry->second;
      ++spans_[entry->second].end;
    }
    std::size_t first = 0;
    for (span& each : spans_) {
      const std::size_t count = each.end;
      each.next = each.end = first;
      first += count;
    }
    for (const std::size_t index : shuffled_) by_span_[spans_[span_number_[index]].end++] = index;
  }

  // The next block of the span, or the number of blocks: it has none left.
  std::size_t next_in_span(std::size_t number) {
    span& from = spans_[number];
    while (from.next != from.end && freed_[by_span_[from.next]] != 0) ++from.next;
    return from.next == from.end ? ordered_.size() : by_span_[from.next];
  }

  // The next block in random order that lies not in the span; any, where those ahead all do.
  std::size_t next_outside(std::size_t number) {
    constexpr std::size_t looked_at = 256;
    while (freed_[shuffled_[next_shuffled_]] != 0) ++next_shuffled_;
    const std::size_t end = std::min(shuffled_.size(), next_shuffled_ + looked_at);
    for (std::size_t i = next_shuffled_; i < end; ++i) {
      const std::size_t index = shuffled_[i];
      if (freed_[index] == 0 && span_number_[index] != number) return index;
    }
    return shuffled_[next_shuffled_];
  }

  std::size_t stays_in_a_million_;     // how often the next block is of the same span
  std::vector<std::size_t> shuffled_;  // all blocks in random order
  bench::random_numbers random_;
  std::vector<std::size_t> by_span_;      // the blocks, span after span
  std::vector<std::size_t> span_number_;  // of each block
  std::vector<char> freed_;               // of each block: 1 when it is in the order already
  std::vector<void*> ordered_;            // the answer
  std::vector<span> spans_;               // by number
  std::unordered_map<std::size_t, std::size_t> number_of_;  // a span's number by its place in memory
  std::size_t next_shuffled_ = 0;                           // all before it are freed
  std::size_t pairs_in_one_span_ = 0;
};

struct block_size {
  std::size_t bytes;
  double pairs_in_one_span;
};

bench::workload fleet_order(const std::string& blocks, std::size_t count, const block_size& size,
                            double typical_ns) {
  bench::workload load{"fleet" + blocks + "_" + std::to_string(size.bytes),
                       blocks + " blocks of " + std::to_string(size.bytes) +
                           " bytes allocated, then freed in batches of 32 as a fleet of servers does",
                       count,
                       typical_ns,
                       true,
                       {}};
  load.prepare = [count, size](std::pmr::memory_resource& resource) -> bench::round_function {
    auto allocated = std::make_shared<std::vector<void*>>(count);
    auto frees = std::make_shared<fleet>(count, size.pairs_in_one_span);
    return [allocated, frees, size, &resource](bool check) {
      for (std::size_t i = 0; i < allocated->size(); ++i) {
        void* const block = resource.allocate(size.bytes, 8);
        std::memcpy(block, &i, sizeof i);
        (*allocated)[i] = block;
      }
      std::uint64_t sum = 0;
      const std::vector<void*>* ordered = nullptr;
      {
        const bench::stopped_clock untimed;
        ordered = &frees->order(*allocated);
        bench::report_figure("pairs_in_one_span", frees->pairs_in_one_span());
        if (check) {
          for (void* const block : *ordered) {
            std::size_t written = 0;
            std::memcpy(&written, block, sizeof written);
            sum += (written + 1) * (written + 1);
          }
        }
      }
      for (void* const block : *ordered) resource.deallocate(block, size.bytes, 8);
      return sum;
    };
  };
  return load;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_workloads(argc, argv, [](const bench::run_mode& mode) {
    std::vector<bench::workload> loads;
    for (const block_size size : {block_size{64, 12.7}, block_size{16, 17.7}, block_size{1024, 5.6}}) {
      loads.push_back(fleet_order("10k", mode.pick(10'000, 500), size, 30));
      loads.push_back(fleet_order("100k", mode.pick(100'000, 700), size, 60));
      loads.push_back(fleet_order("1M", mode.pick(1'000'000, 1000), size, 150));
    }
    return loads;
  });
}
