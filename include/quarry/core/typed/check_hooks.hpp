// What a typed cache's slow paths call where it is checked or watched.
//
// Layer      2. Freestanding. checked_calls.hpp fills the table, so an unchecked cache links none of what it points to.
// Threads    As each member says; the table does not change while calls go on.
#pragma once

#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/slot_fault.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class slab;
class slot_checks;

/// What slow paths do in a checked or watched cache. Those that may take pages or tell of a fault take the lock; where the
/// others are called, it is held. What they find goes into `into`, unless something is there already.
struct check_hooks {
  void* (*allocate)(cache_front& of, transit* mine);
  void (*deallocate)(cache_front& of, void* slot, const transit* mine) noexcept;
  slot_fault (*try_deallocate)(cache_front& of, void* slot) noexcept;  // tells by its result
  bool (*grow)(cache_front& of) noexcept;
  /// Destroys an owner's object. `named` is cache_front::destroy of unchecked caches of the type that the owner names.
  void (*destroy_owned)(cache_front& of, void* inside, void (*named)(void*) noexcept) noexcept;
  /// Looks at slabs that are about to go back. Returns what goes back in their place.
  slab* (*leave)(cache_front& of, slab* surplus, fault_report& into) noexcept;
  /// Puts slots that wait in quarantine back; slabs rest meanwhile, as in cache_stock::begin_reserve().
  void (*end_quarantine)(cache_front& of, fault_report& into) noexcept;
  void (*look_at)(const cache_front& of, const void* slot, fault_report& into) noexcept;
  slot_checks* state;  // null: only watched
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
