// What the test of typed caches and the library that it loads agree on. They share no symbol but the functions.
#pragma once

#include <cstddef>
#include <quarry/slab_cache.hpp>

namespace quarry_test {

struct counted_pair {
  explicit counted_pair(int first) : numbers{first, -first} {}
  ~counted_pair() { numbers[0] = numbers[1] = 0; }
  int numbers[2];
};

template <class Lock>
using module_cache = quarry::slab_cache<counted_pair, Lock, 4096>;

/// What the library does with a cache of the program.
template <class Lock>
struct module_verbs {
  counted_pair* (*make)(module_cache<Lock>&, int);                   // releases the owner
  void (*destroy)(counted_pair*);                                    // adopts it
  std::size_t (*visit)(module_cache<Lock>&);                         // returns how many live
  std::size_t (*trim)(module_cache<Lock>&);                          // returns what went back
  void (*move)(module_cache<Lock>& from, module_cache<Lock>& into);  // leaves `from` unopened
};

}  // namespace quarry_test
