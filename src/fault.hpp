// What a checked call found wrong, and the message that says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/slabs/slot_states.hpp>
#include <quarry/slab_errc.hpp>
#include <quarry/version.hpp>

#include "checked_owners.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

enum class fault_kind : std::uint8_t {
  double_free,
  handed_out_twice,
  interior_pointer,
  never_allocated,
  wrong_size,
  wrong_alignment,
  wrong_resource,
  not_a_block,
  nothing_there,
  late_free,
  overwritten_header,
  overwritten_magazine,
  write_after_free,
  overrun,
  underrun
};

/// Units       bytes.
struct fault {
  fault_kind kind = fault_kind::not_a_block;
  const void* pointer = nullptr;      // as passed, or the damaged slot
  std::size_t bytes = 0;              // as passed; of a call that passes none: 0
  std::size_t alignment = 0;          // as passed; 0: none
  const void* slab_begin = nullptr;   // null: the pointer lies in no slab
  const void* block_begin = nullptr;  // of the slot or block that the pointer lies in
  std::size_t slot = 0;               // which of the slab
  std::size_t block_bytes = 0;        // of the slot, or as asked for the block
  std::size_t damaged_at =
      0;  // offset of the first byte that was written to; of an underrun: how far ahead of the block the last one lies
  core::slot_record record;  // where one is kept
};

/// Calls the violation handler with a message about `found`.
void report_fault(const owner_facts& owner, const fault& found);

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
