// How much memory does a live byte cost? Bytes resident and bytes held from upstream, over the bytes asked
// for: when all objects are there, after each has been replaced twice at random, and when all are freed and
// the rival has trimmed.
//
// Each rival runs each load in a process of its own, started afresh, and trims by its own call: another's memory is
// never counted. Every block is written, as an object would be. Huge pages are off, so that allocators are compared and
// not the kernel's guesses.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "child_process.hpp"
#include "process_memory.hpp"
#include "random.hpp"
#include "rivals.hpp"

namespace {

struct memory_load {
  std::string name;
  std::size_t objects;
  std::size_t smallest_bytes;
  std::size_t largest_bytes;
};

const std::vector<memory_load>& memory_loads() {
  static const std::vector<memory_load> loads{{"200k_of_8_to_507", 200'000, 8, 507},
                                              {"500k_of_8_to_71", 500'000, 8, 71},
                                              {"200k_of_8_to_1007", 200'000, 8, 1007},
                                              {"10k_of_8_to_507", 10'000, 8, 507}};
  return loads;
}

struct object {
  void* start;
  std::size_t bytes;
};

struct sample {
  std::size_t live_bytes, upstream_bytes, resident_bytes;
};

// Runs one load on one rival in this process and prints one line of JSON.
void measure(const memory_load& load, const bench::rival& rival, std::size_t divisor) {
  std::vector<object> objects(load.objects / divisor);
  bench::random_numbers random(600);
  bench::counting_resource upstream(std::pmr::new_delete_resource());
  std::size_t live_bytes = 0;
  bench::turn_huge_pages_off();
  bench::reset_resident_peak();
  const std::size_t resident_before = bench::resident_bytes();
  const auto now = [&]() -> sample {
    const std::size_t resident = bench::resident_bytes();
    return {live_bytes, upstream.live_bytes(), resident > resident_before ? resident - resident_before : 0};
  };
  const auto print = [](const char* when, const sample& s) {
    std::printf(", \"%s\": {\"live_bytes\": %zu, \"upstream_bytes\": %zu, \"resident_bytes\": %zu}", when,
                s.live_bytes, s.upstream_bytes, s.resident_bytes);
  };
  std::printf("{\"load\": \"%s\", \"rival\": \"%s\", \"kind\": \"%s\", \"has_upstream\": %s",
              load.name.c_str(), rival.name.c_str(), bench::kind_name(rival.kind),
              rival.has_upstream ? "true" : "false");

  rival.with(&upstream, [&](std::pmr::memory_resource& resource) {
    const auto make = [&](object& each) {
      each.bytes = random.between(load.smallest_bytes, load.largest_bytes);
      each.start = resource.allocate(each.bytes, 8);
      std::memset(each.start, 1, each.bytes);
      live_bytes += each.bytes;
    };
    const auto free = [&](const object& each) {
      live_bytes -= each.bytes;
      resource.deallocate(each.start, each.bytes, 8);
    };
    for (object& each : objects) make(each);
    print("full", now());
    if (rival.kind != bench::rival_kind::floor) {  // monotonic would only grow
      for (std::size_t i = 0; i < 2 * objects.size(); ++i) {
        object& each = objects[random.below(objects.size())];
        free(each);
        make(each);
      }
      print("churned", now());
    }
    for (const std::size_t index : random.order(objects.size())) free(objects[index]);
    if (rival.release) rival.release(resource);
    if (rival.trim) rival.trim(resource);
    print("emptied", now());
  });
  std::printf("}");
}

int wrong_option(const char* option) {
  std::fprintf(stderr, "unknown option %s; allowed: --smoke, --list\n", option);
  return 2;
}

// Starts this program again for each load and rival, and gathers their lines.
int measure_all(std::size_t divisor) {
  const char* separator = "{\"memory\": [\n  ";
  for (const memory_load& load : memory_loads()) {
    for (const bench::rival& rival : bench::rivals()) {
      const std::string line =
          bench::output_of_child("--child " + load.name + " " + rival.name + " " + std::to_string(divisor));
      if (line.empty()) {
        std::fprintf(stderr, "%s on %s failed\n", load.name.c_str(), rival.name.c_str());
        return 1;
      }
      std::printf("%s%s", separator, line.c_str());
      separator = ",\n  ";
    }
  }
  std::printf("\n]}\n");
  return 0;
}

int list() {
  for (const memory_load& load : memory_loads()) {
    for (const bench::rival& rival : bench::rivals()) {
      std::printf("%s/%s\t%s\n", load.name.c_str(), rival.name.c_str(), bench::kind_name(rival.kind));
    }
  }
  return 0;
}

int run_child(const std::string& load_name, const std::string& rival_name, std::size_t divisor) {
  const bench::rival* const rival = bench::only_rival(rival_name);
  if (rival == nullptr) return 1;
  for (const memory_load& load : memory_loads()) {
    if (load.name != load_name) continue;
    measure(load, *rival, divisor);
    return 0;
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  bench::prepare_process(argv);
  if (argc == 5 && std::strcmp(argv[1], "--child") == 0) {
    return run_child(argv[2], argv[3], static_cast<std::size_t>(std::atoi(argv[4])));
  }
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) return list();
  std::size_t divisor = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      divisor = 1000;
    } else {
      return wrong_option(argv[i]);
    }
  }
  return measure_all(divisor);
}
