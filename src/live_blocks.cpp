#include "live_blocks.hpp"

#include <cstdio>

#include "call_stacks.hpp"
#include "sentence.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

void live_blocks::add(const void* block, std::size_t bytes, std::uint32_t allocated_by) noexcept {
  ++blocks_;
  bytes_ += bytes;
  for (std::size_t i = 0; i < group_count_; ++i) {
    if (groups_[i].bytes != bytes || groups_[i].allocated_by != allocated_by) continue;
    ++groups_[i].blocks;
    return;
  }
  if (group_count_ == groups_.size()) {
    ++other_blocks_;
    return;
  }
  groups_[group_count_++] = {block, bytes, 1, allocated_by};
}

void live_blocks::write(const owner_facts& owner, const char* what) const noexcept {
  std::fprintf(stderr, "quarry: %zu blocks of %zu bytes live while their resource %s.\n  resource  ", blocks_,
               bytes_, what);
  if (owner.name != nullptr) std::fprintf(stderr, "'%s', ", owner.name);
  std::fprintf(stderr, "quarry::%s at %p\n", owner.type, owner.owner);
  if (group_count_ != 0 && groups_[0].allocated_by != 0) std::fputs(how_to_read_stacks, stderr);
  for (std::size_t i = 0; i < group_count_; ++i) {
    const group& each = groups_[i];
    std::fprintf(stderr, "  live      %zu of %zu bytes, the first at %p\n", each.blocks, each.bytes,
                 each.first);
    if (each.allocated_by == 0) continue;
    sentence stack;
    write_call_stack(stack, each.allocated_by);
    std::fprintf(stderr, "    allocated by\n%s", stack.text());
  }
  if (other_blocks_ != 0)
    std::fprintf(stderr, "  live      %zu of other sizes or from elsewhere\n", other_blocks_);
  std::fprintf(stderr,
               "  look for  owners that were not destroyed, or that own each other; docs/checks.md#leak\n");
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
