// The step of every random test that frees something: any of what is live, out of the vector that holds it.
#pragma once

#include <utility>
#include <vector>

namespace quarry_test {

/// Removes an element of `live`, which one `random` says, and returns it. Requires that there is one. Complexity O(1).
template <class T, class Random>
T take_any(std::vector<T>& live, Random& random) {
  std::swap(live[random() % live.size()], live.back());
  T taken = std::move(live.back());
  live.pop_back();
  return taken;
}

}  // namespace quarry_test
