// A typed cache's stock over slabs of the test, for the tests of what works on one without handles and page sources.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <quarry/core/typed/cache_stock.hpp>
#include <vector>

#include "support/slab_memory.hpp"

namespace quarry_test {

/// Slots of 32 bytes in slabs of 1024; the control block, with a magazine of 8 slots, lies beside the slabs.
class cache_stock_fixture : public ::testing::Test {
 protected:
  static constexpr std::uint32_t magazine_slots = 8;
  static constexpr std::size_t slot_bytes = 32;
  static constexpr std::size_t slab_bytes = 1024;
  static constexpr quarry::core::cache_layout layout =
      quarry::core::make_cache_layout({slot_bytes, 8, 100, true}, slab_bytes);

  quarry::core::slab* make_slab(const quarry::core::cache_layout& of,
                                const quarry::core::slab_contents& contents) {
    slabs_.push_back(std::make_unique<slab_memory>(slab_bytes));
    quarry::core::slab* const made = create_cache_slab(slabs_.back()->base(), of, contents);
    clear_marks(*made);
    made->owner = &front;
    return made;
  }
  quarry::core::slab* add_slab() {
    quarry::core::slab* const made = make_slab(layout, layout.extension);
    stock.add(made);
    return made;
  }
  std::vector<void*> take(std::size_t count) {
    std::vector<void*> slots;
    for (std::size_t i = 0; i < count; ++i) slots.push_back(stock.allocate(front));
    return slots;
  }
  void TearDown() override { EXPECT_TRUE(stock.check_invariants(front)); }

 private:
  std::vector<std::unique_ptr<slab_memory>> slabs_;

 protected:
  void* entries[quarry::core::cache_stock::entries_for(magazine_slots)];
  quarry::core::cache_front front;
  quarry::core::slab* const first = make_slab(layout, layout.root);
  quarry::core::cache_stock stock{layout, *first, entries, magazine_slots, front};
};

}  // namespace quarry_test
