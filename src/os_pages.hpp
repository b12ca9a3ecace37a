// Pages of the operating system: the one place that talks to it.
//
// Layer      Floor 5, beside the engine: what resources, the page pool and the registry of threads map.
// Invariant  Mapped pages are named "quarry" in the system's list of mappings and are searched by leak checkers.
//            Nothing is lost where the system refuses to unmap: such a range is discarded and mapped next.
// Threads    Any number at a time, a child of fork() included.
#pragma once

#include <cstddef>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

/// Returns `bytes` rounded up to whole pages, or 0 when that overflows.
std::size_t whole_pages(std::size_t bytes) noexcept;

/// Returns `bytes` bytes of fresh zeroed memory, or null when the system refuses.
/// Units       bytes; `alignment` is a power of two. Both are rounded up to whole pages.
/// Effects     With `huge_pages`, a range of 2 MiB or more begins at a multiple of 2 MiB and the system is asked
///             for huge pages there. Without, it is not asked, so that a sparse range stays sparse.
/// Complexity  O(1): at most two calls of mmap, and what trims them.
void* map_pages(std::size_t bytes, std::size_t alignment, bool huge_pages) noexcept;
inline void* map_pages(std::size_t bytes, std::size_t alignment) noexcept {
  return map_pages(bytes, alignment, false);
}

/// Gives back what map_pages returned for the same number of bytes.
/// Effects     Where that would take a mapping more than the process may have, or small ranges have torn many
///             mappings already, the range is discarded and stays mapped for a later call of map_pages.
/// Complexity  At most two ranges are unmapped; O(log n) beside n ranges that stay mapped.
void unmap_pages(void* pages, std::size_t bytes) noexcept;

/// Drops the contents of part of a mapped range and frees the memory behind it; it reads as zero afterwards.
/// Units       bytes; begin and length are whole pages.
/// Returns     False when nothing has changed: the system refuses (locked memory) or knows no such thing.
bool discard_pages(void* pages, std::size_t bytes) noexcept;

/// Lets the program read and write part of a mapped range, or makes each access of it a fault; it keeps its contents.
/// Units       bytes; begin and length are whole pages.
/// Returns     False when the system refuses, which it does to make another mapping where there are too many.
/// Complexity  One call of the system.
bool protect_pages(void* pages, std::size_t bytes, bool is_usable) noexcept;

/// Asks the system for small pages only, so that it does not fill discarded holes of a range again.
void advise_small_pages(void* pages, std::size_t bytes) noexcept;

/// Asks the system for huge pages, also where small ones were asked for.
void advise_huge_pages(void* pages, std::size_t bytes) noexcept;

/// Lets leak checkers look into a mapped range, or no longer; map_pages and unmap_pages do it for what they
/// map and unmap.
void watch_pages(void* pages, std::size_t bytes) noexcept;
void unwatch_pages(void* pages, std::size_t bytes) noexcept;

}  // namespace QUARRY_ABI
}  // namespace quarry
