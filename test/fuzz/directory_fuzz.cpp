// Fuzz target: the bytes of the input are decisions in the world of a directory and its model.
#include "support/worlds/directory_world.hpp"

#include <cstddef>
#include <cstdint>

#include "fuzz/stop_at_failure.hpp"
#include "support/choices.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  quarry_test::take_chosen_way<quarry_test::directory_world>(data, bytes);
  return 0;
}
