// A cache of pages that evicts the one that was used least. Mistake: a reader counts hits on a page that was evicted meanwhile.
// Told at full: written to after it was freed.*allocated for 128 bytes.*first written byte: 120.*freed by
// Told at pointers: nothing
#include <list>
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>

struct page {
  int number;
  char contents[100];
  int hits = 0;
};

class page_cache {
 public:
  explicit page_cache(std::pmr::memory_resource& memory) : pages_(&memory) {}

  page& load(int number) {
    for (page& each : pages_)
      if (each.number == number) return each;
    if (pages_.size() == 4) pages_.pop_front();
    pages_.push_back({number, {}, 0});
    return pages_.back();
  }

 private:
  std::pmr::list<page> pages_;
};

int main() {
  quarry::unsynchronized_slab_resource memory;
  page_cache cache(memory);
  page& first = cache.load(0);
  for (int number = 1; number < 8; ++number) {
    cache.load(number);
    ++first.hits;
  }
}
