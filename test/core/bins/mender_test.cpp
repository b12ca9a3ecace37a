#include "quarry/core/bins/mender.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

namespace quarry::core {
namespace {

constexpr class_index index_of_class = 5;
constexpr std::size_t slot_bytes = 48;
constexpr std::size_t slots = 100;
constexpr std::size_t slabs = 16;

using states_type = slot_states<false>;

// Rooms of headers side by side, and the slots of their slabs.
struct header_rooms {
  static constexpr std::size_t room_bytes = 512;

  header_rooms() : memory(new std::max_align_t[slabs * room_bytes / sizeof(std::max_align_t)]()) {}
  std::byte* begin() const { return reinterpret_cast<std::byte*>(memory.get()); }
  slab* at(std::size_t i) const { return reinterpret_cast<slab*>(begin() + i * room_bytes); }
  bool is_header(const slab* each) const {
    const auto offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(each) - begin());
    return offset < slabs * room_bytes && offset % alignof(slab) == 0 &&
           offset + sizeof(slab) <= slabs * room_bytes && states_type::is_sealed(*each);
  }

  std::unique_ptr<std::max_align_t[]> memory;
  std::byte slot_memory[slabs][slots * slot_bytes];
};

// A bin of slabs that are full, nearly full, half full and nearly empty in turns.
class world {
 public:
  using mender_type = mender<states_type, header_rooms>;

  world() : rooms_(std::make_unique<header_rooms>()), bin_(slab::layout(slot_bytes, slots * slot_bytes)) {
    for (std::size_t i = 0; i < slabs; ++i) {
      slab* const fresh = slab::create(rooms_->at(i), rooms_->slot_memory[i], slots);
      fresh->size_class = index_of_class;
      states_type(*fresh).start(*fresh, slot_detail::state);
      bin_.adopt(fresh);
      take(slots);
    }
    for (std::size_t i = 0; i < slabs; ++i) {
      constexpr std::size_t left[] = {slots, slots - 3, slots / 2 + 2, 5};
      for (std::size_t slot = left[i % 4]; slot < slots; ++slot)
        EXPECT_EQ(put(rooms_->slot_memory[i] + slot * slot_bytes), 0U);
    }
    EXPECT_TRUE(bin_.check_invariants());
  }

  slab& header(std::size_t i) { return *rooms_->at(i); }
  bin& slots_of_all() { return bin_; }
  const std::set<void*>& live() const { return live_; }

  // Takes slots that must be free ones of the world's. Returns how many slabs were mended.
  std::uint32_t take(std::size_t count) {
    void* taken[slots];
    mender_type look(bin_, index_of_class, *rooms_);
    look.look_before_refill(count);
    const std::size_t found = bin_.refill(taken + count, count);
    for (std::size_t i = count - found; i < count; ++i) {
      const std::size_t home = home_of(taken[i]);
      const std::size_t slot = slot_of(taken[i]);
      EXPECT_LT(slot, slots);
      EXPECT_TRUE(states_type(header(home)).begin_life(slot)) << "it lives";
      live_.insert(taken[i]);
    }
    return look.mended();
  }
  std::uint32_t put(void* slot) {
    slab& home = header(home_of(slot));
    mender_type look(bin_, index_of_class, *rooms_);
    if (!look.is_usable(&home)) return 1;
    live_.erase(slot);
    states_type(home).end_life(slot_of(slot));
    if (home.bitmap().is_free(slot_of(slot))) return look.mended() + 1;
    for (slab* gone = look.put(home, slot_of(slot), nullptr); gone != nullptr; gone = gone->next)
      mender_type::set_in_transit(*gone);
    return look.mended();
  }
  // The same of a run of slots.
  std::uint32_t put_run(std::size_t i, std::size_t first, std::size_t count) {
    mender_type look(bin_, index_of_class, *rooms_);
    for (std::size_t slot = first; slot < first + count; ++slot) {
      EXPECT_EQ(live_.erase(header(i).begin() + slot * slot_bytes), 1U);
      states_type(header(i)).end_life(slot);
    }
    for (slab* gone = look.put(header(i), first, count, nullptr); gone != nullptr; gone = gone->next)
      mender_type::set_in_transit(*gone);
    return look.mended();
  }
  std::uint32_t look_at_all() {
    mender_type look(bin_, index_of_class, *rooms_);
    for (std::size_t i = 0; i < slabs; ++i)
      if (look.is_usable(&header(i))) look.look_at_listed(header(i));
    return look.mended();
  }
  std::size_t slabs_in_lists() {
    std::size_t count = 0;
    const mender_type look(bin_, index_of_class, *rooms_);
    look.for_each_slab([&](slab&) { ++count; });
    return count;
  }

