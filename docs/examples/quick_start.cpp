// Quick start: a cache makes objects, a one-word owner gives them back.
#include <iostream>
#include <quarry/slab_cache.hpp>
#include <string>
#include <utility>
#include <vector>

struct particle {
  double x, y;
  std::string name;
};

int main() {
  quarry::slab_cache<particle> particles;  // takes no memory yet

  quarry::slab_ptr<particle> one = particles.make(1.0, 2.0, "one");
  static_assert(sizeof(one) == sizeof(void*));

  std::vector<quarry::slab_ptr<particle>> swarm;
  for (int i = 0; i < 1000; ++i) swarm.push_back(particles.make(0.5 * i, 1.0, "p" + std::to_string(i)));
  swarm.erase(swarm.begin(), swarm.begin() + 500);  // destroyed, their slots are free again

  // An object finds its way home by its address: the handle may go first.
  particles = quarry::slab_cache<particle>();
  std::cout << one->name << " and " << swarm.size() << " others outlive their cache\n";
  return one->x == 1.0 && swarm.front()->name == "p500" ? 0 : 1;
}
