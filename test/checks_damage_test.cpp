// Bits of a checked resource's slab headers and magazines are flipped: that is reported at the next call which relies on them, and nothing
// is touched that is not the resource's.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <memory_resource>
#include <set>
#include <vector>

#include "quarry/core/bins/size_class.hpp"
#include "quarry/core/slabs/slot_states.hpp"
#include "quarry/violation.hpp"
#include "support/both_resources.hpp"
#include "support/row_supply.hpp"

namespace quarry {
namespace {

constexpr std::size_t supply_bytes = std::size_t{64} << 20;  // nothing comes back to it
constexpr std::size_t header_bytes = std::size_t{1} << 20;   // where the first headers lie
constexpr std::size_t slab_bytes = 65536;
constexpr std::size_t block_bytes = 64;

std::vector<slab_errc> errors;  // since the test began

void note(const violation& found) {
  errors.push_back(found.error);
}

template <class Resource>
class DamagedHeader : public testing::Test {
 protected:
  using states_type = core::slot_states<quarry_test::is_synchronized<Resource>>;

  DamagedHeader() {
    errors.clear();
    previous_ = set_violation_handler(note);
    slab_options options;
    options.checks = check_level::pointers;
    options.upstream_only = true;
    resource_ = std::make_unique<Resource>(options, &supply_);
    for (auto& each : blocks_) each = resource_->allocate(block_bytes, 8);
    const std::uintptr_t begin =
        reinterpret_cast<std::uintptr_t>(blocks_[0]) & ~std::uintptr_t{slab_bytes - 1};
    for (std::size_t at = 0; at + sizeof(core::slab) <= header_bytes; at += alignof(core::slab)) {
      auto* const found = reinterpret_cast<core::slab*>(supply_.begin() + at);
      if (reinterpret_cast<std::uintptr_t>(found->begin()) == begin &&
          found->slots() == slab_bytes / block_bytes && found->size_class == core::class_of(block_bytes, 8) &&
          states_type::is_sealed(*found))
        header_ = found;
    }
  }
  ~DamagedHeader() override {
    resource_.reset();
    set_violation_handler(previous_);
  }

  // Calls f(bit, std::byte& damaged, std::byte flip) for each bit of the header, as it is, that the seal is over. Returns how many these are.
  template <class F>
  int for_each_sealed_bit(F f) {
    int count = 0;
    for (std::size_t bit = 0; bit < sizeof(core::slab) * 8; ++bit) {
      std::byte& damaged = reinterpret_cast<std::byte*>(header_)[bit / 8];
      const std::byte flip = std::byte{1} << bit % 8;
      damaged ^= flip;
      const bool is_sealed = states_type::is_sealed(*header_);
      damaged ^= flip;
      if (is_sealed) continue;
      f(bit, damaged, flip);
      ++count;
    }
    return count;
  }

  // Lets no slab be remembered: one of another class goes back.
  void forget_slabs() {
    resource_->deallocate(resource_->allocate(5000, 8), 5000, 8);
    resource_->trim();
  }

