// The engine: caches in front of a shelf for each size class, over one store. With null locks and one cache it serves one
// thread; with locks, any number of threads that each bring a cache, or none.
//
// Layer      2. Freestanding. Puts floors 2 to 5 together, once.
// Invariant  A slot is in exactly one place: the user's hands, one cache, one depot or one bin. Nobody holds the locks of
//            two shelves, and nobody waits for the store while holding a shelf's.
// Threads    Any number at a time, each with a cache of its own, where Lock locks. A hit in a cache touches nothing else.
// Source     Bonwick & Adams 2001; docs/design.md walks one allocation down and one free up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/engine/shelf.hpp>
#include <quarry/core/engine/store.hpp>
#include <quarry/core/magazines/cache.hpp>
#include <quarry/core/magazines/watched_cache.hpp>
#include <quarry/export.hpp>
#include <quarry/portability.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

template <class Supply, class Lock>
class QUARRY_EXPORT engine {
 public:
  using shelf_type = shelf<Lock>;
  using store_type = store<Supply, Lock>;
  using states_type = typename store_type::states_type;
  using mender_type = typename store_type::mender_type;

  /// Units       `growth_log2`: a cache's magazines grow by this power of two.
  engine(Supply supply, const engine_limits& limits, std::uint32_t growth_log2)
      : store_(supply, limits),
        cache_bytes_(limits.cache_bytes),
        last_block_bytes_(supply.keeps_blocks() ? limits.last_block_bytes : 0),
        growth_log2_(growth_log2),
        is_watched_(limits.is_watched) {}
  ~engine() { has_ended_ = true; }
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  /// Returns a slot of class `index` after a miss in `own`; null when the supply returns null or the limit is reached.
  /// Errors      What the supply throws, after everything that rests was tried; then nothing has changed for the user.
  /// Complexity  O(magazine slots), a few calls of the supply.
  void* allocate_slow(cache& own, class_index index);

  /// Takes back a slot of class `index` that `own` had no room for; null is dropped.
  /// Complexity  O(1): at most `portion_slots` slots go to their slabs, or one run of old neighbours.
  void deallocate_slow(cache& own, void* slot, class_index index) noexcept;

  /// As allocate_slow() and deallocate_slow(), without a cache.
  /// With `own`, what rests there is given back before memory is refused.
  void* allocate_direct(class_index index, cache* own = nullptr);
  void deallocate_direct(void* slot, class_index index) noexcept {
    flush_portion(nullptr, *shelf_of(index), &slot, 1);
  }

  /// Returns a run of at most `count` neighbours of class `index`; an empty one when none of `least` slots is at hand or
  /// memory is short.
  slot_run allocate_run(class_index index, std::size_t least, std::size_t count) noexcept;

  /// Takes back `count` neighbours of class `index`, the lowest of which is `first`.
  void deallocate_run(class_index index, void* first, std::size_t count) noexcept;

  /// Returns a block of its own, or null as allocate_slow() or where no memory is as large. Errors: as allocate_slow().
  void* allocate_oversize(cache* own, std::size_t bytes, std::size_t alignment);
  /// The same where a block rests that serves it; else null. Requires that it is larger than any slot. Complexity O(1).
  void* reuse_oversize(cache& own, std::size_t bytes, std::size_t alignment) noexcept {
    if (own.last.rests()) {
      if (void* const block = own.last.take(bytes, alignment)) return block;
      give_last_back(own);  // the store may have it serve a smaller request
    }
    void* const kept = store_.reuse_oversize(bytes, alignment, home_of(&own));
    if (kept != nullptr && may_rest(own, bytes)) own.last.hand_out(kept, bytes);
    return kept;
  }
  /// Takes back a block of its own, with the bytes it was asked for with, if known. Returns false when there is none.
  bool deallocate_oversize(cache* own, void* block, std::size_t bytes = 0) noexcept {
    if (own != nullptr && own->last.come_back(block, bytes)) return true;
    return store_.give_back_oversize(block, bytes, home_of(own));
  }

