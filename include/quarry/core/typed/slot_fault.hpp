// What can be wrong with a slot that is given to a typed cache, and how that reaches who is told of it.
//
// Layer      2. Freestanding.
// Threads    One thread at a time; a report is told where no lock is held.
#pragma once

#include <cstddef>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Why a pointer cannot be given back, or what else is wrong with a slot or slab.
enum class slot_fault {
  none,
  foreign,     // no slot of this cache
  interior,    // inside a slot, not at its begin
  misaligned,  // aligned as no slot is
  free,        // free already, resting, kept or being destroyed
  never_out,   // free, and never handed out yet
  damaged,     // the slab's header was overwritten
  written      // the slot was written while it was free
};

/// A fault and where it was found.
struct found_fault {
  slot_fault fault = slot_fault::none;
  const void* pointer = nullptr;  // that was passed, or the slot that was written
  const void* slab = nullptr;     // where the slab's memory begins; null when no slab is meant
  const void* begin = nullptr;    // of the slot; null when no slot is meant
  std::size_t slot = 0;           // its index in its slab
  std::size_t byte = 0;           // of the slot: that the pointer leads to, or that was written first
  std::size_t slot_bytes = 0;
};

/// A fault on its way to who is told of it, outside the lock, when the cache may have ended.
struct fault_report {
  using teller = void (*)(const found_fault& found, const void* owner, void (*handler)());

  found_fault found;
  const void* owner = nullptr;
  teller tell = nullptr;
  void (*handler)() = nullptr;  // for `tell`, which knows its type

  /// Errors      What the handler throws.
  void send() const {
    if (found.fault != slot_fault::none) tell(found, owner, handler);
  }
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
