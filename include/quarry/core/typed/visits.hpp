// Looks at all objects of a typed cache: to call a function with each, or to destroy some.
//
// Layer      2. Freestanding.
// Invariant  During a look the lock is held, the magazine is empty and no slab leaves; neither lock nor slab is left behind,
//            whatever the visitor throws.
// Threads    As the Lock.
#pragma once

#include <quarry/core/typed/cache_control.hpp>
#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/core/typed/slot_fault.hpp>
#include <quarry/portability.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Kind as slot_cache's; Control is its control block.
template <class Kind, class Control>
class QUARRY_EXCEPTION_MODE visits {
 public:
  /// Calls f(void* slot) for each slot in the users' hands that is not in transit, under the lock; f may free that slot where the
  /// lock does nothing or is a visited_lock. Flushes the magazine first. Errors: what f throws.
  /// Complexity  O(slots).
  template <class F>
  static void for_each_live(Control& block, F&& f);

  /// Destroys each object in the users' hands for which p(void* slot) is true, and frees its slot. p is called under the lock,
  /// destructors are not, so they may free others of the cache.
  /// Requires    `usual` is cache_front::destroy of unchecked caches of this Kind.
  /// Returns     How many. Errors: what p throws; then those before are gone.
  /// Complexity  O(slots), and O(slabs) for each slab with such objects, and for every few slabs.
  template <class P>
  static std::size_t erase_if(Control& block, P&& p, void (*usual)(void*) noexcept);

 private:
  using front = typename Control::front;

  // A look at all slots under the lock, which ends however it is left.
  struct look {
    explicit look(Control& of) : block(of) {
      Control::forks::let_forks_pass();
      outer = begin_visit(block.lock);
      reserved = block.stock.begin_visit(block);
      if (block.checks != nullptr) block.checks->end_quarantine(block, late);
    }
    ~look() {
      block.stock.end_visit(reserved);
      end_visit(block.lock, outer);
      block.finish([&] { return block.leave_checked(block.stock.flush(block), late); });
      late.send();
    }
    bool is_live(const slab& home, std::size_t index, const void* slot) const noexcept {
      return !home.bitmap().is_free(index) && !block.stock.is_kept(home, index) && !block.is_in_transit(slot);
    }

    Control& block;
    std::uintptr_t outer;  // a visit that this one is part of
    std::size_t reserved;
    fault_report late;
  };

  // An object that erase_if() has chosen. Until its slot goes back, its slab stays.
  struct erasure {
    ~erasure() { end(); }
    void end() noexcept {
      if (slot != nullptr) Control::push(*of, slot, mine);
      slot = nullptr;
    }
    front* of = nullptr;
    void* slot = nullptr;
    transit mine{};
  };
};

template <class Kind, class Control>
template <class F>
void visits<Kind, Control>::for_each_live(Control& block, F&& f) {
  const look at_all(block);
  const cache_stock& stock = block.stock;
  stock.for_each_slab([&](const slab& each) {
    each.for_each_used(Kind::layout.slabs, [&](void* slot) {
      if (!block.is_in_transit(slot) && !stock.is_kept(each, each.index_of(slot, Kind::layout.slabs)))
        f(slot);
    });
  });
}

// Slabs in the order of their addresses, because a list may change whenever the lock is open. The slab of the last object that
// was destroyed stays meanwhile, as its slot is not freed yet.
template <class Kind, class Control>
template <class P>
std::size_t visits<Kind, Control>::erase_if(Control& block, P&& p, void (*usual)(void*) noexcept) {
  const slab_layout& layout = Kind::layout.slabs;
  std::size_t erased = 0;
  erasure ways_out[2];
  slab* at = nullptr;       // pinned by the object before; null: to be looked for
  std::uintptr_t from = 0;  // the address of the slab that is looked at
  std::size_t index = 0;    // of its slot that comes next
  for (;; ++erased) {
    erasure& before = ways_out[erased % 2];
    erasure& next = ways_out[1 - erased % 2];
    void* slot = nullptr;
    const bool is_checked = block.checks != nullptr;
    {
      const look at_some(block);
      const cache_stock& stock = block.stock;
      const auto choose = [&](slab& each) {
        if (reinterpret_cast<std::uintptr_t>(&each) != from) index = 0;
        from = reinterpret_cast<std::uintptr_t>(&each);
        for (; slot == nullptr && index < each.slots(); ++index) {
          void* const place = each.slot_at(index, layout);
          if (at_some.is_live(each, index, place) && p(place)) slot = place;
        }
        at = &each;
        return slot != nullptr;
      };
      bool found = at != nullptr && choose(*at);
      if (at != nullptr && !found) ++from;
      for (std::size_t count = 1; !found && count != 0;) {
        slab* few[32];
        count = stock.slabs_from(from, few, 32);
        for (std::size_t i = 0; i < count && !found; ++i) found = choose(*few[i]);
        if (!found) ++from;
      }
      if (slot != nullptr && !is_checked) {
        next.of = &block;
        next.slot = slot;
        block.enter(next.mine, slot);
      }
    }
    before.end();
    if (slot == nullptr) return erased;
    if (is_checked) {
      at = nullptr;
      block.checks->destroy_owned(block, slot, usual);
    } else if constexpr (Kind::has_destructor) {
      Kind::destroy_object(slot);
    }
  }
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
