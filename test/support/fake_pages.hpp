// Page sources and a supply that keep a log, fail on demand and discard: for the tests of the engine and its store.
// Threads: one at a time, but for what counting_resource counts.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"

namespace quarry_test {

/// What the sources of one test share: their memory, what was asked of them, and how they are to answer.
struct page_log {
  counting_resource memory;
  std::size_t calls = 0;         // allocations asked for
  std::size_t fail_at_call = 0;  // the value of `calls` at which one fails; 0: none
  bool fails_always = false;
  bool throws = false;            // whether failing is an exception or null
  bool failed = false;            // whether a call failed
  bool refuses_discards = false;  // whether discarding frees nothing
  std::size_t discards = 0;       // calls that freed something
  std::size_t discarded_bytes = 0;
  void (*at_every_call)() = nullptr;  // runs inside each call

  void fail_next(std::size_t calls_from_now = 1) { fail_at_call = calls + calls_from_now; }
};

/// A page source that fails on demand. Copies share their log.
class fake_pages {
 public:
  explicit fake_pages(page_log& log) noexcept : log_(&log) {}

  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    visit();
    if (++log_->calls == log_->fail_at_call || log_->fails_always) {
      log_->failed = true;
      if (log_->throws) throw upstream_failure(log_->calls);
      return nullptr;
    }
    return log_->memory.allocate(bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    visit();
    log_->memory.deallocate(pages, bytes, alignment);
  }

 protected:
  page_log& log() noexcept { return *log_; }
  void visit() {
    if (log_->at_every_call != nullptr) log_->at_every_call();
  }

 private:
  page_log* log_;
};

/// The same, with pages that can be discarded: what was in them is overwritten.
class discarding_pages : public fake_pages {
 public:
  using fake_pages::fake_pages;

  bool discard_pages(void* pages, std::size_t bytes) noexcept {
    visit();
    EXPECT_TRUE(log().memory.holds(pages));
    EXPECT_TRUE(log().memory.holds(static_cast<std::byte*>(pages) + bytes - 1));
    if (log().refuses_discards) return false;
    std::memset(pages, 0xDD, bytes);
    ++log().discards;
    log().discarded_bytes += bytes;
    return true;
  }
};

}  // namespace quarry_test
