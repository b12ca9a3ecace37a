// Sessions of users that know each other. Mistake: two of them own each other, so neither ends.
// Told at full: 2 blocks of 96 bytes live while their resource ended.*.sessions.*allocated by.*own each other
// Told at pointers: nothing
#include <memory>
#include <quarry/slab_allocator.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>

struct session {
  int user;
  std::shared_ptr<session> peer;
};

std::shared_ptr<session> open(quarry::unsynchronized_slab_resource& memory, int user) {
  return std::allocate_shared<session>(quarry::slab_allocator<session>(&memory), session{user, nullptr});
}

int main() {
  quarry::slab_options options;
  options.name = "sessions";
  quarry::unsynchronized_slab_resource memory(options);
  const auto one = open(memory, 1);
  const auto other = open(memory, 2);
  one->peer = other;
  other->peer = one;
}
