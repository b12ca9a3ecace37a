// A depot with the loaded magazine of one cache before it, and beside them lists of the slots that lie in each.
//
// Slots are only addresses. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <quarry/core/magazines/depot.hpp>
#include <quarry/core/magazines/magazine.hpp>
#include <vector>

#include "support/choices.hpp"

namespace quarry_test {

class depot_world {
 public:
  depot_world(std::size_t magazine_slots, std::size_t magazines)
      : full_slots_(magazine_slots),
        magazines_(std::make_unique<quarry::core::magazine[]>(magazines + 1)),
        depot_(std::make_unique<quarry::core::depot<homes>>(static_cast<std::uint32_t>(magazine_slots))),
        cursor_(std::make_unique<quarry::core::cursor>()),
        at_hand_(&magazines_[magazines]) {
    for (std::size_t i = 0; i < magazines; ++i) empty_.push_back(&magazines_[i]);
    cursor_->load(at_hand_->entries, 0, full_slots_);
  }

  explicit depot_world(choices& from) : depot_world(1 + from.below(63), 1 + from.below(20)) {}

  void step(choices& from) {
    switch (from.below(8)) {
      case 0:
        return push();
      case 1:
        return pop();
      case 2:
        return hand_in(from.below(homes));
      case 3:
        return exchange(from.below(homes));
      case 4:
        return park_slots(1 + from.below(2 * full_slots_), from.below(homes));
      case 5:
        return take_slots(1 + from.below(2 * full_slots_), from.below(homes));
      case 6:
        return rest();
      default:
        return take_empty();
    }
  }

  void check() const {
    std::size_t slots = open_.size();
    std::vector<void*> expected;
    for (const auto& of_home : full_) {
      for (auto each = of_home.rbegin(); each != of_home.rend(); ++each) {
        EXPECT_EQ(each->size(), full_slots_);
        slots += each->size();
        expected.insert(expected.end(), each->begin(), each->end());
      }
    }
    expected.insert(expected.end(), open_.begin(), open_.end());
    std::vector<void*> met;
    depot_->for_each([&met](void* each) { met.push_back(each); });
    EXPECT_EQ(met, expected);
    EXPECT_EQ(depot_->slots(), slots);
    EXPECT_EQ(depot_->resting(), resting_);
    EXPECT_EQ(cursor_->count(at_hand_->entries), loaded_.size());
    EXPECT_EQ(cursor_->peek(), loaded_.empty() ? nullptr : loaded_.back());
    EXPECT_EQ(at_hand_->entries[0], nullptr) << "so that an empty magazine pops null";
  }

 private:
  static constexpr std::size_t homes = 3;

  // The full magazines of the first home from `home` on that has any; those of `home` where none has.
  std::vector<std::vector<void*>>& full_from(std::size_t home) {
    for (std::size_t i = 0; i < homes; ++i)
      if (!full_[(home + i) % homes].empty()) return full_[(home + i) % homes];
    return full_[home];
  }

  void* fresh_slot() { return reinterpret_cast<void*>(next_slot_ += 16); }

  void push() {
    void* const slot = fresh_slot();
    const bool has_room = loaded_.size() < full_slots_;
    EXPECT_EQ(cursor_->push(slot), has_room);
    if (has_room) loaded_.push_back(slot);
  }

  void pop() {
    EXPECT_EQ(cursor_->pop(), loaded_.empty() ? nullptr : loaded_.back());
    if (!loaded_.empty()) loaded_.pop_back();
  }

  void load(quarry::core::magazine& next, const std::vector<void*>& slots) {
    at_hand_ = &next;
    loaded_ = slots;
    cursor_->load(next.entries, slots.size(), full_slots_);
  }

  // The full magazine goes to the depot and one without slots is loaded.
  void hand_in(std::size_t home) {
    if (empty_.empty()) return;
    while (loaded_.size() < full_slots_) push();
    depot_->park(*at_hand_, home);
    full_[home].push_back(loaded_);
    load(*empty_.back(), {});
    empty_.pop_back();
  }

  // What is loaded is dropped, and a full magazine comes for it.
  void exchange(std::size_t home) {
    std::vector<std::vector<void*>>& full = full_from(home);
    quarry::core::magazine* const taken = depot_->take(home);
    EXPECT_EQ(taken != nullptr, !full.empty());
    if (taken == nullptr || full.empty()) return;
    empty_.push_back(at_hand_);
    EXPECT_TRUE(std::equal(full.back().begin(), full.back().end(), taken->entries + 1));
    load(*taken, full.back());
    full.pop_back();
  }

  void park_slots(std::size_t count, std::size_t home) {
    std::vector<void*> slots;
    for (std::size_t i = 0; i < count; ++i) slots.push_back(fresh_slot());
    const std::size_t room = (open_.empty() ? 0 : full_slots_ - open_.size()) + resting_ * full_slots_;
    const std::size_t parked = depot_->park_slots(slots.data(), count, home);
    EXPECT_EQ(parked, std::min(count, room));
    for (std::size_t i = 0; i < parked; ++i) {
      if (open_.empty()) --resting_;
      open_.push_back(slots[i]);
      if (open_.size() < full_slots_) continue;
      full_[home].push_back(open_);
      open_.clear();
    }
  }

  void take_slots(std::size_t count, std::size_t home) {
    std::vector<void*> slots(count);
    slots.resize(depot_->take_slots(slots.data(), count, home));
    std::vector<std::vector<void*>>& full = full_from(home);
    if (open_.empty() && !full.empty()) {
      open_ = full.back();
      full.pop_back();
    }
    const std::size_t expected = std::min(count, open_.size());
    const auto first = open_.end() - static_cast<std::ptrdiff_t>(expected);
    EXPECT_EQ(slots, std::vector<void*>(first, open_.end()));
    open_.erase(first, open_.end());
    if (open_.empty() && expected != 0) ++resting_;
  }

  void rest() {
    if (empty_.empty()) return;
    depot_->rest(*empty_.back());
    empty_.pop_back();
    ++resting_;
  }

  void take_empty() {
    quarry::core::magazine* const taken = depot_->take_empty();
    EXPECT_EQ(taken != nullptr, resting_ != 0);
    if (taken == nullptr) return;
    EXPECT_EQ(std::count(empty_.begin(), empty_.end(), taken), 0) << "it is in two places";
    empty_.push_back(taken);
    --resting_;
  }

  const std::size_t full_slots_;
  std::unique_ptr<quarry::core::magazine[]> magazines_;
  std::unique_ptr<quarry::core::depot<homes>> depot_;
  std::unique_ptr<quarry::core::cursor> cursor_;
  quarry::core::magazine* at_hand_;                          // that the cursor is loaded with
  std::vector<quarry::core::magazine*> empty_;               // nowhere else
  std::vector<void*> loaded_;                                // slots of at_hand_
  std::array<std::vector<std::vector<void*>>, homes> full_;  // slots of parked magazines, by home
  std::vector<void*> open_;                                  // slots of the open one
  std::size_t resting_ = 0;                                  // empty magazines in the depot
  std::uintptr_t next_slot_ = 1 << 20;
};

}  // namespace quarry_test
