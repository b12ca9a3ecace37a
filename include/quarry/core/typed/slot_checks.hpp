// What a checked cache knows beside its slabs: which slabs it has, which slots were ever out, which wait in quarantine; and how
// it tells from that what is wrong.
//
//   block from the page source     | slot_checks | addresses in quarantine | slab_table's places ... |
//
// Layer      2. Freestanding. Linked only into programs that check.
// Invariant  Every slab of the cache is in the table, and nothing but the table tells which memory may be read. With `fills`
//            every free slot holds free_byte in each byte.
// Threads    Under the cache's lock.
#pragma once

#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/core/typed/cache_stock.hpp>
#include <quarry/core/typed/check_hooks.hpp>
#include <quarry/core/typed/slab_table.hpp>
#include <quarry/core/typed/slot_fault.hpp>
#include <quarry/core/typed/waiting_slots.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

class slot_checks : public check_hooks {
 public:
  static constexpr unsigned char free_byte = 0xDD;
  static constexpr std::size_t most_waiting_bytes = std::size_t{1} << 18;  // in quarantine

  /// Lies at the begin of `bytes` bytes at `block`, the rest of which it uses. Returns null when they are too few.
  static slot_checks* create(void* block, std::size_t bytes, const check_hooks& hooks,
                             const cache_layout& layout, const fault_report& target) noexcept;

  void (*usual_destroy)(void*) noexcept = nullptr;  // cache_front::destroy of this cache without checks

  const fault_report& target() const noexcept { return target_; }  // an empty report to the handler
  void redirect(const fault_report& target) noexcept { target_ = target; }

  /// Makes quarantine and patterns part of the checks, or no longer. With `fills` the free slots of all slabs must be filled
  /// afterwards.
  void set_full(bool full, bool fills) noexcept {
    full_ = full;
    fills_ = fills;
  }
  bool full() const noexcept { return full_; }

  slab_table& slabs() noexcept { return slabs_; }
  std::size_t waiting() const noexcept { return quarantine_.count(); }
  const cache_layout& layout() const noexcept { return layout_; }

  /// Adds a slab of the cache. With `used` its slots may have been handed out already.
  /// Returns     False when a block must be lent to slabs() first.
  bool add(slab& fresh, bool is_root, bool used) noexcept;

  /// Writes the pattern into the free slots of a slab, if the checks fill.
  void fill_free(const slab& each) const noexcept {
    if (fills_) for_each_free(each, [&](std::size_t index) { fill(each.slot_at(index, layout_.slabs)); });
  }

  /// Returns what is wrong with giving `slot` back; reads nothing but the cache's own memory.
  /// Complexity  O(1), with a quarantine O(slots in it).
  found_fault fault_of(const cache_stock& stock, const cache_front& front, const void* slot) const noexcept;

  /// Returns what is wrong with the slab that the next slot comes from.
  found_fault fault_of_source(const cache_stock& stock, const cache_front& front) const noexcept;

  /// Notes that `slot`, which was free, is handed out.
  /// Returns     What is wrong with it: it was written; then it is as free slots are, and must go back.
  found_fault hand_out(void* slot) noexcept;

  /// Notes that `slot` was given back.
  /// Returns     A slot that is free from now on, or null; into `into` goes what is wrong with that.
  void* put_aside(void* slot, bool may_wait, fault_report& into) noexcept;
  /// Returns the slot that waited longest, or null; as put_aside().
  void* end_wait(fault_report& into) noexcept;

  /// Looks at the free slots of a slab of the cache.
  void look_for_writes(const slab& each, fault_report& into) const noexcept;

  /// Notes that all slots of a slab are free and that it leaves the cache.
  void remove(const slab& leaving, fault_report& into) noexcept {
    look_for_writes(leaving, into);
    slabs_.remove(&leaving);
  }

 private:
  slot_checks(const check_hooks& hooks, const cache_layout& layout, const fault_report& target, void** places,
              std::size_t capacity) noexcept
      : check_hooks(hooks),
        layout_(layout),
        target_(target),
        slabs_(layout.slabs.slab_bytes),
        quarantine_(places, capacity) {
    state = this;
  }

