// An upstream that refuses by throwing: past a number of bytes, from a chosen call on, or everything.
//
// failing_resource refuses one call; here the refusal stays until it is lifted, as that of a full machine does.
// Threads: those of one slab resource, which promises to call upstream from one thread at a time; a call beside
// another fails the test.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory_resource>

#include "support/failing_resource.hpp"

namespace quarry_test {

class refusing_resource final : public std::pmr::memory_resource {
 public:
  explicit refusing_resource(std::size_t capacity_bytes = SIZE_MAX,
                             std::pmr::memory_resource* upstream = std::pmr::new_delete_resource())
      : upstream_(upstream), capacity_bytes_(capacity_bytes) {}
  refusing_resource(const refusing_resource&) = delete;
  refusing_resource& operator=(const refusing_resource&) = delete;

  /// Counts from here: `served` calls are served, every later one throws.
  void refuse_after(std::size_t served) {
    left_calls_ = served;
    refused_ = false;
  }
  void refuse_everything() { refuse_after(0); }
  void refuse_nothing_more() { refuse_after(SIZE_MAX); }
  /// Whether a call was refused since the last refuse_...().
  bool refused() const { return refused_; }
  std::size_t live_bytes() const { return live_bytes_; }
  std::size_t calls() const { return calls_; }

 private:
  class alone {
   public:
    explicit alone(std::atomic<int>& inside) : inside_(inside) {
      EXPECT_EQ(inside_.fetch_add(1, std::memory_order_relaxed), 0) << "two threads call upstream at a time";
    }
    ~alone() { inside_.fetch_sub(1, std::memory_order_relaxed); }
    alone(const alone&) = delete;
    alone& operator=(const alone&) = delete;

   private:
    std::atomic<int>& inside_;
  };

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const alone guard(inside_);
    ++calls_;
    if (left_calls_ == 0 || bytes > capacity_bytes_ - live_bytes_) {
      refused_ = true;
      throw upstream_failure(calls_);
    }
    if (left_calls_ != SIZE_MAX) --left_calls_;
    void* const block = upstream_->allocate(bytes, alignment);
    live_bytes_ += bytes;
    return block;
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    const alone guard(inside_);
    live_bytes_ -= bytes;
    upstream_->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::pmr::memory_resource* upstream_;
  std::size_t capacity_bytes_;         // live_bytes_ never exceeds it
  std::size_t live_bytes_ = 0;         // handed out and not given back
  std::size_t calls_ = 0;              // allocations asked for, refused ones too
  std::size_t left_calls_ = SIZE_MAX;  // allocations still served; SIZE_MAX: any number
  bool refused_ = false;               // a call threw since refuse_after()
  std::atomic<int> inside_{0};  // calls under way; any thread, relaxed: pairs with nothing, it only counts
};

}  // namespace quarry_test
