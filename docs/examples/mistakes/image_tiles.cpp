// Tiles of a picture, aligned for vector instructions. Mistake: they are freed without their alignment.
// Told at full: the alignment is not the one.*288, 16.*allocated for 288 bytes aligned to 64
// Told at pointers: the size is not the one.*288, 16.*320 bytes from.*an alignment that one of the two calls leaves out
#include <quarry/unsynchronized_slab_resource.hpp>
#include <vector>

struct tile {
  float pixels[64];
};

class picture {
 public:
  explicit picture(quarry::unsynchronized_slab_resource& memory) : memory_(memory) {
    for (int i = 0; i < 16; ++i)
      tiles_.push_back(static_cast<tile*>(memory_.allocate(sizeof(tile) + 32, 64)));
  }
  ~picture() {
    for (tile* each : tiles_) memory_.deallocate(each, sizeof(tile) + 32);
  }

 private:
  quarry::unsynchronized_slab_resource& memory_;
  std::vector<tile*> tiles_;
};

int main() {
  quarry::unsynchronized_slab_resource memory;
  picture one(memory);
}
