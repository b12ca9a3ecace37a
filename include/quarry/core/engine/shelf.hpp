// A shelf: what stands behind the loaded magazines of one size class, its depot and its bin, with a lock beside them.
//
// Layer      2. Freestanding.
// Invariant  Slots of the class are in exactly one place: the user's hands, a cache, the depot or the bin. Nothing here is
//            used without the lock, but for what never changes or is atomic.
// Threads    Under `lock`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/core/bins/bin.hpp>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/engine/home_count.hpp>
#include <quarry/core/magazines/depot.hpp>
#include <quarry/core/magazines/recent_homes.hpp>
#include <quarry/core/magazines/share.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Lock>
struct shelf {
  static constexpr std::size_t depot_bytes_per_cache = 131072;  // bytes of slots in the depot, for each cache
  static constexpr std::size_t most_parked_per_cache = 32;      // magazines in the depot, for each cache
  static constexpr std::size_t most_caches = 8;                 // that add to the depot's bound

  shelf(class_index of, const slab_layout& layout) noexcept
      : index(of),
        magazine_slots(full_magazine_slots(layout.slot_bytes)),
        parked_slots_per_cache(parked_for(layout.slot_bytes)),
        slots(layout),
        parked(magazine_slots) {}

  static constexpr std::uint32_t parked_for(std::size_t slot_bytes) noexcept {
    const std::size_t magazine_slots = full_magazine_slots(slot_bytes);
    const std::size_t wanted = depot_bytes_per_cache / (magazine_slots * slot_bytes);
    return static_cast<std::uint32_t>((wanted < most_parked_per_cache ? wanted : most_parked_per_cache) *
                                      magazine_slots);
  }

  /// Returns whether the depot may take `count` slots more: within the bound of `caches` caches, and, where what rests pins
  /// slabs, not more than an eighth of the slots in use. Requires the lock.
  bool may_park(std::size_t count, std::size_t caches) const noexcept {
    const std::size_t most = parked_slots_per_cache * (caches < most_caches ? caches : most_caches);
    return parked.slots() + count <= most && !pins_too_much(count);
  }

  /// Returns whether the depot with `count` slots more holds more than an eighth of what is in use, in a class of several
  /// slabs. Requires the lock.
  bool pins_too_much(std::size_t count) const noexcept {
    return slots.slabs_that_leave() > few && (parked.slots() + count) * 8 > slots.used_slots();
  }

  /// Notes that a cache of `home` comes for slots, or with some; note_home(): with some for the slabs. Requires the lock.
  void note_visit(std::size_t home) noexcept {
    ++visits;
    note_home(home);
  }
  void note_home(std::size_t home) noexcept {
    if (recent.note(home)) note_few();
  }
  /// Forgets who came. Requires the lock.
  void forget_homes() noexcept {
    recent.forget();
    note_few();
    note_limit();
  }

  /// Notes how much may rest in a magazine from now on. Requires the lock.
  void note_limit() noexcept {
    const bool was_tight = is_tight.load(std::memory_order_relaxed);  // Relaxed: written under the lock.
    if (!was_tight &&
        (slots.slabs_that_leave() <= few || slots.used_slots() >= (magazine::capacity + parked.slots()) * 8))
      return;
    const std::uint32_t most = pinning_limit(slots.used_slots(), slots.slabs_that_leave(), few);
    limit.store(most, std::memory_order_relaxed);  // Relaxed: numbers that steer.
    is_tight.store(most < magazine_slots || pins_too_much(0),
                   std::memory_order_relaxed);  // Relaxed: as above.
  }

  /// Forgets the unlisted slabs in a chain of slabs that have left the bin. Requires the lock.
  void note_emptied(slab* emptied) noexcept {
    for (slab* each = emptied; each != nullptr; each = each->next)
      if (each->is_unlisted) slots.forget_unlisted(*each);
  }

  /// Returns the slots that may rest in one magazine of a cache. Threads: any.
  std::uint32_t resting_limit() const noexcept {
    return limit.load(std::memory_order_relaxed);  // Relaxed: pairs with note_limit().
  }

  /// Writes up to `count` free slots from `begin` on, the one to hand out first last: those of the depot, of `home` first, and
  /// when they are fewer than half, those of the bin, in the order of bin::refill.
  /// Returns     How many were written; 0 when bin and depot are empty.
  /// Complexity  O(count).
  std::size_t refill(void** begin, std::size_t count, std::size_t home) noexcept {
    const std::size_t drawn = parked.take_slots(begin, count, home);
    if (drawn * 2 >= count && drawn != 0) return drawn;
    const std::size_t free_slots = slots.slots() - slots.used_slots();
    const std::size_t wanted = count - drawn < free_slots ? count - drawn : free_slots;
    if (wanted == 0) return drawn;
    const std::size_t taken = slots.refill(begin + drawn + wanted, wanted);
    if (taken < wanted)
      for (std::size_t i = drawn; i < drawn + taken; ++i) begin[i] = begin[i + wanted - taken];
    return drawn + taken;
  }

  /// Takes one slot, of the depot before those of the bin. Returns null when both are empty; a parked null is dropped.
  void* take_one(std::size_t home) noexcept {
    void* slot = nullptr;
    while (parked.take_slots(&slot, 1, home) != 0)
      if (slot != nullptr) return slot;
    return slots.take_one();
  }

  mutable Lock lock;
  const class_index index;
  const std::uint32_t magazine_slots;                    // slots that make a magazine of this class full
  const std::uint32_t parked_slots_per_cache;            // slots that the depot parks, for each cache
  std::atomic<std::uint32_t> limit{magazine::capacity};  // written under the lock, read by any thread
  std::atomic<bool> is_tight{false};                     // whether less should rest; as `limit`
  recent_homes<home_count<Lock>> recent;  // of the visits below, and of those with slots for the slabs
  std::uint32_t visits = 0;               // of misses, since it was last looked at
  std::uint32_t few = few_slabs;          // slabs in which what rests pins little
  bin slots;
  depot<home_count<Lock>> parked;

 private:
  // Threads that hand slots to each other need more between them: slabs of as many bytes as the depot may hold for so many caches.
  void note_few() noexcept {
    const std::size_t more = recent.count() * depot_bytes_per_cache / slots.layout().slab_bytes;
    few = recent.count() > 1 && more > few_slabs ? static_cast<std::uint32_t>(more) : few_slabs;
  }
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
