// A bin and its slabs, and beside them a list of which slots of which slab are used.
//
// The slabs are neighbours in memory, so runs of slots go from one into the next. No memory lies behind the slots. Threads: one at
// a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <quarry/core/bins/bin.hpp>
#include <utility>
#include <vector>

#include "support/choices.hpp"

namespace quarry_test {

class bin_world {
 public:
  /// `most_slabs`: that it ever has, `adopted` of them from the beginning; `most_at_once`: slots that one operation takes or puts
  /// back by itself.
  bin_world(std::size_t slots, std::size_t most_slabs, std::size_t adopted, std::size_t most_at_once)
      : most_at_once_(most_at_once),
        bin_(std::make_unique<quarry::core::bin>(quarry::core::slab::layout(slot_bytes, slots * slot_bytes))),
        slabs_(most_slabs) {
    for (std::size_t i = 0; i < most_slabs; ++i) slabs_[i].used.assign(slots, false);
    while (in_bin() < adopted) adopt();
  }

  explicit bin_world(choices& from)
      : bin_world(sizes()[from.below(sizes().size())], 1 + from.below(12), 0, 1 + from.below(70)) {}

  void step(choices& from) {
    std::vector<void (bin_world::*)(choices&)> kinds = {&bin_world::refill, &bin_world::take_run};
    if (in_bin() < slabs_.size()) kinds.push_back(&bin_world::adopt_another);
    if (used_slots() != 0) {
      kinds.push_back(&bin_world::flush_some);
      kinds.push_back(&bin_world::flush_neighbours);
    }
    (this->*kinds[from.below(kinds.size())])(from);
  }

  void check() const {
    EXPECT_TRUE(bin_->check_invariants());
    EXPECT_EQ(bin_->slabs(), in_bin());
    EXPECT_EQ(bin_->slots(), in_bin() * slots());
    EXPECT_EQ(bin_->used_slots(), used_slots());
    EXPECT_EQ(bin_->any_free(), has_free());
    const bool has_ample =
        std::any_of(slabs_.begin(), slabs_.end(), [](const entry& each) { return each.fullness() == ample; });
    EXPECT_EQ(bin_->any_ample() != nullptr, has_ample);
    for (const entry& each : slabs_)
      for (std::size_t i = 0; i < slots() && each.header != nullptr; ++i)
        if (each.header->bitmap().is_free(i) == each.used[i]) ADD_FAILURE() << "slot " << i;
  }

 private:
  using slab = quarry::core::slab;
  enum group { none, full, scant, ample, half };  // the later, the sooner slots are taken from it
  static constexpr std::size_t slot_bytes = 24;

  struct entry {
    std::unique_ptr<std::uint64_t[]> room;
    slab* header = nullptr;  // null: it is not in the bin
    std::vector<bool> used;  // by slot

    std::size_t free_slots() const {
      return static_cast<std::size_t>(std::count(used.begin(), used.end(), false));
    }
    group fullness() const {
      if (header == nullptr) return none;
      const std::size_t free = free_slots();
      return free == 0 ? full : free * 8 < used.size() ? scant : free * 2 < used.size() ? half : ample;
    }
  };

  static const std::vector<std::size_t>& sizes() {
    static const std::vector<std::size_t> all = {1, 2, 3, 6, 16, 63, 64, 65, 130};
    return all;
  }

  std::size_t slots() const { return slabs_.front().used.size(); }
  std::size_t in_bin() const {
    return static_cast<std::size_t>(std::count_if(slabs_.begin(), slabs_.end(),
                                                  [](const entry& each) { return each.header != nullptr; }));
  }
  std::size_t used_slots() const {
    std::size_t count = 0;
    for (const entry& each : slabs_) count += slots() - each.free_slots();
    return count;
  }
  bool has_free() const { return used_slots() < in_bin() * slots(); }
  void* slot(std::size_t number) const {  // counted over all slabs
    return reinterpret_cast<void*>((std::uintptr_t{1} << 24) + number * slot_bytes);
  }
  std::size_t number_of(const void* place) const {
    return (reinterpret_cast<std::uintptr_t>(place) - (std::uintptr_t{1} << 24)) / slot_bytes;
  }
  entry& home_of(std::size_t number) { return slabs_[number / slots()]; }
  bool is_used(std::size_t number) {
    return number < slabs_.size() * slots() && home_of(number).used[number % slots()];
  }
  void mark(std::size_t number, bool is_used_now) {
    if (is_used(number) == is_used_now) ADD_FAILURE() << "slot " << number << " is taken or put twice";
    home_of(number).used[number % slots()] = is_used_now;
  }
  std::vector<std::size_t> all_used() {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < slabs_.size() * slots(); ++i)
      if (is_used(i)) numbers.push_back(i);
    return numbers;
  }

  // Expects that the slots of `number` are taken from now: a slab of the fullness that comes first.
  void expect_best_home(std::size_t number) {
    group best = none;
    for (const entry& each : slabs_) best = std::max(best, each.fullness());
    EXPECT_EQ(home_of(number).fullness(), best) << "slot " << number;
  }

  void adopt_another(choices&) { adopt(); }

