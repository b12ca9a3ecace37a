// A survey: what a resource holds, slot by slot, as a picture and a list of what lives are made of it.
//
// Invariant  Per slab: live + cached + free slots = its slots. Slabs are in the order of their classes, then of their addresses.
// Threads    survey_of(): as stats(). It looks at no more than 64 slabs while it holds the store's lock, takes a shelf's lock for
//            one slab at a time, and allocates nothing while it holds a lock. Exact while no other thread is inside a call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/lock_holder.hpp>
#include <quarry/core/magazines/watched_cache.hpp>
#include <quarry/core/memory/extents.hpp>
#include <quarry/core/memory/oversize_blocks.hpp>
#include <quarry/core/slabs/directory.hpp>
#include <quarry/core/slabs/slab.hpp>
#include <vector>

#include "quarry/slab_stats.hpp"

namespace quarry {
inline namespace QUARRY_ABI {

enum class slot_use : unsigned char { live, cached, free };

struct survey {
  struct slab {
    std::uintptr_t begin = 0;  // address of slot 0
    core::class_index size_class = 0;
    std::uint32_t slots = 0;
    std::uint32_t free_slots = 0;
    std::uint32_t cached_slots = 0;
    std::size_t first_word = 0;  // of its bits in free_words and cached_words

    std::size_t live_slots() const noexcept { return slots - free_slots - cached_slots; }
    std::size_t slot_bytes() const noexcept { return core::slot_bytes_of(size_class); }
  };
  struct block {
    std::uintptr_t begin = 0;
    std::size_t bytes = 0;  // as asked for; of a kept one, those that are held
    bool is_live = false;   // else it is kept for the next request
    std::size_t held_bytes = 0;

    /// Whether it comes before another where the largest come first, those of a size by address.
    bool operator<(const block& other) const noexcept {
      return bytes != other.bytes ? bytes > other.bytes : begin < other.begin;
    }
  };

  std::vector<slab> slabs;
  std::vector<core::extent> extents;
  std::vector<block> blocks;  // by address
  std::size_t granule_bytes = 0;
  slab_stats stats;
  std::vector<core::bitmap_word> free_words;    // a set bit: the slot is free in its slab
  std::vector<core::bitmap_word> cached_words;  // a set bit: it rests in a magazine or a depot

  slot_use state_of(const slab& in, std::size_t slot) const noexcept {
    const std::size_t word = in.first_word + slot / core::word_slots;
    const core::bitmap_word bit = core::bitmap_word{1} << (slot % core::word_slots);
    return (free_words[word] & bit) != 0     ? slot_use::free
           : (cached_words[word] & bit) != 0 ? slot_use::cached
                                             : slot_use::live;
  }

  /// Calls f(first, count, state) for each run of neighbouring slots of one state, in address order. Complexity O(slots).
  template <class F>
  void for_each_run(const slab& in, F f) const {
    for (std::size_t first = 0, end = 0; first < in.slots; first = end) {
      const slot_use state = state_of(in, first);
      while (end < in.slots && state_of(in, end) == state) ++end;
      f(first, end - first, state);
    }
  }

  /// Adds a slab and copies its bitmap. Requires room for both in the vectors.
  void add(const core::slab& found) {
    slab& added = slabs.emplace_back();
    added.begin = reinterpret_cast<std::uintptr_t>(found.begin());
    added.size_class = found.size_class;
    added.slots = static_cast<std::uint32_t>(found.slots());
    added.first_word = free_words.size();
    for (std::size_t i = 0; i < found.bitmap().words(); ++i) {
      free_words.push_back(found.bitmap().word(i));
      added.free_slots += core::count_bits(free_words.back());
    }
  }
  bool has_room_for(const core::slab& found) const noexcept {
    return slabs.size() < slabs.capacity() &&
           free_words.size() + found.bitmap().words() <= free_words.capacity();
  }
  void make_room() {
    constexpr std::size_t least_slabs = 64, least_words = 32768;  // a slab of 16 MiB has as many words
    slabs.reserve(slabs.size() * 2 + least_slabs);
    free_words.reserve(free_words.size() * 2 + least_words);
  }

  /// Puts slabs in order and drops what was met twice.
  void settle() {
    std::sort(slabs.begin(), slabs.end(), [](const slab& a, const slab& b) {
      return a.size_class != b.size_class ? a.size_class < b.size_class : a.begin < b.begin;
    });
    const auto is_same = [](const slab& a, const slab& b) { return a.begin == b.begin; };
    slabs.erase(std::unique(slabs.begin(), slabs.end(), is_same), slabs.end());
    cached_words.assign(free_words.size(), 0);
  }

  /// Marks a block as kept, if it is one. Requires that the blocks are in order.
  void mark_resting(const void* memory) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(memory);
    const auto found = std::lower_bound(blocks.begin(), blocks.end(), address,
                                        [](const block& each, std::uintptr_t at) { return each.begin < at; });
    if (found == blocks.end() || found->begin != address) return;
    found->is_live = false;
    found->bytes = found->held_bytes;
  }

  /// Marks a slot of class `index` as resting, if it is one that is not free. Requires that the slabs are in order.
  void mark_cached(core::class_index index, const void* slot) {
    const auto address = reinterpret_cast<std::uintptr_t>(slot);
    const auto behind =
        std::upper_bound(slabs.begin(), slabs.end(), address, [index](std::uintptr_t at, const slab& each) {
          return each.size_class != index ? index < each.size_class : at < each.begin;
        });
    if (behind == slabs.begin()) return;
    slab& home = *(behind - 1);
    const std::size_t number = (address - home.begin) / core::slot_bytes_of(index);
    if (home.size_class != index || number >= home.slots || state_of(home, number) != slot_use::live) return;
    cached_words[home.first_word + number / core::word_slots] |= core::bitmap_word{1}
                                                                 << (number % core::word_slots);
    ++home.cached_slots;
  }
};

/// Returns what an engine holds; for_each_cache(f) calls f(const core::cache&) for each of its caches.
/// Complexity  O(slots).
template <class Engine, class ForEachCache>
survey survey_of(const Engine& engine, const slab_stats& stats, ForEachCache for_each_cache) {
  using shelf_type = typename Engine::shelf_type;
  survey result;
  const auto& store = engine.memory();
  result.stats = stats;
  result.granule_bytes = store.granule_bytes();

  // What the directory knows. Under the store's lock no header goes; the shelf's keeps its bitmap as it is.
  for (core::directory::visit visit;;) {
    result.make_room();
    bool has_room = true;
    const bool has_more = store.visit_slabs(visit, [&](const core::slab& each) {
      shelf_type* const home = engine.shelf_of(each.size_class);
      if (home == nullptr) return true;  // the first of a class that another thread is about to open
      has_room = result.has_room_for(each);
      if (!has_room) return false;
      const core::lock_holder held(home->lock);
      result.add(each);
      return true;
    });
    if (!has_more && has_room) break;
  }
  // Unlisted slabs are few.
  engine.for_each_shelf([&](shelf_type& shelf) {
    for (bool has_room = false; !has_room;) {
      result.make_room();
      const std::size_t slabs = result.slabs.size(), words = result.free_words.size();
      const core::lock_holder held(shelf.lock);
      has_room = true;
      shelf.slots.for_each_unlisted([&](const core::slab& each) {
        has_room = has_room && result.has_room_for(each);
        if (has_room) result.add(each);
      });
      if (!has_room) {
        result.slabs.resize(slabs);
        result.free_words.resize(words);
      }
    }
  });
  result.settle();

  std::vector<const void*> resting;
  engine.for_each_shelf([&](shelf_type& shelf) {
    constexpr std::size_t spare_slots = 256;  // for what comes meanwhile
    std::size_t count = 0;
    for (std::size_t i = 0; i < stats.class_rows; ++i)
      if (stats.classes[i].slot_bytes == shelf.slots.layout().slot_bytes)
        count = stats.classes[i].cached_slots;
    resting.resize(count + spare_slots);
    count = 0;
    for_each_cache([&](const core::cache& each) {
      count += core::copy_slots_resting_in(each, shelf.index, resting.data() + count, resting.size() - count);
    });
    {
      const core::lock_holder held(shelf.lock);
      shelf.parked.for_each([&](const void* slot) {
        if (count < resting.size()) resting[count++] = slot;
      });
    }
    for (std::size_t i = 0; i < count; ++i) result.mark_cached(shelf.index, resting[i]);
  });

  for (std::size_t wanted = 64;; wanted = wanted * 2) {
    result.extents.clear();
    result.extents.reserve(wanted);
    bool has_room = true;
    store.visit_extents([&](const core::extent& each) {
      has_room = result.extents.size() < result.extents.capacity();
      if (has_room) result.extents.push_back(each);
    });
    if (has_room) break;
  }
  std::sort(result.extents.begin(), result.extents.end(),
            [](const core::extent& a, const core::extent& b) { return a.base < b.base; });

  typename std::decay_t<decltype(store)>::oversize_place place;
  for (bool has_more = true; has_more;) {
    constexpr std::size_t at_once = 4096;  // far more than lie in the buckets of one visit
    result.blocks.reserve(result.blocks.size() + at_once);
    has_more = store.visit_oversize(place, [&](const core::oversize_block& each) {
      if (result.blocks.size() == result.blocks.capacity()) return;
      result.blocks.push_back({reinterpret_cast<std::uintptr_t>(each.memory),
                               each.is_live ? each.bytes : each.held_bytes, each.is_live, each.held_bytes});
    });
  }
  std::sort(result.blocks.begin(), result.blocks.end(),
            [](const survey::block& a, const survey::block& b) { return a.begin < b.begin; });
  const auto is_same = [](const survey::block& a, const survey::block& b) { return a.begin == b.begin; };
  result.blocks.erase(std::unique(result.blocks.begin(), result.blocks.end(), is_same), result.blocks.end());
  for_each_cache([&](const core::cache& each) { result.mark_resting(each.last.look().memory); });
  return result;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
