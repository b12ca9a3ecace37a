// What the slow paths of a checked or watched typed cache do. Its magazine takes nothing, so that every call is a miss; a cache
// that is neither has the same instructions as without this file.
//
// Layer      2. Freestanding. Linked only where a cache is set to be checked; in hosted programs, where a tool may watch, always.
// Invariant  front.checks is null, the hooks that only tell tools, or those of a slot_checks in a block that the cache took
//            from its page source; the block goes back with the last slab.
// Threads    As the Lock, which is not held while a fault is told; set() needs the cache for itself.
#pragma once

#include <quarry/core/lock_holder.hpp>
#include <quarry/core/poison.hpp>
#include <quarry/core/typed/cache_control.hpp>
#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/check_hooks.hpp>
#include <quarry/core/typed/exception_mode.hpp>
#include <quarry/core/typed/slot_checks.hpp>
#include <quarry/core/typed/slot_fault.hpp>

#include <cstddef>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

enum class check_depth { none, pointers, full };

/// Kind as slot_cache's; Control is its control block.
template <class Kind, class Control>
class QUARRY_EXCEPTION_MODE checked_calls {
  using front = typename Control::front;

 public:
  /// Tells the tools that watch of every slot from now on. Requires a cache that has not handed a slot out.
  static void watch(Control& fresh) noexcept;

  /// Checks as deep as `depth` says, and tells `target` what is found.
  /// Requires    `usual` is cache_front::destroy of unchecked caches of this Kind. `fresh`: no slot was ever out.
  /// Returns     False when the page source gives no block; then nothing has changed.
  static bool set(Control& block, check_depth depth, const fault_report& target, bool fresh,
                  void (*usual)(void*) noexcept) noexcept;

 private:
  static Control& block_of(cache_front& of) noexcept { return Control::of(static_cast<front&>(of)); }
  static const Control& block_of(const cache_front& of) noexcept {
    return block_of(const_cast<cache_front&>(of));
  }

  static void* allocate(cache_front& of, transit* mine);
  static bool take_back(cache_front& of, void* slot, const transit* mine, bool doubtful,
                        fault_report& wrong) noexcept;
  static void deallocate(cache_front& of, void* slot, const transit* mine) noexcept;
  static slot_fault try_deallocate(cache_front& of, void* slot) noexcept;
  static void destroy_owned(cache_front& of, void* inside, void (*usual)(void*) noexcept) noexcept;
  static void destroy_inside(void* inside) noexcept;
  static void destroy(front& of, void* slot) noexcept;
  QUARRY_NOINLINE static void enter(front& of, transit& mine, void* slot) noexcept {
    of.enter(mine, slot);  // out of line, or g++ 12 warns of what take_back() undoes
  }
  static slab* leave(cache_front& of, slab* surplus, fault_report& into) noexcept;
  static void end_quarantine(cache_front& of, fault_report& into) noexcept;
  static void look_at(const cache_front& of, const void* slot, fault_report& into) noexcept;

  static bool grow(cache_front& of) noexcept {
    return without_throwing([&] { return take_extension(block_of(of)); });
  }

  static bool take_extension(Control& block);
  static void* take_block(Control& block) noexcept;
  static slab* as_surplus(void* memory, slab* surplus) noexcept;
  static slab* give_blocks(slot_checks& from, slab* surplus) noexcept;
  static bool add_all(Control& block, slot_checks& state, bool used) noexcept;
  static void poison_free(const slab& each) noexcept;
  static void touch(const void* slot) noexcept { (void)*static_cast<const volatile unsigned char*>(slot); }

  static inline check_hooks hooks_{&allocate, &deallocate,     &try_deallocate, &grow,  &destroy_owned,
                                   &leave,    &end_quarantine, &look_at,        nullptr};
};

template <class Kind, class Control>
void checked_calls<Kind, Control>::watch(Control& fresh) noexcept {
  fresh.checks = &hooks_;
  (void)fresh.stock.resize_magazine(fresh, 0);  // nothing rests yet
  fresh.stock.for_each_slab([](const slab& each) { poison_free(each); });
}