  slab* home_of(const void* pointer) const noexcept { return core::home_of(pointer, layout_.slabs); }
  found_fault fault_at(slot_fault fault, const void* pointer) const noexcept {
    return {
        fault, pointer, base_of(pointer, layout_.slabs.slab_bytes), nullptr, 0, 0, layout_.slabs.slot_bytes};
  }
  // The same with the slot that `pointer` leads into. Requires a sound header and a pointer between its slots' begin and end.
  found_fault fault_in_slot(slot_fault fault, const void* pointer) const noexcept {
    found_fault found = fault_at(fault, pointer);
    const slab& home = *home_of(pointer);
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(pointer) - home.begin());
    found.slot = offset / layout_.slabs.slot_bytes;
    found.byte = offset % layout_.slabs.slot_bytes;
    found.begin = home.slot_at(found.slot, layout_.slabs);
    return found;
  }
  bool knows_links(const slab& each, bool in_bin) const noexcept;
  bool is_sound(const slab_entry& entry, const cache_front& front) const noexcept;

  template <class F>
  static void for_each_free(const slab& each, F f) {
    for (std::size_t i = 0; i < each.slots(); ++i)
      if (each.bitmap().is_free(i)) f(i);
  }
  void fill(void* slot) const noexcept {
    auto* const bytes = static_cast<unsigned char*>(slot);
    for (std::size_t i = 0; i < layout_.slabs.slot_bytes; ++i) bytes[i] = free_byte;
  }
  // Returns the first byte of a free slot that was written, or slot_bytes.
  std::size_t first_written(const void* slot) const noexcept {
    const auto* const bytes = static_cast<const unsigned char*>(slot);
    std::size_t first = 0;
    while (first < layout_.slabs.slot_bytes && bytes[first] == free_byte) ++first;
    return first;
  }
  bool is_filled(const void* slot) const noexcept { return first_written(slot) == layout_.slabs.slot_bytes; }
  found_fault written(const void* slot) const noexcept {
    found_fault found = fault_in_slot(slot_fault::written, slot);
    found.byte = first_written(slot);
    return found;
  }
  void note(const found_fault& found, fault_report& into) const noexcept {
    if (into.found.fault != slot_fault::none) return;
    into = target_;
    into.found = found;
  }

  const cache_layout& layout_;
  fault_report target_;
  slab_table slabs_;
  waiting_slots quarantine_;
  bool full_ = false;
  bool fills_ = false;
};

inline slot_checks* slot_checks::create(void* block, std::size_t bytes, const check_hooks& hooks,
                                        const cache_layout& layout, const fault_report& target) noexcept {
  std::size_t waiting = most_waiting_bytes / layout.slabs.slot_bytes;
  const std::size_t most = bytes / 8 / sizeof(void*);
  if (waiting > most) waiting = most;
  const std::size_t places_at = round_up(sizeof(slot_checks), alignof(slab_entry));
  const std::size_t table_at = round_up(places_at + waiting * sizeof(void*), alignof(slab_entry));
  if (table_at + 4 * sizeof(slab_entry) > bytes) return nullptr;
  auto* const begin = static_cast<std::byte*>(block);
  auto** const places = reinterpret_cast<void**>(begin + places_at);
  auto* const made = ::new (block) slot_checks(hooks, layout, target, places, waiting);
  made->slabs_.add_block(begin + table_at, bytes - table_at);
  return made;
}

inline bool slot_checks::add(slab& fresh, bool is_root, bool used) noexcept {
  slab_entry* const entry = slabs_.add(&fresh);
  if (entry == nullptr) return false;
  entry->is_root = is_root;
  entry->ever_out = used ? static_cast<std::uint32_t>(fresh.slots()) : 0;
  fill_free(fresh);
  return true;
}

