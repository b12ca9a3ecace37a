// The parts that have invariants beside their models: over the inputs of test/fuzz/corpus, and over pseudo-random ones.
// again with: -Os
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "support/sanitizers.hpp"
#include "support/worlds/bin_world.hpp"
#include "support/worlds/depot_world.hpp"
#include "support/worlds/directory_world.hpp"
#include "support/worlds/extents_world.hpp"
#include "support/worlds/slab_world.hpp"

namespace {

struct part {
  const char* name;  // of its folder in the corpus
  void (*run)(const std::uint8_t* data, std::size_t bytes);
};

void PrintTo(const part& which, std::ostream* out) {
  *out << which.name;
}

class Worlds : public testing::TestWithParam<part> {};

TEST_P(Worlds, AgreeWithTheirModelsOverEveryInputThatIsKept) {
  std::size_t inputs = 0;
  for (const auto& each :
       std::filesystem::directory_iterator(QUARRY_TEST_CORPUS + std::string("/") + GetParam().name)) {
    SCOPED_TRACE(each.path().filename().string());
    std::ifstream file(each.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    GetParam().run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++inputs;
  }
  EXPECT_GT(inputs, 0U);
}

TEST_P(Worlds, AgreeWithTheirModelsOverRandomInputs) {
  const unsigned inputs =
      quarry_test::has_address_sanitizer ? 200 : 2000;  // of up to 600 bytes; it is slow there
  for (unsigned seed = 0; seed < inputs && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::vector<std::uint8_t> bytes(8 + random() % 600);
    std::generate(bytes.begin(), bytes.end(), [&random] { return static_cast<std::uint8_t>(random()); });
    GetParam().run(bytes.data(), bytes.size());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Parts, Worlds,
    testing::Values(part{"slab", &quarry_test::take_chosen_way<quarry_test::slab_world>},
                    part{"bin", &quarry_test::take_chosen_way<quarry_test::bin_world>},
                    part{"depot", &quarry_test::take_chosen_way<quarry_test::depot_world>},
                    part{"extents", &quarry_test::take_chosen_way<quarry_test::extents_world>},
                    part{"directory", &quarry_test::take_chosen_way<quarry_test::directory_world>}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