template <class Kind, class Control>
bool checked_calls<Kind, Control>::set(Control& block, check_depth depth, const fault_report& target,
                                       bool fresh, void (*usual)(void*) noexcept) noexcept {
  slot_checks* state = block.checks != nullptr ? block.checks->state : nullptr;
  const bool watched = is_watched();
  fault_report late;
  if (depth == check_depth::none) {
    if (state == nullptr) return true;
    block.finish([&] {
      end_quarantine(block, late);
      block.stock.for_each_slab([&](const slab& each) { state->look_for_writes(each, late); });
      block.checks = watched ? &hooks_ : nullptr;
      block.destroy = usual;
      if (state->full()) block.stock.end_reserve();
      return give_blocks(*state, block.stock.resize_magazine(block, watched ? 0 : Control::magazine_slots));
    });
    late.send();
    return true;
  }
  if (state == nullptr) {
    void* const memory = take_block(block);
    if (memory == nullptr) return false;
    state = slot_checks::create(memory, Kind::layout.slabs.slab_bytes, hooks_, Kind::layout, target);
    if (state == nullptr || !add_all(block, *state, !fresh)) {
      block.finish(
          [&] { return state != nullptr ? give_blocks(*state, nullptr) : as_surplus(memory, nullptr); });
      return false;
    }
    state->usual_destroy = usual;
    block.finish([&] {
      block.checks = state;
      block.destroy = &destroy_inside;
      return leave(block, block.stock.resize_magazine(block, 0), late);
    });
  }
  state->redirect(target);
  const bool full = depth == check_depth::full;
  if (state->full() != full) {
    block.finish([&] {
      end_quarantine(block, late);
      state->set_full(full, full && !watched);
      block.stock.for_each_slab([&](const slab& each) { state->fill_free(each); });
      if (!full) block.stock.end_reserve();
      return leave(block, block.stock.flush(block), late);
    });
  }
  late.send();
  return true;
}

template <class Kind, class Control>
void* checked_calls<Kind, Control>::allocate(cache_front& of, transit* mine) {
  Control& block = block_of(of);
  for (;;) {
    fault_report wrong;
    bool may_grow = true;
    {
      const lock_holder guard(block.lock);
      slot_checks* const state = of.checks->state;
      if (state != nullptr) {
        wrong = state->target();
        wrong.found = state->fault_of_source(block.stock, of);
        if (state->full()) block.stock.begin_reserve();
      }
      if (wrong.found.fault == slot_fault::none) {
        void* slot = block.stock.allocate(of);
        if (slot != nullptr) {
          if (state != nullptr) wrong.found = state->hand_out(slot);
          if (wrong.found.fault == slot_fault::none) {
            if (QUARRY_MAY_BE_WATCHED && is_watched())
              unpoison_allocated(slot, Kind::layout.slabs.slot_bytes);
            if (mine != nullptr) of.enter(*mine, slot);
            return slot;
          }
        } else if (state != nullptr) {
          slot = state->end_wait(wrong);
          may_grow = slot == nullptr;
        }
        if (slot != nullptr) (void)block.stock.make_room(of, slot);  // all slabs are reserved
      }
    }
    wrong.send();
    if (wrong.found.fault == slot_fault::damaged) return nullptr;
    if (wrong.found.fault == slot_fault::none && may_grow && !take_extension(block)) return nullptr;
  }
}

// Returns whether the slot was taken back: if not, `wrong` says why, else what else was found.
template <class Kind, class Control>
bool checked_calls<Kind, Control>::take_back(cache_front& of, void* slot, const transit* mine, bool doubtful,
                                             fault_report& wrong) noexcept {
  Control& block = block_of(of);
  bool taken = false;
  block.finish([&]() -> slab* {
    if (mine != nullptr) of.leave(*mine);
    slot_checks* const state = of.checks->state;
    look_at(of, slot, wrong);
    if (state == nullptr && doubtful) wrong.found.fault = find_fault(block.stock, of, slot);
    if (wrong.found.fault != slot_fault::none) return nullptr;
    taken = true;
    if (QUARRY_MAY_BE_WATCHED && is_watched()) {
      touch(slot);  // or no tool sees that a slot is freed twice
      poison_freed(slot, Kind::layout.slabs.slot_bytes);
    }
    void* back = slot;
    if (state != nullptr) {
      back = state->put_aside(slot, !block.stock.orphaned(), wrong);
      if (back == nullptr) return nullptr;
      if (state->full() && !block.stock.orphaned()) block.stock.begin_reserve();
    }
    return leave(of, block.stock.make_room(of, back), wrong);
  });
  return taken;
}

template <class Kind, class Control>
void checked_calls<Kind, Control>::deallocate(cache_front& of, void* slot, const transit* mine) noexcept {
  fault_report wrong;
  (void)take_back(of, slot, mine, false, wrong);
  wrong.send();
}

template <class Kind, class Control>
slot_fault checked_calls<Kind, Control>::try_deallocate(cache_front& of, void* slot) noexcept {
  fault_report wrong;
  if (!take_back(of, slot, nullptr, true, wrong)) return wrong.found.fault;
  wrong.send();
  return slot_fault::none;
}

template <class Kind, class Control>
void checked_calls<Kind, Control>::destroy(front& of, void* slot) noexcept {
  transit mine;
  fault_report wrong;
  {
    const lock_holder guard(of.lock);
    look_at(of, slot, wrong);
    if (wrong.found.fault == slot_fault::none && of.is_in_transit(slot)) wrong.found.fault = slot_fault::free;
    if (Kind::has_destructor && wrong.found.fault == slot_fault::none) enter(of, mine, slot);
  }
  if (wrong.found.fault != slot_fault::none) return wrong.send();
  if constexpr (Kind::has_destructor) Kind::destroy_object(slot);
  deallocate(of, slot, Kind::has_destructor ? &mine : nullptr);
}

