#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/core/typed/kept_objects.hpp>
#include <random>
#include <set>
#include <vector>

#include "support/slab_memory.hpp"

namespace {

using quarry::core::cache_layout;
using quarry::core::clear_marks;
using quarry::core::create_cache_slab;
using quarry::core::kept_objects;
using quarry::core::make_cache_layout;
using quarry::core::slab;
using quarry_test::slab_memory;

constexpr std::size_t slab_bytes = 4096;
constexpr cache_layout layout = make_cache_layout({40, 8, 0, true}, slab_bytes);

class KeptObjects : public ::testing::Test {
 protected:
  void* slot(std::size_t index) const { return first->slot_at(index, layout.slabs); }

  slab_memory first_memory{slab_bytes}, second_memory{slab_bytes};
  static slab* make_slab(const slab_memory& memory) {
    slab* const made = create_cache_slab(memory.base(), layout, layout.extension);
    clear_marks(*made);
    return made;
  }

  slab* const first = make_slab(first_memory);
  slab* const second = make_slab(second_memory);
  kept_objects kept;
};

TEST_F(KeptObjects, KeepsNothingAtFirst) {
  EXPECT_EQ(kept.count(), 0U);
  EXPECT_EQ(kept.take(layout.slabs), nullptr);
  EXPECT_FALSE(kept.has(*first, 0));
}

TEST_F(KeptObjects, GivesEveryObjectOfEverySlabBackOnce) {
  std::set<void*> expected;
  for (std::size_t i = 0; i < layout.extension.slots; ++i)
    for (slab* const home : {first, second}) {
      void* const each = home->slot_at(i, layout.slabs);
      kept.keep(*home, each, layout.slabs);
      ASSERT_TRUE(kept.has(*home, i));
      expected.insert(each);
      ASSERT_EQ(kept.count(), expected.size());
    }
  while (void* const each = kept.take(layout.slabs)) ASSERT_EQ(expected.erase(each), 1U);
  EXPECT_TRUE(expected.empty());
  EXPECT_EQ(kept.count(), 0U);
}

TEST_F(KeptObjects, MarksTheObjectThatWasKeptAndNoOther) {
  kept.keep(*first, slot(3), layout.slabs);
  for (std::size_t i = 0; i < layout.extension.slots; ++i) {
    EXPECT_EQ(kept.has(*first, i), i == 3) << i;
    EXPECT_FALSE(kept.has(*second, i));
  }
  EXPECT_EQ(kept.take(layout.slabs), slot(3));
  EXPECT_FALSE(kept.has(*first, 3));
}

TEST_F(KeptObjects, LeavesTheSlabsFreeSlotsAndTheObjectsAlone) {
  first->bitmap().take(2);
  auto* const bytes = static_cast<unsigned char*>(slot(2));
  for (std::size_t i = 0; i < 40; ++i) bytes[i] = static_cast<unsigned char>(i);
  kept.keep(*first, slot(2), layout.slabs);
  EXPECT_FALSE(first->bitmap().is_free(2));
  EXPECT_EQ(kept.take(layout.slabs), slot(2));
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(bytes[i], i);
  EXPECT_TRUE(first->bitmap().check_invariants());
}

TEST_F(KeptObjects, RandomUseMatchesASet) {
  std::mt19937 random(1);
  std::set<void*> model;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 2 == 0) {
      slab* const home = random() % 2 == 0 ? first : second;
      void* const each = home->slot_at(random() % layout.extension.slots, layout.slabs);
      if (model.insert(each).second) kept.keep(*home, each, layout.slabs);
    } else {
      void* const each = kept.take(layout.slabs);
      ASSERT_EQ(each == nullptr, model.empty());
      ASSERT_EQ(model.erase(each), each == nullptr ? 0U : 1U);
    }
    ASSERT_EQ(kept.count(), model.size());
  }
}

}  // namespace
