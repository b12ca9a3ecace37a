#include "fault.hpp"

#include <cstdint>

#include "call_stacks.hpp"
#include "quarry/violation.hpp"
#include "sentence.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

struct kind_facts {
  slab_errc error;
  const char* what;
  const char* look_for;
  const char* section;  // of docs/checks.md
};

kind_facts facts_of(fault_kind kind) noexcept {
  switch (kind) {
    case fault_kind::double_free:
      return {slab_errc::double_free, "a block is freed that is free already",
              "two owners of one block: a copied handle, an erase in a loop, a destructor that ran twice",
              "double-free"};
    case fault_kind::handed_out_twice:
      return {slab_errc::double_free, "a block came back twice: two threads freed it at the same moment",
              "an object that two threads believe to own", "double-free"};
    case fault_kind::interior_pointer:
      return {
          slab_errc::invalid_pointer, "the pointer does not point to the begin of its block",
          "a pointer that was moved, a base class at another address, a member freed in place of its object",
          "interior-pointer"};
    case fault_kind::never_allocated:
      return {slab_errc::invalid_pointer, "the block was never allocated",
              "a pointer that was computed, or read from memory that was overwritten", "never-allocated"};
    case fault_kind::wrong_size:
      return {slab_errc::size_mismatch, "the size is not the one that the block was allocated with",
              "a container that frees another count than it took, a derived object freed as its base, an "
              "alignment that one of the two calls leaves out",
              "wrong-size"};
    case fault_kind::wrong_alignment:
      return {slab_errc::alignment_mismatch, "the alignment is not the one that the block was allocated with",
              "allocate and deallocate that name different alignments", "wrong-alignment"};
    case fault_kind::wrong_resource:
      return {
          slab_errc::invalid_pointer, "the block belongs to another resource",
          "a container that was moved or swapped between resources, an allocator that changed its resource",
          "wrong-resource"};
    case fault_kind::not_a_block:
      return {slab_errc::invalid_pointer, "the pointer is no block of this resource",
              "memory of malloc or of the stack, a block of before release() or of a resource that has ended",
              "invalid-pointer"};
    case fault_kind::nothing_there:
      return {slab_errc::invalid_pointer, "the resource holds that memory, but no block lies there now",
              "a block that was freed before, and whose slab went back since", "double-free"};
    case fault_kind::late_free:
      return {slab_errc::invalid_pointer, "a block is freed while its resource ends or is released",
              "a thread that was not joined, or an object that outlives the resource of its memory",
              "late-free"};
    case fault_kind::overwritten_header:
      return {slab_errc::corrupted, "the header of a slab was overwritten",
              "a write through a wild pointer: headers lie apart from blocks", "overwritten-header"};
    case fault_kind::overwritten_magazine:
      return {slab_errc::corrupted, "an entry of a magazine, where freed blocks wait, was overwritten",
              "a write through a wild pointer: magazines lie apart from blocks; or two threads that freed "
              "one block, whose slab has gone",
              "overwritten-magazine"};
    case fault_kind::write_after_free:
      return {slab_errc::corrupted, "a block was written to after it was freed",
              "a pointer or iterator that is used after its object's end", "write-after-free"};
    case fault_kind::overrun:
      return {slab_errc::corrupted, "something was written behind the end of a block",
              "an index or length that is one too large, or a write ahead of the block behind", "overrun"};
    case fault_kind::underrun:
      return {slab_errc::corrupted, "something was written ahead of the begin of a block",
              "an index below zero, or a pointer that is moved down", "overrun"};
  }
  return {slab_errc::corrupted, "", "", ""};
}

void add_owner(sentence& out, const owner_facts& owner) noexcept {
  if (owner.name != nullptr) out.add("'%s', ", owner.name);
  out.add("quarry::%s at %p", owner.type, owner.owner);
}

void add_block(sentence& out, const fault& found) noexcept {
  if (found.block_begin == nullptr) return;
  out.add("  block     ");
  if (found.slab_begin != nullptr)
    out.add("slot %zu of the slab at %p, %zu bytes from %p on", found.slot, found.slab_begin,
            found.block_bytes, found.block_begin);
  else
    out.add("%zu bytes from %p on", found.block_bytes, found.block_begin);
  if (found.pointer != found.block_begin)
    out.add("; the pointer lies %zu bytes in it",
            static_cast<std::size_t>(static_cast<const char*>(found.pointer) -
                                     static_cast<const char*>(found.block_begin)));
  if (found.record.bytes != 0 || found.record.alignment != 0)
    out.add("; allocated for %u bytes aligned to %u", found.record.bytes, found.record.alignment);
  if (found.kind == fault_kind::write_after_free || found.kind == fault_kind::overrun)
    out.add("; first written byte: %zu", found.damaged_at);
  if (found.kind == fault_kind::underrun) out.add("; last written byte: -%zu", found.damaged_at);
  out.add("\n");
}

// The latest comes first: what does not fit is left out.
void add_stacks(sentence& out, const fault& found) noexcept {
  const struct {
    const char* what;
    std::uint32_t number;
  } stacks[] = {{called_by, found.alignment != 0 ? current_call_stack(frames_of_a_fault) : 0},
                {"    freed by\n", found.record.freed_by},
                {"    allocated by\n", found.record.allocated_by}};
  bool has_any = false;
  for (const auto& each : stacks) has_any |= each.number != 0;
  if (has_any) out.add("%s", how_to_read_stacks);
  for (const auto& each : stacks) {
    if (each.number == 0) continue;
    out.add("%s", each.what);
    write_call_stack(out, each.number);
  }
}

// Whether a level that notes who had a block would tell more.
bool is_without_record(const fault& found) noexcept {
  return found.slab_begin != nullptr && found.block_begin != nullptr && found.record.allocated_by == 0 &&
         found.kind != fault_kind::never_allocated;
}

}  // namespace

void report_fault(const owner_facts& owner, const fault& found) {
  const kind_facts kind = facts_of(found.kind);
  sentence text;
  text.add("quarry: %s.\n", kind.what);
  if (found.alignment != 0)
    text.add("  call      deallocate(%p, %zu, %zu)\n", found.pointer, found.bytes, found.alignment);
  text.add("  resource  ");
  add_owner(text, owner);
  text.add("\n");
  add_block(text, found);
  if (found.kind == fault_kind::wrong_resource) {
    text.add("  owner     ");
    add_owner(text, find_other_owner(owner.owner, found.pointer));
    text.add("\n");
  }
  text.add("  look for  %s; docs/checks.md#%s\n", kind.look_for, kind.section);
  if (is_without_record(found))
    text.add(
        "  more      QUARRY_CHECKS=full in the environment tells who allocated and who freed the block\n");
  add_stacks(text, found);
  report_violation({kind.error, found.pointer, owner.owner, text.text()});
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
