// One slab with its bitmap, and beside it a list of which slots are free.
//
// No memory lies behind the slots: a slab does not touch them. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <quarry/core/slabs/slab.hpp>
#include <vector>

#include "support/choices.hpp"

namespace quarry_test {

class slab_world {
 public:
  slab_world(std::size_t slots, std::size_t slot_bytes)
      : layout_(quarry::core::slab::layout(slot_bytes, slots * slot_bytes)),
        header_(std::make_unique<std::uint64_t[]>(layout_.header_bytes / sizeof(std::uint64_t) + 1)),
        slab_(quarry::core::slab::create(header_.get(), begin(), slots)),
        is_free_(slots, true),
        free_(slots) {}

  explicit slab_world(choices& from)
      : slab_world(sizes()[from.below(sizes().size())], 8 + 8 * from.below(6)) {}

  void step(choices& from) {
    const std::size_t used = is_free_.size() - free_;
    const std::size_t first_kind = free_ == 0 ? kinds_of_taking : 0;
    const std::size_t kinds = used == 0 ? kinds_of_taking : kinds_of_taking + kinds_of_putting;
    switch (first_kind + from.below(kinds - first_kind)) {
      case 0:
        return take_one();
      case 1:
        return take(1 + from.below(free_));
      case 2:
        return take_run(from);
      case 3:
        return put_one(used_slot(from.below(used)));
      default:
        return put_run(from, used_slot(from.below(used)));
    }
  }

  /// Looks at every slot; in a large slab only now and then.
  void check() {
    EXPECT_EQ(slab_->free_slots(), free_);
    EXPECT_EQ(slab_->slots(), is_free_.size());
    EXPECT_EQ(slab_->empty(), free_ == is_free_.size());
    EXPECT_EQ(slab_->bitmap().any(), free_ != 0);
    if (++checks_ % 16 == 0 || is_free_.size() < 512) check_all();
  }

 private:
  static constexpr std::size_t kinds_of_taking = 3;
  static constexpr std::size_t kinds_of_putting = 2;

  void check_all() const {
    EXPECT_TRUE(slab_->bitmap().check_invariants());
    std::vector<void*> used;
    for (std::size_t i = 0; i < is_free_.size(); ++i) {
      if (!is_free_[i]) used.push_back(slot(i));
      if (slab_->bitmap().is_free(i) != is_free_[i]) ADD_FAILURE() << "slot " << i;
    }
    std::size_t met = 0;
    slab_->for_each_used(layout_, [&](void* each) {
      if (met >= used.size() || used[met] != each) ADD_FAILURE() << "the walk visits " << each;
      ++met;
    });
    EXPECT_EQ(met, used.size());
  }

  static const std::vector<std::size_t>& sizes() {
    static const std::vector<std::size_t> all = {1, 2, 7, 63, 64, 65, 128, 130, 300, 4161};
    return all;
  }
  static void* begin() { return reinterpret_cast<void*>(std::uintptr_t{1} << 24); }

  void* slot(std::size_t number) const {
    return static_cast<std::byte*>(begin()) + number * layout_.slot_bytes;
  }
  std::size_t lowest_free() const {
    return static_cast<std::size_t>(std::find(is_free_.begin(), is_free_.end(), true) - is_free_.begin());
  }
  std::size_t used_slot(std::size_t which) const {
    std::size_t number = 0;
    while (is_free_[number] || which-- != 0) ++number;
    return number;
  }

  void take_one() {
    const std::size_t expected = lowest_free();
    EXPECT_EQ(slab_->take_one(layout_), slot(expected));
    mark(expected, 1, false);
  }

  void take(std::size_t count) {
    std::vector<void*> taken(count);
    slab_->take(taken.data() + count, count, layout_);
    std::size_t expected = lowest_free();
    for (std::size_t i = count; i-- > 0; ++expected) {
      while (!is_free_[expected]) ++expected;
      if (taken[i] != slot(expected)) ADD_FAILURE() << taken[i] << " instead of slot " << expected;
      mark(expected, 1, false);
    }
  }

  // The run that begins at the lowest free slot, where it is long enough or a word's end cuts it.
  void take_run(choices& from) {
    const std::size_t count = 1 + from.below(is_free_.size());
    const std::size_t least = 1 + from.below(count);
    const std::size_t first = lowest_free();
    std::size_t length = 0;
    while (length < count && first + length < is_free_.size() && is_free_[first + length]) ++length;
    constexpr std::size_t in_word = quarry::core::word_slots;
    if (length < least && first % in_word + length < in_word) length = 0;
    const quarry::core::slot_run run = slab_->take_run(least, count, layout_);
    EXPECT_EQ(run.slots, length) << "from slot " << first << ", at least " << least << " of " << count;
    if (length == 0) return;
    EXPECT_EQ(run.first, slot(first));
    EXPECT_EQ(run.slot_bytes, layout_.slot_bytes);
    mark(first, length, false);
  }

  void put_one(std::size_t number) {
    notice_near(free_ + 1, number);
    EXPECT_EQ(slab_->index_of(slot(number), layout_), number);
    EXPECT_EQ(slab_->put_one(number), free_ + 1 >= noticed_);
    mark(number, 1, true);
  }

  void put_run(choices& from, std::size_t first) {
    std::size_t longest = 0;
    while (first + longest < is_free_.size() && !is_free_[first + longest]) ++longest;
    const std::size_t count = 1 + from.below(longest);
    notice_near(free_ + count, first);
    EXPECT_EQ(slab_->put(first, count), free_ + count >= noticed_);
    mark(first, count, true);
  }

  // Asks to be told one slot too early, in time, or one too late.
  void notice_near(std::size_t count, std::size_t number) {
    noticed_ = count - 1 + number % 3;
    slab_->bitmap().notice_at(static_cast<std::uint32_t>(noticed_));
  }

  void mark(std::size_t first, std::size_t count, bool is_free) {
    for (std::size_t i = first; i < first + count; ++i) {
      if (is_free_[i] == is_free) ADD_FAILURE() << "slot " << i << " is taken or put twice";
      is_free_[i] = is_free;
    }
    free_ = is_free ? free_ + count : free_ - count;
  }

  quarry::core::slab_layout layout_;
  std::unique_ptr<std::uint64_t[]> header_;
  quarry::core::slab* slab_;
  std::vector<bool> is_free_;  // by slot
  std::size_t free_;           // true ones of is_free_
  std::size_t checks_ = 0;
  std::size_t noticed_ = 0;  // free slots at which putting back is to be reported
};

}  // namespace quarry_test
