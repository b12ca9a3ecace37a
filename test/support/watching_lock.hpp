// A lock that knows whether it is held, and a page source and an object that fail the test when they are used under it.
// Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>

#include "support/counting_resource.hpp"

namespace quarry_test {

struct watching_lock {
  static inline int depth = 0;     // 1 while any of them is held
  static inline int sections = 0;  // how often one was locked
  void lock() {
    EXPECT_EQ(depth++, 0) << "locked twice";
    ++sections;
  }
  void unlock() { --depth; }
};

struct watching_source {
  counting_resource* memory;
  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    EXPECT_EQ(watching_lock::depth, 0);
    return memory->allocate(bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    EXPECT_EQ(watching_lock::depth, 0);
    memory->deallocate(pages, bytes, alignment);
  }
};

struct watching_object {
  watching_object() { EXPECT_EQ(watching_lock::depth, 0); }
  watching_object(const watching_object&) = delete;
  ~watching_object() { EXPECT_EQ(watching_lock::depth, 0); }
  char bytes[100];
};

}  // namespace quarry_test
