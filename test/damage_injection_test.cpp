// Every bit of what a checked resource keeps about its slabs is flipped, one at a time: headers, bitmaps, slot states and the
// directory. Then the resource is used as before: nothing crashes, hangs, is handed out twice or written over.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "quarry/core/bins/size_class.hpp"
#include "quarry/core/slabs/directory.hpp"
#include "quarry/core/slabs/slot_states.hpp"
#include "quarry/violation.hpp"
#include "support/both_resources.hpp"
#include "support/row_supply.hpp"
#include "support/sanitizers.hpp"

namespace quarry {
namespace {

using quarry_test::row_supply;

constexpr std::size_t supply_bytes = std::size_t{1} << 20;
constexpr std::size_t slab_bytes = 4096;
constexpr std::size_t unit_bytes = 8;  // of the map of what lives
constexpr std::size_t sizes[] = {16, 64, 200, 1024};
constexpr std::size_t size_count = sizeof(sizes) / sizeof(sizes[0]);
constexpr std::size_t live_at_first[] = {300, 90, 24, 6};

enum class kind : unsigned char { links, other, sealed, counts, words, summary, states, granule, home };
constexpr const char* kind_names[] = {"next, previous", "group and others", "sealed", "top, count, notice",
                                      "bitmap words",   "summary words",    "states", "granules",
                                      "homes"};
constexpr std::size_t kind_count = sizeof(kind_names) / sizeof(kind_names[0]);

struct place {
  std::size_t offset;  // bytes from the supply's begin
  kind what;
};

enum class outcome : unsigned char {
  not_run,
  running,
  reported,
  harmless,
  handed_out_twice,
  outside,
  written_over,
  refused,
  crashed,
  hung
};
constexpr const char* outcome_names[] = {"not run", "running",      "reported", "harmless", "twice",
                                         "outside", "written over", "refused",  "crash",    "hang"};
constexpr std::size_t outcome_count = sizeof(outcome_names) / sizeof(outcome_names[0]);

std::size_t reports;  // since the run began

void note(const violation&) {
  ++reports;
}

// A resource in use, and a model of what lives.
template <class Resource>
class user {
 public:
  explicit user(row_supply& supply) : supply_(supply), map_(supply_bytes / unit_bytes) {
    slab_options options;
    options.checks = check_level::pointers;
    options.upstream_only = true;
    options.leaks = leak_action::quiet;
    options.slab_bytes = slab_bytes;
    resource_ = std::make_unique<Resource>(options, &supply);
  }

  Resource& resource() { return *resource_; }
  outcome worst() const { return worst_; }

  void allocate(std::size_t which, std::size_t count) {
    for (; count != 0; --count) {
      auto* const block = static_cast<std::byte*>(resource_->try_allocate(sizes[which], 8));
      if (block == nullptr) return note_worst(outcome::refused);
      if (!supply_.holds(block) || !supply_.holds(block + sizes[which] - 1))
        return note_worst(outcome::outside);
      const std::size_t first = static_cast<std::size_t>(block - supply_.begin()) / unit_bytes;
      for (std::size_t i = 0; i < sizes[which] / unit_bytes; ++i) {
        if (map_[first + i]) note_worst(outcome::handed_out_twice);
        map_[first + i] = true;
      }
      std::memset(block, fill_of(block), sizes[which]);
      live_[which].push_back(block);
    }
  }

  // Frees every `step`-th of those that live.
  void deallocate(std::size_t which, std::size_t step) {
    std::vector<std::byte*> left;
    for (std::size_t i = 0; i < live_[which].size(); ++i) {
      std::byte* const block = live_[which][i];
      if (i % step != 0) {
        left.push_back(block);
        continue;
      }
      look_at(block, sizes[which]);
      const std::size_t first = static_cast<std::size_t>(block - supply_.begin()) / unit_bytes;
      for (std::size_t j = 0; j < sizes[which] / unit_bytes; ++j) map_[first + j] = false;
      resource_->deallocate(block, sizes[which], 8);
    }
    live_[which].swap(left);
  }

  void begin(bool rests) {
    for (std::size_t i = 0; i < size_count; ++i) allocate(i, live_at_first[i]);
    for (std::size_t i = 0; i < size_count; ++i) deallocate(i, 3);
    if (rests) return;
    resource_->trim();
    for (std::size_t i = 0; i < size_count; ++i) allocate(i, 3);
  }

