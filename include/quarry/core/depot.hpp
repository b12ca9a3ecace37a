// Stacks of magazines, and the depot: the full magazines of one class, parked so that their slots need not be
// flushed.
//
// Layer      2. Freestanding.
// Invariant  Every magazine in a stack is linked by entries[0]; a depot holds full magazines only.
// Threads    One thread at a time; a shared depot is used under its owner's lock.
// Source     Bonwick & Adams 2001 (depot).
#pragma once

#include <cstddef>
#include <cstdint>

#include "magazine.hpp"

namespace quarry::core {

class magazine_stack {
 public:
  constexpr magazine_stack() noexcept = default;

  void push(magazine& resting) noexcept {
    resting.entries[0] = top_;
    top_ = &resting;
    ++size_;
  }

  /// Returns the newest magazine, or null when there is none.
  magazine* pop() noexcept {
    magazine* const result = top_;
    if (result == nullptr) return nullptr;
    top_ = static_cast<magazine*>(result->entries[0]);
    --size_;
    return result;
  }

  std::size_t size() const noexcept { return size_; }

  /// Calls f(const magazine&) for each magazine, the newest first.
  template <class F>
  void for_each(F f) const {
    for (const magazine* each = top_; each != nullptr; each = static_cast<const magazine*>(each->entries[0]))
      f(*each);
  }

 private:
  magazine* top_ = nullptr;
  std::size_t size_ = 0;  // magazines
};

class depot {
 public:
  /// A depot that holds at most `limit` full magazines.
  explicit constexpr depot(std::size_t limit) noexcept : limit_(limit) {}

  bool has_room() const noexcept { return full_.size() < limit_; }
  std::size_t size() const noexcept { return full_.size(); }

  /// Parks a full magazine. Requires has_room().
  void park(magazine& full) noexcept { full_.push(full); }

  /// Returns a full magazine, or null when none is parked.
  magazine* take() noexcept { return full_.pop(); }

  template <class F>
  void for_each(F f) const {
    full_.for_each(f);
  }

 private:
  magazine_stack full_;
  std::size_t limit_;  // magazines
};

}  // namespace quarry::core
