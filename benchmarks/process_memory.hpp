// What this process holds of the machine's memory, as the kernel counts it.
#pragma once

#include <cstddef>

namespace bench {

/// Bytes resident now, walked from the page tables (the cheaper counters lag behind by up to 64 pages a
/// thread).
std::size_t resident_bytes();

/// The largest resident size since `reset_resident_peak`, in bytes.
std::size_t resident_peak_bytes();

/// Gives free heap memory back, turns transparent huge pages off for this process (so that allocators are
/// compared, not the kernel's guesses), and starts the peak over at the present size.
void reset_resident_peak();

}  // namespace bench
