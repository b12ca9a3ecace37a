// A user's program: pmr code written for the standard pool, run with it and with Quarry's resources, one of them in a thread
// of its own. Only the class name changes.
#include <cstdio>
#include <map>
#include <memory_resource>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>
#include <thread>
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
  std::size_t found_in_thread = 0;
  std::thread([&] { found_in_thread = count_words<quarry::synchronized_slab_resource>(20000); }).join();
  std::printf("std: %zu, quarry: %zu, in a thread: %zu\n", expected, found, found_in_thread);
  return found == expected && found_in_thread == expected ? 0 : 1;
}
