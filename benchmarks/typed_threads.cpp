// Is a typed cache under a lock enough for threads, or do its users want magazines per thread?
//
// The same object is made and destroyed by slab_cache with a spin lock, by slab_allocator over a
// synchronized_slab_resource and through a slab_thread_view, at 1, 2 and 8 threads: a hot pair, and 100 objects
// alive at a time. The time is the wall's, over the operations of all threads together.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <quarry/locks.hpp>
#include <quarry/slab_allocator.hpp>
#include <quarry/slab_cache.hpp>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <string>
#include <vector>

namespace {

struct object {
  std::array<std::size_t, 6> words;
};

class locked_cache {
 public:
  object* take() { return cache().allocate(); }
  void give(object* freed) { cache().deallocate(freed); }

 private:
  static quarry::slab_cache<object, quarry::spin_lock>& cache() {
    static quarry::slab_cache<object, quarry::spin_lock> shared;
    return shared;
  }
};

quarry::synchronized_slab_resource& resource() {
  static quarry::synchronized_slab_resource shared;
  return shared;
}

class magazines_per_thread {
 public:
  object* take() { return allocator_.allocate_one(); }
  void give(object* freed) { allocator_.deallocate_one(freed); }

 private:
  quarry::slab_allocator<object, quarry::synchronized_slab_resource> allocator_{resource()};
};

class magazines_per_view {
 public:
  object* take() { return static_cast<object*>(view_.allocate(sizeof(object), alignof(object))); }
  void give(object* freed) { view_.deallocate(freed, sizeof(object), alignof(object)); }

 private:
  quarry::slab_thread_view view_{resource()};
};

template <class Source>
void pairs(benchmark::State& state) {
  Source source;
  const auto live = static_cast<std::size_t>(state.range(0));
  std::vector<object*> objects(live);
  for (auto _ : state) {
    for (object*& each : objects) {
      each = source.take();
      each->words[0] = 1;
    }
    for (object* const each : objects) source.give(each);
  }
  state.counters["ns_per_pair"] =
      benchmark::Counter(static_cast<double>(live) * static_cast<double>(state.iterations()) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
  double min_time_s = 0.2;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      min_time_s = 0.001;
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  using entry = std::pair<const char*, void (*)(benchmark::State&)>;
  for (const auto& [name, run] : {entry{"slab_cache_spin_lock", pairs<locked_cache>},
                                  entry{"slab_allocator_sync", pairs<magazines_per_thread>},
                                  entry{"slab_thread_view", pairs<magazines_per_view>}})
    for (const int threads : {1, 2, 8})
      benchmark::RegisterBenchmark(name, run)->Arg(1)->Arg(100)->Threads(threads)->UseRealTime()->MinTime(
          min_time_s);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