  /// Returns a cache whose magazines are empty, or null when memory is short. Where calls are watched, it has another behind it,
  /// and is never loaded; the verbs above take that one, those below this one. One that is not needed is refused near a limit, too.
  cache* open_cache(bool is_needed = true) noexcept;

  /// As open_cache(), after everything that rests was tried. Errors: what the supply throws.
  cache* insist_on_cache() {
    if (cache* const opened = open_cache()) return opened;
    reclaim(nullptr);
    store_.insist_on_part(cache_part_bytes(), alignof(cache));
    return open_cache();
  }

  /// Takes a cache back: moves every slot to the bins, and lets the next owner of the cache start small.
  void close_cache(cache& own) noexcept;

  /// Moves every slot of a cache to the bins. Requires that its owner rests.
  void flush_cache(cache& own) noexcept;

  /// Moves every slot of the depots to the bins.
  void flush_depots() noexcept;

  /// Gives free memory back until at most `keep_bytes` bytes are held. Returns the bytes given back or discarded.
  std::size_t trim(std::size_t keep_bytes) noexcept { return store_.trim(keep_bytes); }

  /// Gives all memory back but `keep_bytes` bytes at most: every slot and every cache is gone. Requires that no other thread is
  /// inside a call.
  void release(bool keeps = true, std::size_t keep_bytes = 0) noexcept {
    for (std::atomic<shelf_type*>& each : shelves_)
      each.store(nullptr, std::memory_order_relaxed);  // Relaxed: alone.
    caches_ = nullptr;
    shelf_rooms_ = nullptr;
    magazines_ = magazine_stack();
    open_caches_.store(0, std::memory_order_relaxed);        // Relaxed: alone.
    granted_to_caches_.store(0, std::memory_order_relaxed);  // Relaxed: alone.
    store_.release(keeps, keep_bytes);
  }

  /// Returns the bytes of the slot or block that `pointer` lies in, or 0. Complexity O(1) expected.
  std::size_t block_bytes(const void* pointer) const noexcept;

  /// Returns whether `pointer` lies in a slab or an oversize block. Complexity O(1) expected in a slab that is listed, else
  /// O(classes).
  bool owns(const void* pointer) const noexcept;

  /// Returns the shelf of class `index`, or null when the class was never used.
  shelf_type* shelf_of(class_index index) const noexcept {
    return shelves_[index].load(std::memory_order_acquire);  // Acquire: pairs with open_shelf().
  }

  /// Calls f(shelf&) for each class in use, in ascending order.
  template <class F>
  void for_each_shelf(F f) const {
    (void)until_shelf([&](shelf_type& each) {
      f(each);
      return false;
    });
  }
  /// Calls bool f(shelf&) for each class in use, until one returns true. Returns whether one did.
  template <class F>
  bool until_shelf(F f) const {
    if (has_ended_) return false;
    for (class_index index = 0; index < class_count; ++index)
      if (shelf_type* const each = shelf_of(index))
        if (f(*each)) return true;
    return false;
  }

  /// Calls f(void* slot, std::size_t slot_bytes) for every slot that is in no bin. Requires that nothing rests in caches
  /// and depots, and that nobody else is inside a call.
  template <class F>
  void for_each_used(F f) const;

  /// Returns the slots that are in no bin. Complexity O(classes).
  std::size_t used_slots() const noexcept;

  /// Returns whether no oversize block is live.
  bool has_no_block() const noexcept { return store_.inspect().oversize_blocks == 0; }

  std::size_t open_caches() const noexcept {
    if constexpr (!is_shared) return 1;
    return open_caches_.load(std::memory_order_relaxed);  // Relaxed: a number that steers.
  }
  /// Takes a cache out of the count whose owner is gone and did not close it; what rests there stays. Requires the cache
  /// lock.
  void count_out_cache() noexcept {
    open_caches_.fetch_sub(1, std::memory_order_relaxed);  // Relaxed: pairs with open_caches().
  }

