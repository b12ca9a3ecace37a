// The slots of a checked resource, looked at one by one: which live, and whether something wrote to those that do not.
//
// Threads    As each verb says.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "fault.hpp"
#include "live_blocks.hpp"
#include "quarry/core/engine/engine.hpp"
#include "quarry/core/poison.hpp"
#include "quarry/detail/resource_setup.hpp"
#include "refusal.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

inline constexpr unsigned char freed_fill = 0xDD;  // of a block that was freed, at check_level::full

/// Returns the offset of the first of `bytes` bytes that is not `fill`, or `bytes`.
inline std::size_t first_other(const void* begin, std::size_t bytes, unsigned char fill) noexcept {
  const auto* const at = static_cast<const unsigned char*>(begin);
  if (bytes == 0 || (at[0] == fill && std::memcmp(at, at + 1, bytes - 1) == 0)) return bytes;
  std::size_t first = 0;
  while (at[first] == fill) ++first;
  return first;
}

template <class Host>
class watched_slots {
 public:
  explicit watched_slots(Host& host) noexcept : host_(host), engine_(host.engine()), setup_(host.setup()) {}

  /// Calls f(void* slot, std::size_t slot_bytes, const core::slot_record*) for every live slot of a checked resource. Requires
  /// that nobody else is inside a call.
  template <class F>
  void for_each_live(F f) const;

  /// Before the resource ends or is released: looks whether free slots were written to, and does what the options say about blocks
  /// that live. `what` completes "the resource ...". Requires that nobody else is inside a call.
  void look_at_what_is_left(const char* what) const noexcept;

  /// Looks whether slots that are free in their slabs were written to, where that is noticed, and reports those. Threads: waits
  /// for locks of shelves.
  void verify_free_slots() const noexcept;

  /// Returns whether nothing has written to a free slot since it was freed; else `found` says what. Requires a slot that nobody may
  /// take meanwhile.
  bool is_untouched(const core::slab& home, std::size_t number, const core::slot_record& record,
                    fault& found) const noexcept;

 private:
  using engine_type = std::remove_reference_t<decltype(std::declval<Host&>().engine())>;
  using states_type = typename engine_type::states_type;

  bool tells_tools() const noexcept { return engine_.memory().tells_tools(); }
  bool is_recorded() const noexcept { return engine_.memory().detail() == core::slot_detail::record; }
  template <class IsAtRest>
  void verify_freed_slots(IsAtRest is_at_rest) const noexcept;

  Host& host_;
  engine_type& engine_;
  const resource_setup& setup_;
};

template <class Host>
watched_slots<Host> slots_of(Host& host) noexcept {
  return watched_slots<Host>(host);
}

// Returns what is recorded of the live block that a pointer lies in; null where nothing is.
template <class Engine>
const core::slot_record* record_of(const Engine& engine, const void* pointer) noexcept {
  if (engine.memory().detail() != core::slot_detail::record) return nullptr;
  core::slab* const home = engine.memory().sound_slab_of(pointer);
  if (home == nullptr) return nullptr;
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - home->begin());
  const std::size_t slot = offset / core::slot_bytes_of(home->size_class);
  const typename Engine::states_type states(*home);
  if (slot >= home->slots() || states[slot] != core::slot_state::live) return nullptr;
  return &states.record(slot, home->slots());
}

template <class Host>
bool watched_slots<Host>::is_untouched(const core::slab& home, std::size_t number,
                                       const core::slot_record& record, fault& found) const noexcept {
  const std::size_t slot_bytes = core::slot_bytes_of(home.size_class);
  const std::byte* const slot = home.begin() + number * slot_bytes;
  if (tells_tools()) core::restore(slot, slot_bytes);
  const std::size_t written = first_other(slot, slot_bytes, freed_fill);
  if (tells_tools()) core::poison(slot, slot_bytes);
  if (written == slot_bytes) return true;
  found.kind = fault_kind::write_after_free;
  found.pointer = found.block_begin = slot;
  found.slab_begin = home.begin();
  found.slot = number;
  found.block_bytes = slot_bytes;
  found.damaged_at = written;
  found.record = record;
  return false;
}

template <class Host>
template <class F>
void watched_slots<Host>::for_each_live(F f) const {
  engine_.for_each_shelf([&](auto& shelf) {
    const std::size_t slot_bytes = shelf.slots.layout().slot_bytes;
    engine_.for_each_sound_slab(shelf, [&](core::slab& each) {
      const states_type states(each);
      for (std::size_t i = 0; i < each.slots(); ++i)
        if (states[i] == core::slot_state::live)
          f(static_cast<void*>(each.begin() + i * slot_bytes), slot_bytes,
            is_recorded() ? &states.record(i, each.slots()) : nullptr);
    });
  });
}

template <class Host>
void watched_slots<Host>::look_at_what_is_left(const char* what) const noexcept {
  verify_freed_slots([](const core::slab&, std::size_t) { return true; });
  if (tells_tools())
    for_each_live([](void* slot, std::size_t slot_bytes, const core::slot_record*) {
      core::poison_freed(slot, slot_bytes);
    });
  const leak_action action = setup_.options().leaks;
  if (action == leak_action::quiet) return;
  live_blocks live;
  for_each_live([&](void* slot, std::size_t slot_bytes, const core::slot_record* record) {
    record != nullptr ? live.add(slot, record->bytes, record->allocated_by) : live.add(slot, slot_bytes, 0);
  });
  engine_.memory().for_each_oversize([&](void* block, std::size_t bytes) { live.add(block, bytes, 0); });
  if (live.empty()) return;
  live.write(host_.owner(), what);
  if (action == leak_action::abort)
    end_program("quarry: the option leaks asks for the end of the program here.");
}

template <class Host>
void watched_slots<Host>::verify_free_slots() const noexcept {
  verify_freed_slots([](const core::slab& home, std::size_t slot) { return home.bitmap().is_free(slot); });
}

// Looks at those freed slots of which is_at_rest(const core::slab&, std::size_t slot) says that nobody may take them meanwhile. The
// violation handler is called without the shelf's lock: it may use the resource.
template <class Host>
template <class IsAtRest>
void watched_slots<Host>::verify_freed_slots(IsAtRest is_at_rest) const noexcept {
  if (!is_recorded()) return;
  constexpr std::size_t most = 16;  // faults found under the lock at a time
  engine_.for_each_shelf([&](auto& shelf) {
    for (std::size_t count = most; count == most;) {
      fault found[most];
      count = 0;
      {
        const core::lock_holder held(shelf.lock);
        engine_.for_each_sound_slab(shelf, [&](core::slab& each) {
          const states_type states(each);
          for (std::size_t i = 0; i < each.slots() && count < most; ++i)
            if (states[i] == core::slot_state::freed && is_at_rest(each, i) &&
                !is_untouched(each, i, states.record(i, each.slots()), found[count])) {
              states.forget(i);  // so it is told once
              ++count;
            }
        });
      }
      for (std::size_t i = 0; i < count; ++i) report_fault(host_.owner(), found[i]);
    }
  });
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
