// An upstream that keeps a record of every call and checks that frees match allocations.
//
// A resource under test is given one of these; the test then asks how often upstream was called, with what,
// and whether everything came back. Misuse (an unknown pointer, another size or alignment) is a GoogleTest
// failure at the call. Threads: any; calls are serialised by a mutex.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory_resource>
#include <mutex>
#include <new>
#include <vector>

namespace quarry_test {

class counting_resource final : public std::pmr::memory_resource {
 public:
  struct block {
    std::size_t bytes;
    std::size_t alignment;
  };

  explicit counting_resource(std::pmr::memory_resource* upstream = std::pmr::new_delete_resource())
      : upstream_(upstream) {}
  counting_resource(const counting_resource&) = delete;
  counting_resource& operator=(const counting_resource&) = delete;

  /// Fails the running test when blocks are still out, and gives them back so that no leak report hides the
  /// message.
  ~counting_resource() override {
    EXPECT_EQ(live_.size(), 0U) << "blocks never given back, " << live_bytes_ << " bytes";
    for (const auto& [address, what] : live_) {
      upstream_->deallocate(address, what.bytes, what.alignment);
    }
  }

  std::size_t allocations() const { return locked(allocations_); }
  std::size_t deallocations() const { return locked(deallocations_); }
  /// Allocations and deallocations together: two equal readings mean that upstream was left alone between
  /// them.
  std::size_t calls() const { return locked(allocations_) + locked(deallocations_); }
  std::size_t live_bytes() const { return locked(live_bytes_); }
  std::size_t peak_bytes() const { return locked(peak_bytes_); }
  std::size_t live_blocks() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return live_.size();
  }
  /// Every allocation so far, in order.
  std::vector<block> history() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return history_;
  }
  /// Whether `address` lies in a block that is out now.
  bool holds(const void* address) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto* const byte = static_cast<const std::byte*>(address);
    const auto after = live_.upper_bound(const_cast<void*>(address));
    if (after == live_.begin()) return false;
    const auto& [start, what] = *std::prev(after);
    return byte < static_cast<const std::byte*>(start) + what.bytes;
  }
  /// Stops the record of single allocations, which otherwise grows with every call.
  void forget_history() {
    const std::lock_guard<std::mutex> guard(mutex_);
    keep_history_ = false;
    history_.clear();
  }

 private:
  std::size_t locked(const std::size_t& counter) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return counter;
  }

  /// No memory is that large. Nobody is asked for more than objects may have, nor for what is more when it is rounded up, but
  /// for the one request that says that no memory can serve it.
  static void refuse_impossible(std::size_t bytes, std::size_t alignment) {
    EXPECT_TRUE(alignment != 0 && (alignment & (alignment - 1)) == 0) << "aligned to " << alignment;
    EXPECT_TRUE((alignment <= PTRDIFF_MAX && bytes <= PTRDIFF_MAX - alignment) ||
                (bytes == SIZE_MAX && alignment == SIZE_MAX / 2 + 1))
        << bytes << " bytes aligned to " << alignment << " are nonsense";
    if (bytes > SIZE_MAX >> 24) throw std::bad_alloc();
  }

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    refuse_impossible(bytes, alignment);
    void* const address = upstream_->allocate(bytes, alignment);
    const std::lock_guard<std::mutex> guard(mutex_);
    EXPECT_TRUE(live_.emplace(address, block{bytes, alignment}).second);
    ++allocations_;
    live_bytes_ += bytes;
    peak_bytes_ = std::max(peak_bytes_, live_bytes_);
    if (keep_history_) history_.push_back({bytes, alignment});
    return address;
  }

  void do_deallocate(void* address, std::size_t bytes, std::size_t alignment) override {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      const auto found = live_.find(address);
      if (found == live_.end()) {
        ADD_FAILURE() << "free of a block that is not out: " << address << ", " << bytes << " bytes";
        return;
      }
      EXPECT_EQ(found->second.bytes, bytes) << "freed with another size than it was allocated with";
      EXPECT_EQ(found->second.alignment, alignment)
          << "freed with another alignment than it was allocated with";
      bytes = found->second.bytes;
      alignment = found->second.alignment;
      ++deallocations_;
      live_bytes_ -= bytes;
      live_.erase(found);
    }
    upstream_->deallocate(address, bytes, alignment);
  }

  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::pmr::memory_resource* upstream_;
  mutable std::mutex mutex_;       // guards everything below
  std::map<void*, block> live_;    // blocks that are out, by address
  std::vector<block> history_;     // every allocation in order
  bool keep_history_ = true;       // false after forget_history()
  std::size_t allocations_ = 0;    // calls that returned
  std::size_t deallocations_ = 0;  // calls
  std::size_t live_bytes_ = 0;     // bytes of live_
  std::size_t peak_bytes_ = 0;     // most that live_bytes_ has been
};

}  // namespace quarry_test
