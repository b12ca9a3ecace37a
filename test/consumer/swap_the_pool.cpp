// A user's program: pmr code written for the standard pool, run with it and with Quarry's resource. Only the
// class name changes.
#include <cstdio>
#include <map>
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>
#include <vector>

template <class Pool>
std::size_t count_words(std::size_t rounds) {
  Pool pool;
  std::pmr::map<std::pmr::string, std::pmr::vector<std::size_t>> index(&pool);
  for (std::size_t line = 0; line < rounds; ++line) {
    index[std::pmr::string("a word that is too long for the small string buffer, number ", &pool) +
          std::to_string(line % 1000).c_str()]
        .push_back(line);
    if (line % 7 == 0) index.erase(index.begin());
  }
  std::size_t sum = 0;
  for (const auto& [word, lines] : index) sum += word.size() * lines.size() + lines.front();
  return sum;
}

int main() {
  const std::size_t expected = count_words<std::pmr::unsynchronized_pool_resource>(20000);
  const std::size_t found = count_words<quarry::unsynchronized_slab_resource>(20000);
  std::printf("std: %zu, quarry: %zu\n", expected, found);
  return found == expected ? 0 : 1;
}
