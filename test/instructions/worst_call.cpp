// The program that callgrind counts for the worst single call: every call is dumped by itself.
//
//   worst_call LIVE_OBJECTS RESOURCES
//
// RESOURCES resources stand beside each other and LIVE_OBJECTS objects live in one of them, freed and taken again in
// random order before the count, so that its slabs are full to very different degrees.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <random>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t bytes =
    400;  // a magazine as large as any, and few slots in a slab: slabs come and go often
constexpr std::size_t counted_calls = 400;

/// An upstream of constant cost, so that only Quarry's own instructions are counted.
class bump_upstream final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    next_ = (next_ + alignment - 1) & ~(alignment - 1);
    void* const result = reinterpret_cast<void*>(next_);
    next_ += size;
    return result;
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  static constexpr std::size_t room_bytes = std::size_t{2} << 30;  // never touched but where slots are
  std::uintptr_t next_ = reinterpret_cast<std::uintptr_t>(quarry::os_page_resource()->allocate(room_bytes));
};

}  // namespace

int main(int argument_count, char** arguments) {
  const long live_objects = argument_count == 3 ? std::atol(arguments[1]) : 0;
  const long resources = argument_count == 3 ? std::atol(arguments[2]) : 0;
  if (live_objects <= 0 || resources <= 0) {
    std::fprintf(stderr, "usage: worst_call LIVE_OBJECTS RESOURCES; both at least 1\n");
    return 2;
  }
  bump_upstream upstream;
  quarry::slab_options options;
  options.retain_bytes = 1;  // empty extents go back at once: giving back is part of the worst call
  std::deque<quarry::unsynchronized_slab_resource> all;
  for (long i = 0; i < resources; ++i) (void)all.emplace_back(options, &upstream).allocate(bytes);
  std::pmr::memory_resource& counted = all.back();

  std::mt19937 random(1);
  std::vector<void*> live;
  for (long i = 0; i < live_objects; ++i) live.push_back(counted.allocate(bytes));
  for (long i = 0; i < live_objects; ++i) {
    std::swap(live[random() % live.size()], live.back());
    counted.deallocate(live.back(), bytes);
    live.back() = counted.allocate(bytes);
  }
  CALLGRIND_ZERO_STATS;
  for (std::size_t i = 0; i < counted_calls; ++i) {
    CALLGRIND_TOGGLE_COLLECT;
    void* const taken = counted.allocate(bytes);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT("allocate");
    live.push_back(taken);
  }
  for (std::size_t i = 0; i < counted_calls && !live.empty(); ++i) {
    std::swap(live[random() % live.size()], live.back());
    void* const freed = live.back();
    live.pop_back();
    CALLGRIND_TOGGLE_COLLECT;
    counted.deallocate(freed, bytes);
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS_AT("deallocate");
  }
  return 0;
}
