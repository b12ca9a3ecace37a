// A page source over a std::pmr::memory_resource, and two resources of pages to put behind one; hosted builds
// only.
//
// Layer      Vocabulary of the public face; core/memory/page_source.hpp states what a page source is.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/detail/ask_resource.hpp>
#include <quarry/export.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// A page source over a std::pmr::memory_resource.
/// Errors      What the resource throws passes through unchanged.
/// Threads     As the resource.
/// Complexity  As the resource; each other member: O(1).
class resource_page_source {
 public:
  /// Requires    upstream != nullptr; it outlives every copy of this source.
  explicit resource_page_source(std::pmr::memory_resource* upstream) noexcept : upstream_(upstream) {}

  /// What every page source has; core/memory/page_source.hpp states it.
  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    return detail::ask_resource(*upstream_, bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    upstream_->deallocate(pages, bytes, alignment);
  }

  /// Returns the resource that was given.
  std::pmr::memory_resource* upstream() const noexcept { return upstream_; }

 private:
  std::pmr::memory_resource* upstream_;
};

/// Returns a resource that takes whole pages from the operating system and gives them back on deallocation.
/// Effects     Memory is touched lazily by the system. Requests of exactly 2 MiB, which are extents, are placed
///             and advised for huge pages; larger ones may be sparse and are not.
/// Errors      Its allocate throws std::bad_alloc when the system refuses, std::invalid_argument for an alignment that is no power
///             of two.
/// Complexity  O(1); what it allocates and frees takes a call of the system or a few.
/// Threads     Any number at a time.
QUARRY_EXPORT std::pmr::memory_resource* os_page_resource() noexcept;

/// Returns a resource over the process's page pool: whole pages of the operating system, and what is
/// deallocated is kept, up to a limit, for the next request of the same size.
/// Effects     The pool is never destroyed and holds at most set_pooled_page_limit() bytes that nobody uses. It
///             ages at each visit: what one or two rounds of a busy program left unused goes to the system.
///             Contents are what the last user left. Requests of exactly 2 MiB get huge pages, as above.
/// Errors      Its allocate throws std::bad_alloc when the system refuses, std::invalid_argument for an alignment that is no power
///             of two.
/// Complexity  Hit: O(1), no call of the system but one at most that ages, and one of advice from 2 MiB on.
/// Threads     Any number at a time, a child of fork() included. Each copy of the library has a pool of its own.
QUARRY_EXPORT std::pmr::memory_resource* pooled_page_resource() noexcept;

/// Gives pooled pages that nobody uses to the system, the longest unused first, until `keep_bytes` are left.
/// Units       bytes.
/// Returns     The bytes given back.
/// Complexity  O(extents given back), a call of the system for each.
/// Threads     Any number at a time.
QUARRY_EXPORT std::size_t trim_pooled_pages(std::size_t keep_bytes = 0) noexcept;

/// Sets how many bytes that nobody uses the page pool may keep; 0 turns keeping off.
/// Units       bytes. At first 64 MiB, or the decimal number in the environment variable QUARRY_POOL_BYTES when
///             the pool is first used; another value there is ignored.
/// Effects     Gives back what the pool holds above the new limit.
/// Returns     The limit before.
/// Complexity  O(extents given back), a call of the system for each.
/// Threads     Any number at a time.
QUARRY_EXPORT std::size_t set_pooled_page_limit(std::size_t bytes) noexcept;

}  // namespace QUARRY_ABI
}  // namespace quarry