  /// Returns how many slots, found at their way to the slabs, had come back twice since this was asked last. Threads: any.
  std::uint32_t take_copies() noexcept { return take(copies_); }

  /// The same of entries of magazines that were no slots of their class, and went nowhere.
  std::uint32_t take_strays() noexcept { return take(strays_); }

  /// The same of slabs whose headers were damaged.
  std::uint32_t take_damages() noexcept { return take(damages_); }

  /// Looks at all that the headers of a checked resource say, and mends it. Threads: any. Complexity O(slabs * slots / 64).
  void mend_slabs() noexcept;

  /// Calls f(slab&) for every slab of a shelf of a checked resource. Requires its lock, or that nobody else is inside a call.
  template <class F>
  void for_each_sound_slab(shelf_type& of, F f) const {
    const mender_type look(of.slots, of.index, store_);
    look.for_each_slab(f);
  }

  store_type& memory() noexcept { return store_; }
  const store_type& memory() const noexcept { return store_; }
  Lock& cache_lock() const noexcept { return cache_lock_; }

 private:
  static constexpr bool is_shared = !std::is_empty_v<Lock>;  // by threads that have caches of their own
  static constexpr std::size_t line_bytes =
      is_shared ? 64 : alignof(void*);                           // between what two threads write
  static constexpr std::size_t portion_slots = 8;                // that one call moves to their slabs
  static constexpr std::size_t most_empty = is_shared ? 16 : 4;  // magazines without slots that a depot keeps
  static constexpr std::size_t few_caches = 8;  // that may each hold as large a block as one alone
  static constexpr std::size_t magazines_at_once =
      4;  // taken from the store together, where there are many caches

  // The shelf of a class that has no slab yet: nobody else sees it, and its room is kept for another class when it is not
  // opened. Null where there is no room.
  struct unopened_shelf {
    unopened_shelf(engine& of, class_index index) noexcept : home(of), shelf(of.make_shelf(index)) {}
    unopened_shelf(const unopened_shelf&) = delete;
    unopened_shelf& operator=(const unopened_shelf&) = delete;
    ~unopened_shelf() {
      if (shelf != nullptr) home.keep_room(*shelf);
    }
    engine& home;
    shelf_type* shelf;
  };
  struct unused_room {
    unused_room* next;
  };

