// The record of a thread: the nodes that tie it to resources, and the table in which a hit finds its cache.
//
// Invariant  A node of a resource lies in the bucket that the resource's id falls into.
// Threads    The thread it belongs to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/detail/thread_caches.hpp>

#include "cache_node.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// What a thread knows of the resources it uses. Trivial, so that it can be used at any time.
struct thread_record {
  static constexpr std::size_t first_buckets = 16;

  cache_node* first[first_buckets];  // the buckets that a thread starts with
  cache_node** grown;                // more buckets; null: `first`
  thread_entry* table;               // what this copy mapped; null: the system refused, or not started
  std::size_t bucket_count;          // a power of two; 0: the thread has not started
  std::size_t nodes;                 // in all buckets
  bool is_over;                      // its caches have been closed

  static thread_record& of_this_thread() noexcept;

  /// Starts the calling thread's record, whose caches are closed when the thread ends.
  void start() noexcept;

  /// Returns the node of the resource with that id, or null. Complexity O(1) expected.
  cache_node* find(std::uint64_t id) noexcept {
    if (bucket_count == 0) return nullptr;
    cache_node* each = bucket(id);
    while (each != nullptr && each->resource_id != id) each = each->next_of_thread;
    return each;
  }

  /// Requires    The record has started.
  /// Effects     Recycles the nodes of ended resources in the same bucket, so that they do not pile up.
  void insert(cache_node& fresh) noexcept;

  /// Enters the node's cache in the table, where the next hit finds it; `entry` is the resource's.
  void remember(std::size_t entry, const cache_node& node) noexcept {
    // Where symbols of another copy take the place of this one's, the word may point to that copy's table.
    if (thread_table == table) table[entry] = {node.resource_id, node.cache};
  }

  /// Closes all caches; none is opened afterwards.
  void end() noexcept;

 private:
  cache_node*& bucket(std::uint64_t id) noexcept {
    return (grown != nullptr ? grown : first)[id & (bucket_count - 1)];
  }
  void grow() noexcept;
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