  void go_on() {
    for (std::size_t i = 0; i < size_count; ++i) allocate(i, live_at_first[i] / 2);
    for (std::size_t i = 0; i < size_count; ++i) deallocate(i, 2);
    look();
    resource_->trim();
    for (std::size_t i = 0; i < size_count; ++i) allocate(i, live_at_first[i]);
    look();
    for (std::size_t i = 0; i < size_count; ++i) deallocate(i, 5);
    for (std::size_t i = 0; i < size_count; ++i) deallocate(i, 1);
    resource_->trim();
    for (std::size_t i = 0; i < size_count; ++i) allocate(i, live_at_first[i] / 2);
    for (std::size_t i = 0; i < size_count; ++i)
      for (std::byte* const block : live_[i]) look_at(block, sizes[i]);
    resource_.reset();
  }

 private:
  void look() {
    (void)resource_->stats();
    std::ostringstream out;
    resource_->report_live(out);
    resource_->for_each_live([&](void* block, std::size_t) {
      if (!supply_.holds(block)) note_worst(outcome::outside);
    });
    for (std::size_t i = 0; i < size_count; ++i)
      (void)resource_->block_bytes(live_[i].empty() ? nullptr : live_[i][0]);
  }
  static int fill_of(const std::byte* block) {
    return static_cast<int>(reinterpret_cast<std::uintptr_t>(block) / unit_bytes % 251);
  }
  void look_at(const std::byte* block, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
      if (block[i] != static_cast<std::byte>(fill_of(block))) return note_worst(outcome::written_over);
  }
  void note_worst(outcome what) {
    if (worst_ == outcome::harmless) worst_ = what;
  }

  row_supply& supply_;
  std::vector<bool> map_;  // of the units that live
  std::vector<std::byte*> live_[size_count];
  std::unique_ptr<Resource> resource_;
  outcome worst_ = outcome::harmless;
};

template <class Resource>
class DamageInjection : public testing::Test {
 protected:
  using states_type = core::slot_states<quarry_test::is_synchronized<Resource>>;

  // Returns where the bits lie that are flipped, in bytes.
  std::vector<place> find_places(bool rests) {
    std::vector<place> places;
    user<Resource> one(supply_);
    one.begin(rests);
    const auto* const words = reinterpret_cast<const std::uintptr_t*>(supply_.begin());
    const std::size_t count = supply_.used_bytes() / sizeof(std::uintptr_t);
    const auto base = reinterpret_cast<std::uintptr_t>(supply_.begin());
    const auto add = [&](std::size_t offset, std::size_t bytes, kind what) {
      for (std::size_t i = 0; i < bytes; ++i) places.push_back({offset + i, what});
    };
    const auto header_at = [&](std::uintptr_t address) -> const core::slab* {
      if (address % alignof(core::slab) != 0 || address - base >= supply_.used_bytes() - sizeof(core::slab))
        return nullptr;
      const auto* const found = reinterpret_cast<const core::slab*>(address);
      return found->slots() <= slab_bytes / 8 && states_type::is_sealed(*found) ? found : nullptr;
    };
    // A table's head is known by its masks, and by a live entry in it.
    for (std::size_t at = 0; at + 4 < count; ++at) {
      const std::uintptr_t mask = words[at];
      if (mask < 15 || (mask & (mask + 1)) != 0 || words[at + 1] != (mask & ~std::uintptr_t{7})) continue;
      if (at + 4 + (mask + 1) * 2 > count) continue;
      std::vector<const core::slab*> homes;
      for (std::size_t i = 0; i <= mask; ++i) {
        const core::slab* const home = header_at(words[at + 4 + i * 2 + 1]);
        if (home != nullptr &&
            reinterpret_cast<std::uintptr_t>(home->begin()) / slab_bytes == words[at + 4 + i * 2])
          homes.push_back(home);
      }
      if (homes.empty()) continue;
      for (std::size_t i = 0; i <= mask; ++i) {
        add((at + 4 + i * 2) * 8, 8, kind::granule);
        add((at + 4 + i * 2 + 1) * 8, 8, kind::home);
      }
      std::size_t of_class[core::class_count] = {};
      for (const core::slab* const home : homes)
        if (of_class[home->size_class]++ < 2) add_header(places, *home);
    }
    return places;
  }

