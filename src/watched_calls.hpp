// A watched call: what is done beside serving it, to check it and to note who had a block.
//
// Invariant  A slot is live exactly from the end of the call that allocates it to the begin of the one that frees it. A call that
//            is refused changes nothing.
// Threads    As the resource.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "call_stacks.hpp"
#include "checked_owners.hpp"
#include "fault.hpp"
#include "quarry/core/engine/engine.hpp"
#include "quarry/core/poison.hpp"
#include "quarry/detail/resource_setup.hpp"
#include "remembered_slabs.hpp"
#include "watched_slots.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

inline constexpr unsigned char fresh_fill = 0xCD;     // of a block that was handed out, at check_level::full
inline constexpr unsigned char red_zone_fill = 0xFD;  // of what lies behind the bytes that were asked for

/// Returns how many bytes of a slot are the user's: a burst of the allocator links blocks that are smaller than a pointer too.
constexpr std::size_t used_bytes_of(std::size_t bytes) noexcept {
  return bytes < core::smallest_slot_bytes ? core::smallest_slot_bytes : bytes;
}

template <class Host>
class watched_calls {
 public:
  explicit watched_calls(Host& host) noexcept : host_(host), engine_(host.engine()), setup_(host.setup()) {}

  /// As the engine's verb; `front` is the caller's cache, or null. Returns null as serve_slow().
  void* allocate(core::cache* front, std::size_t bytes, std::size_t alignment);

  /// Has no effect but that the violation handler is called, when it finds that the caller may not free that.
  void deallocate(core::cache* front, void* pointer, std::size_t bytes, std::size_t alignment) noexcept;

  /// Reports slots that came back twice and entries of magazines that were overwritten, if any were found on their way to the slabs.
  void report_strays() const noexcept;

  /// Reports headers that were damaged, once, after all that can be was mended.
  void report_damages() const noexcept {
    if (QUARRY_UNLIKELY(engine_.take_damages() != 0)) report_mended();
  }

  /// Reports a free while the resource ends or is released. Looks at nothing that this may hold.
  void refuse_late(const void* pointer, std::size_t bytes, std::size_t alignment) const noexcept;

 private:
  using engine_type = std::remove_reference_t<decltype(std::declval<Host&>().engine())>;
  using states_type = typename engine_type::states_type;

  bool tells_tools() const noexcept { return engine_.memory().tells_tools(); }
  bool is_recorded() const noexcept { return engine_.memory().detail() == core::slot_detail::record; }

  // A slot that was found.
  struct place {
    core::slab* home = nullptr;  // null: no slab of the class holds the pointer, or its header is damaged
    std::size_t slot = 0;
    bool is_begin = false;  // of the slot

    states_type states() const noexcept { return states_type(*home); }
  };
  place find(const void* pointer, core::class_index index) const noexcept;

  bool note_allocated(const place& at, void* slot, std::size_t bytes, std::size_t alignment) const;
  bool note_freed(const place& at, void* slot, std::size_t bytes, std::size_t alignment) const noexcept;
  void rest(core::watched_cache& own, void* slot, core::class_index index) noexcept;
  void deallocate_block(void* pointer, std::size_t bytes, std::size_t alignment) noexcept;
  QUARRY_NOINLINE void report_mended() const noexcept;
  void refuse(const void* pointer, std::size_t bytes, std::size_t alignment) const noexcept;
  fault find_fault(const void* pointer, std::size_t bytes, std::size_t alignment) const noexcept;

  Host& host_;
  engine_type& engine_;
  const resource_setup& setup_;
};

template <class Host>
watched_calls<Host> watch(Host& host) noexcept {
  return watched_calls<Host>(host);
}

template <class Host>
auto watched_calls<Host>::find(const void* pointer, core::class_index index) const noexcept -> place {
  place result;
  core::slab* const home = engine_.memory().sound_slab_of(pointer);
  if (home == nullptr || home->size_class != index) return result;
  const std::size_t slot_bytes = core::slot_bytes_of(index);
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - home->begin());
  result.slot = offset / slot_bytes;
  result.is_begin = offset % slot_bytes == 0;
  if (result.slot < home->slots()) result.home = home;
  return result;
}

