// A mender: looks at the slabs of a checked resource's bin before the bin relies on what their headers say, and mends what
// something has written over.
//
// Layer      3. Freestanding. Only for bins whose slabs are sealed and have states.
// Invariant  What is said once is believed only if it is sealed; of the rest, what another place says too: a link if the other end
//            leads back, a count and a summary if the words say so, a free slot if its state is not live. So whatever is written
//            to headers, no verb of the bin that follows leaves the resource's memory, goes on for ever or hands out what lives.
// Threads    Under the lock of the bin's shelf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/bins/bin.hpp>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/core/slabs/slot_states.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Headers: bool is_header(const slab*) const says whether a sealed header lies somewhere; reads nothing but the owner's memory.
template <class States, class Headers>
class mender {
 public:
  mender(bin& of, class_index index, const Headers& headers) noexcept
      : bin_(of), headers_(headers), index_(index) {}
  mender(const mender&) = delete;
  mender& operator=(const mender&) = delete;

  /// Marks a slab that is in no bin, and is not to be mended into one: it comes, or is on its way back.
  static void set_in_transit(slab& each) noexcept { each.group = in_no_list; }

  /// Returns whether a sealed header of the class lies at `each`. What is none is never used again, and its memory stays.
  bool is_usable(const slab* each) const noexcept {
    return headers_.is_header(each) && each->size_class == index_;
  }

  /// Puts a slot back into `home`, after a look at what that relies on beside the slot's own word. Returns `emptied`, with the slab in
  /// front of it when that has left the bin. Where the header turns out not to be usable the slot is lost.
  /// Requires    That the slot is not free.
  /// Complexity  O(1), and O(slots / 64) where the slab may change its group.
  slab* put(slab& home, std::size_t slot, slab* emptied) noexcept {
    if (QUARRY_UNLIKELY(home.bitmap().word(slot / word_slots) == 0 || may_regroup(home, 1)) &&
        QUARRY_UNLIKELY(!look_before_put(home, slot, 1)))
      return emptied;
    --bin_.used_slots_;
    return QUARRY_UNLIKELY(home.put_one(slot)) ? bin_.regroup(&home, emptied) : emptied;
  }

  /// The same of the run [first, first + count). Requires that it lies in the slab, and 0 < count.
  /// Complexity  O(1 + count / 64), else as put() of one.
  slab* put(slab& home, std::size_t first, std::size_t count, slab* emptied) noexcept {
    if (QUARRY_UNLIKELY(!look_before_put(home, first, count))) return emptied;
    bin_.used_slots_ -= count;
    return QUARRY_UNLIKELY(home.put(first, count)) ? bin_.regroup(&home, emptied) : emptied;
  }

  /// Before `count` slots are taken: looks at the slabs that they come from, and at what is next to them.
  /// Complexity  O(bin::most_visits + count) where nothing is damaged.
  void look_before_refill(std::size_t count) noexcept {
    drop_damaged_heads();
    while (!look_at_sources(count)) {
    }
  }

  /// Looks at all that a slab's header says, and puts it into the list where it belongs. Complexity O(slots / 64).
  void look_at(slab& each) noexcept {
    if (QUARRY_UNLIKELY(!is_sound(each))) mend(each);
  }

  /// The same of one that was met beside the lists, where it is in transit only if all its slots are free.
  void look_at_listed(slab& each) noexcept {
    if (each.group != in_no_list || !each.empty()) look_at(each);
  }

  /// Calls f(slab&) for every slab that the lists lead to, as bin::for_each_slab().
  template <class F>
  void for_each_slab(F f) const {
    for (std::size_t i = bin::group_count; i-- > 0;) walk(bin_.groups_[i], nullptr, f);
  }

  std::uint32_t mended() const noexcept { return mended_; }  // slabs that were damaged, so far

 private:
  static constexpr std::uint8_t in_no_list = UINT8_MAX;

  static bool knows_group(const slab& each) noexcept {
    return each.group < bin::group_count &&
           each.bitmap().noticed_count() == bin::regroup_at(each, static_cast<bin::group>(each.group));
  }
  bool has_right_links(const slab& each) const noexcept {
    if (each.next != nullptr && (!is_usable(each.next) || each.next->previous != &each)) return false;
    if (each.previous == nullptr) return bin_.groups_[each.group] == &each;
    return is_usable(each.previous) && each.previous->next == &each;
  }
  bool is_in_place(const slab& each) const noexcept {
    return knows_group(each) && each.group == bin::group_of(each) && has_right_links(each);
  }
  bool is_sound(const slab& each) const noexcept {
    return is_in_place(each) && each.bitmap().agrees(each.slots());
  }

