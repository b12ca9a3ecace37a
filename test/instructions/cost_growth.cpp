// The program that callgrind counts: the same work twice, where only what lies around it differs.
//
//   cost_growth QUESTION VARIANT
//
//   classes_touched THREADS:0|THREADS:1   the thread's loop over 72-byte blocks beside THREADS idle threads: fresh, or
//                                         after every class was used once
//   many_arrays COUNT                     deallocate_many of COUNT arrays, freed in the order of a random walk
//   numbers SLABS                         index_of of a typed cache with SLABS slabs
//   two_resources DISTANCE                pairs over two of 17 resources by turns, made DISTANCE apart
//   allocators WHICH                      pairs of a 48-byte node through slab_allocator (held), static_slab_allocator (static),
//                                         or a slab_allocator over a static in a function (guarded)
//   scan COUNT                            the failing control: looks at COUNT words for each operation
//
// Prints the number of operations; what is between the toggles is counted. check_growth.py runs this and does the sums.
#include <valgrind/callgrind.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_cache.hpp>
#include <quarry/static_slab_allocator.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using quarry::synchronized_slab_resource;

/// Counts what happens until the end of the block.
class counted {
 public:
  counted() { CALLGRIND_TOGGLE_COLLECT; }
  ~counted() { CALLGRIND_TOGGLE_COLLECT; }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
};

/// Frees 20 of 100 blocks and allocates them again, over and over.
std::size_t replace_twenty_of_a_hundred(synchronized_slab_resource& resource, std::size_t bytes, int rounds) {
  std::vector<void*> blocks(100);
  for (void*& each : blocks) each = resource.allocate(bytes);
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < 20; ++i) resource.deallocate(blocks[i], bytes);
    for (std::size_t i = 0; i < 20; ++i) blocks[i] = resource.allocate(bytes);
  }
  for (void* const each : blocks) resource.deallocate(each, bytes);
  return static_cast<std::size_t>(rounds) * 20;
}

std::size_t classes_touched(int thread_count, bool touched) {
  synchronized_slab_resource resource(quarry::os_page_resource());
  std::mutex mutex;
  std::condition_variable changed;
  int idle = 0;
  bool ending = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i)
    threads.emplace_back([&] {
      resource.deallocate(resource.allocate(64), 64);
      std::unique_lock<std::mutex> lock(mutex);
      ++idle;
      changed.notify_all();
      changed.wait(lock, [&] { return ending; });
    });
  {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return idle == thread_count; });
  }
  if (touched) {
    std::vector<std::size_t> sizes;
    for (std::size_t bytes = 8; bytes <= 8192; bytes = resource.good_size(bytes) + 1)
      sizes.push_back(resource.good_size(bytes));
    std::reverse(sizes.begin(), sizes.end());
    for (const std::size_t bytes : sizes) resource.deallocate(resource.allocate(bytes), bytes);
  }
  replace_twenty_of_a_hundred(resource, 72, 2000);  // so much may pass until shares have moved
  std::size_t operations = 0;
  {
    const counted here;
    operations = replace_twenty_of_a_hundred(resource, 72, 2000);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex);
    ending = true;
    changed.notify_all();
  }
  for (std::thread& each : threads) each.join();
  return operations;
}

std::size_t many_arrays(std::size_t count) {
  quarry::unsynchronized_slab_resource resource(quarry::os_page_resource());
  using allocator = quarry::slab_allocator<char>;
  allocator over(resource);
  allocator::multiallocation_chain chain;
  over.allocate_many(4000, count, chain);
  std::vector<char*> arrays;
  while (!chain.empty()) arrays.push_back(chain.pop_front());
  std::shuffle(arrays.begin(), arrays.end(), std::mt19937(1));
  for (char* const each : arrays) chain.push_back(each);
  const counted here;
  over.deallocate_many(chain);
  return count;
}

struct thousand_bytes {
  char bytes[1000];
};

