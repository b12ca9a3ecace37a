// What the test of typed caches loads: verbs on caches that other modules may have opened, or will.
#include "typed_module.hpp"

#include <utility>

namespace {

using quarry_test::counted_pair;
using quarry_test::module_cache;
using quarry_test::module_verbs;

template <class Lock>
constexpr module_verbs<Lock> verbs{
    [](module_cache<Lock>& cache, int first) { return cache.make(first).release(); },
    [](counted_pair* released) { module_cache<Lock>::ptr::adopt(released).reset(); },
    [](module_cache<Lock>& cache) {
      std::size_t live = 0;
      cache.for_each_live([&](counted_pair& each) { live += each.numbers[0] == -each.numbers[1] ? 1 : 0; });
      return live;
    },
    [](module_cache<Lock>& cache) { return cache.trim(); },
    [](module_cache<Lock>& from, module_cache<Lock>& into) { into = std::move(from); },
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const void* quarry_typed_verbs(bool threads) {
  return threads ? static_cast<const void*>(&verbs<quarry::spin_lock>)
                 : static_cast<const void*>(&verbs<quarry::null_lock>);
}
