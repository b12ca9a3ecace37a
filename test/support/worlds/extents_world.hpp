// Extents, and beside them what each granule is: lent, touched, or blank.
//
// No memory lies behind the granules. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <quarry/core/memory/extents.hpp>
#include <utility>
#include <vector>

#include "support/choices.hpp"

namespace quarry_test {

class extents_world {
 public:
  /// `most_extents`: at a time; of each group all are looked at when they are 8 or fewer.
  extents_world(std::size_t most_extents, std::size_t most_granules)
      : most_extents_(most_extents),
        most_granules_(most_granules),
        records_(std::make_unique<std::deque<quarry::core::extent>>()),
        extents_(std::make_unique<quarry::core::extents>(granule_bytes)) {}

  explicit extents_world(choices& from) : extents_world(1 + from.below(8), 1 + from.below(64)) {
    is_touched_first_ = from.below(2) == 1;
    if (is_touched_first_) extents_->lend_touched_first();
  }

  void step(choices& from) {
    std::vector<void (extents_world::*)(choices&)> kinds;
    if (known_.size() < most_extents_) kinds.push_back(&extents_world::add);
    if (!known_.empty()) kinds.insert(kinds.end(), {&extents_world::take, &extents_world::take_touched});
    if (!lent_.empty()) kinds.push_back(&extents_world::put);
    if (removable() != known_.end()) kinds.push_back(&extents_world::remove);
    (this->*kinds[from.below(kinds.size())])(from);
  }

  void check() const {
    EXPECT_TRUE(extents_->check_invariants());
    std::size_t held = 0, idle = 0, discarded = 0;
    for (const entry& each : known_) {
      held += each.granules.size();
      if (!each.record->is_fixed) idle += each.count(touched);
      discarded += each.count(dropped);
      EXPECT_EQ(extents::is_blank(*each.record), each.count(touched) == 0);
      EXPECT_EQ(extents_->find(each.record->base), each.record);
      EXPECT_EQ(extents_->find(each.record->base + each.granules.size() * granule_bytes - 1), each.record);
    }
    EXPECT_EQ(extents_->held_granules(), held);
    EXPECT_EQ(extents_->idle_bytes(), idle * granule_bytes);
    EXPECT_EQ(extents_->discarded_bytes(), discarded * granule_bytes);
    const bool has_idle =
        std::any_of(known_.begin(), known_.end(), [](const entry& each) { return each.is_removable(); });
    EXPECT_EQ(extents_->idle() != nullptr, has_idle);
    std::size_t met = 0;
    extents_->for_each([&met](const quarry::core::extent&) { ++met; });
    EXPECT_EQ(met, known_.size());
  }

 private:
  using extents = quarry::core::extents;
  using granule_run = quarry::core::granule_run;
  enum granule : char { lent, touched, fresh, dropped };  // dropped: touched once, its pages discarded since
  static constexpr std::size_t granule_bytes = 4096;
  static constexpr int touched_busy_rank = 2, touched_half_rank = 4, idle_rank = 6, full_rank = 8;

  struct entry {
    quarry::core::extent* record;
    std::vector<granule> granules;

    std::size_t count(granule which) const {
      return static_cast<std::size_t>(std::count(granules.begin(), granules.end(), which));
    }
    bool is_removable() const { return count(lent) == 0 && !record->is_fixed; }
    /// Fixed ones come first, idle ones last: those of which at least half is lent, then the others; of those that are not fixed
    /// ones with touched granules before the others.
    int rank() const {
      const std::size_t used = count(lent);
      if (used == granules.size()) return full_rank;
      const bool is_half = used * 2 < granules.size();
      if (record->is_fixed) return is_half ? 1 : 0;
      const int rank = used == 0 ? idle_rank : is_half ? touched_half_rank : touched_busy_rank;
      return count(touched) == 0 ? rank + 1 : rank;
    }
    /// The lowest run of `length` granules of which none is lent, or all are touched; past the end where there is none.
    std::size_t find_run(std::size_t length, std::size_t step, bool is_touched) const {
      const auto base = reinterpret_cast<std::uintptr_t>(record->base) / granule_bytes;
      for (std::size_t first = 0; first + length <= granules.size(); ++first) {
        const auto begin = granules.begin() + static_cast<std::ptrdiff_t>(first);
        const auto is_good = [is_touched](granule each) {
          return is_touched ? each == touched : each != lent;
        };
        if ((base + first) % step == 0 &&
            std::all_of(begin, begin + static_cast<std::ptrdiff_t>(length), is_good))
          return first;
      }
      return granules.size();
    }
  };

