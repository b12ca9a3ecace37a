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
#include "quarry/detail/resource_setup.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

inline constexpr unsigned char fresh_fill = 0xCD;     // of a block that was handed out, at check_level::full
inline constexpr unsigned char freed_fill = 0xDD;     // of one that was freed
inline constexpr unsigned char red_zone_fill = 0xFD;  // of what lies behind the bytes that were asked for

/// Returns the offset of the first of `bytes` bytes that is not `fill`, or `bytes`.
inline std::size_t first_other(const void* begin, std::size_t bytes, unsigned char fill) noexcept {
  const auto* const at = static_cast<const unsigned char*>(begin);
  if (bytes == 0 || (at[0] == fill && std::memcmp(at, at + 1, bytes - 1) == 0)) return bytes;
  std::size_t first = 0;
  while (at[first] == fill) ++first;
  return first;
}

template <class Host>
class watched_calls {
 public:
  explicit watched_calls(Host& host) noexcept : host_(host), engine_(host.engine()), setup_(host.setup()) {}

  /// As the engine's verb; `front` is the caller's cache, or null. Returns null as serve_slow().
  void* allocate(core::cache* front, std::size_t bytes, std::size_t alignment);

  /// Has no effect but that the violation handler is called, when it finds that the caller may not free that.
  void deallocate(core::cache* front, void* pointer, std::size_t bytes, std::size_t alignment) noexcept;

  /// Calls f(void* slot, std::size_t slot_bytes, const core::slot_record*) for every live slot of a checked resource. Requires
  /// that nobody else is inside a call.
  template <class F>
  void for_each_live(F f) const;

  /// Looks whether free slots were written to, where that is noticed; reports the first. Threads: waits for locks of shelves.
  void verify_free_slots() const noexcept;

 private:
  using engine_type = std::remove_reference_t<decltype(std::declval<Host&>().engine())>;

  bool is_recorded() const noexcept { return engine_.memory().detail() == core::slot_detail::record; }

  // Lets `memo` know the slab of `pointer`. Returns false when no slab of the class holds it, or its header is damaged.
  bool look(core::slab_memo& memo, const void* pointer, core::class_index index) const noexcept {
    const std::uintptr_t offset =
        reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(memo.begin);
    if (__builtin_expect(offset < memo.bytes && memo.epoch == engine_.memory().epoch(), 1)) return true;
    return look_slow(memo, pointer, index);
  }
  __attribute__((noinline)) bool look_slow(core::slab_memo& memo, const void* pointer,
                                           core::class_index index) const noexcept;

  static std::size_t slot_of(const core::slab_memo& memo, const void* pointer) noexcept {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - memo.begin);
    return static_cast<std::size_t>(offset * memo.reciprocal >> 40);
  }

  bool note_allocated(core::slab_memo& memo, void* slot, core::class_index index, std::size_t bytes,
                      std::size_t alignment) const;
  bool note_freed(core::slab_memo& memo, void* slot, std::size_t number, std::size_t bytes,
                  std::size_t alignment) const noexcept;
  bool is_untouched(const core::slab& home, std::size_t number, const core::slot_record& record) const noexcept;
  void rest(core::watched_cache& own, void* slot, core::class_index index) noexcept;
  void deallocate_block(void* pointer, std::size_t bytes, std::size_t alignment) noexcept;
  void refuse(const void* pointer, std::size_t bytes, std::size_t alignment) const noexcept;
  fault find_fault(const void* pointer, std::size_t bytes, std::size_t alignment) const noexcept;
  void report_copies() const noexcept;

  Host& host_;
  engine_type& engine_;
  const resource_setup& setup_;
};

template <class Host>
bool watched_calls<Host>::look_slow(core::slab_memo& memo, const void* pointer,
                                    core::class_index index) const noexcept {
  const std::uint32_t epoch = engine_.memory().epoch();
  core::slab* const home = engine_.memory().slab_of(pointer);
  if (home == nullptr) return false;
  const core::slot_states states(*home);
  if (!states.is_sealed(*home) || home->size_class != index) return false;
  const std::size_t slot_bytes = core::slot_bytes_of(index);
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - home->begin());
  if (offset >= home->slots() * slot_bytes) return false;
  memo.begin = home->begin();
  memo.bytes = home->slots() * slot_bytes;
  memo.reciprocal = ((std::uint64_t{1} << 40) + slot_bytes - 1) / slot_bytes;
  memo.slot_bytes = slot_bytes;
  memo.states = states;
  memo.home = home;
  memo.epoch = epoch;
  return true;
}

