// How much memory stays with the process for few blocks or for none? Bytes resident, and bytes held from upstream for
// Quarry's resources, at once and after a pause (the kernel, too, gives back and takes in the background).
//
// - one_in_32768: 3 M blocks of 64 bytes, all freed but one in 32,768, then trim; `_os_pages`: over os_page_resource().
// - all_freed: 3 M blocks of 64 bytes freed in random order, no trim; `_retain_1`: with retain_bytes 1.
// - phases: ten phases of 100 MB, each of another block size, each freed whole in random order; the peak of all.
// - idle_threads: 64 threads used one block each and wait; another thread allocates and frees 8 MiB of each size class, one
//   class after another.
//
// Every load runs on every rival in a process of its own, which loads no other rival. Huge pages are as the system has them.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "child_process.hpp"
#include "process_memory.hpp"
#include "random.hpp"
#include "rivals.hpp"
#include "team.hpp"

#include <quarry/page_sources.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>

namespace {

using bench::rival;
using bench::rival_kind;

// How large the loads are and how long the pause is.
struct extent {
  std::size_t divisor;
  unsigned pause_s;
};

// What is looked at beside the process: Quarry's own figures, zero for all others.
struct figures {
  std::size_t held_bytes = 0;    // from upstream
  std::size_t cached_bytes = 0;  // free slots in magazines
};

// A rival's resource with what a load has to know about it.
struct subject {
  std::pmr::memory_resource& resource;
  std::function<void()> trim;
  std::function<figures()> look;
};

// Held bytes leave out what was discarded in place, where the resource counts that.
template <class Stats>
auto held_bytes(const Stats& stats, int) -> decltype(stats.upstream_bytes - stats.discarded_bytes) {
  return stats.upstream_bytes - stats.discarded_bytes;
}
template <class Stats>
std::size_t held_bytes(const Stats& stats, long) {
  return stats.upstream_bytes;
}

figures figures_of(const quarry::slab_stats& stats) {
  figures now{held_bytes(stats, 0), 0};
  for (std::size_t row = 0; row < stats.class_rows; ++row)
    now.cached_bytes += stats.classes[row].cached_slots * stats.classes[row].slot_bytes;
  return now;
}

// The largest figures so far, and the last ones.
class watch {
 public:
  explicit watch(const subject& of) : subject_(of), resident_before_(bench::resident_bytes()) {}

  void look() {
    const std::size_t resident = bench::resident_bytes();
    resident_ = resident > resident_before_ ? resident - resident_before_ : 0;
    now_ = subject_.look();
    resident_peak_ = std::max(resident_peak_, resident_);
    held_peak_ = std::max(held_peak_, now_.held_bytes);
  }
  // Prints what the last look saw.
  void print(const char* when) const {
    std::printf(", \"%s\": {\"resident_bytes\": %zu, \"held_bytes\": %zu, \"cached_bytes\": %zu}", when,
                resident_, now_.held_bytes, now_.cached_bytes);
  }
  void print_peak() const {
    std::printf(", \"peak\": {\"resident_bytes\": %zu, \"held_bytes\": %zu}", resident_peak_, held_peak_);
  }

 private:
  const subject& subject_;
  std::size_t resident_before_;
  std::size_t resident_ = 0;
  std::size_t resident_peak_ = 0;
  std::size_t held_peak_ = 0;
  figures now_;
};

// At once and after the pause.
void look_twice(watch& watched, const extent& size) {
  watched.look();
  watched.print("at_once");
  std::this_thread::sleep_for(std::chrono::seconds(size.pause_s));
  watched.look();
  watched.print("later");
}

// The blocks of a load. Its own memory is resident before the load begins, so it is not counted.
class block_table {
 public:
  explicit block_table(std::size_t most) : blocks_(most) {}

  void allocate(const subject& from, std::size_t count, std::size_t bytes) {
    count_ = count;
    for (std::size_t i = 0; i < count; ++i) {
      blocks_[i] = from.resource.allocate(bytes, 8);
      std::memset(blocks_[i], static_cast<int>(i & 0x7F), bytes);
    }
  }
  void shuffle(bench::random_numbers& random) {
    for (std::size_t left = count_; left > 1; --left)
      std::swap(blocks_[left - 1], blocks_[random.below(left)]);
  }
  void free_all(const subject& to, std::size_t bytes) {
    for (std::size_t i = 0; i < count_; ++i) to.resource.deallocate(blocks_[i], bytes, 8);
  }
  // Frees all but every `kept`th, which moves to the front of the table; returns how many those are.
  std::size_t free_all_but_one_in(std::size_t kept, const subject& to, std::size_t bytes) {
    std::size_t survivors = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (i % kept == 0) {
        blocks_[survivors++] = blocks_[i];
      } else {
        to.resource.deallocate(blocks_[i], bytes, 8);
      }
    }
    return count_ = survivors;
  }
  // Whether block number i, not yet moved, still holds what was written.
  bool holds(std::size_t i, std::size_t number, std::size_t bytes) const {
    const auto* const block = static_cast<const unsigned char*>(blocks_[i]);
    return block[0] == (number & 0x7F) && block[bytes - 1] == (number & 0x7F);
  }

