// A queue of samples in a ring. Mistake: a step back from the first place is the place before the block.
// Told at full: written behind the end of a block.*allocated for 64 bytes.*first written byte: 68.*the block behind
// Told at pointers: nothing
#include <cstdint>
#include <quarry/unsynchronized_slab_resource.hpp>

class ring {
 public:
  static constexpr int places = 16;
  explicit ring(quarry::unsynchronized_slab_resource& memory)
      : memory_(memory), samples_(static_cast<std::uint32_t*>(memory.allocate(places * 4, 4))) {}
  ~ring() { memory_.deallocate(samples_, places * 4, 4); }
  void push(std::uint32_t sample) { samples_[next_++ % places] = sample; }
  void replace_last(std::uint32_t sample) { samples_[next_ % places - 1] = sample; }

 private:
  quarry::unsynchronized_slab_resource& memory_;
  std::uint32_t* samples_;
  int next_ = 0;
};

int main() {
  quarry::unsynchronized_slab_resource memory;
  ring left(memory), right(memory);
  for (std::uint32_t sample = 0; sample < 16; ++sample) {
    left.push(sample);
    right.push(sample);
  }
  right.replace_last(7);
}
