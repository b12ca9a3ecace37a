// A page source over a std::pmr::memory_resource; hosted builds only.
//
// Layer      Vocabulary of the public face; core/page_source.hpp states what a page source is.
#pragma once

#include <cstddef>
#include <memory_resource>

namespace quarry {

/// A page source over a std::pmr::memory_resource.
/// Errors      What the resource throws passes through unchanged.
/// Threads     As the resource.
class resource_page_source {
 public:
  /// Requires    upstream != nullptr; it outlives every copy of this source.
  explicit resource_page_source(std::pmr::memory_resource* upstream) noexcept : upstream_(upstream) {}

  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    return upstream_->allocate(bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    upstream_->deallocate(pages, bytes, alignment);
  }

  std::pmr::memory_resource* upstream() const noexcept { return upstream_; }

 private:
  std::pmr::memory_resource* upstream_;
};

/// Returns a resource that takes whole pages from the operating system and gives them back on deallocation.
/// Effects     Memory is touched lazily by the system. Requests of 2 MiB or more are placed for huge pages.
/// Errors      Its allocate throws std::bad_alloc when the system refuses.
/// Threads     Any number at a time.
std::pmr::memory_resource* os_page_resource() noexcept;

}  // namespace quarry
