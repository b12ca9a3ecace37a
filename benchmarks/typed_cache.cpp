// What does one object cost when its type is known: taken and given back without a virtual call?
//
// Every rival hands out 48-byte objects through the call that its users would inline. "intrusive_list" is the
// floor: a singly linked free list that never gives memory back, checks nothing and knows no slabs. Rivals run
// interleaved in random order; the best of the repetitions is what counts, the spread tells about the machine.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <boost/container/list.hpp>  // node_allocator.hpp needs what it includes
#include <boost/container/node_allocator.hpp>
#include <boost/pool/object_pool.hpp>
#include <boost/pool/pool_alloc.hpp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "malloc_library.hpp"
#include "process_memory.hpp"
#include "random.hpp"

#include <quarry/slab_cache.hpp>

namespace {

struct object {
  std::uint64_t words[6];
};

struct intrusive_list {
  struct link {
    link* next;
  };
  object* allocate() {
    link* const first = free_;
    if (__builtin_expect(first == nullptr, 0)) return grow();
    free_ = first->next;
    return reinterpret_cast<object*>(first);
  }
  void deallocate(object* one) { free_ = ::new (static_cast<void*>(one)) link{free_}; }

 private:
  __attribute__((noinline)) object* grow() {
    blocks_.push_back(std::make_unique<object[]>(1024));
    for (std::size_t i = 1024; i-- != 0;) deallocate(&blocks_.back()[i]);
    return allocate();
  }
  link* free_ = nullptr;
  std::vector<std::unique_ptr<object[]>> blocks_;
};

template <class Lock>
struct quarry_cache {
  object* allocate() { return cache.allocate(); }
  void deallocate(object* one) { cache.deallocate(one); }
  quarry::slab_cache<object, Lock> cache;
};

struct quarry_owner {  // make and destroy through slab_ptr, found home by mask
  object* allocate() { return cache.make().release(); }
  void deallocate(object* one) { quarry::slab_ptr<object>::adopt(one).reset(); }
  quarry::slab_cache<object> cache;
};

template <class Allocator>
struct by_allocator {
  object* allocate() { return std::allocator_traits<Allocator>::allocate(allocator, 1); }
  void deallocate(object* one) { std::allocator_traits<Allocator>::deallocate(allocator, one, 1); }
  Allocator allocator;
};
using fast_pool = boost::fast_pool_allocator<object, boost::default_user_allocator_new_delete,
                                             boost::details::pool::null_mutex>;

struct boost_object_pool {
  object* allocate() { return pool.malloc(); }
  void deallocate(object* one) { pool.free(one); }
  boost::object_pool<object> pool;
};

template <class Resource>
struct by_resource {
  object* allocate() { return static_cast<object*>(resource().allocate(sizeof(object), alignof(object))); }
  void deallocate(object* one) { resource().deallocate(one, sizeof(object), alignof(object)); }
  std::pmr::memory_resource& resource() { return own; }
  Resource own{std::pmr::new_delete_resource()};
};

template <class Lock>
struct lock_alone {  // what a lock costs by itself, for each of the two calls
  object* allocate() {
    const std::lock_guard<Lock> guard(lock);
    return &one;
  }
  void deallocate(object*) { const std::lock_guard<Lock> guard(lock); }
  Lock lock;
  object one{};
};

template <class Rival>
void pair(benchmark::State& state) {
  Rival rival;
  benchmark::DoNotOptimize(&rival);  // its state lies in memory, as it does in a program
  rival.deallocate(rival.allocate());
  for (auto _ : state) {
    object* one = rival.allocate();
    benchmark::DoNotOptimize(one);
    rival.deallocate(one);
  }
  state.counters["operations"] = 1;
}

// `order` objects are made, then given back in a fixed order.
template <class Rival>
void batch(benchmark::State& state, const std::vector<std::size_t>& order) {
  Rival rival;
  benchmark::DoNotOptimize(&rival);
  std::vector<object*> live(order.size());
  const auto round = [&] {
    for (object*& each : live) {
      each = rival.allocate();
      each->words[0] = 1;
    }
    for (const std::size_t index : order) rival.deallocate(live[index]);
  };
  round();
  for (auto _ : state) round();
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(order.size()));
  state.counters["operations"] = static_cast<double>(order.size());
}