  quarry_test::row_supply supply_{supply_bytes};
  std::unique_ptr<Resource> resource_;
  void* blocks_[100];
  core::slab* header_ = nullptr;
  violation_handler previous_;
};
TYPED_TEST_SUITE(DamagedHeader, quarry_test::both_resources, quarry_test::resource_names);

TYPED_TEST(DamagedHeader, IsReportedByTheNextFreeWhateverBitOfTheSealedOnesWasFlipped) {
  ASSERT_NE(this->header_, nullptr);
  const int reported = this->for_each_sealed_bit([this](std::size_t bit, std::byte& damaged, std::byte flip) {
    this->forget_slabs();
    ASSERT_EQ(errors.size(), 0U);
    damaged ^= flip;
    this->resource_->deallocate(this->blocks_[bit % 100], block_bytes, 8);
    EXPECT_EQ(errors.size(), 1U) << "bit " << bit;
    if (!errors.empty()) {
      EXPECT_EQ(errors[0], slab_errc::corrupted) << "bit " << bit;
    }
    damaged ^= flip;
    errors.clear();
  });
  EXPECT_GE(reported, 128);
  for (void* const each : this->blocks_) this->resource_->deallocate(each, block_bytes, 8);
  EXPECT_EQ(errors.size(), 0U) << "nothing was lost";
  EXPECT_EQ(this->resource_->stats().live_slots, 0U);
}

TYPED_TEST(DamagedHeader, IsToldOnceByTrimAndAtTheEndWhateverBitOfTheSealedOnesWasFlipped) {
  ASSERT_NE(this->header_, nullptr);
  const int told = this->for_each_sealed_bit([this](std::size_t bit, std::byte& damaged, std::byte flip) {
    damaged ^= flip;
    this->resource_->trim();
    ASSERT_EQ(errors.size(), 1U) << "bit " << bit;
    EXPECT_EQ(errors[0], slab_errc::corrupted);
    this->resource_->trim();
    EXPECT_EQ(errors.size(), 1U) << "told already, bit " << bit;
    damaged ^= flip;
    this->resource_->trim();
    EXPECT_EQ(errors.size(), 1U) << "and mended by hand since";
    errors.clear();
  });
  EXPECT_GE(told, 128);
  this->header_->granules ^= 1;
  this->resource_->release();
  EXPECT_EQ(errors.size(), 1U);
  errors.clear();
}

TYPED_TEST(DamagedHeader, IsToldByTrimWhereItSaysThatItIsInNoList) {
  ASSERT_NE(this->header_, nullptr);
  this->header_->group = UINT8_MAX;
  this->resource_->trim();
  EXPECT_EQ(errors.size(), 1U);
  errors.clear();
  for (void* const each : this->blocks_) this->resource_->deallocate(each, block_bytes, 8);
  EXPECT_EQ(errors.size(), 0U);
}

TYPED_TEST(DamagedHeader, KeepsItsSlotsFromBeingHandedOut) {
  ASSERT_NE(this->header_, nullptr);
  this->forget_slabs();
  std::set<void*> live(std::begin(this->blocks_), std::end(this->blocks_));
  this->header_->size_class ^= 1;
  for (int i = 0; i < 2000; ++i) {
    void* const block = this->resource_->allocate(block_bytes, 8);
    ASSERT_TRUE(live.insert(block).second);
    std::memset(block, 0x77, block_bytes);
  }
  EXPECT_GT(errors.size(), 0U);
  for (const slab_errc each : errors) ASSERT_EQ(each, slab_errc::corrupted);
  this->header_->size_class ^= 1;
  errors.clear();
  for (void* const each : live) this->resource_->deallocate(each, block_bytes, 8);
  EXPECT_EQ(errors.size(), 0U);
}

// So near its limit that there is no room for a cache.
TYPED_TEST(DamagedHeader, IsToldByTheFreeThatMendsItWhereNothingRests) {
  constexpr std::size_t buffer_bytes = 3072;
  alignas(64) static std::byte buffer[buffer_bytes];
  slab_options options;
  options.checks = check_level::pointers;
  TypeParam resource(options, buffer, buffer_bytes, std::pmr::null_memory_resource());
  void* blocks[4];
  for (void*& each : blocks) ASSERT_NE(each = resource.try_allocate(24, 8), nullptr);
  core::slab* header = nullptr;
  for (std::size_t at = 0; at + sizeof(core::slab) <= buffer_bytes; at += alignof(core::slab)) {
    auto* const found = reinterpret_cast<core::slab*>(buffer + at);
    const auto* const begin = found->begin();
    if (begin > buffer && begin < buffer + buffer_bytes && found->size_class == core::class_of(24, 8) &&
        TestFixture::states_type::is_sealed(*found))
      header = found;
  }
  ASSERT_NE(header, nullptr);
  ASSERT_EQ(resource.stats().cached_slots, 0U);
  header->bitmap().notice_at(1);
  resource.deallocate(blocks[0], 24, 8);
  EXPECT_EQ(errors.size(), 1U);
  errors.clear();
  for (std::size_t i = 1; i < 4; ++i) resource.deallocate(blocks[i], 24, 8);
  EXPECT_EQ(errors.size(), 0U);
  EXPECT_EQ(resource.stats().live_slots, 0U);
}

// A resource some of whose blocks rest in a magazine, one of whose entries is damaged.
template <class Resource>
class DamagedMagazine : public testing::Test {
 protected:
  DamagedMagazine() {
    errors.clear();
    previous_ = set_violation_handler(note);
  }
  ~DamagedMagazine() override { set_violation_handler(previous_); }