  static bool may_regroup(const slab& home, std::size_t more) noexcept {
    return home.bitmap().count() + more >= home.bitmap().noticed_count();
  }
  // Returns false where nothing may be put into the slab.
  QUARRY_NOINLINE bool look_before_put(slab& home, std::size_t first, std::size_t count) noexcept {
    if (QUARRY_UNLIKELY(!is_usable(&home))) return ++mended_, false;
    const slot_bitmap& bitmap = home.bitmap();
    if (may_regroup(home, count) || !bitmap.agrees_at(first) || !bitmap.agrees_at(first + count - 1))
      look_at(home);
    return true;
  }

  // Calls f(slab&) for `first`, if it leads back to `before`, and for those that follow as long as each leads back to the one
  // before: so there is an end.
  template <class F>
  void walk(slab* first, const slab* before, F f) const {
    for (slab* each = first; is_behind(each, before);) {
      slab* const next = each->next;
      before = each;
      f(*each);
      each = next;
    }
  }
  bool is_behind(const slab* each, const slab* before) const noexcept {
    return each != nullptr && is_usable(each) && each->previous == before;
  }

  bool is_head(const slab& each) const noexcept {
    for (const slab* const head : bin_.groups_)
      if (head == &each) return true;
    return false;
  }

  void drop_damaged_heads() noexcept {
    for (slab*& head : bin_.groups_)
      if (QUARRY_UNLIKELY(head != nullptr && !is_usable(head))) {
        head = nullptr;
        ++mended_;
      }
  }

  // Returns false when a slab was mended: then the lists are others.
  bool look_at_sources(std::size_t count) noexcept {
    std::size_t visits = 0, free = 0;
    for (const bin::group each : {bin::half, bin::ample, bin::scant})
      for (slab* source = bin_.groups_[each]; source != nullptr; source = source->next) {
        const std::size_t there = source->free_slots(), wanted = count - free < there ? count - free : there;
        if (QUARRY_UNLIKELY(source->group != each || !is_in_place(*source) ||
                            !source->bitmap().leads_to(wanted, source->slots())))
          return mend(*source), false;
        free += there;
        if (free >= count || ++visits == bin::most_visits) return true;
      }
    return true;
  }

  QUARRY_NOINLINE void mend(slab& each) noexcept {
    ++mended_;
    slab* const lost = take_out(each);
    if (!each.bitmap().agrees(each.slots())) mend_bitmap(each);
    drop_damaged_heads();
    bin_.link(&each);
    walk(lost, &each, [this](slab& other) {
      if (!is_head(other)) bin_.link(&other);
    });
  }

  // Nothing that lies in a list leads to it afterwards. Returns the slab behind it when no list led to either.
  slab* take_out(slab& each) noexcept {
    slab* const next = is_behind(each.next, &each) ? each.next : nullptr;
    const slab* const said = each.previous;
    slab* before = said != nullptr && is_usable(said) && said->next == &each ? each.previous : nullptr;
    bool is_reached = before != nullptr;
    for (slab*& head : bin_.groups_) {
      if (head == &each) {
        is_reached = true;
        head = next;
      } else if (!is_reached) {
        walk(head, nullptr, [&](slab& other) {
          if (other.next == &each) before = &other;
        });
      }
    }
    if (before != nullptr) before->next = next;
    if (before == nullptr && !is_reached) return next;
    if (next != nullptr) next->previous = before;
    return nullptr;
  }

  // A slot that lives is no free one, and one that is lost in no list stays lost: its state does not say who has it.
  void mend_bitmap(slab& each) noexcept {
    slot_bitmap& bitmap = each.bitmap();
    bitmap.settle(each.slots());
    const States states(each);
    for (std::size_t i = 0; i < each.slots(); ++i)
      if (bitmap.is_free(i) && states[i] == slot_state::live) bitmap.take(i);
  }

  bin& bin_;
  const Headers& headers_;
  const class_index index_;
  std::uint32_t mended_ = 0;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
