// The resources of this copy of the library whose calls are checked: so that a pointer passed to the wrong one finds its owner.
//
// Threads    Any number at a time.
#pragma once

#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// What messages say of a resource.
struct owner_facts {
  const void* owner = nullptr;
  const char* type = "";
  const char* name = nullptr;  // as in slab_options
  bool (*owns)(const void* owner, const void* pointer) noexcept = nullptr;
};

/// Errors      std::bad_alloc.
void enter_checked_owner(const owner_facts& owner);
void leave_checked_owner(const void* owner) noexcept;

/// Returns the facts of another resource than `owner` whose memory `pointer` lies in; those of none where there is none.
owner_facts find_other_owner(const void* owner, const void* pointer) noexcept;

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