  // Calls f(resource, live blocks) after the bit of one entry was flipped. Returns whether there is such an entry.
  template <class F>
  bool damage(int bit, F f) {
    return change([bit](std::uintptr_t entry) { return entry ^ std::uintptr_t{1} << bit; }, f);
  }
  // The same after it was cleared.
  template <class F>
  bool clear(F f) {
    return change([](std::uintptr_t) { return std::uintptr_t{0}; }, f);
  }

  template <class G, class F>
  bool change(G changed, F f) {
    errors.clear();
    auto supply = std::make_unique<quarry_test::row_supply>(supply_bytes);
    slab_options options;
    options.checks = check_level::pointers;
    options.upstream_only = true;
    Resource resource(options, supply.get());
    std::set<void*> live;
    void* freed[8];
    for (void*& each : freed) each = resource.allocate(block_bytes, 8);
    while (live.size() < 100) live.insert(resource.allocate(block_bytes, 8));
    for (std::size_t bytes = 16; bytes <= 1024;
         bytes *= 2) {  // so that slabs of other classes lie around and are remembered
      if (bytes == block_bytes) continue;
      void* taken[64];
      for (void*& each : taken) each = resource.allocate(bytes, 8);
      for (void* const each : taken) resource.deallocate(each, bytes, 8);
    }
    for (void* const each : freed) resource.deallocate(each, block_bytes, 8);
    // No block holds an address, so what equals that of a freed one is its entry.
    std::uintptr_t* entry = nullptr;
    for (std::size_t at = 0; at + sizeof(void*) <= supply->used_bytes(); at += sizeof(void*)) {
      auto* const word = reinterpret_cast<std::uintptr_t*>(supply->begin() + at);
      if (*word == reinterpret_cast<std::uintptr_t>(freed[4])) entry = word;
    }
    if (entry == nullptr) return false;
    *entry = changed(*entry);
    f(resource, live);
    for (void* const each : live) resource.deallocate(each, block_bytes, 8);
    resource.release();
    return true;
  }

  violation_handler previous_;
};
TYPED_TEST_SUITE(DamagedMagazine, quarry_test::both_resources, quarry_test::resource_names);

constexpr int pointer_bits = static_cast<int>(sizeof(void*)) * 8;

TYPED_TEST(DamagedMagazine, HandsNothingOutThatIsNoFreeBlockWhateverBitWasFlipped) {
  for (int bit = 0; bit < pointer_bits; ++bit) {
    ASSERT_TRUE(this->damage(bit, [&](TypeParam& resource, std::set<void*>& live) {
      for (int i = 0; i < 3000; ++i) {
        void* const block = resource.allocate(block_bytes, 8);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % block_bytes, 0U) << "bit " << bit;
        ASSERT_TRUE(live.insert(block).second) << "bit " << bit;
        std::memset(block, 0x77, block_bytes);
      }
      EXPECT_EQ(errors.size(), 1U) << "bit " << bit;
      for (const slab_errc each : errors)
        EXPECT_TRUE(each == slab_errc::corrupted || each == slab_errc::double_free) << "bit " << bit;
      errors.clear();
    }));
    EXPECT_EQ(errors.size(), 0U) << "bit " << bit;
  }
}

TYPED_TEST(DamagedMagazine, TellsOfAnEntryThatIsNullNow) {
  ASSERT_TRUE(this->clear([&](TypeParam& resource, std::set<void*>& live) {
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(live.insert(resource.allocate(block_bytes, 8)).second);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0], slab_errc::corrupted);
    errors.clear();
  }));
  EXPECT_EQ(errors.size(), 0U);
}

TYPED_TEST(DamagedMagazine, PutsNothingIntoASlabThatIsNoneOfItsBlocksWhateverBitWasFlipped) {
  for (int bit = 0; bit < pointer_bits; ++bit) {
    ASSERT_TRUE(this->damage(bit, [&](TypeParam& resource, std::set<void*>& live) {
      resource.trim();
      EXPECT_EQ(errors.size(), 1U) << "bit " << bit;
      errors.clear();
      for (int i = 0; i < 2000; ++i) {
        void* const block = resource.allocate(block_bytes, 8);
        ASSERT_TRUE(live.insert(block).second) << "bit " << bit;
      }
    }));
    EXPECT_EQ(errors.size(), 0U) << "bit " << bit;
  }
}

}  // namespace
}  // namespace quarry