  void add_header(std::vector<place>& places, const core::slab& home) {
    const auto begin = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&home) - supply_.begin());
    const std::size_t slots = home.slots(), words = core::slot_bitmap::words_for(slots);
    const std::size_t states = core::slab::header_bytes_for(slots);
    const std::size_t state_bytes = states_type::bytes_for(slots, core::slot_detail::state);
    const auto bitmap = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&home.bitmap()) -
                                                 reinterpret_cast<const std::byte*>(&home));
    for (std::size_t i = 0; i < states + state_bytes; ++i)
      places.push_back({begin + i, i < 2 * sizeof(void*)                            ? kind::links
                                   : i < 3 * sizeof(void*) + 8                      ? kind::other
                                   : i < bitmap                                     ? kind::sealed
                                   : i < sizeof(core::slab)                         ? kind::counts
                                   : i < sizeof(core::slab) + words * sizeof(void*) ? kind::words
                                   : i < states                                     ? kind::summary
                                                                                    : kind::states});
  }

  // Each bit is flipped with slots in the magazines or without, in turns. Of a state that has a byte of its own two bits count.
  static bool is_flipped(const place& at, std::size_t number, bool rests) {
    const std::size_t bit = number % 8;
    if (at.what == kind::states && quarry_test::is_synchronized<Resource> && bit >= 2) return false;
    return ((at.offset + bit) % 2 == 0) == rests;
  }

  outcome run(const place& at, int bit, bool rests) {
    std::memset(supply_.begin(), 0, supply_.used_bytes());
    supply_.reset();
    reports = 0;
    user<Resource> one(supply_);
    one.begin(rests);
    supply_.begin()[at.offset] ^= std::byte{1} << bit;
    one.go_on();
    return one.worst() != outcome::harmless ? one.worst()
           : reports != 0                   ? outcome::reported
                                            : outcome::harmless;
  }

  row_supply supply_{supply_bytes};
};
TYPED_TEST_SUITE(DamageInjection, quarry_test::both_resources, quarry_test::resource_names);

TYPED_TEST(DamageInjection, OfEachBitIsReportedOrHarmless) {
  const violation_handler previous = set_violation_handler(note);
  std::size_t failures = 0;
  std::size_t table[kind_count][outcome_count] = {};
  for (const bool rests : {false, true}) {
    this->supply_.reset();
    const std::vector<place> places = this->find_places(rests);
    const std::size_t bits = places.size() * 8;
    ASSERT_GT(bits, 8000U);
    auto* const outcomes =
        static_cast<outcome*>(mmap(nullptr, bits, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(static_cast<void*>(outcomes), MAP_FAILED);
    const std::size_t step = quarry_test::has_address_sanitizer ? 7 : 1;
    for (std::size_t next = 0; next < bits;) {
      std::fflush(nullptr);
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        const rlimit no_core{0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        for (std::size_t i = next; i < bits; i += step) {
          if (!TestFixture::is_flipped(places[i / 8], i, rests)) continue;
          outcomes[i] = outcome::running;
          const suseconds_t limit_us =
              quarry_test::has_address_sanitizer ? 900000 : 200000;  // a run takes 1 ms
          const itimerval limit{{0, 0}, {0, limit_us}};
          setitimer(ITIMER_REAL, &limit, nullptr);
          outcomes[i] = this->run(places[i / 8], static_cast<int>(i % 8), rests);
        }
        _exit(0);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      while (next < bits && outcomes[next] != outcome::running) next += step;
      if (next >= bits) break;
      outcomes[next] = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? outcome::hung : outcome::crashed;
      next += step;
    }
    for (std::size_t i = 0; i < bits; i += step) {
      const outcome found = outcomes[i];
      ++table[static_cast<std::size_t>(places[i / 8].what)][static_cast<std::size_t>(found)];
      if (found == outcome::not_run) {
        EXPECT_FALSE(TestFixture::is_flipped(places[i / 8], i, rests));
        continue;
      }
      if (found == outcome::reported || found == outcome::harmless) continue;
      if (++failures > 20) continue;
      ADD_FAILURE() << kind_names[static_cast<std::size_t>(places[i / 8].what)] << ", byte "
                    << places[i / 8].offset << ", bit " << i % 8 << (rests ? ", full magazines: " : ": ")
                    << outcome_names[static_cast<std::size_t>(found)];
    }
    munmap(outcomes, bits);
  }
  std::printf("%20s", "");
  for (const char* const each : outcome_names) std::printf(" %12s", each);
  std::printf("\n");
  for (std::size_t i = 0; i < kind_count; ++i) {
    std::printf("%20s", kind_names[i]);
    for (const std::size_t each : table[i]) std::printf(" %12zu", each);
    std::printf("\n");
  }
  set_violation_handler(previous);
}

}  // namespace
}  // namespace quarry
