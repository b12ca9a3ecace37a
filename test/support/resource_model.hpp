// A model that a memory resource is checked against while operations come from a random source or a fuzzer.
//
// The model remembers every live block with the bytes written into it. It looks at the resource through
// public observers only: contents, alignment, the walk over live slots, and accounting against the upstream
// that counts. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <unordered_map>
#include <vector>

#include "support/counting_resource.hpp"

namespace quarry_test {

template <class Resource>
class resource_model {
 public:
  struct block {
    unsigned char* address;
    std::size_t bytes;
    std::size_t alignment;
    std::uint64_t pattern;
  };

  /// `filled_bytes`: how much of each end of a block is written and checked; a smaller value makes long runs
  /// fast.
  resource_model(Resource& resource, const counting_resource& upstream, std::size_t filled_bytes)
      : resource_(resource), upstream_(upstream), filled_bytes_(filled_bytes) {}

  std::size_t size() const { return blocks_.size(); }
  /// Sum of what the live blocks were asked with.
  std::size_t requested_bytes() const { return requested_bytes_; }

  void allocate(std::size_t bytes, std::size_t alignment) {
    adopt(resource_.allocate(bytes, alignment), bytes, alignment);
  }

  void try_allocate(std::size_t bytes, std::size_t alignment) {
    void* const address = resource_.try_allocate(bytes, alignment);
    if (address != nullptr) adopt(address, bytes, alignment);
  }

  void deallocate(std::size_t index) {
    const block freed = blocks_[index];
    check_contents(freed);
    requested_bytes_ -= freed.bytes;
    blocks_[index] = blocks_.back();
    blocks_.pop_back();
    resource_.deallocate(freed.address, freed.bytes, freed.alignment);
  }

  void deallocate_all() {
    while (!blocks_.empty()) deallocate(blocks_.size() - 1);
  }

  void release() {
    for (const block& each : blocks_) check_contents(each);
    blocks_.clear();
    requested_bytes_ = 0;
    resource_.release();
    EXPECT_EQ(upstream_.live_blocks(), 0U);
  }

  void trim(std::size_t keep_bytes) {
    const std::size_t before = upstream_.live_bytes();
    const std::size_t given_back = resource_.trim(keep_bytes);
    EXPECT_EQ(before - upstream_.live_bytes(), given_back);
  }

  /// Every observer against the model; linear in the number of live blocks.
  void check() const {
    for (const block& each : blocks_) {
      check_contents(each);
      EXPECT_TRUE(resource_.owns(each.address));
    }
    const auto stats = resource_.stats();
    EXPECT_EQ(stats.live_slots + stats.oversize_blocks, blocks_.size());
    EXPECT_EQ(stats.upstream_bytes, upstream_.live_bytes());
    EXPECT_EQ(stats.upstream_peak_bytes, upstream_.peak_bytes());
    EXPECT_GE(stats.live_bytes, requested_bytes_);
    EXPECT_GE(stats.live_bytes, stats.oversize_bytes);
    check_walk(stats.live_slots);
  }

 private:
  void adopt(void* address, std::size_t bytes, std::size_t alignment) {
    ASSERT_NE(address, nullptr);
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(address) % alignment, 0U)
        << bytes << " bytes at " << alignment;
    const block fresh{static_cast<unsigned char*>(address), bytes, alignment,
                      next_pattern_ *= 0x9E3779B97F4A7C15U};
    for_each_filled_byte(fresh, [](unsigned char& byte, unsigned char expected) { byte = expected; });
    blocks_.push_back(fresh);
    requested_bytes_ += bytes;
  }

  void check_contents(const block& checked) const {
    std::size_t wrong = 0;
    for_each_filled_byte(
        checked, [&wrong](unsigned char& byte, unsigned char expected) { wrong += byte != expected; });
    ASSERT_EQ(wrong, 0U) << "bytes changed in a live block of " << checked.bytes;
  }

  template <class Function>
  void for_each_filled_byte(const block& of, Function function) const {
    const std::size_t head_bytes = std::min(of.bytes, filled_bytes_);
    for (std::size_t i = 0; i < head_bytes; ++i) function(of.address[i], byte_at(of, i));
    for (std::size_t i = std::max(head_bytes, of.bytes - head_bytes); i < of.bytes; ++i)
      function(of.address[i], byte_at(of, i));
  }

  static unsigned char byte_at(const block& of, std::size_t i) {
    return static_cast<unsigned char>((of.pattern >> (i % 8 * 8)) + i);
  }

  /// Each live pooled block is visited once with a slot that holds it, and nothing else is.
  void check_walk(std::size_t live_slots) const {
    std::unordered_map<const void*, std::size_t> expected;
    for (const block& each : blocks_) expected.emplace(each.address, each.bytes);
    std::size_t visits = 0;
    resource_.for_each_live([&](void* slot, std::size_t slot_bytes) {
      ++visits;
      const auto found = expected.find(slot);
      if (found == expected.end()) {
        ADD_FAILURE() << "the walk visits " << slot << ", which is not live or was visited before";
        return;
      }
      EXPECT_GE(slot_bytes, found->second);
      expected.erase(found);
    });
    EXPECT_GE(visits, live_slots);
  }

  Resource& resource_;
  const counting_resource& upstream_;
  std::size_t filled_bytes_;         // of each end of a block
  std::vector<block> blocks_;        // live, in no order
  std::size_t requested_bytes_ = 0;  // sum over blocks_
  std::uint64_t next_pattern_ = 1;   // a new one for each block
};

}  // namespace quarry_test
