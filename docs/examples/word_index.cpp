// Containers through a slab resource: the pool is swapped by one word, and everything it holds goes back at the end.
#include <quarry/unsynchronized_slab_resource.hpp>

#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

int main() {
  quarry::unsynchronized_slab_resource pool;  // was: std::pmr::unsynchronized_pool_resource pool;

  std::pmr::map<std::pmr::string, std::pmr::vector<int>> index(&pool);
  std::istringstream text(
      "a slab is cut into slots and a slot goes back to its slab when the object in it is gone");
  int position = 0;
  for (std::string word; text >> word; ++position) index[std::pmr::string(word, &pool)].push_back(position);

  for (const auto& [word, positions] : index)
    if (positions.size() > 1) std::printf("%s stands at %zu places\n", word.c_str(), positions.size());
  pool.report(std::cout);

  index.clear();
  const std::size_t given_back_bytes = pool.trim();
  std::printf("%zu bytes given back, %zu still held\n", given_back_bytes, pool.stats().upstream_bytes);
  return pool.stats().upstream_bytes == 0 ? 0 : 1;
}
