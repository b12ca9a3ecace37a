// Page sources for the tests of the engine: over a counting_resource, failing on demand without an exception.
#pragma once

#include <cstddef>

#include "support/counting_resource.hpp"

namespace quarry_test {

/// A page source as code without exceptions has it: null on failure. Copies share their memory and their failures.
class null_on_failure_source {
 public:
  struct state {
    counting_resource memory;
    std::size_t calls = 0;         // allocations asked for since fail_at was set
    std::size_t fail_at_call = 0;  // counted from 1; 0: no call fails
    bool failed = false;
  };

  explicit null_on_failure_source(state& shared) noexcept : shared_(&shared) {}

  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    if (++shared_->calls == shared_->fail_at_call) {
      shared_->failed = true;
      return nullptr;
    }
    return shared_->memory.allocate(bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    shared_->memory.deallocate(pages, bytes, alignment);
  }

 private:
  state* shared_;
};

}  // namespace quarry_test