template <class Kind, class Control>
void checked_calls<Kind, Control>::destroy_inside(void* inside) noexcept {
  const slab& home = *home_of(inside, Kind::layout.slabs);
  destroy(*static_cast<front*>(static_cast<cache_front*>(home.owner)),
          slot_around<Kind::layout.slabs.slot_bytes>(home, inside));
}

template <class Kind, class Control>
void checked_calls<Kind, Control>::destroy_owned(cache_front& of, void* inside,
                                                 void (*named)(void*) noexcept) noexcept {
  const slot_checks* const state = of.checks->state;
  if (state != nullptr && named == state->usual_destroy) return destroy(static_cast<front&>(of), inside);
  of.destroy(inside);
}

template <class Kind, class Control>
slab* checked_calls<Kind, Control>::leave(cache_front& of, slab* surplus, fault_report& into) noexcept {
  slot_checks* const state = of.checks->state;
  if (state == nullptr) return surplus;
  for (const slab* each = surplus; each != nullptr; each = each->next) state->remove(*each, into);
  const cache_stock& stock = block_of(of).stock;
  if (!stock.ended()) return surplus;
  stock.for_each_slab([&](const slab& each) { state->look_for_writes(each, into); });
  return give_blocks(*state, surplus);
}

template <class Kind, class Control>
void checked_calls<Kind, Control>::end_quarantine(cache_front& of, fault_report& into) noexcept {
  slot_checks* const state = of.checks->state;
  if (state == nullptr || state->waiting() == 0) return;
  block_of(of).stock.begin_reserve();
  while (void* const waited = state->end_wait(into)) (void)block_of(of).stock.make_room(of, waited);
}

template <class Kind, class Control>
void checked_calls<Kind, Control>::look_at(const cache_front& of, const void* slot,
                                           fault_report& into) noexcept {
  const slot_checks* const state = of.checks->state;
  if (state == nullptr) return;
  into = state->target();
  into.found = state->fault_of(block_of(of).stock, of, slot);
}

template <class Kind, class Control>
bool checked_calls<Kind, Control>::take_extension(Control& block) {
  slab* const fresh = Control::take_slab(block, Kind::layout, Kind::layout.extension);
  if (fresh == nullptr) return false;
  fresh->owner = static_cast<front*>(&block);
  if (QUARRY_MAY_BE_WATCHED && is_watched()) poison_free(*fresh);
  for (;;) {
    {
      const lock_holder guard(block.lock);
      slot_checks* const state = block.checks->state;
      if (state == nullptr || state->add(*fresh, false, false)) {
        block.stock.add(fresh);
        return true;
      }
    }
    void* const memory = take_block(block);
    if (memory == nullptr) {
      fresh->next = nullptr;
      block.finish([&] { return fresh; });
      return false;
    }
    const lock_holder guard(block.lock);
    block.checks->state->slabs().add_block(memory, Kind::layout.slabs.slab_bytes);
  }
}

// Returns memory for a slot_checks or a block of its table, or null when there is none.
template <class Kind, class Control>
void* checked_calls<Kind, Control>::take_block(Control& block) noexcept {
  slab* const taken =
      without_throwing([&] { return Control::take_slab(block, Kind::layout, Kind::layout.extension); });
  return taken != nullptr ? base_of(taken, Kind::layout.slabs.slab_bytes) : nullptr;
}

// Puts a block before a chain of slabs that go back to the page source.
template <class Kind, class Control>
slab* checked_calls<Kind, Control>::as_surplus(void* memory, slab* surplus) noexcept {
  slab* const block = create_cache_slab(memory, Kind::layout, Kind::layout.extension);
  block->next = surplus;
  return block;
}

template <class Kind, class Control>
slab* checked_calls<Kind, Control>::give_blocks(slot_checks& from, slab* surplus) noexcept {
  // The block that was added first, and comes last, has `from` in it.
  for (void* each = from.slabs().take_block(); each != nullptr;) {
    void* const next = from.slabs().take_block();
    surplus = as_surplus(base_of(each, Kind::layout.slabs.slab_bytes), surplus);
    each = next;
  }
  return surplus;
}

template <class Kind, class Control>
bool checked_calls<Kind, Control>::add_all(Control& block, slot_checks& state, bool used) noexcept {
  bool added = true;
  bool is_root = false;
  block.stock.for_each_slab([&](slab& each) {
    is_root = each.pinned;
    while (added && !state.add(each, is_root, used)) {
      void* const memory = take_block(block);
      if (memory != nullptr) state.slabs().add_block(memory, Kind::layout.slabs.slab_bytes);
      added = memory != nullptr;
    }
  });
  return added;
}

template <class Kind, class Control>
void checked_calls<Kind, Control>::poison_free(const slab& each) noexcept {
  for (std::size_t i = 0; i < each.slots(); ++i)
    if (each.bitmap().is_free(i)) poison(each.slot_at(i, Kind::layout.slabs), Kind::layout.slabs.slot_bytes);
}

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