template <class Host>
void* watched_calls<Host>::allocate(core::cache* front, std::size_t bytes, std::size_t alignment) {
  const core::class_index index = setup_.watched_class(bytes, alignment);
  core::watched_cache* const own = front != nullptr ? front->behind : nullptr;
  if (index == core::no_class) return engine_.allocate_oversize(own, bytes, alignment);
  for (;;) {
    void* slot = own != nullptr ? own->cursors[index].pop() : engine_.allocate_direct(index);
    if (slot == nullptr && own != nullptr) slot = engine_.allocate_slow(*own, index);
    report_strays();
    if (slot == nullptr) return nullptr;
    if (tells_tools() && own != nullptr && own->class_cache_of(index) != nullptr)
      own->cursors[index].wipe_popped();
    if (note_allocated(find(slot, index), slot, bytes, alignment)) return slot;
  }
}

// Returns false when the slot may not be handed out, which is reported.
template <class Host>
bool watched_calls<Host>::note_allocated(const place& at, void* slot, std::size_t bytes,
                                         std::size_t alignment) const {
  if (QUARRY_UNLIKELY(at.home == nullptr || !at.is_begin || at.states()[at.slot] == core::slot_state::live)) {
    fault found = find_fault(slot, 0, 0);
    if (at.home != nullptr && at.is_begin)
      found.kind = fault_kind::handed_out_twice;
    else if (found.kind != fault_kind::overwritten_header)
      found.kind = fault_kind::overwritten_magazine;
    report_fault(host_.owner(), found);
    return false;
  }
  const states_type states = at.states();
  if (is_recorded()) {
    const std::size_t slot_bytes = core::slot_bytes_of(at.home->size_class);
    core::slot_record& record = states.record(at.slot, at.home->slots());
    fault found;
    if (states[at.slot] == core::slot_state::freed &&
        !slots_of(host_).is_untouched(*at.home, at.slot, record, found))
      report_fault(host_.owner(), found);
    if (!states.begin_life(at.slot))
      return false;  // so that nobody, in a child of a fork too, takes what follows for a write
    record.bytes = static_cast<std::uint32_t>(bytes);
    record.alignment = static_cast<std::uint32_t>(alignment);
    record.allocated_by = current_call_stack();
    record.freed_by = 0;
    if (tells_tools()) core::restore(slot, slot_bytes);
    const std::size_t used_bytes = used_bytes_of(bytes);
    std::memset(slot, fresh_fill, used_bytes);
    std::memset(static_cast<std::byte*>(slot) + used_bytes, red_zone_fill, slot_bytes - used_bytes);
    if (tells_tools()) core::poison(slot, slot_bytes);
  }
  if (tells_tools()) core::unpoison_allocated(slot, used_bytes_of(bytes));
  return is_recorded() || states.begin_life(at.slot);
}

template <class Host>
void watched_calls<Host>::deallocate(core::cache* front, void* pointer, std::size_t bytes,
                                     std::size_t alignment) noexcept {
  const core::class_index index = setup_.watched_class(bytes, alignment);
  if (index == core::no_class) return deallocate_block(pointer, bytes, alignment);
  core::watched_cache* const own = front != nullptr ? front->behind : nullptr;
  place at = find(pointer, index);
  if (QUARRY_UNLIKELY(at.home == nullptr || !at.is_begin || at.states()[at.slot] != core::slot_state::live))
    return refuse(pointer, bytes, alignment);
  if (is_recorded() && !note_freed(at, pointer, bytes, alignment)) return;
  at.states().end_life(at.slot);
  if (tells_tools()) core::poison_freed(pointer, core::slot_bytes_of(index));
  if (own == nullptr) {
    engine_.deallocate_direct(pointer, index);
    return report_strays();
  }
  if (own->delayed == nullptr) return rest(*own, pointer, index);
  while (own->delayed->is_full()) {
    const core::quarantine::resting oldest = own->delayed->take();
    rest(*own, oldest.slot, oldest.index);
  }
  own->delayed->put(pointer, index);
}

template <class Host>
void watched_calls<Host>::rest(core::watched_cache& own, void* slot, core::class_index index) noexcept {
  if (QUARRY_LIKELY(own.cursors[index].push(slot))) return;
  engine_.deallocate_slow(own, slot, index);
  report_strays();
}

// Returns false when the free is refused, which is reported.
template <class Host>
bool watched_calls<Host>::note_freed(const place& at, void* slot, std::size_t bytes,
                                     std::size_t alignment) const noexcept {
  core::slot_record& record = at.states().record(at.slot, at.home->slots());
  if (record.bytes != bytes || record.alignment != alignment) {
    refuse(slot, bytes, alignment);
    return false;
  }
  const std::size_t slot_bytes = core::slot_bytes_of(at.home->size_class);
  const std::size_t used_bytes = used_bytes_of(bytes);
  std::byte* const red_zone = static_cast<std::byte*>(slot) + used_bytes;
  const std::size_t red_zone_bytes = slot_bytes - used_bytes;
  if (tells_tools()) core::restore(red_zone, red_zone_bytes);
  const std::size_t written = first_other(red_zone, red_zone_bytes, red_zone_fill);
  if (written != red_zone_bytes) {
    fault found = find_fault(slot, bytes, alignment);
    found.kind = fault_kind::overrun;
    found.damaged_at = used_bytes + written;
    report_fault(host_.owner(), found);
    return false;
  }
  record.freed_by = current_call_stack();
  std::memset(slot, freed_fill, slot_bytes);
  return true;
}

