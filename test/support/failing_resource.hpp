// An upstream that throws its own exception, or returns null, at a chosen call, then serves again.
//
// Tests run the same work with failure at call 1, 2, ... n and check each time that nothing changed and
// nothing leaked. Threads: one at a time.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>

namespace quarry_test {

/// What failing_resource throws: a type of its own, so that a test sees whether it came through unchanged.
class upstream_failure : public std::bad_alloc {
 public:
  explicit upstream_failure(std::size_t call) noexcept : call_(call) {}
  const char* what() const noexcept override { return "the upstream failed as the test asked"; }
  /// The number of the call that failed, counted from 1.
  std::size_t call() const noexcept { return call_; }

 private:
  std::size_t call_;
};

class failing_resource final : public std::pmr::memory_resource {
 public:
  static constexpr std::size_t never = 0;

  explicit failing_resource(std::pmr::memory_resource* upstream, std::size_t fail_at_call = never)
      : upstream_(upstream), fail_at_call_(fail_at_call) {}
  failing_resource(const failing_resource&) = delete;
  failing_resource& operator=(const failing_resource&) = delete;

  /// Counts from here: call number `fail_at_call` throws, the others are served.
  void fail_at(std::size_t fail_at_call) {
    fail_at_call_ = fail_at_call;
    calls_ = 0;
    lasts_ = false;
    failed_ = false;
  }
  /// Every call throws until further notice.
  void fail_always(bool on) { always_ = on; }
  /// Counts from here: call number `fail_from_call` throws, and so does each later one until fail_at().
  void fail_from(std::size_t fail_from_call) {
    fail_at(fail_from_call);
    lasts_ = true;
  }
  /// Calls that fail return null from now on instead of throwing, which no resource may do and some do.
  void fail_by_null(bool on) { by_null_ = on; }
  /// Whether the chosen call was reached.
  bool failed() const { return failed_; }
  std::size_t calls() const { return calls_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    ++calls_;
    const bool is_chosen =
        fail_at_call_ != never && (lasts_ ? calls_ >= fail_at_call_ : calls_ == fail_at_call_);
    if (always_ || is_chosen) {
      failed_ = true;
      if (by_null_) return nullptr;
      throw upstream_failure(calls_);
    }
    return upstream_->allocate(bytes, alignment);
  }
  void do_deallocate(void* address, std::size_t bytes, std::size_t alignment) override {
    upstream_->deallocate(address, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::pmr::memory_resource* upstream_;
  std::size_t fail_at_call_;  // counted from 1; `never` = no single call fails
  std::size_t calls_ = 0;     // allocations asked for since fail_at()
  bool always_ = false;       // every call fails
  bool lasts_ = false;        // the calls after the chosen one fail, too
  bool by_null_ = false;      // a call that fails returns null
  bool failed_ = false;       // a call failed since fail_at()
};

}  // namespace quarry_test
