// Boost.Container asks slab_allocator for all nodes of a range at once, and gives all nodes back at once: a run of
// neighbours in one slab, not one node after the other. Nodes may also move between containers, or be dropped.
#include <quarry/slab_allocator.hpp>

#include <boost/container/list.hpp>
#include <boost/container/map.hpp>
#include <cstdio>
#include <functional>
#include <utility>
#include <vector>

int main() {
  quarry::unsynchronized_slab_resource resource;

  const std::vector<int> numbers(10'000, 42);
  boost::container::list<int, quarry::slab_allocator<int>> list(numbers.begin(), numbers.end(), &resource);
  std::size_t neighbours = 0;
  const int* before = nullptr;
  for (const int& each : list) {
    neighbours += before != nullptr && &each - before == 6;  // a node of 24 bytes
    before = &each;
  }
  std::printf("%zu of %zu nodes lie right behind the node before them\n", neighbours, list.size());
  list.clear();  // one burst

  using entry = std::pair<const int, int>;
  using map = boost::container::map<int, int, std::less<>, quarry::slab_allocator<entry>>;
  map left{quarry::slab_allocator<entry>(&resource)};
  map right{quarry::slab_allocator<entry>(&resource)};
  for (int i = 0; i < 100; ++i) left.emplace(i, i * i);
  right.insert(left.extract(7));             // the node changes its container; nothing is allocated
  { const auto dropped = left.extract(8); }  // a dropped node handle frees its node
  std::printf("%zu left, %zu right: %d\n", left.size(), right.size(), right.begin()->second);

  left.clear();
  right.clear();
  return neighbours > 9'900 && resource.stats().live_slots == 0 ? 0 : 1;
}
