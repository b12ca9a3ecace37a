// The resources of this copy of the library whose calls are checked: so that a pointer passed to the wrong one finds its owner.
//
// Threads    Any number at a time.
#pragma once

#include <mutex>
#include <quarry/core/slabs/slot_states.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// What messages say of a resource.
struct owner_facts {
  const void* owner = nullptr;
  const char* type = "";
  const char* name = nullptr;  // as in slab_options
  bool (*holds)(const void* owner, const void* pointer) noexcept = nullptr;
  // What is recorded of the live block that a pointer lies in; where nothing is, a record of nothing.
  core::slot_record (*record_of)(const void* owner, const void* pointer) noexcept = nullptr;
};

/// Errors      std::bad_alloc.
void enter_checked_owner(const owner_facts& owner);
void leave_checked_owner(const void* owner) noexcept;

/// Returns the facts of another resource than `owner` that holds the memory `pointer` lies in, in use or not; those of none
/// where there is none. Sets `record`, if given, to what that one has recorded of the block.
owner_facts find_other_owner(const void* owner, const void* pointer,
                             core::slot_record* record = nullptr) noexcept;

/// The lock of the list, for who forks. Who holds it may wait for those of resources' stores.
std::mutex& checked_owners_lock();

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
