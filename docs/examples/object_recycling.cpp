// Object caching: a recycled object stays constructed, so its buffers and locks are ready for the next user.
#include <iostream>
#include <mutex>
#include <quarry/slab_cache.hpp>
#include <string>
#include <utility>
#include <vector>

namespace net {

struct request {
  static inline int constructed = 0;
  request() { ++constructed; }
  std::mutex gate;
  std::vector<char> body;
  std::string path;
};

// Found by argument-dependent lookup when a request is recycled: empties it, keeps its capacity.
void clear(request& used) {
  used.body.clear();
  used.path.clear();
}

}  // namespace net

int main() {
  quarry::slab_cache<net::request> requests;
  std::size_t capacity = 0;
  for (int i = 0; i < 100; ++i) {
    auto one = requests.reuse();  // a recycled one, or a new one when there is none
    capacity = one->body.capacity();
    one->body.resize(4096);
    requests.recycle(std::move(one));
  }
  std::cout << net::request::constructed << " request was constructed for 100 uses; its buffer kept "
            << capacity << " bytes\n";
  requests.trim();  // destroys what is kept
  return net::request::constructed == 1 && capacity == 4096 && requests.stats().kept_slots == 0 ? 0 : 1;
}
