// The program that callgrind counts: hits of every size up to 32 KiB, with collection on only around one call.
//
//   class_hits RESOURCE     unsynchronized | synchronized | empty (does nothing: the cost of calling)
//                           | stepped (the failing control: dearer from 1,025 bytes on)
//
// For each verb, size and number of slots held beside, 30 calls are counted and dumped under a name such as
// `allocate 64 3`. check_classes.py runs this and does the sums.
#include <valgrind/callgrind.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory_resource>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>
#include <vector>

namespace {

constexpr std::size_t counted_rounds = 30;
constexpr std::size_t warm_up_rounds = 50;
constexpr std::size_t alignment = alignof(std::max_align_t);

/// Does nothing, or from 1,025 bytes on something that no hit may cost.
class constant_resource final : public std::pmr::memory_resource {
 public:
  explicit constant_resource(std::size_t cheap_bytes) : cheap_bytes_(cheap_bytes) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t) override {
    step(bytes);
    return slot_;
  }
  void do_deallocate(void*, std::size_t bytes, std::size_t) override { step(bytes); }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
  void step(std::size_t bytes) {
    if (bytes > cheap_bytes_)
      for (int i = 0; i < 16; ++i) counter_ = counter_ + 1;
  }
  std::size_t cheap_bytes_;
  volatile int counter_ = 0;
  alignas(64) unsigned char slot_[64] = {};
};

__attribute__((noinline)) void* allocate(std::pmr::memory_resource* resource, std::size_t bytes) {
  return resource->allocate(bytes, alignment);
}

__attribute__((noinline)) void deallocate(std::pmr::memory_resource* resource, void* slot,
                                          std::size_t bytes) {
  resource->deallocate(slot, bytes, alignment);
}

void count(std::pmr::memory_resource* resource, bool count_allocate, std::size_t bytes, std::size_t held) {
  std::vector<void*> beside;
  // More than a magazine holds comes and goes first; then the slots held beside move the magazine's fill level.
  const std::size_t most = std::min<std::size_t>(2000, 8 * 1024 * 1024 / bytes);
  for (std::size_t i = 0; i < most; ++i) beside.push_back(allocate(resource, bytes));
  while (beside.size() > held) {
    deallocate(resource, beside.back(), bytes);
    beside.pop_back();
  }
  for (std::size_t round = 0; round < warm_up_rounds; ++round)
    deallocate(resource, allocate(resource, bytes), bytes);
  CALLGRIND_ZERO_STATS;
  for (std::size_t round = 0; round < counted_rounds; ++round) {
    if (count_allocate) CALLGRIND_TOGGLE_COLLECT;
    void* const slot = allocate(resource, bytes);
    CALLGRIND_TOGGLE_COLLECT;
    deallocate(resource, slot, bytes);
    if (!count_allocate) CALLGRIND_TOGGLE_COLLECT;
  }
  const std::string name = std::string(count_allocate ? "allocate " : "deallocate ") + std::to_string(bytes) +
                           " " + std::to_string(held);
  CALLGRIND_DUMP_STATS_AT(name.c_str());
  for (void* const each : beside) deallocate(resource, each, bytes);
}

/// The sizes at which classes may end, four to an octave, and the first size beyond each.
std::vector<std::size_t> boundaries() {
  std::vector<std::size_t> sizes = {64};
  for (std::size_t octave = 16; octave < 32 * 1024; octave *= 2)
    for (std::size_t quarter = 1; quarter <= 4; ++quarter)
      for (const std::size_t beyond : {0U, 1U}) sizes.push_back(octave + octave / 4 * quarter + beyond);
  sizes.back() = 20'000;  // no size beyond 32 KiB
  return sizes;
}

}  // namespace

int main(int argument_count, char** arguments) {
  quarry::unsynchronized_slab_resource unsynchronized;
  quarry::synchronized_slab_resource synchronized;
  constant_resource empty(SIZE_MAX);
  constant_resource stepped(1024);
  std::pmr::memory_resource* resource = nullptr;
  const std::string name = argument_count == 2 ? arguments[1] : "";
  if (name == "unsynchronized") resource = &unsynchronized;
  if (name == "synchronized") resource = &synchronized;
  if (name == "empty") resource = &empty;
  if (name == "stepped") resource = &stepped;
  if (resource == nullptr) {
    std::fprintf(stderr, "usage: class_hits unsynchronized|synchronized|empty|stepped\n");
    return 2;
  }
  for (const bool count_allocate : {true, false})
    for (const std::size_t bytes : boundaries())
      for (const std::size_t held : {1U, 2U, 5U}) count(resource, count_allocate, bytes, held);
  return 0;
}
