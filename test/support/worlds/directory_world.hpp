// A directory, and beside it a map from granules to slabs.
//
// The slabs have headers and no slots. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <quarry/core/slabs/directory.hpp>
#include <set>
#include <utility>
#include <vector>

#include "support/choices.hpp"

namespace quarry_test {

class directory_world {
 public:
  /// `granules`: the addresses that it ever has slabs at, `stride` apart.
  directory_world(std::size_t granules, std::size_t stride)
      : granules_(granules),
        stride_(stride),
        directory_(std::make_unique<quarry::core::directory>(granule_bytes)) {}

  explicit directory_world(choices& from)
      : directory_world(8 + from.below(2000), from.below(3) == 0 ? 1 + from.below(300) : 1) {}

  void step(choices& from) {
    const std::size_t kind = from.below(100);
    if (kind < 60) return insert(from);
    if (kind < 90) return erase(from);
    if (kind < 94) return find_all(from);
    if (kind < 98) return visit_all(from);
    if (kind == 98) release();
  }

  void check() {
    EXPECT_EQ(directory_->granules(), homes_.size());
    if (++checks_ % 16 == 0 || homes_.size() < 32) check_all();
  }

 private:
  using slab = quarry::core::slab;
  static constexpr std::size_t granule_bytes = 4096;
  static constexpr std::uintptr_t first_granule = 5000;
  static constexpr std::size_t most_in_a_slab = 64;

  struct placed {
    std::uintptr_t first;
    std::size_t granules;
    slab* home;
  };

  static void* address_of(std::uintptr_t granule) { return reinterpret_cast<void*>(granule * granule_bytes); }
  std::uintptr_t chosen_granule(choices& from) { return first_granule + from.below(granules_) * stride_; }
  slab* home_of(std::uintptr_t granule) const {
    const auto found = homes_.find(granule);
    return found == homes_.end() ? nullptr : found->second;
  }

  void check_all() const {
    EXPECT_TRUE(directory_->check_invariants());
    for (const auto& [granule, home] : homes_) {
      EXPECT_EQ(directory_->find(address_of(granule)), home);
      if (home_of(granule + 1) != nullptr) continue;
      EXPECT_EQ(directory_->find(address_of(granule + 1)), nullptr) << "granule " << granule + 1;
    }
  }

  void insert(choices& from) {
    const std::uintptr_t first = chosen_granule(from);
    const std::size_t wished = from.below(4) == 0 ? 1 + from.below(most_in_a_slab) : 1;
    std::size_t granules = 0;
    while (granules < wished && home_of(first + granules) == nullptr) ++granules;
    if (granules == 0) return;
    if (const std::size_t bytes = directory_->missing_bytes(granules); bytes != 0) {
      tables_.push_back(std::make_unique<std::uint64_t[]>(bytes / sizeof(std::uint64_t) + 1));
      std::memset(tables_.back().get(), 0xA5, bytes);
      directory_->bring(tables_.back().get(), bytes);
      EXPECT_EQ(directory_->missing_bytes(granules), 0U);
    }
    slab* const home = slab::create(headers_.emplace_back().data(), address_of(first), 1);
    directory_->insert(address_of(first), granules, home);
    for (std::size_t i = 0; i < granules; ++i) homes_[first + i] = home;
    placed_.push_back({first, granules, home});
  }

  void erase(choices& from) {
    if (placed_.empty()) return;
    std::swap(placed_[from.below(placed_.size())], placed_.back());
    const placed gone = placed_.back();
    placed_.pop_back();
    directory_->erase(address_of(gone.first), gone.granules);
    for (std::size_t i = 0; i < gone.granules; ++i) homes_.erase(gone.first + i);
  }

  void find_all(choices& from) {
    std::vector<void*> slots;
    std::vector<slab*> expected;
    for (std::size_t left = 1 + from.below(16); left != 0; --left) {
      const std::uintptr_t granule = chosen_granule(from);
      slots.push_back(static_cast<std::byte*>(address_of(granule)) + granule % granule_bytes);
      expected.push_back(home_of(granule));
    }
    std::vector<slab*> found(slots.size());
    bool are_all = true;
    for (const slab* each : expected) are_all = are_all && each != nullptr;
    EXPECT_EQ(directory_->find_all(slots.data(), slots.size(), found.data()), are_all);
    EXPECT_EQ(found, expected);
  }

  // A visit that nothing changes under meets each slab once, however small its steps are.
  void visit_all(choices& from) {
    const std::size_t at_once = 1 + from.below(100);
    std::set<const slab*> met;
    quarry::core::directory::visit place;
    while (directory_->visit_some(place, at_once, [&met](slab& each) {
      EXPECT_TRUE(met.insert(&each).second) << "it is met twice";
      return true;
    })) {
    }
    EXPECT_EQ(met.size(), placed_.size());
    for (const placed& each : placed_) EXPECT_EQ(met.count(each.home), 1U);
  }

  void release() {
    directory_->release();
    homes_.clear();
    placed_.clear();
    headers_.clear();
    tables_.clear();
  }

  const std::size_t granules_;
  const std::size_t stride_;
  std::unique_ptr<quarry::core::directory> directory_;
  std::map<std::uintptr_t, slab*> homes_;  // by granule
  std::vector<placed> placed_;
  std::deque<std::array<std::uint64_t, 32>> headers_;
  std::vector<std::unique_ptr<std::uint64_t[]>> tables_;
  std::size_t checks_ = 0;
};

}  // namespace quarry_test
