// What an engine tells those who only look: what an address lies in, and which slots are in use.
//
// Layer      2. Part of engine.hpp.
#pragma once

#include <quarry/core/engine/engine.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Supply, class Lock>
bool engine<Supply, Lock>::owns(const void* pointer) const noexcept {
  return store_.slab_of(pointer) != nullptr || store_.has_oversize(pointer) || unlisted_bytes(pointer) != 0;
}

template <class Supply, class Lock>
std::size_t engine<Supply, Lock>::block_bytes(const void* pointer) const noexcept {
  if (const slab* const home = is_checked() ? store_.sound_slab_of(pointer) : store_.slab_of(pointer)) {
    const std::size_t slot_bytes = slot_bytes_of(home->size_class);
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - home->begin());
    return offset < home->slots() * slot_bytes ? slot_bytes : 0;
  }
  const std::size_t bytes = store_.oversize_bytes_of(pointer);
  return bytes != 0 ? bytes : unlisted_bytes(pointer);
}

// Returns the bytes of the slot of an unlisted slab that `pointer` lies in, or 0. A checked engine has no such slabs.
template <class Supply, class Lock>
std::size_t engine<Supply, Lock>::unlisted_bytes(const void* pointer) const noexcept {
  std::size_t slot_bytes = 0;
  if (!is_checked())
    (void)until_shelf([&](shelf_type& each) {
      const lock_holder<Lock> held(each.lock);
      if (each.slots.find_unlisted(pointer) == nullptr) return false;
      slot_bytes = each.slots.layout().slot_bytes;
      return true;
    });
  return slot_bytes;
}

template <class Supply, class Lock>
template <class F>
void engine<Supply, Lock>::for_each_used(F f) const {
  for_each_shelf([&](shelf_type& each) {
    const slab_layout& layout = each.slots.layout();
    const auto visit = [&](const slab& one) {
      one.for_each_used(layout, [&](void* slot) { f(slot, layout.slot_bytes); });
    };
    is_checked() ? for_each_sound_slab(each, visit) : each.slots.for_each_slab(visit);
  });
}

template <class Supply, class Lock>
std::size_t engine<Supply, Lock>::used_slots() const noexcept {
  std::size_t used = 0;
  for_each_shelf([&](shelf_type& each) {
    const lock_holder<Lock> held(each.lock);
    used += each.slots.used_slots();
  });
  return used;
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