  void adopt() {
    for (std::size_t i = 0; i < slabs_.size(); ++i) {
      entry& fresh = slabs_[i];
      if (fresh.header != nullptr) continue;
      fresh.room = std::make_unique<std::uint64_t[]>(bin_->layout().header_bytes / sizeof(std::uint64_t) + 1);
      fresh.header = slab::create(fresh.room.get(), slot(i * slots()), slots());
      return bin_->adopt(fresh.header);
    }
  }

  void refill(choices& from) {
    const std::size_t count = has_free() ? 1 + from.below(most_at_once_) : most_at_once_;
    std::vector<void*> room(count);
    const std::size_t found = bin_->refill(room.data() + count, count);
    ASSERT_LE(found, count);
    std::vector<void*> taken(room.rbegin(), room.rbegin() + static_cast<std::ptrdiff_t>(found));
    std::size_t visits = 0;
    for (std::size_t done = 0; done < found; ++visits) {
      EXPECT_TRUE(done * 2 < count) << "it looks at no more slabs once it has half";
      entry& source = home_of(number_of(taken[done]));
      expect_best_home(number_of(taken[done]));
      const std::size_t here = std::min(source.free_slots(), count - done);
      for (std::size_t i = 0, at = 0; i < here; ++i, ++done, ++at) {
        while (source.used[at]) ++at;
        ASSERT_LT(done, found);
        ASSERT_EQ(taken[done], slot(number_of(source.header->begin()) + at)) << "not the lowest free slot";
        mark(number_of(taken[done]), true);
      }
    }
    EXPECT_TRUE(found * 2 >= count || visits == 8 || !has_free())
        << found << " of " << count << " slots, although there are more";
  }

  void take_run(choices& from) {
    const bool any_free = has_free();
    const std::size_t count = any_free ? 1 + from.below(most_at_once_) : most_at_once_;
    const std::size_t least = any_free ? 1 + from.below(count) : 1;
    const quarry::core::slot_run run = bin_->take_run(least, count);
    EXPECT_LE(run.slots, count);
    EXPECT_TRUE(any_free || run.slots == 0);
    EXPECT_TRUE(least > 1 || run.slots != 0 || !any_free) << "any free slot is a run of one";
    if (run.slots == 0) return;
    const std::size_t first = number_of(run.first);
    expect_best_home(first);
    EXPECT_EQ(first / slots(), (first + run.slots - 1) / slots()) << "a run lies in one slab";
    for (std::size_t i = 0; i < first % slots(); ++i) EXPECT_TRUE(home_of(first).used[i]) << "not the lowest";
    for (std::size_t i = 0; i < run.slots; ++i) mark(first + i, true);
  }

  void flush_some(choices& from) {
    std::vector<std::size_t> used = all_used();
    std::vector<std::size_t> chosen;
    for (std::size_t left = 1 + from.below(std::min(used.size(), most_at_once_)); left != 0; --left) {
      std::swap(used[from.below(used.size())], used.back());
      chosen.push_back(used.back());
      used.pop_back();
    }
    flush(chosen);
  }

  // Neighbours go back one way or the other, or are told as a run.
  void flush_neighbours(choices& from) {
    const std::vector<std::size_t> used = all_used();
    const std::size_t first = used[from.below(used.size())];
    std::size_t longest = 1;
    while (is_used(first + longest)) ++longest;
    std::vector<std::size_t> chosen;
    for (std::size_t count = 1 + from.below(longest); count != 0; --count)
      chosen.push_back(first + chosen.size());
    const std::size_t way = from.below(3);
    if (way == 1) std::reverse(chosen.begin(), chosen.end());
    if (way != 2) return flush(chosen);
    for (const std::size_t each : chosen) mark(each, false);
    expect_emptied(bin_->flush_run(slot(first), chosen.size(),
                                   [this](void* place) { return home_of(number_of(place)).header; }),
                   chosen);
  }

  void flush(const std::vector<std::size_t>& numbers) {
    std::vector<void*> places;
    for (const std::size_t each : numbers) {
      places.push_back(slot(each));
      mark(each, false);
    }
    expect_emptied(
        bin_->flush(places.data(), places.size(), [&](std::size_t i) { return home_of(numbers[i]).header; }),
        numbers);
  }

  // Expects the slabs of `put_back` that have no used slot now, each once.
  void expect_emptied(slab* chain, const std::vector<std::size_t>& put_back) {
    for (; chain != nullptr; chain = chain->next) {
      const auto found = std::find_if(slabs_.begin(), slabs_.end(),
                                      [chain](const entry& each) { return each.header == chain; });
      ASSERT_NE(found, slabs_.end()) << "it is in the chain twice, or unknown";
      EXPECT_EQ(found->free_slots(), slots());
      EXPECT_TRUE(chain->empty());
      found->header = nullptr;
    }
    for (const std::size_t each : put_back)
      EXPECT_TRUE(home_of(each).header == nullptr || home_of(each).free_slots() != slots())
          << "an empty slab stays in the bin";
  }

  const std::size_t most_at_once_;
  std::unique_ptr<quarry::core::bin> bin_;
  std::vector<entry> slabs_;  // neighbours in memory
};

}  // namespace quarry_test
