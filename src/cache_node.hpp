// Cache nodes: what ties one thread or view to one resource, and where nodes come from.
//
// Invariant  A node is in the list of its resource and, of a thread, in a bucket of its record, or unused in the pool.
// Threads    A node: as its handshake says. The pool: any number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <quarry/core/magazines/cache.hpp>

#include "node_handshake.hpp"
#include "os_pages.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class thread_caches;

struct cache_node {
  node_handshake tie;
  std::uint64_t resource_id = 0;      // of the resource it was opened for
  thread_caches* resource = nullptr;  // exists while the tie is live or flushing
  core::cache* cache = nullptr;       // exists as long as the resource
  const void* thread = nullptr;  // this_thread() of its thread, or of who closes the view; null for a view
  cache_node* next_of_thread = nullptr;    // in a bucket of its thread; the thread's. Unused: the pool's list
  cache_node* next_of_resource = nullptr;  // in its resource's list; under the resource's cache lock
};

/// Nodes for all resources; their memory is never given back, so that either side may come last.
class node_pool {
 public:
  /// Returns a node, or null when the system refuses memory.
  cache_node* take() noexcept {
    const std::lock_guard<std::mutex> held(lock_);
    if (free_ == nullptr) {
      auto* const pages = static_cast<std::byte*>(map_pages(block_bytes, alignof(cache_node)));
      if (pages == nullptr) return nullptr;
      for (std::size_t i = 0; i + sizeof(cache_node) <= block_bytes; i += sizeof(cache_node))
        push(*::new (static_cast<void*>(pages + i)) cache_node);
    }
    cache_node* const taken = free_;
    free_ = taken->next_of_thread;
    return taken;
  }

  void recycle(cache_node& used) noexcept {
    const std::lock_guard<std::mutex> held(lock_);
    push(used);
  }

  std::mutex& lock() noexcept { return lock_; }

 private:
  static constexpr std::size_t block_bytes = 65536;

  void push(cache_node& unused) noexcept {
    unused.next_of_thread = free_;
    free_ = &unused;
  }

  std::mutex lock_;
  cache_node* free_ = nullptr;
};

/// Returns the pool of this copy of the library. It outlives every user: its destructor does nothing.
node_pool& pool_of_nodes() noexcept;

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