 private:
  std::vector<void*> blocks_;
  std::size_t count_ = 0;  // in use
};

constexpr std::size_t small_blocks = 3'000'000, small_bytes = 64;

bool one_in_32768(const subject& on, const extent& size) {
  const std::size_t count = small_blocks / size.divisor, kept = 32'768 / size.divisor;
  block_table blocks(count);
  watch watched(on);
  blocks.allocate(on, count, small_bytes);
  const std::size_t survivors = blocks.free_all_but_one_in(kept, on, small_bytes);
  on.trim();
  std::printf(", \"survivors\": %zu", survivors);
  look_twice(watched, size);
  bool good = true;
  for (std::size_t i = 0; i < survivors; ++i) good = good && blocks.holds(i, i * kept, small_bytes);
  blocks.free_all(on, small_bytes);
  return good;
}

bool all_freed(const subject& on, const extent& size) {
  const std::size_t count = small_blocks / size.divisor;
  block_table blocks(count);
  bench::random_numbers random(900);
  watch watched(on);
  blocks.allocate(on, count, small_bytes);
  const bool good = blocks.holds(count - 1, count - 1, small_bytes);
  blocks.shuffle(random);
  blocks.free_all(on, small_bytes);
  look_twice(watched, size);
  return good;
}

bool phases(const subject& on, const extent& size) {
  constexpr std::size_t sizes[] = {64, 512, 16, 1024, 96, 256, 32, 4096, 160, 2048};
  const std::size_t phase_bytes = 100'000'000 / size.divisor;
  block_table blocks(phase_bytes / 16);
  bench::random_numbers random(901);
  watch watched(on);
  bool good = true;
  for (const std::size_t bytes : sizes) {
    const std::size_t count = phase_bytes / bytes;
    blocks.allocate(on, count, bytes);
    watched.look();  // nothing is freed yet, so this is the phase's peak
    good = good && blocks.holds(count / 2, count / 2, bytes);
    blocks.shuffle(random);
    blocks.free_all(on, bytes);
  }
  std::printf(", \"phase_bytes\": %zu", phase_bytes);
  look_twice(watched, size);
  watched.print_peak();
  return good;
}

// The sizes of all classes of a resource with default options, smallest first.
std::vector<std::size_t> class_sizes() {
  const quarry::synchronized_slab_resource resource(std::pmr::new_delete_resource());
  std::vector<std::size_t> sizes;
  const std::size_t largest = resource.options().largest_required_pool_block;
  for (std::size_t bytes = resource.good_size(1); bytes <= largest; bytes = resource.good_size(bytes + 1))
    sizes.push_back(bytes);
  return sizes;
}

bool idle_threads(const subject& on, const extent& size) {
  constexpr std::size_t threads = 64;
  const std::size_t class_bytes = (std::size_t{8} << 20) / size.divisor;
  const std::vector<std::size_t> sizes = class_sizes();
  block_table blocks(class_bytes / sizes.front());
  bench::team idle(threads);
  bench::team busy(1);
  watch watched(on);
  idle.run([&](std::size_t) { on.resource.deallocate(on.resource.allocate(64, 8), 64, 8); });
  bool good = true;
  busy.run([&](std::size_t) {
    for (const std::size_t bytes : sizes) {
      const std::size_t count = std::max<std::size_t>(class_bytes / bytes, 1);
      blocks.allocate(on, count, bytes);
      good = good && blocks.holds(count / 2, count / 2, bytes);
      blocks.free_all(on, bytes);
    }
  });
  look_twice(watched, size);
  return good;
}

struct pinned_load {
  std::string name;
  bool (*run)(const subject& on, const extent& size);  // false: a block was overwritten
  bool for_quarry_only;                                // the others have no such option
  bool shares_resource;                                // among threads
  bool over_os_pages;
  std::size_t retain_bytes;  // 0: the default
};