template <class Host>
void* watched_calls<Host>::allocate(core::cache* front, std::size_t bytes, std::size_t alignment) {
  const core::class_index index = setup_.watched_class(bytes, alignment);
  core::watched_cache* const own = front != nullptr ? front->behind : nullptr;
  if (index == core::no_class) return engine_.allocate_oversize(own, bytes, alignment);
  core::slab_memo other;
  core::slab_memo& memo = own != nullptr ? own->memos[index] : other;
  for (;;) {
    void* slot = own != nullptr ? own->cursors[index].pop() : engine_.allocate_direct(index);
    if (slot == nullptr && own != nullptr) slot = engine_.allocate_slow(*own, index);
    if (slot == nullptr || note_allocated(memo, slot, index, bytes, alignment)) return slot;
  }
}

// Returns false when the slot may not be handed out, which is reported.
template <class Host>
bool watched_calls<Host>::note_allocated(core::slab_memo& memo, void* slot, core::class_index index,
                                         std::size_t bytes, std::size_t alignment) const {
  if (__builtin_expect(!look(memo, slot, index), 0)) {
    fault found = find_fault(slot, 0, 0);
    found.kind = fault_kind::overwritten_header;
    report_fault(host_.owner(), found);
    return false;
  }
  const std::size_t number = slot_of(memo, slot);
  const core::slot_state state = memo.states[number];
  if (__builtin_expect(state == core::slot_state::live, 0)) {
    fault found = find_fault(slot, 0, 0);
    found.kind = fault_kind::handed_out_twice;
    report_fault(host_.owner(), found);
    return false;
  }
  if (__builtin_expect(is_recorded(), 0)) {
    core::slot_record& record = memo.states.record(number, memo.home->slots());
    if (state == core::slot_state::freed) is_untouched(*memo.home, number, record);
    record.bytes = static_cast<std::uint32_t>(bytes);
    record.alignment = static_cast<std::uint32_t>(alignment);
    record.allocated_by = current_call_stack();
    record.freed_by = 0;
    std::memset(slot, fresh_fill, bytes);
    std::memset(static_cast<std::byte*>(slot) + bytes, red_zone_fill, memo.slot_bytes - bytes);
  }
  memo.states.set(number, core::slot_state::live);
  return true;
}

template <class Host>
void watched_calls<Host>::deallocate(core::cache* front, void* pointer, std::size_t bytes,
                                     std::size_t alignment) noexcept {
  const core::class_index index = setup_.watched_class(bytes, alignment);
  if (index == core::no_class) return deallocate_block(pointer, bytes, alignment);
  core::watched_cache* const own = front != nullptr ? front->behind : nullptr;
  core::slab_memo other;
  core::slab_memo& memo = own != nullptr ? own->memos[index] : other;
  if (__builtin_expect(!look(memo, pointer, index), 0)) return refuse(pointer, bytes, alignment);
  const std::size_t number = slot_of(memo, pointer);
  const bool is_live = memo.begin + number * memo.slot_bytes == pointer &&
                       memo.states[number] == core::slot_state::live;
  if (__builtin_expect(!is_live, 0)) return refuse(pointer, bytes, alignment);
  if (__builtin_expect(is_recorded(), 0) && !note_freed(memo, pointer, number, bytes, alignment)) return;
  memo.states.set(number, core::slot_state::freed);
  if (own == nullptr) return engine_.deallocate_direct(pointer, index);
  if (own->delayed != nullptr) {
    while (own->delayed->is_full()) {
      const core::quarantine::resting oldest = own->delayed->take();
      rest(*own, oldest.slot, oldest.index);
    }
    return own->delayed->put(pointer, index);
  }
  rest(*own, pointer, index);
}

template <class Host>
void watched_calls<Host>::rest(core::watched_cache& own, void* slot, core::class_index index) noexcept {
  if (__builtin_expect(own.cursors[index].push(slot), 1)) return;
  engine_.deallocate_slow(own, slot, index);
  if (const std::uint32_t copies = engine_.take_copies(); copies != 0) report_copies();
}

