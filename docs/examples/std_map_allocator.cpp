// A std::map whose nodes come from slabs without a virtual call: the allocator knows the size of the node when the
// program is compiled. The pmr face of the same resource serves the text beside it.
#include <quarry/slab_allocator.hpp>

#include <cstdio>
#include <functional>
#include <map>
#include <memory_resource>
#include <string>
#include <utility>

int main() {
  quarry::unsynchronized_slab_resource resource;

  using entry = std::pair<const int, std::pmr::string>;
  std::map<int, std::pmr::string, std::less<>, quarry::slab_allocator<entry>> names(&resource);
  for (int i = 0; i < 1000; ++i)
    names.emplace(i, std::pmr::string("the name of number " + std::to_string(i), &resource));
  for (int i = 0; i < 1000; i += 2) names.erase(i);

  std::printf("%zu names, the first is \"%s\"\n", names.size(), names.begin()->second.c_str());
  std::printf("%zu live slots for nodes and strings\n", resource.stats().live_slots);

  names.clear();
  return resource.stats().live_slots == 0 ? 0 : 1;
}