  shelf_type* shelf_or_open(class_index index, cache* own);
  QUARRY_NOINLINE shelf_type* first_shelf_of(class_index index, cache* own);
  shelf_type& open_shelf(unopened_shelf& opening, slab& first) noexcept;
  bool may_open(class_index index) const noexcept;
  shelf_type* make_shelf(class_index index) noexcept;
  void keep_room(shelf_type& unused) noexcept;
  slab_layout layout_of(class_index index) const noexcept;
  class_cache* attach(cache& own, class_index index) noexcept;
  std::size_t unlisted_bytes(const void* pointer) const noexcept;
  magazine* take_magazine() noexcept;
  std::size_t cache_part_bytes() const noexcept {
    if (!is_watched_) return sizeof(cache);
    return sizeof(cache) + sizeof(watched_cache) +
           (store_.detail() == slot_detail::record ? sizeof(quarantine) : 0);
  }
  static std::size_t home_of(const cache* own) noexcept {
    return is_shared && own != nullptr ? own->home : 0;
  }
  // The home that a cache comes to a shelf from; where what is held is limited, or little, all come from one.
  std::size_t visitor_of(const cache& own) const noexcept {
    return store_.has_limit() || store_.slab_granules() != 1 ? 0 : home_of(&own);
  }
  // Whether a block may rest in a cache when it comes back. Any number of caches together hold no more than a few.
  bool may_rest(cache& own, std::size_t block_bytes) noexcept {
    if (block_bytes <= largest_slot_bytes || block_bytes > last_block_bytes_) return false;
    return !is_shared || block_bytes <= own.last.granted_bytes() || grant(own.last, block_bytes);
  }
  bool grant(last_block& to, std::size_t block_bytes) noexcept {
    const std::size_t more = block_bytes - to.granted_bytes(), most = last_block_bytes_ * few_caches;
    // Relaxed, all: a number that bounds.
    for (std::size_t granted = granted_to_caches_.load(std::memory_order_relaxed); granted + more <= most;)
      if (granted_to_caches_.compare_exchange_weak(granted, granted + more, std::memory_order_relaxed)) {
        to.set_granted(block_bytes);
        return true;
      }
    return false;
  }
  void give_last_back(cache& own) noexcept {
    const resting_block last = own.last.leave();
    if (last.memory != nullptr) store_.give_back_oversize(last.memory, last.bytes, home_of(&own));
  }
  void end_last(cache& own) noexcept {
    give_last_back(own);
    if (own.last.granted_bytes() == 0) return;
    granted_to_caches_.fetch_sub(own.last.granted_bytes(), std::memory_order_relaxed);  // Relaxed: as above.
    own.last.set_granted(0);
  }
  static cache& used_of(cache& own) noexcept { return own.behind != nullptr ? *own.behind : own; }
  cache* make_watched(void* place) noexcept;
  void end_quarantine(watched_cache& own) noexcept;
  bool is_checked() const noexcept { return QUARRY_UNLIKELY(store_.detail() != slot_detail::none); }
  void look_before_refill(shelf_type& from, std::size_t count) noexcept {
    if (!is_checked()) return;
    mender_type look(from.slots, from.index, store_);
    look.look_before_refill(count);
    note_damages(look.mended());
  }
  void note_damages(std::uint32_t count) noexcept {
    if (QUARRY_UNLIKELY(count != 0))
      damages_.fetch_add(count, std::memory_order_relaxed);  // Relaxed: a number to report.
  }
  void flush_checked(watched_cache* own, shelf_type& into, void* const* slots, std::size_t count) noexcept;
  static bool put_run_checked(const slab_memo& memo, const void* first, std::size_t count, mender_type& look,
                              slab*& emptied) noexcept;
  bool look_up_flushed(slab_memo& memo, const shelf_type& into, void* slot, std::uint32_t epoch) noexcept;
  void note_strays(std::size_t count) noexcept {
    if (QUARRY_UNLIKELY(count != 0))
      strays_.fetch_add(static_cast<std::uint32_t>(count), std::memory_order_relaxed);  // Relaxed: as above.
  }
  static std::uint32_t take(std::atomic<std::uint32_t>& number) noexcept {
    if (number.load(std::memory_order_relaxed) == 0) return 0;  // Relaxed, both: a number to report.
    return number.exchange(0, std::memory_order_relaxed);
  }
  void rest(magazine& empty) noexcept {
    const lock_holder<Lock> held(cache_lock_);
    magazines_.push(empty);
  }

  share_steps steps_of(const shelf_type& of) const noexcept {
    return share_steps(of.slots.layout().slot_bytes, of.magazine_slots, growth_log2_);
  }
  void widen(cache& own, const shelf_type& of, class_cache& local) noexcept;
  bool affords_magazine(const shelf_type& of) const noexcept;
  bool load_magazine(cache& own, class_index index, class_cache& local) noexcept;
  void shrink(cache& own, class_index index, bool is_unused) noexcept;
  void drop_share(cache& own, const shelf_type& of, class_cache& local) noexcept;
  void age_depot(shelf_type& of) noexcept;
  // Returns the slots that the call which makes a slab takes from it: few, but where it lies apart and there was little to make.
  static std::size_t first_slots_of(const shelf_type& of) noexcept {
    constexpr std::size_t of_extent = 8, of_apart = 48;
    return of.slots.slabs_that_leave() != 0 ? of_extent : of_apart;
  }
  std::uint32_t limit_of(const shelf_type& of, const class_cache& local) const noexcept {
    const std::uint32_t resting = of.resting_limit();
    return resting < local.share.magazine_slots ? resting : local.share.magazine_slots;
  }