template <class Host>
void watched_calls<Host>::deallocate_block(void* pointer, std::size_t bytes, std::size_t alignment) noexcept {
  const auto block = engine_.memory().oversize_at(pointer);
  if (block.is_live && block.memory == pointer && block.bytes == bytes) {
    engine_.deallocate_oversize(nullptr, pointer, bytes);
    return;
  }
  refuse(pointer, bytes, alignment);
}

template <class Host>
void watched_calls<Host>::refuse(const void* pointer, std::size_t bytes,
                                 std::size_t alignment) const noexcept {
  report_fault(host_.owner(), find_fault(pointer, bytes, alignment));
}

template <class Host>
void watched_calls<Host>::refuse_late(const void* pointer, std::size_t bytes,
                                      std::size_t alignment) const noexcept {
  fault found;
  found.kind = fault_kind::late_free;
  found.pointer = pointer;
  found.bytes = bytes;
  found.alignment = alignment;
  report_fault(host_.owner(), found);
}

// Says what is wrong with a pointer that may not be freed as said. Reads nothing of the user's.
template <class Host>
fault watched_calls<Host>::find_fault(const void* pointer, std::size_t bytes,
                                      std::size_t alignment) const noexcept {
  fault found;
  found.pointer = pointer;
  found.bytes = bytes;
  found.alignment = alignment;
  core::slab* const home = engine_.memory().slab_of(pointer);
  if (home == nullptr) {
    const auto block = engine_.memory().oversize_at(pointer);
    if (block.memory != nullptr) {
      found.block_begin = block.memory;
      found.block_bytes = block.bytes;
      found.kind = !block.is_live            ? fault_kind::double_free
                   : block.memory != pointer ? fault_kind::interior_pointer
                                             : fault_kind::wrong_size;
    } else if (engine_.memory().holds(pointer)) {
      found.kind = fault_kind::nothing_there;
    } else if (find_other_owner(host_.owner().owner, pointer, &found.record).owner != nullptr) {
      found.kind = fault_kind::wrong_resource;
    }
    return found;
  }
  if (!engine_.memory().is_header(home)) {
    found.kind = fault_kind::overwritten_header;
    return found;
  }
  const states_type states(*home);
  found.slab_begin = home->begin();
  const std::size_t slot_bytes = core::slot_bytes_of(home->size_class);
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - home->begin());
  found.slot = offset / slot_bytes;
  if (found.slot >= home->slots()) return found;
  found.block_bytes = slot_bytes;
  found.block_begin = home->begin() + found.slot * slot_bytes;
  if (is_recorded()) found.record = states.record(found.slot, home->slots());
  const core::slot_state state = states[found.slot];
  if (found.block_begin != pointer) {
    found.kind = fault_kind::interior_pointer;
  } else if (state == core::slot_state::fresh) {
    found.kind = fault_kind::never_allocated;
  } else if (state == core::slot_state::freed) {
    found.kind = fault_kind::double_free;
  } else if (is_recorded() ? found.record.bytes == bytes
                           : setup_.pooled_class(bytes, 1) == home->size_class) {
    found.kind = fault_kind::wrong_alignment;
  } else {
    found.kind = fault_kind::wrong_size;
  }
  return found;
}

template <class Host>
void watched_calls<Host>::report_mended() const noexcept {
  engine_.mend_slabs();
  engine_.take_damages();  // of what was found now, too
  fault found;
  found.kind = fault_kind::overwritten_header;
  report_fault(host_.owner(), found);
}

template <class Host>
void watched_calls<Host>::report_strays() const noexcept {
  report_damages();
  fault found;
  found.kind = fault_kind::handed_out_twice;
  for (std::uint32_t copies = engine_.take_copies(); copies != 0; --copies)
    report_fault(host_.owner(), found);
  found.kind = fault_kind::overwritten_magazine;
  for (std::uint32_t strays = engine_.take_strays(); strays != 0; --strays)
    report_fault(host_.owner(), found);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
