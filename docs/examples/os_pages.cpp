// Pages of the operating system: the default source of a typed cache, and an upstream for every resource.
#include <iostream>
#include <memory_resource>
#include <quarry/page_sources.hpp>
#include <quarry/slab_cache.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <vector>

struct record {
  char text[200];
};

int main() {
  // A typed cache, its page source written out: the same as slab_cache<record>.
  using record_cache = quarry::slab_cache<record, quarry::null_lock, quarry::default_slab_bytes<record>,
                                          quarry::os_page_source>;
  record_cache records;
  records.reserve(10'000);  // the next 10,000 need no system call
  const std::size_t held = records.stats().upstream_bytes;
  std::vector<record_cache::ptr> all;
  for (int i = 0; i < 10'000; ++i) all.push_back(records.make());
  std::cout << held << " bytes were held for 10000 records, and " << records.stats().upstream_bytes
            << " when they were made\n";

  // A memory resource straight over the system's pages: what it frees does not stay in a heap.
  quarry::unsynchronized_slab_resource resource(quarry::os_page_resource());
  const std::pmr::vector<int> numbers(1000, 7, &resource);
  return records.stats().upstream_bytes == held && numbers.back() == 7 ? 0 : 1;
}