  void* refill(cache& own, shelf_type& from, class_cache& local);
  bool grow(shelf_type& to, cache* own);
  bool has_free(shelf_type& of) const noexcept;
  void adopt(shelf_type& to, slab& fresh) noexcept;
  slab* next_slab(shelf_type& to) noexcept;
  slab* smallest_slab(shelf_type& to) noexcept;
  slab* last_slab(shelf_type& to);
  void reclaim(cache* own) noexcept;

  // The slabs that a class starts with lie apart: one of 1 KiB or two slots, and one four times as large, of at most 16 KiB;
  // 0: no more of them.
  static constexpr std::size_t next_apart_bytes(std::size_t slot_bytes, std::size_t apart_bytes) noexcept {
    constexpr std::size_t first_bytes = 1024, most_bytes = 16384;
    std::size_t bytes = first_bytes;
    while (bytes < slot_bytes * 2 || bytes < apart_bytes * 2) bytes *= 2;
    if (apart_bytes != 0) bytes *= 2;
    return bytes <= most_bytes ? bytes : 0;
  }

  // Over a supply of unknown size two blocks of their own follow, so that most of a small one is used before it is asked for
  // whole granules.
  static constexpr std::size_t next_loose_bytes(std::size_t held_bytes) noexcept {
    constexpr std::size_t first_bytes = 16384;
    return held_bytes < first_bytes ? first_bytes : held_bytes < first_bytes * 2 ? first_bytes * 2 : 0;
  }

  bool exchange(cache& own, shelf_type& into, class_cache& local, std::size_t count) noexcept;
  void hand_in(const cache& own, shelf_type& into, class_cache& local) noexcept;
  bool park_older(cache& own, shelf_type& into, class_cache& local) noexcept;
  void flush_previous(cache& own, shelf_type& into, class_cache& local, std::size_t count) noexcept;
  void drain(cache& own, shelf_type& into, class_cache& local, void* slot) noexcept;
  void drain_old(cache& own, shelf_type& into, class_cache& local, void* slot) noexcept;
  bool drain_depot(cache& own, shelf_type& into, void* slot) noexcept;
  void drop_older(cache& own, class_index index, class_cache& local, std::size_t count,
                  std::size_t older) noexcept;
  void flush_portion(cache* own, shelf_type& into, void* const* slots, std::size_t count) noexcept;
  void flush_class(cache& own, shelf_type& into, class_cache& local) noexcept;

  std::atomic<shelf_type*> shelves_[class_count] = {};  // by class; written under cache_lock_, once
  mutable Lock cache_lock_;             // guards caches_, shelf_rooms_, magazines_ and the opening of shelves
  cache* caches_ = nullptr;             // closed ones
  std::uint8_t next_home_ = 0;          // of the next cache that is made; under cache_lock_
  unused_room* shelf_rooms_ = nullptr;  // of shelves that were not opened
  magazine_stack magazines_;            // without slots
  std::atomic<std::uint32_t> open_caches_{0};  // written under cache_lock_, read by any thread
  store_type store_;
  const std::size_t cache_bytes_;                  // bytes of slots that one cache may hold
  const std::size_t last_block_bytes_;             // of the oversize block that rests in a cache, at most
  std::atomic<std::size_t> granted_to_caches_{0};  // bytes, for their last blocks; any thread
  const std::uint32_t growth_log2_;
  const bool is_watched_;
  bool has_ended_ = false;                 // the supply may look while all goes back, and the shelves go too
  std::atomic<std::uint32_t> copies_{0};   // slots that came back twice; any thread
  std::atomic<std::uint32_t> strays_{0};   // entries of magazines that were no slots; any thread
  std::atomic<std::uint32_t> damages_{0};  // slabs whose headers were damaged; any thread
  std::atomic<std::uint32_t> told_lost_{0};  // granules of lost headers, when last counted; any thread
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry

#include <quarry/core/engine/flush.hpp>
#include <quarry/core/engine/flush_checked.hpp>
#include <quarry/core/engine/observe.hpp>
#include <quarry/core/engine/open.hpp>
#include <quarry/core/engine/refill.hpp>
#include <quarry/core/engine/share_policy.hpp>
