// The registry: what a copy of the library knows of the resources that its threads have caches of, and how it tells them
// apart.
//
// Threads    Under `lock`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <quarry/detail/thread_caches.hpp>

#include "os_pages.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// Ids that nobody gives again: made of addresses that stay mapped for good, so other copies of the library, loaded
/// now or later, have others.
class resource_ids {
 public:
  static constexpr std::uint64_t none = no_resource_id;  // no address yields it

  /// Returns `none` when the system refuses a page.
  std::uint64_t take() noexcept {
    if (next_ == end_) {
      const void* const range = map_pages(range_bytes, alignof(std::max_align_t));
      if (range == nullptr) return none;
      next_ = std::uint64_t{reinterpret_cast<std::uintptr_t>(range)} << ids_of_a_byte_log2;
      end_ = next_ + (range_bytes << ids_of_a_byte_log2);
    }
    return next_++;
  }

 private:
  static constexpr std::uint64_t range_bytes = 4096;
  static constexpr int ids_of_a_byte_log2 = 12;

  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
};

/// The numbers of resources: the smallest that no other has, so that the entries of as many as possible differ.
class resource_numbers {
 public:
  std::size_t take() noexcept {
    for (std::size_t i = 0; i < thread_table_entries; ++i) {
      if (is_taken_[i]) continue;
      is_taken_[i] = true;
      return i;
    }
    return thread_table_entries + next_surplus_++;
  }
  void give_back(std::size_t number) noexcept {
    if (number < thread_table_entries) is_taken_[number] = false;
  }

 private:
  bool is_taken_[thread_table_entries] = {};
  std::size_t next_surplus_ = 0;  // of those that found every number taken
};

struct thread_registry {
  std::mutex lock;  // guards what follows
  resource_ids ids;
  resource_numbers numbers;
  thread_caches* first = nullptr;  // all that this copy made and that exist
};

/// Returns the registry of this copy of the library. It outlives every user: its destructor does nothing.
thread_registry& registry_of_this_copy() noexcept;

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
