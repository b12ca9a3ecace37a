#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <quarry/core/typed/slab_table.hpp>
#include <random>
#include <vector>

namespace {

using quarry::core::slab;
using quarry::core::slab_entry;
using quarry::core::slab_table;

constexpr std::size_t slab_bytes = 1024;

// Headers that nobody may read.
slab* header(std::uintptr_t number) {
  return reinterpret_cast<slab*>(number * slab_bytes + 64);
}

struct block {
  explicit block(std::size_t bytes) : memory(bytes / sizeof(std::max_align_t)) {}
  std::vector<std::max_align_t> memory;
};

TEST(SlabTable, FindsWhatWasAddedAndNothingElse) {
  block memory(1024);
  slab_table table(slab_bytes);
  EXPECT_EQ(table.find(header(5)), nullptr);
  EXPECT_EQ(table.add(header(5)), nullptr) << "without a block";
  table.add_block(memory.memory.data(), 1024);
  slab_entry* const entry = table.add(header(5));
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->header, header(5));
  EXPECT_EQ(table.find(header(5)), entry);
  EXPECT_EQ(table.find(header(6)), nullptr);
  EXPECT_EQ(table.find(nullptr), nullptr);
  EXPECT_EQ(table.find(reinterpret_cast<slab*>(5 * slab_bytes)), nullptr)
      << "of the same slab, not its header";
  table.remove(header(5));
  EXPECT_EQ(table.find(header(5)), nullptr);
}

TEST(SlabTable, GrowsByBlocksAndGivesThemBackTheNewestFirst) {
  block first(512), second(512);
  slab_table table(slab_bytes);
  table.add_block(first.memory.data(), 512);
  std::uintptr_t added = 0;
  while (table.add(header(added + 1)) != nullptr) ++added;
  EXPECT_GE(added, (512 - 24) / sizeof(slab_entry) * 3 / 4);
  table.add_block(second.memory.data(), 512);
  ASSERT_NE(table.add(header(added + 1)), nullptr);
  for (std::uintptr_t i = 1; i <= added + 1; ++i) EXPECT_NE(table.find(header(i)), nullptr) << i;
  std::size_t seen = 0;
  table.for_each([&](slab_entry&) { ++seen; });
  EXPECT_EQ(seen, added + 1);
  EXPECT_EQ(table.take_block(), second.memory.data());
  EXPECT_EQ(table.take_block(), first.memory.data());
  EXPECT_EQ(table.take_block(), nullptr);
}

TEST(SlabTable, KeepsWhatItKnowsThroughAnyOrderOfAdditionsAndRemovals) {
  block first(256), second(512);
  slab_table table(slab_bytes);
  table.add_block(first.memory.data(), 256);
  table.add_block(second.memory.data(), 512);
  std::map<std::uintptr_t, std::uint32_t> model;
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < 20000; ++i) {
    const std::uintptr_t number = 1 + random() % 60 * (random() % 3 == 0 ? 8 : 1);
    const auto known = model.find(number);
    slab_entry* const entry = table.find(header(number));
    ASSERT_EQ(entry != nullptr, known != model.end()) << i;
    if (entry != nullptr) {
      ASSERT_EQ(entry->ever_out, known->second) << i;
      table.remove(header(number));
      model.erase(known);
    } else if (slab_entry* const added = table.add(header(number))) {
      added->ever_out = i;
      model[number] = i;
    }
  }
}

}  // namespace