// Whether the slab's list leads to slabs of the cache, and from these back. Slabs that rest are chained one way.
inline bool slot_checks::knows_links(const slab& each, bool in_bin) const noexcept {
  const auto is_null_or_known = [&](const slab* other) {
    return other == nullptr || slabs_.find(other) != nullptr;
  };
  if (!is_null_or_known(each.next)) return false;
  if (!in_bin) return true;
  if (!is_null_or_known(each.previous)) return false;
  return (each.next == nullptr || each.next->previous == &each) &&
         (each.previous == nullptr || each.previous->next == &each);
}

inline bool slot_checks::is_sound(const slab_entry& entry, const cache_front& front) const noexcept {
  const slab& header = *entry.header;
  const slab_contents& contents = entry.is_root ? layout_.root : layout_.extension;
  const slot_bitmap& bitmap = header.bitmap();
  return header.owner == &front && header.begin() == begin_of(header, layout_, contents) &&
         header.slots() == contents.slots && bitmap.words() == slot_bitmap::words_for(contents.slots) &&
         bitmap.count() <= contents.slots && header.pinned == entry.is_root &&
         knows_links(header, entry.is_root || !header.empty()) && (!full_ || bitmap.check_invariants());
}

inline found_fault slot_checks::fault_of(const cache_stock& stock, const cache_front& front,
                                         const void* slot) const noexcept {
  const slab* const home = home_of(slot);
  const slab_entry* const entry = slabs_.find(home);
  if (entry == nullptr) return {slot_fault::foreign, slot, nullptr, nullptr, 0, 0, layout_.slabs.slot_bytes};
  if (!is_sound(*entry, front)) return fault_at(slot_fault::damaged, slot);
  const auto offset =
      reinterpret_cast<std::uintptr_t>(slot) - reinterpret_cast<std::uintptr_t>(home->begin());
  if (offset >= home->slots() * layout_.slabs.slot_bytes) return fault_at(slot_fault::foreign, slot);
  found_fault found = fault_in_slot(slot_fault::none, slot);
  if (reinterpret_cast<std::uintptr_t>(slot) % layout_.slot_alignment != 0) {
    found.fault = slot_fault::misaligned;
  } else if (found.byte != 0) {
    found.fault = slot_fault::interior;
  } else if (home->bitmap().is_free(found.slot)) {
    found.fault = found.slot < entry->ever_out ? slot_fault::free : slot_fault::never_out;
  } else if (stock.is_kept(*home, found.slot) || quarantine_.holds(slot)) {
    found.fault = slot_fault::free;
  }
  return found;
}

inline found_fault slot_checks::fault_of_source(const cache_stock& stock,
                                                const cache_front& front) const noexcept {
  const slab* const source = stock.next_source();
  if (source == nullptr) return {};
  const slab_entry* const entry = slabs_.find(source);
  return entry != nullptr && is_sound(*entry, front) ? found_fault{} : fault_at(slot_fault::damaged, source);
}

inline found_fault slot_checks::hand_out(void* slot) noexcept {
  if (fills_ && !is_filled(slot)) {
    const found_fault found = written(slot);
    fill(slot);
    return found;
  }
  slab_entry& entry = *slabs_.find(home_of(slot));
  const auto index = static_cast<std::uint32_t>(entry.header->index_of(slot, layout_.slabs));
  if (entry.ever_out <= index) entry.ever_out = index + 1;
  return {};
}

inline void* slot_checks::put_aside(void* slot, bool may_wait, fault_report& into) noexcept {
  if (fills_) fill(slot);
  if (!full_ || !may_wait || quarantine_.capacity() == 0) return slot;
  void* const oldest = quarantine_.count() == quarantine_.capacity() ? end_wait(into) : nullptr;
  quarantine_.push(slot);
  return oldest;
}

inline void* slot_checks::end_wait(fault_report& into) noexcept {
  void* const oldest = quarantine_.pop();
  if (oldest != nullptr && fills_ && !is_filled(oldest)) {
    note(written(oldest), into);
    fill(oldest);
  }
  return oldest;
}

inline void slot_checks::look_for_writes(const slab& each, fault_report& into) const noexcept {
  if (!fills_) return;
  for_each_free(each, [&](std::size_t index) {
    const void* const slot = each.slot_at(index, layout_.slabs);
    if (!is_filled(slot)) note(written(slot), into);
  });
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
