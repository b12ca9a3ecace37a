// The program that callgrind counts for typed caches: each call alone, with collection on only around it.
//
//   typed_path hit            hits of a warm cache, named `allocate 0`, `deallocate 0`, `nothing 0`
//   typed_path worst LIVE     300 calls of each verb with LIVE objects alive, named `allocate LIVE` and so on;
//                             they cover refills, flushes, new slabs and empty ones
//   typed_path scan LIVE      the failing control: each call looks at every live object
//
// check_typed.py runs this and takes the largest count of each name.
#include <quarry/slab_cache.hpp>

#include <valgrind/callgrind.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

struct object {
  std::uint64_t words[6];
};

// Pages from a list that costs a few instructions, so that what is counted is the cache.
struct listed_pages {
  static inline std::vector<void*> free;
  void* allocate_pages(std::size_t, std::size_t) noexcept {
    if (free.empty()) return nullptr;
    void* const pages = free.back();
    free.pop_back();
    return pages;
  }
  void deallocate_pages(void* pages, std::size_t, std::size_t) noexcept { free.push_back(pages); }
};

using cache_type = quarry::slab_cache<object, quarry::null_lock, 65536, listed_pages>;

std::vector<object*> live;
bool scans = false;

__attribute__((noinline)) object* nothing(cache_type&, object* one) {
  return one;
}
__attribute__((noinline)) object* allocate_one(cache_type& cache) {
  if (scans)
    for (object* const each : live) asm volatile("" ::"r"(each));
  return cache.allocate();
}
__attribute__((noinline)) void deallocate_one(cache_type& cache, object* one) {
  cache.deallocate(one);
}

template <class Call>
void count(const std::string& name, Call call) {
  CALLGRIND_ZERO_STATS;
  CALLGRIND_TOGGLE_COLLECT;
  call();
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(name.c_str());
}

void count_hits() {
  cache_type cache;
  object* volatile one = nullptr;
  for (int i = 0; i < 100; ++i) {
    one = cache.allocate();
    if (i % 2 == 0) cache.deallocate(one);
  }
  for (int i = 0; i < 5; ++i) {
    count("nothing 0", [&] { one = nothing(cache, one); });
    cache.deallocate(cache.allocate());
    count("allocate 0", [&] { one = allocate_one(cache); });
    count("deallocate 0", [&] { deallocate_one(cache, one); });
  }
}

void count_worst(std::size_t objects) {
  cache_type cache;
  if (cache.retain(1) != quarry::slab_errc::ok) std::abort();
  for (std::size_t i = 0; i < objects; ++i) live.push_back(cache.allocate());
  std::uint32_t random = 1;
  for (std::size_t i = objects; i > 1; --i) {
    random = random * 1664525U + 1013904223U;
    std::swap(live[i - 1], live[(std::uint64_t{random} * i) >> 32]);
  }
  for (std::size_t i = 0; i < objects / 4; ++i) {  // leaves slabs of every fullness
    cache.deallocate(live.back());
    live.pop_back();
  }
  const std::string suffix = " " + std::to_string(objects);
  std::vector<object*> fresh(300);
  for (object*& each : fresh) count("allocate" + suffix, [&] { each = allocate_one(cache); });
  std::vector<object*> filling;
  while (cache.stats().free_slots + cache.stats().cached_slots != 0) filling.push_back(cache.allocate());
  for (int i = 0; i < 3; ++i) {  // a call that needs a new slab, and the next refills from it
    for (int j = 0; j < 100; ++j) {
      object* one = nullptr;
      count("allocate" + suffix, [&] { one = allocate_one(cache); });
      filling.push_back(one);
    }
    while (cache.stats().free_slots + cache.stats().cached_slots != 0) filling.push_back(cache.allocate());
  }
  for (object* const each : filling) cache.deallocate(each);
  for (object* const each : fresh) cache.deallocate(each);
  for (int i = 0; i < 300; ++i) {
    object* const one = live.back();
    live.pop_back();
    count("deallocate" + suffix, [&] { deallocate_one(cache, one); });
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  const std::string question = argument_count > 1 ? arguments[1] : "";
  const std::size_t objects = argument_count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 0;
  for (std::size_t i = 0; i < objects / 1000 + 8; ++i)
    listed_pages::free.push_back(std::aligned_alloc(65536, 65536));
  live.reserve(objects);
  if (question == "hit") {
    count_hits();
  } else if ((question == "worst" || question == "scan") && objects != 0) {
    scans = question == "scan";
    count_worst(objects);
  } else {
    return 2;
  }
  return 0;
}