// ---- object caching: a type whose construction costs something

struct session {
  std::mutex gate;
  std::vector<int> numbers;
};
void clear(session& used) {
  used.numbers.clear();
}
void use(session& one) {
  for (int i = 0; i < 16; ++i) one.numbers.push_back(i);
  benchmark::DoNotOptimize(one.numbers.data());
}

void session_make_and_destroy(benchmark::State& state) {
  quarry::slab_cache<session> cache;
  for (auto _ : state) use(*cache.make());
}
void session_reuse_and_recycle(benchmark::State& state) {
  quarry::slab_cache<session> cache;
  for (auto _ : state) {
    auto one = cache.reuse();
    use(*one);
    cache.recycle(std::move(one));
  }
}
void session_new_and_delete(benchmark::State& state) {
  for (auto _ : state) use(*std::make_unique<session>());
}

double best(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

template <class Body>
void add_one(const std::string& name, Body body) {
  benchmark::RegisterBenchmark(name.c_str(), body)->ComputeStatistics("best", best);
}

template <class Rival>
void add(const std::string& name, bool smoke) {
  std::vector<std::size_t> in_order(smoke ? 10 : 1000);
  for (std::size_t i = 0; i < in_order.size(); ++i) in_order[i] = i;
  add_one("pair48/" + name, pair<Rival>);
  add_one("fifo1k/" + name, [in_order](benchmark::State& state) { batch<Rival>(state, in_order); });
  if (name == "boost_object_pool") return;  // its free is linear: minutes
  const std::vector<std::size_t> shuffled = bench::random_numbers(48).order(smoke ? 10 : 100'000);
  add_one("rand100k/" + name, [shuffled](benchmark::State& state) { batch<Rival>(state, shuffled); });
}

}  // namespace

int main(int argc, char** argv) {
  bool smoke = false;
  bool untuned = false;  // glibc's heap stays as it is
  std::vector<char*> arguments;
  for (int i = 0; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      smoke = true;
    } else if (std::strcmp(argv[i], "--untuned") == 0) {
      untuned = true;
    } else {
      arguments.push_back(argv[i]);
    }
  }
  std::string least_time = smoke ? "--benchmark_min_time=0.0001" : "--benchmark_min_time=0.02";
  std::string repetitions = smoke ? "--benchmark_repetitions=1" : "--benchmark_repetitions=7";
  std::string interleaved = "--benchmark_enable_random_interleaving=true";
  std::string aggregates = "--benchmark_report_aggregates_only=true";
  for (std::string* each : {&aggregates, &interleaved, &repetitions, &least_time})
    arguments.insert(arguments.begin() + 1, each->data());  // what the user wrote comes later and wins
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  if (!untuned) bench::keep_heap_warm();

  using bench::malloc_library;
  add<intrusive_list>("intrusive_list", smoke);
  add<quarry_cache<quarry::null_lock>>("quarry", smoke);
  add<quarry_owner>("quarry_slab_ptr", smoke);
  add<quarry_cache<quarry::spin_lock>>("quarry_spin_lock", smoke);
  add<lock_alone<quarry::spin_lock>>("spin_lock_alone", smoke);
  add<by_allocator<std::allocator<object>>>("std_allocator", smoke);
  add<by_allocator<fast_pool>>("boost_fast_pool", smoke);
  add<boost_object_pool>("boost_object_pool", smoke);
  add<by_allocator<boost::container::node_allocator<object>>>("boost_node_allocator", smoke);
  add<by_resource<std::pmr::unsynchronized_pool_resource>>("std_pmr_pool", smoke);
  if (bench::calls_of(malloc_library::mimalloc).allocate != nullptr)
    add<by_resource<bench::malloc_resource<malloc_library::mimalloc>>>("mimalloc", smoke);
  add_one("session/new_and_delete", session_new_and_delete);
  add_one("session/make_and_destroy", session_make_and_destroy);
  add_one("session/reuse_and_recycle", session_reuse_and_recycle);

  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  return benchmark::RunSpecifiedBenchmarks() == 0 ? 1 : 0;
}
