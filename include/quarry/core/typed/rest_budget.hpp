// What all typed caches of a program together may let rest: bytes of empty slabs beyond those that each keeps for itself.
//
// Layer      5. Freestanding; machines without memory to spare have no such budget.
// Threads    Any number at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Bytes that may rest at first in all caches together: as many as one resource retains, where memory is plenty.
inline constexpr std::size_t common_rest_bytes =
    __STDC_HOSTED__ != 0 && sizeof(void*) == 8 ? std::size_t{32} << 20 : 0;

class rest_budget {
 public:
  explicit constexpr rest_budget(std::size_t bytes) noexcept : left_bytes_(bytes) {}

  /// Takes `bytes` out. Returns false, changing nothing, when fewer are left.
  bool take(std::size_t bytes) noexcept {
    // Relaxed, here and below: a count; nothing is read by it.
    std::size_t left = left_bytes_.load(std::memory_order_relaxed);
    while (left >= bytes)
      if (left_bytes_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed)) return true;
    return false;
  }

  /// Puts back what take() took.
  void give(std::size_t bytes) noexcept { left_bytes_.fetch_add(bytes, std::memory_order_relaxed); }

  std::size_t left_bytes() const noexcept { return left_bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> left_bytes_;  // any thread
};

/// The budget of the program; a module that shares no inline variables with others has one of its own, and a cache keeps
/// to the one with which it was opened.
inline rest_budget common_rest{common_rest_bytes};

/// What one cache has taken out of a budget, in whole slabs.
/// Threads     Under the cache's lock.
template <bool HasBudget = common_rest_bytes != 0>
class rest_draw {
 public:
  /// Draws on `budget` from now on.
  void join(rest_budget& budget) noexcept { budget_ = &budget; }
  /// Gives everything back and draws on no budget any more.
  void leave(std::size_t slab_bytes) noexcept {
    cover(0, slab_bytes);
    budget_ = nullptr;
  }
  /// Takes out, or gives back, what covers `slabs` slabs, or as many as there is room for. Returns how many.
  /// Complexity  O(slabs more or fewer than before).
  std::size_t cover(std::size_t slabs, std::size_t slab_bytes) noexcept {
    for (; slabs_ > slabs; --slabs_) budget_->give(slab_bytes);
    while (slabs_ < slabs && budget_ != nullptr && budget_->take(slab_bytes)) ++slabs_;
    return slabs_;
  }

 private:
  rest_budget* budget_ = nullptr;
  std::size_t slabs_ = 0;  // taken out
};

/// Without a budget nothing is covered.
template <>
class rest_draw<false> {
 public:
  void join(rest_budget&) noexcept {}
  void leave(std::size_t) noexcept {}
  std::size_t cover(std::size_t, std::size_t) noexcept { return 0; }
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
