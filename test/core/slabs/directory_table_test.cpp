// A table of a directory, filled by hand.

#include <quarry/core/slabs/directory_table.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <set>
#include <vector>

namespace {

using quarry::core::directory_entry;
using quarry::core::directory_table;
using quarry::core::slab;

// Nothing looks into a slab here.
slab* slab_of(std::uintptr_t granule) {
  return reinterpret_cast<slab*>((granule + 1) * 64);
}

class cleared_table {
 public:
  explicit cleared_table(std::size_t entries) : memory_(new std::byte[directory_table::bytes_of(entries)]) {
    table_ = ::new (memory_.get()) directory_table(entries);
    for (std::size_t i = 0; i < entries; ++i) {
      auto& each = *::new (table_->entries() + i) directory_entry;
      each.granule = directory_entry::no_granule;
      each.home = nullptr;
    }
  }
  void insert(std::uintptr_t granule) {
    directory_entry& place = table_->place_of(granule);
    place.granule = granule;
    place.home = slab_of(granule);
  }
  directory_table& operator*() const { return *table_; }
  directory_table* operator->() const { return table_; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  directory_table* table_ = nullptr;
};

TEST(DirectoryTable, FindsEachGranuleAndNoOtherUntilOnePlaceIsLeft) {
  constexpr std::size_t entries = 64;
  const auto granule = [](std::size_t i) { return std::uintptr_t{i * i * 977 + i}; };
  cleared_table filled(entries);
  for (std::size_t i = 0; i + 1 < entries; ++i) {
    EXPECT_EQ(filled->probe(granule(i)), nullptr);
    filled.insert(granule(i));
    for (std::size_t k = 0; k <= i; ++k) ASSERT_EQ(filled->probe(granule(k)), slab_of(granule(k)));
  }
  EXPECT_EQ(filled->probe(granule(entries) + 1), nullptr);
}

TEST(DirectoryTable, WhereASearchGoesItMeetsEveryPlaceOnce) {
  const cleared_table table(32);
  for (std::uintptr_t granule = 0; granule < 100; ++granule) {
    std::set<std::size_t> met;
    std::size_t at = table->start_of(granule);
    for (int i = 0; i < 32; ++i, at = table->after(at)) EXPECT_TRUE(met.insert(at).second);
    EXPECT_LT(*met.rbegin(), 32U);
    EXPECT_EQ(at, table->start_of(granule));
  }
}

TEST(DirectoryTable, AsksTheOneBeforeForWhatItLacks) {
  cleared_table before(16), newest(32);
  for (std::uintptr_t granule = 0; granule < 10; ++granule) before.insert(granule);
  newest.insert(3);
  (*newest).place_of(3).home = nullptr;  // no slab covers it now, whatever the older one says
  newest.insert(20);
  EXPECT_EQ(newest->probe(5), nullptr);
  newest->older = &*before;
  EXPECT_EQ(newest->probe(5), slab_of(5));
  EXPECT_EQ(newest->probe(20), slab_of(20));
  EXPECT_EQ(newest->probe(3), nullptr);
  EXPECT_EQ(newest->probe(21), nullptr);
}

TEST(DirectoryTable, FindsManyAndTellsWhetherOneIsMissing) {
  constexpr std::uint32_t shift = 12;
  alignas(64) static std::byte headers[11 * 64];  // they are fetched
  cleared_table before(16), newest(16);
  newest->older = &*before;
  const auto place_in = [&](cleared_table& into, std::uintptr_t granule) {
    into.insert(granule);
    into->place_of(granule).home = reinterpret_cast<slab*>(headers + granule * 64);
  };
  for (std::uintptr_t granule = 0; granule < 5; ++granule) place_in(newest, granule);
  for (std::uintptr_t granule = 5; granule < 10; ++granule) place_in(before, granule);
  std::vector<void*> slots;
  for (std::uintptr_t granule = 0; granule < 10; ++granule)
    slots.push_back(reinterpret_cast<void*>((granule << shift) + 48));
  std::vector<slab*> homes(slots.size() + 1, slab_of(99));
  EXPECT_TRUE(newest->find_all(slots.data(), slots.size(), homes.data(), shift));
  for (std::size_t i = 0; i < slots.size(); ++i)
    EXPECT_EQ(homes[i], reinterpret_cast<slab*>(headers + i * 64)) << i;
  EXPECT_EQ(homes.back(), slab_of(99));
  slots[7] = reinterpret_cast<void*>(std::uintptr_t{10} << shift);
  EXPECT_FALSE(newest->find_all(slots.data(), slots.size(), homes.data(), shift));
  EXPECT_EQ(homes[7], nullptr);
  EXPECT_EQ(homes[8], reinterpret_cast<slab*>(headers + 8 * 64));
}

}  // namespace
