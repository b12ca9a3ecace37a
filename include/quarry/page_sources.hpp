// Page sources as values: attach a cache or a resource to memory from anywhere.
//
// Layer      Vocabulary of the public face; core/memory/page_source.hpp states what a page source is. Freestanding
//            builds get hooked_page_source and static_page_source, hosted builds all four.
#pragma once

#include <quarry/static_page_source.hpp>

#include <cstddef>

#if __STDC_HOSTED__
#include <quarry/export.hpp>
#if __has_include(<memory_resource>)  // libc++ has it from its version 16 on
#include <quarry/resource_page_source.hpp>
#endif
#endif

namespace quarry {
inline namespace QUARRY_ABI {

/// The two functions that hooked_page_source calls. A program that uses it and does not define them with
/// QUARRY_DEFINE_PAGE_HOOKS fails to link, and the linker's message shows these names.
namespace page_hooks {
using allocate_function = void*(std::size_t bytes, std::size_t alignment) noexcept;
using deallocate_function = void(void* pages, std::size_t bytes, std::size_t alignment) noexcept;

void* allocate_is_missing_write_QUARRY_DEFINE_PAGE_HOOKS(  // NOLINT(readability-identifier-naming)
    std::size_t bytes, std::size_t alignment) noexcept;
void deallocate_is_missing_write_QUARRY_DEFINE_PAGE_HOOKS(  // NOLINT(readability-identifier-naming)
    void* pages, std::size_t bytes, std::size_t alignment) noexcept;
}  // namespace page_hooks

/// A page source whose two functions are bound when the program is linked.
/// Threads     As the hooks.
/// Complexity  As the hooks.
class hooked_page_source {
 public:
  /// What every page source has; core/memory/page_source.hpp states it.
  void* allocate_pages(std::size_t bytes, std::size_t alignment) noexcept {
    return page_hooks::allocate_is_missing_write_QUARRY_DEFINE_PAGE_HOOKS(bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    page_hooks::deallocate_is_missing_write_QUARRY_DEFINE_PAGE_HOOKS(pages, bytes, alignment);
  }
};

/// Defines the two hooks of hooked_page_source; write it once in a program, outside every namespace.
/// Requires    allocate_fn: void*(std::size_t bytes, std::size_t alignment) noexcept, null on failure;
///             deallocate_fn: void(void* pages, std::size_t bytes, std::size_t alignment) noexcept.
// NOLINTBEGIN(bugprone-macro-parentheses): names of functions take none.
#define QUARRY_DEFINE_PAGE_HOOKS(allocate_fn, deallocate_fn)                                   \
  namespace {                                                                                  \
  constexpr ::quarry::page_hooks::allocate_function* quarry_allocate_hook = allocate_fn;       \
  constexpr ::quarry::page_hooks::deallocate_function* quarry_deallocate_hook = deallocate_fn; \
  }                                                                                            \
  void* quarry::page_hooks::allocate_is_missing_write_QUARRY_DEFINE_PAGE_HOOKS(                \
      std::size_t bytes, std::size_t alignment) noexcept {                                     \
    return ::quarry_allocate_hook(bytes, alignment);                                           \
  }                                                                                            \
  void quarry::page_hooks::deallocate_is_missing_write_QUARRY_DEFINE_PAGE_HOOKS(               \
      void* pages, std::size_t bytes, std::size_t alignment) noexcept {                        \
    ::quarry_deallocate_hook(pages, bytes, alignment);                                         \
  }                                                                                            \
  static_assert(true, "write a semicolon behind QUARRY_DEFINE_PAGE_HOOKS(...)")
// NOLINTEND(bugprone-macro-parentheses)

#if __STDC_HOSTED__

/// A page source that takes whole pages from the operating system.
/// Effects     Requests of exactly 2 MiB, which are extents, are placed and advised for huge pages; larger ones
///             may be sparse and are not.
/// Errors      Returns null when the system refuses.
/// Threads     Any number at a time.
/// Complexity  Each member: a call of the system or a few, O(bytes) there where pages go.
class QUARRY_EXPORT os_page_source {
 public:
  /// What every page source has; core/memory/page_source.hpp states it.
  void* allocate_pages(std::size_t bytes, std::size_t alignment) noexcept;
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept;

  /// Drops the contents of part of what allocate_pages returned and frees the memory behind it.
  /// Units       bytes; begin and length are whole pages.
  /// Effects     The part stays allocated and reads as zero.
  /// Returns     False when nothing has changed: the system refuses (locked memory) or knows no such thing.
  bool discard_pages(void* pages, std::size_t bytes) noexcept;
};

/// The page source of a cache that names none: the operating system's pages, or the hooks without one.
using default_page_source = os_page_source;

#else

using default_page_source = hooked_page_source;

#endif

}  // namespace QUARRY_ABI
}  // namespace quarry