  /// When it is the turn of such extents to lend.
  int turn_of(const entry& each) const {
    static constexpr int touched_first[] = {0, 1, 2, 5, 3, 6, 4, 7, full_rank};
    return is_touched_first_ ? touched_first[each.rank()] : each.rank();
  }
  entry& home_of(const granule_run& run) {
    return *std::find_if(known_.begin(), known_.end(),
                         [&run](const entry& each) { return each.record == run.home; });
  }
  std::vector<entry>::iterator removable() {
    return std::find_if(known_.begin(), known_.end(), [](const entry& each) { return each.is_removable(); });
  }
  void mark(const granule_run& run, granule as) {
    for (std::size_t i = run.first; i < run.first + run.count; ++i) {
      granule& each = home_of(run).granules[i];
      if ((each == lent) == (as == lent)) ADD_FAILURE() << "granule " << i << " is lent or put back twice";
      each = as;
    }
  }

  void add(choices& from) {
    const std::size_t granules = 1 + from.below(most_granules_);
    const bool is_fixed = from.below(4) == 1;
    const bool is_prefaulted = !is_fixed && from.below(4) == 1;
    if (!extents_->has_spare()) extents_->bring_spare(records_->emplace_back());
    next_base_ += 128 * granule_bytes;
    quarry::core::extent& added =
        extents_->add(reinterpret_cast<void*>(next_base_), static_cast<std::uint32_t>(granules), is_fixed);
    if (is_prefaulted) extents_->touch(added);
    known_.push_back({&added, std::vector<granule>(granules, is_prefaulted ? touched : fresh)});
  }

  void take(choices& from) {
    const std::size_t count = 1 + from.below(most_granules_);
    const std::size_t step = std::size_t{1} << from.below(4);
    const granule_run run = extents_->take(static_cast<std::uint32_t>(count), step * granule_bytes);
    int best = full_rank;
    for (const entry& each : known_)
      if (each.find_run(count, step, false) != each.granules.size()) best = std::min(best, turn_of(each));
    EXPECT_EQ(run.home == nullptr, best == full_rank);
    if (run.home == nullptr) return;
    const entry& home = home_of(run);
    EXPECT_EQ(turn_of(home), best) << "it is not the turn of these extents";
    EXPECT_EQ(run.count, count);
    const std::size_t first_touched = home.find_run(count, step, true);
    EXPECT_EQ(run.first,
              first_touched != home.granules.size() ? first_touched : home.find_run(count, step, false));
    lend(run);
  }

  void lend(const granule_run& run) {
    mark(run, lent);
    lent_.push_back(run);
    const granule_run again = extents_->run_at(*run.home, extents_->address_of(run), run.count);
    EXPECT_EQ(again.first, run.first);
    EXPECT_EQ(extents_->bytes_of(run), run.count * granule_bytes);
  }

  void put(choices& from) {
    std::swap(lent_[from.below(lent_.size())], lent_.back());
    const granule_run run = lent_.back();
    lent_.pop_back();
    const bool is_discarded = !run.home->is_fixed && from.below(2) == 1;
    const bool is_last = home_of(run).count(lent) == run.count;
    EXPECT_EQ(extents::would_idle(run), is_last);
    EXPECT_EQ(extents_->put(run, is_discarded), is_last && !run.home->is_fixed);
    mark(run, is_discarded ? dropped : touched);
  }

  // Touched granules of partly lent extents are taken to be discarded.
  void take_touched(choices&) {
    const granule_run run = extents_->take_touched();
    const auto has = [this](int rank) {
      return std::any_of(known_.begin(), known_.end(),
                         [rank](const entry& each) { return each.rank() == rank; });
    };
    const int wanted = has(touched_half_rank) ? touched_half_rank : touched_busy_rank;
    EXPECT_EQ(run.home != nullptr, has(wanted));
    if (run.home == nullptr) return;
    const entry& home = home_of(run);
    EXPECT_EQ(home.rank(), wanted);
    const auto begin = home.granules.begin() + static_cast<std::ptrdiff_t>(run.first);
    const auto end = begin + static_cast<std::ptrdiff_t>(run.count);
    EXPECT_TRUE(std::all_of(begin, end, [](granule each) { return each == touched; }));
    EXPECT_TRUE(end == home.granules.end() || *end != touched) << "the run goes on";
    lend(run);
  }

  void remove(choices&) {
    quarry::core::extent* const idle = extents_->idle();
    const auto found =
        std::find_if(known_.begin(), known_.end(), [idle](const entry& each) { return each.record == idle; });
    ASSERT_NE(found, known_.end());
    EXPECT_TRUE(found->is_removable());
    const bool has_blank = std::any_of(known_.begin(), known_.end(), [](const entry& each) {
      return each.is_removable() && each.count(touched) == 0;
    });
    EXPECT_EQ(found->count(touched) == 0, has_blank);
    extents_->remove(*idle);
    EXPECT_TRUE(extents_->has_spare());
    known_.erase(found);
  }

  bool is_touched_first_ = false;
  const std::size_t most_extents_;
  const std::size_t most_granules_;
  std::unique_ptr<std::deque<quarry::core::extent>> records_;
  std::unique_ptr<quarry::core::extents> extents_;
  std::vector<entry> known_;
  std::vector<granule_run> lent_;
  std::uintptr_t next_base_ = std::uintptr_t{1} << 30;
};

}  // namespace quarry_test