 private:
  std::size_t home_of(const void* slot) const {
    const auto offset =
        static_cast<std::size_t>(static_cast<const std::byte*>(slot) - rooms_->slot_memory[0]);
    EXPECT_LT(offset, sizeof(rooms_->slot_memory));
    return offset / sizeof(rooms_->slot_memory[0]);
  }
  std::size_t slot_of(const void* slot) const {
    return static_cast<std::size_t>(static_cast<const std::byte*>(slot) -
                                    rooms_->slot_memory[home_of(slot)]) /
           slot_bytes;
  }

  std::unique_ptr<header_rooms> rooms_;
  bin bin_;
  std::set<void*> live_;
};

template <class T>
void flip(T& damaged, std::size_t bit) {
  reinterpret_cast<unsigned char*>(&damaged)[bit / 8] ^= static_cast<unsigned char>(1U << bit % 8);
}

TEST(Mender, LeavesAloneWhatIsSound) {
  world one;
  EXPECT_EQ(one.look_at_all(), 0U);
  EXPECT_EQ(one.take(90), 0U);
  for (void* const slot : std::vector<void*>(one.live().begin(), one.live().end()))
    EXPECT_EQ(one.put(slot), 0U);
  EXPECT_TRUE(one.slots_of_all().check_invariants());
}

TEST(Mender, PutsBackIntoItsListWhatALinkWasWrittenOver) {
  for (std::size_t i = 0; i < slabs; ++i)
    for (std::size_t bit = 0; bit < 2 * sizeof(slab*) * 8; ++bit) {
      world one;
      flip(one.header(i), bit);
      EXPECT_NE(one.look_at_all(), 0U) << i << ' ' << bit;
      EXPECT_TRUE(one.slots_of_all().check_invariants()) << i << ' ' << bit;
      EXPECT_EQ(one.slabs_in_lists(), slabs) << i << ' ' << bit;
      EXPECT_EQ(one.look_at_all(), 0U);
    }
}

TEST(Mender, PutsIntoTheRightListWhatNamesAnother) {
  for (std::size_t i = 0; i < slabs; ++i)
    for (unsigned group = 0; group < 255; ++group) {  // 255: in no list
      world one;
      if (group == one.header(i).group) continue;
      one.header(i).group = static_cast<std::uint8_t>(group);
      EXPECT_EQ(one.look_at_all(), 1U);
      EXPECT_TRUE(one.slots_of_all().check_invariants()) << i << ' ' << group;
    }
}

TEST(Mender, KnowsAListByTheFreeSlotsOfItsSlabs) {
  world one;
  slab& home = one.header(3);  // 95 of 100 are free
  home.group = 1;
  home.bitmap().notice_at(13);  // as if fewer than an eighth were
  EXPECT_EQ(one.look_at_all(), 1U);
  EXPECT_TRUE(one.slots_of_all().check_invariants());
}

TEST(Mender, CountsAgainWhatTheWordsSay) {
  for (std::size_t i = 0; i < slabs; ++i)
    for (std::size_t bit = 0; bit < sizeof(slot_bitmap) * 8; ++bit) {
      world one;
      slot_bitmap& bitmap = one.header(i).bitmap();
      const std::size_t before = bitmap.count();
      flip(bitmap, bit);
      if (bitmap.words() != slot_bitmap::words_for(slots)) continue;  // sealed
      one.look_at_all();
      EXPECT_EQ(bitmap.count(), before) << i << ' ' << bit;
      EXPECT_TRUE(one.slots_of_all().check_invariants()) << i << ' ' << bit;
    }
}

TEST(Mender, HandsOutNothingThatLivesWhateverBitOfABitmapWasFlipped) {
  const std::size_t words = slot_bitmap::words_for(slots);
  for (std::size_t i = 0; i < slabs; ++i)
    for (std::size_t bit = 0; bit < slot_bitmap::trailing_bytes(words) * 8; ++bit) {
      world one;
      const std::size_t live = one.live().size();
      flip(*(&one.header(i).bitmap() + 1), bit);
      EXPECT_NE(one.look_at_all(), 0U) << i << ' ' << bit;
      const std::size_t free = slabs * slots - live;
      for (std::size_t round = 0; round < slabs * slots; round += 50) one.take(50);
      EXPECT_GE(one.live().size() + 1, live + free) << "one may be lost";
      for (std::size_t each = 0; each < slabs; ++each)
        EXPECT_TRUE(one.header(each).bitmap().check_invariants());
    }
}

TEST(Mender, KeepsASlabFromLeavingThatOnlyItsCountSaysIsEmpty) {
  world one;
  slab& home = one.header(3);  // 5 slots live
  const std::vector<void*> live(one.live().begin(), one.live().end());
  std::uint32_t wrong = slots - 1;
  std::memcpy(reinterpret_cast<std::byte*>(&home.bitmap()) + sizeof(bitmap_word), &wrong, sizeof wrong);
  const auto of_home = [&](const void* slot) {
    return static_cast<std::size_t>(static_cast<const std::byte*>(slot) - home.begin()) < slots * slot_bytes;
  };
  EXPECT_NE(one.put(*std::find_if(live.begin(), live.end(), of_home)), 0U);
  EXPECT_LT(home.free_slots(), slots);
  EXPECT_EQ(one.slabs_in_lists(), slabs);
}

TEST(Mender, PutsRunsBackAsItPutsSlots) {
  world one, other;
  for (std::size_t i = 0; i < slabs; ++i) {
    const std::size_t live = slots - one.header(i).free_slots();
    for (std::size_t first = 0; first < live; first += 30) {
      const std::size_t count = live - first < 30 ? live - first : 30;
      EXPECT_EQ(one.put_run(i, first, count), 0U);
      for (std::size_t slot = first; slot < first + count; ++slot)
        EXPECT_EQ(other.put(other.header(i).begin() + slot * slot_bytes), 0U);
      EXPECT_EQ(one.header(i).free_slots(), other.header(i).free_slots());
      EXPECT_EQ(one.header(i).group, other.header(i).group);
      EXPECT_EQ(one.slots_of_all().used_slots(), other.slots_of_all().used_slots());
      EXPECT_TRUE(one.slots_of_all().check_invariants());
    }
  }
  EXPECT_EQ(one.slabs_in_lists(), 0U);
}

// In a slab of which the last three slots are free: the first word has none.
TEST(Mender, PutsNothingIntoASlabWhoseSealIsBroken) {
  for (const bool as_run : {false, true}) {
    world one;
    slab& home = one.header(1);
    home.granules ^= 1;
    EXPECT_EQ(as_run ? one.put_run(1, 10, 20) : one.put(home.begin()), 1U);
    EXPECT_EQ(home.free_slots(), 3U);
  }
}

TEST(Mender, LooksAtTheSummariesOfWhatComesBack) {
  for (const std::size_t bit : {0U, 1U}) {
    world one;
    slab& home = one.header(1);
    auto* const words = reinterpret_cast<bitmap_word*>(&home.bitmap() + 1);
    words[home.bitmap().words()] ^= bitmap_word{1} << bit;
    EXPECT_EQ(one.put_run(1, 60, 6), 1U) << "in both words";
    EXPECT_TRUE(home.bitmap().check_invariants());
  }
  world one;
  slab& home = one.header(1);
  auto* const words = reinterpret_cast<bitmap_word*>(&home.bitmap() + 1);
  words[home.bitmap().words()] ^= 1;
  EXPECT_EQ(one.put(home.begin()), 1U);
  EXPECT_TRUE(one.slots_of_all().check_invariants());
}

TEST(Mender, PassesOverAHeaderWhoseSealIsBroken) {
  for (std::size_t i = 0; i < slabs; ++i) {
    world one;
    one.header(i).granules ^= 1;
    const std::size_t before = one.header(i).free_slots();
    while (one.take(50) != 0) continue;
    for (std::size_t round = 0; round < slabs * slots; round += 50) one.take(50);
    one.look_at_all();
    EXPECT_EQ(one.slabs_in_lists(), slabs - 1);
    EXPECT_EQ(one.header(i).free_slots(), before);
  }
}

TEST(Mender, LeavesASlabAloneThatIsInNoList) {
  world one;
  for (void* const slot : std::vector<void*>(one.live().begin(), one.live().end())) one.put(slot);
  EXPECT_EQ(one.slabs_in_lists(), 0U);
  EXPECT_EQ(one.look_at_all(), 0U);
  EXPECT_EQ(one.slabs_in_lists(), 0U);
}

TEST(Mender, HasAnEndWhateverTheLinksLeadTo) {
  for (std::size_t i = 0; i < slabs; ++i)
    for (std::size_t other = 0; other < slabs; ++other)
      for (const bool forward : {false, true}) {
        world one;
        (forward ? one.header(i).next : one.header(i).previous) = &one.header(other);
        EXPECT_LE(one.slabs_in_lists(), slabs);
        for (std::size_t round = 0; round < slabs * slots; round += 50) one.take(50);
        for (void* const slot : std::vector<void*>(one.live().begin(), one.live().end())) one.put(slot);
        one.look_at_all();
        EXPECT_LE(one.slabs_in_lists(), slabs);
      }
}

}  // namespace
}  // namespace quarry::core