std::size_t numbers(std::size_t slabs) {
  using cache = quarry::slab_cache<thousand_bytes, quarry::spin_lock, 4096>;
  cache objects;
  std::vector<thousand_bytes*> slots;
  for (std::size_t i = 0; i < slabs * 3; ++i) slots.push_back(objects.allocate());
  std::size_t sum = 0;
  constexpr std::size_t asked = 500;
  {
    const counted here;
    for (std::size_t i = 0; i < asked; ++i) sum += objects.index_of(slots[i * 7919 % slots.size()]) + 1;
  }
  for (thousand_bytes* const each : slots) objects.deallocate(each);
  return sum == 0 ? 0 : asked;
}

std::size_t two_resources(std::size_t distance) {
  std::vector<std::unique_ptr<synchronized_slab_resource>> resources;
  for (int i = 0; i < 17; ++i)
    resources.push_back(std::make_unique<synchronized_slab_resource>(quarry::os_page_resource()));
  const auto pairs = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      synchronized_slab_resource& resource = *resources[i % 2 == 0 ? 0 : distance];
      void* const block = resource.allocate(64);
      asm volatile("" ::"r"(block) : "memory");
      resource.deallocate(block, 64);
    }
  };
  pairs(1000);
  const counted here;
  pairs(20'000);
  return 20'000;
}

struct node {
  void* words[6];
};
using held_allocator = quarry::slab_allocator<node, synchronized_slab_resource>;
using static_allocator = quarry::static_slab_allocator<node>;

/// What a program writes without static_slab_allocator.
struct guarded_allocator {
  static synchronized_slab_resource& resource() {
    static synchronized_slab_resource made;
    return made;
  }
  static node* allocate(std::size_t count) { return held_allocator(resource()).allocate(count); }
  static void deallocate(node* place, std::size_t count) {
    held_allocator(resource()).deallocate(place, count);
  }
};

template <class Allocator>
__attribute__((noinline)) node* allocate_one(Allocator& from) {
  return from.allocate(1);
}
template <class Allocator>
__attribute__((noinline)) void deallocate_one(Allocator& to, node* place) {
  to.deallocate(place, 1);
}

template <class Allocator>
std::size_t pairs_of(Allocator allocator) {
  constexpr std::size_t pairs = 20'000;
  const auto run = [&] {
    for (std::size_t i = 0; i < pairs; ++i) deallocate_one(allocator, allocate_one(allocator));
  };
  run();
  const counted here;
  run();
  return pairs;
}

std::size_t allocators(const std::string& which) {
  static synchronized_slab_resource resource;
  if (which == "held") return pairs_of(held_allocator(resource));
  if (which == "static") return pairs_of(static_allocator());
  return which == "guarded" ? pairs_of(guarded_allocator()) : 0;
}

std::size_t scan(std::size_t count) {
  const std::vector<int> words(count, 1);
  long sum = 0;
  const counted here;
  for (std::size_t i = 0; i < count; ++i)
    for (const int each : words) {
      sum += each;
      asm volatile("" : "+r"(sum));
    }
  return count;
}

}  // namespace

int main(int argument_count, char** arguments) {
  const std::string question = argument_count == 3 ? arguments[1] : "";
  const std::string variant = argument_count == 3 ? arguments[2] : "";
  const std::size_t number = std::strtoul(variant.c_str(), nullptr, 10);
  std::size_t operations = 0;
  if (question == "classes_touched")
    operations = classes_touched(static_cast<int>(number), variant.back() == '1');
  if (question == "many_arrays") operations = many_arrays(number);
  if (question == "numbers") operations = numbers(number);
  if (question == "two_resources") operations = two_resources(number);
  if (question == "allocators") operations = allocators(variant);
  if (question == "scan") operations = scan(number);
  if (operations == 0) {
    std::fprintf(stderr, "usage: cost_growth QUESTION VARIANT, see the head of cost_growth.cpp\n");
    return 2;
  }
  std::printf("operations %zu\n", operations);
  return 0;
}
