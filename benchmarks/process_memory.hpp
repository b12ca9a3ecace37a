// What this process holds of the machine's memory, as the kernel counts it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

/// Bytes resident now, walked from the page tables (the cheaper counters lag behind by up to 64 pages a
/// thread).
std::size_t resident_bytes();

/// The largest resident size since `reset_resident_peak`, in bytes.
std::size_t resident_peak_bytes();

/// The part of it that the kernel backs with huge pages.
std::size_t huge_page_bytes();

/// Page faults of this process so far that no disk was read for.
std::uint64_t page_faults();

/// The kernel's mode of transparent huge pages: "always", "madvise", "never", or "off" where this process has them
/// turned off; "unknown" where the kernel does not say.
std::string huge_page_mode();

/// Gives free heap memory back and starts the peak over at the present size.
void reset_resident_peak();

/// Turns transparent huge pages off for this process, so that allocators are compared and not the kernel's guesses.
void turn_huge_pages_off();

/// Asks each malloc for huge pages by the switch that it has in the environment. Call before the first of them is loaded;
/// glibc reads its own, the tunable `glibc.malloc.hugetlb=1`, only at program start.
void ask_mallocs_for_huge_pages();

/// Makes glibc keep all memory it is given back, as the other mallocs do for the length of a run: nothing is
/// mapped apart (an M_MMAP_THRESHOLD above 32 MiB is refused, so mapping is switched off) and the heap is
/// never trimmed. For programs whose question is the time of warm memory.
void keep_heap_warm();

}  // namespace bench
