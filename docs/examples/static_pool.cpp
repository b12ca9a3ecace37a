// A static pool: all memory is reserved when the program is linked, and running out of it is an error value.
#include <iostream>
#include <quarry/slab_cache.hpp>
#include <vector>

struct sample {
  unsigned long time;
  float values[4];
};

using pool = quarry::static_page_source<8192, 1024>;
using sample_cache = quarry::slab_cache<sample, quarry::null_lock, 1024, pool>;

pool sample_memory;
sample_cache samples(sample_memory);  // constant-initialised: ready before the first constructor runs

int main() {
  std::vector<sample_cache::ptr> taken;
  while (sample_cache::ptr one = samples.try_make()) taken.push_back(std::move(one));
  const std::size_t all = taken.size();
  std::cout << all << " samples fit into " << pool::capacity_bytes() << " bytes\n";

  taken.resize(all / 2);
  std::size_t again = 0;
  while (sample_cache::ptr one = samples.try_make()) {
    taken.push_back(std::move(one));
    ++again;
  }
  std::cout << again << " of them were freed and made again\n";
  return taken.size() == all && again == all - all / 2 ? 0 : 1;
}
