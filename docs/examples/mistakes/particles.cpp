// Particles of a simulation in a typed cache. Mistake: the list of what died holds the address of a member.
// Told at full: does not point to the begin of its object.*slab_cache of particle.*4 bytes in it.*a member
// Told at pointers: does not point to the begin of its object.*slab_cache of particle.*4 bytes in it.*a member
#include <quarry/slab_cache.hpp>
#include <vector>

struct vector3 {
  float x, y, z;
};
struct particle {
  int age = 0;
  vector3 place{}, speed{};
};

int main() {
  quarry::slab_cache<particle> cache;
  std::vector<particle*> all;
  for (int i = 0; i < 10; ++i) all.push_back(::new (cache.allocate()) particle);
  std::vector<void*> dead;
  for (particle* each : all)
    if (++each->age > 0) dead.push_back(&each->place);
  for (void* each : dead) cache.deallocate(static_cast<particle*>(each));
}