// Returns false when the free is refused, which is reported.
template <class Host>
bool watched_calls<Host>::note_freed(core::slab_memo& memo, void* slot, std::size_t number, std::size_t bytes,
                                     std::size_t alignment) const noexcept {
  core::slot_record& record = memo.states.record(number, memo.home->slots());
  if (record.bytes != bytes || record.alignment != alignment) {
    refuse(slot, bytes, alignment);
    return false;
  }
  const std::size_t behind = first_other(static_cast<std::byte*>(slot) + bytes, memo.slot_bytes - bytes, red_zone_fill);
  if (behind != memo.slot_bytes - bytes) {
    fault found = find_fault(slot, bytes, alignment);
    found.kind = fault_kind::overrun;
    found.damaged_at = bytes + behind;
    report_fault(host_.owner(), found);
    return false;
  }
  record.freed_by = current_call_stack();
  std::memset(slot, freed_fill, memo.slot_bytes);
  return true;
}

// Returns whether nothing has written to a free slot since it was freed; reports it otherwise.
template <class Host>
bool watched_calls<Host>::is_untouched(const core::slab& home, std::size_t number,
                                       const core::slot_record& record) const noexcept {
  const std::size_t slot_bytes = core::slot_bytes_of(home.size_class);
  const std::byte* const slot = home.begin() + number * slot_bytes;
  const std::size_t written = first_other(slot, slot_bytes, freed_fill);
  if (written == slot_bytes) return true;
  fault found;
  found.kind = fault_kind::write_after_free;
  found.pointer = found.block_begin = slot;
  found.slab_begin = home.begin();
  found.slot = number;
  found.block_bytes = slot_bytes;
  found.damaged_at = written;
  found.record = record;
  report_fault(host_.owner(), found);
  return false;
}

template <class Host>
void watched_calls<Host>::deallocate_block(void* pointer, std::size_t bytes, std::size_t alignment) noexcept {
  const auto block = engine_.memory().oversize_at(pointer);
  if (block.is_live && block.memory == pointer && block.bytes == bytes) {
    engine_.deallocate_oversize(pointer, bytes);
    return;
  }
  refuse(pointer, bytes, alignment);
}

template <class Host>
void watched_calls<Host>::refuse(const void* pointer, std::size_t bytes, std::size_t alignment) const noexcept {
  report_fault(host_.owner(), find_fault(pointer, bytes, alignment));
}

// Says what is wrong with a pointer that may not be freed as said. Reads nothing of the user's.
template <class Host>
fault watched_calls<Host>::find_fault(const void* pointer, std::size_t bytes, std::size_t alignment) const noexcept {
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
    } else if (!engine_.owns(pointer) && find_other_owner(host_.owner().owner, pointer).owner != nullptr) {
      found.kind = fault_kind::wrong_resource;
    }
    return found;
  }
  const core::slot_states states(*home);
  found.slab_begin = home->begin();
  if (!states.is_sealed(*home)) {
    found.kind = fault_kind::overwritten_header;
    return found;
  }
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
void watched_calls<Host>::report_copies() const noexcept {
  fault found;
  found.kind = fault_kind::handed_out_twice;
  report_fault(host_.owner(), found);
}

template <class Host>
template <class F>
void watched_calls<Host>::for_each_live(F f) const {
  engine_.for_each_shelf([&](auto& shelf) {
    const std::size_t slot_bytes = shelf.slots.layout().slot_bytes;
    shelf.slots.for_each_slab([&](core::slab& each) {
      const core::slot_states states(each);
      for (std::size_t i = 0; i < each.slots(); ++i)
        if (states[i] == core::slot_state::live)
          f(static_cast<void*>(each.begin() + i * slot_bytes), slot_bytes,
            is_recorded() ? &states.record(i, each.slots()) : nullptr);
    });
  });
}

template <class Host>
void watched_calls<Host>::verify_free_slots() const noexcept {
  if (!is_recorded()) return;
  engine_.for_each_shelf([&](auto& shelf) {
    const core::lock_holder held(shelf.lock);
    shelf.slots.for_each_slab([&](core::slab& each) {
      const core::slot_states states(each);
      for (std::size_t i = 0; i < each.slots(); ++i)
        if (each.bitmap().is_free(i) && states[i] == core::slot_state::freed &&
            !is_untouched(each, i, states.record(i, each.slots())))
          states.record(i, each.slots()).allocated_by = 0;
    });
  });
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
