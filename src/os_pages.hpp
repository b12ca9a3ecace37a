// Pages of the operating system: the one place that talks to it.
#pragma once

#include <cstddef>

namespace quarry {

/// Returns `bytes` bytes of fresh zeroed memory, or null when the system refuses.
/// Units       bytes; `alignment` is a power of two. Both are rounded up to whole pages.
/// Threads     Any number at a time.
void* map_pages(std::size_t bytes, std::size_t alignment) noexcept;

/// Gives back what map_pages returned for the same number of bytes.
void unmap_pages(void* pages, std::size_t bytes) noexcept;

}  // namespace quarry