const std::vector<pinned_load>& pinned_loads() {
  static const std::vector<pinned_load> loads{{"one_in_32768", one_in_32768, false, false, false, 0},
                                              {"one_in_32768_os_pages", one_in_32768, true, false, true, 0},
                                              {"all_freed", all_freed, false, false, false, 0},
                                              {"all_freed_retain_1", all_freed, true, false, false, 1},
                                              {"phases", phases, false, false, false, 0},
                                              {"idle_threads", idle_threads, false, true, false, 0}};
  return loads;
}

bool takes_part(const pinned_load& load, const rival& rival) {
  if (rival.kind == rival_kind::floor) return false;  // it frees nothing
  if (load.for_quarry_only && rival.kind != rival_kind::quarry) return false;
  return rival.synchronized || !load.shares_resource;
}

template <class Resource>
bool run_on_quarry(const pinned_load& load, const extent& size) {
  quarry::slab_options options;
  options.retain_bytes = load.retain_bytes;
  std::pmr::memory_resource* const upstream =
      load.over_os_pages ? quarry::os_page_resource() : std::pmr::new_delete_resource();
  Resource resource(options, upstream);
  const subject on{resource, [&] { resource.trim(); }, [&] { return figures_of(resource.stats()); }};
  std::printf(", \"retain_bytes\": %zu", resource.options().retain_bytes);
  return load.run(on, size);
}

bool run_on_other(const pinned_load& load, const rival& rival, const extent& size) {
  bool good = false;
  rival.with(std::pmr::new_delete_resource(), [&](std::pmr::memory_resource& resource) {
    const auto trim = [&] {
      if (rival.trim) rival.trim(resource);
    };
    good = load.run({resource, trim, [] { return figures(); }}, size);
  });
  return good;
}

// Runs one load on one rival in this process and prints one line of JSON.
int run_child(const char* load_name, const char* rival_name, const extent& size) {
  const rival* const found = bench::only_rival(rival_name);
  for (const pinned_load& load : pinned_loads()) {
    if (found == nullptr || load.name != load_name || !takes_part(load, *found)) continue;
    std::printf(
        "{\"load\": \"%s\", \"rival\": \"%s\", \"kind\": \"%s\", \"huge_pages\": \"%s\", \"pause_s\": %u",
        load_name, rival_name, bench::kind_name(found->kind), bench::huge_page_mode().c_str(), size.pause_s);
    bool good = false;
    if (found->kind != rival_kind::quarry) {
      good = run_on_other(load, *found, size);
    } else if (found->synchronized) {
      good = run_on_quarry<quarry::synchronized_slab_resource>(load, size);
    } else {
      good = run_on_quarry<quarry::unsynchronized_slab_resource>(load, size);
    }
    std::printf("}\n");
    return good ? 0 : 1;
  }
  return 1;
}

int list() {
  for (const pinned_load& load : pinned_loads()) {
    for (const rival& each : bench::rivals()) {
      if (takes_part(load, each))
        std::printf("%s/%s\t%s\n", load.name.c_str(), each.name.c_str(), bench::kind_name(each.kind));
    }
  }
  return 0;
}

// Starts this program again for each load and rival, and gathers their lines.
int measure_all(const extent& size) {
  const char* separator = "{\"pinned_memory\": [\n  ";
  for (const pinned_load& load : pinned_loads()) {
    for (const rival& each : bench::rivals()) {
      if (!takes_part(load, each)) continue;
      const std::string line =
          bench::output_of_child("--child " + load.name + " " + each.name + " " +
                                 std::to_string(size.divisor) + " " + std::to_string(size.pause_s));
      if (line.empty()) {
        std::fprintf(stderr, "%s on %s failed\n", load.name.c_str(), each.name.c_str());
        return 1;
      }
      std::printf("%s%s", separator, line.substr(0, line.size() - 1).c_str());
      separator = ",\n  ";
    }
  }
  std::printf("\n]}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  bench::prepare_process(argv);
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return list();
  if (argc == 2 && std::strcmp(argv[1], "--smoke") == 0) return measure_all({1000, 0});
  if (argc == 6 && std::strcmp(argv[1], "--child") == 0) {
    return run_child(argv[2], argv[3],
                     {static_cast<std::size_t>(std::max(1, std::atoi(argv[4]))),
                      static_cast<unsigned>(std::max(0, std::atoi(argv[5])))});
  }
  if (argc == 1) return measure_all({1, 60});
  if (argc == 2 && std::strncmp(argv[1], "--pause_s=", 10) == 0)
    return measure_all({1, static_cast<unsigned>(std::max(0, std::atoi(argv[1] + 10)))});
  std::fprintf(stderr, "allowed: --smoke, --list, --pause_s=SECONDS, --child LOAD RIVAL DIVISOR SECONDS\n");
  return 2;
}
