// What a store holds where something is kept of each slot: slabs with sealed headers, of which only those are believed that nothing
// has written over; and what tools that watch memory are told. Where nothing is kept, it is as held_memory.hpp has it.
//
// Layer      2. Freestanding.
// Invariant  Reads no header before it is known that one lies there, and believes none without its seal.
// Threads    As held_memory's.
#pragma once

#include <cstddef>
#include <quarry/core/bins/mender.hpp>
#include <quarry/core/engine/held_memory.hpp>
#include <quarry/core/poison.hpp>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/core/slabs/slot_states.hpp>
#include <quarry/portability.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// What a store holds, and which of its headers are believed.
template <class Lock>
class sealed_memory : public held_memory<Lock> {
  using holdings = held_memory<Lock>;

 public:
  using states_type = slot_states<!std::is_empty_v<Lock>>;
  using mender_type = mender<states_type, sealed_memory>;

  /// What is kept of each slot. Anything: every slab is found by slab_of().
  slot_detail detail() const noexcept { return detail_; }

  /// Returns whether a sealed header lies at `each`; reads nothing but the store's own memory. Requires that slabs are sealed: detail()
  /// says that something is kept. Complexity O(blocks of parts).
  bool is_header(const slab* each) const noexcept {
    return this->may_be_header(each) && states_type::is_sealed(*each);
  }
  /// As slab_of(), of the slabs whose headers nothing has written over.
  slab* sound_slab_of(const void* pointer) const noexcept {
    slab* const home = this->slab_of(pointer);
    return home != nullptr && is_header(home) ? home : nullptr;
  }
  /// As held_memory's; where slabs are sealed, of those alone, and f_of_damaged() is called for a granule of any other.
  template <class F, class G>
  bool visit_slabs(directory::visit& from, F f, G f_of_damaged) const {
    const bool are_sealed = detail_ != slot_detail::none;
    const auto is_sound = [&](const slab* each) {
      const bool is_one = !are_sealed || is_header(each);
      if (!is_one) f_of_damaged();
      return is_one;
    };
    return holdings::visit_slabs(from, is_sound, f);
  }
  template <class F>
  bool visit_slabs(directory::visit& from, F f) const {
    return visit_slabs(from, f, [] {});
  }

  /// Whether no more is noted of slots than their states: then a call may be served by what a memo says.
  bool remembers_slabs() const noexcept { return detail_ == slot_detail::state && !tells_tools_; }

  /// Whether tools that watch memory are told which of it rests.
  bool tells_tools() const noexcept { return tells_tools_; }

  /// Returns the geometry of slabs of `slab_bytes` bytes here: their headers have room for what is kept of each slot.
  slab_layout layout_of(std::size_t slot_bytes, std::size_t slab_bytes) const noexcept {
    slab_layout result = slab::layout(slot_bytes, slab_bytes);
    result.header_bytes = header_bytes_of(result.total_slots);
    return result;
  }

 protected:
  sealed_memory(std::size_t granule_bytes, bool has_directory, slot_detail detail, bool tells_tools) noexcept
      : holdings(granule_bytes, has_directory), detail_(detail), tells_tools_(tells_tools) {}

  std::size_t header_bytes_of(std::size_t slots) const noexcept {
    return slab::header_bytes_for(slots) + states_type::bytes_for(slots, detail_);
  }

  // Tells tools that memory rests, or that it is on its way to where it came from.
  void tell_resting(const void* begin, std::size_t bytes) const noexcept {
    if (QUARRY_UNLIKELY(tells_tools_)) poison(begin, bytes);
  }
  void tell_leaving(const void* begin, std::size_t bytes) const noexcept {
    if (QUARRY_UNLIKELY(tells_tools_)) restore(begin, bytes);
  }

 private:
  const slot_detail detail_;
  const bool tells_tools_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
