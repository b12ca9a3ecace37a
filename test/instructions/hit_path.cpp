// The program that callgrind counts: warm resources serve hits, with collection on only around them.
//
//   hit_path RESOURCE     quarry | empty (does nothing: the cost of calling) | wasteful (the failing control)
//
// For each verb, size and number of slots held beside, 100 rounds of 8 calls are counted and dumped under a
// name such as `allocate 64 16`. check.py runs this and does the sums.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstring>
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t calls_a_round = 8;
constexpr std::size_t counted_rounds = 100;
constexpr std::size_t warm_up_rounds = 200;
constexpr std::size_t alignment = alignof(std::max_align_t);

/// Does nothing: what is counted over it is the caller's side plus two instructions, or one.
class empty_resource final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t, std::size_t) override { return slot_; }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  alignas(64) unsigned char slot_[64] = {};
};

/// Counts to sixteen in memory at each call, which is more than a hit may do: shows that the limit is felt.
class wasteful_resource final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t, std::size_t) override {
    waste();
    return slot_;
  }
  void do_deallocate(void*, std::size_t, std::size_t) override { waste(); }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  void waste() {
    for (int i = 0; i < 16; ++i) counter_ = counter_ + 1;
  }
  volatile int counter_ = 0;
  alignas(64) unsigned char slot_[64] = {};
};

template <std::size_t... I>
__attribute__((noinline)) void allocate_all(std::pmr::memory_resource* resource, std::size_t bytes,
                                            void** slots, std::index_sequence<I...>) {
  ((slots[I] = resource->allocate(bytes, alignment)), ...);
}

template <std::size_t... I>
__attribute__((noinline)) void deallocate_all(std::pmr::memory_resource* resource, std::size_t bytes,
                                              void** slots, std::index_sequence<I...>) {
  (resource->deallocate(slots[I], bytes, alignment), ...);
}

void count(std::pmr::memory_resource* resource, bool count_allocate, std::size_t bytes, std::size_t held) {
  constexpr auto all = std::make_index_sequence<calls_a_round>();
  void* slots[calls_a_round];
  std::vector<void*> beside;
  // Much more than a magazine holds comes and goes first; then the slots held beside move the magazine's fill
  // level.
  for (std::size_t i = 0; i < 5000; ++i) beside.push_back(resource->allocate(bytes, alignment));
  while (beside.size() > held) {
    resource->deallocate(beside.back(), bytes, alignment);
    beside.pop_back();
  }
  for (std::size_t round = 0; round < warm_up_rounds; ++round) {
    allocate_all(resource, bytes, slots, all);
    deallocate_all(resource, bytes, slots, all);
  }
  CALLGRIND_ZERO_STATS;
  for (std::size_t round = 0; round < counted_rounds; ++round) {
    if (count_allocate) CALLGRIND_TOGGLE_COLLECT;
    allocate_all(resource, bytes, slots, all);
    CALLGRIND_TOGGLE_COLLECT;
    deallocate_all(resource, bytes, slots, all);
    if (!count_allocate) CALLGRIND_TOGGLE_COLLECT;
  }
  const std::string name = std::string(count_allocate ? "allocate " : "deallocate ") + std::to_string(bytes) +
                           " " + std::to_string(held);
  CALLGRIND_DUMP_STATS_AT(name.c_str());
  for (void* const each : beside) resource->deallocate(each, bytes, alignment);
}

}  // namespace

int main(int argument_count, char** arguments) {
  quarry::unsynchronized_slab_resource quarry_resource;
  empty_resource empty;
  wasteful_resource wasteful;
  std::pmr::memory_resource* resource = nullptr;
  const std::string name = argument_count == 2 ? arguments[1] : "";
  if (name == "quarry") resource = &quarry_resource;
  if (name == "empty") resource = &empty;
  if (name == "wasteful") resource = &wasteful;
  if (resource == nullptr) {
    std::fprintf(stderr, "usage: hit_path quarry|empty|wasteful\n");
    return 2;
  }
  for (const bool count_allocate : {true, false}) {
    for (const std::size_t bytes : {std::size_t{8}, std::size_t{64}, std::size_t{200}, std::size_t{1000}}) {
      for (std::size_t held = 0; held < 64; held += 8) count(resource, count_allocate, bytes, held);
    }
  }
  return 0;
}
