// What does parsing a document with Boost.JSON cost over each memory resource?
//
// usage: json_boost [--smoke] [FILE.json...]
// Without files: those of the Debian package iso-codes, and numbers.json, made here: one array of numbers, which takes
// so few allocations that every resource must be equal. A round parses the document and destroys it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <boost/container/pmr/unsynchronized_pool_resource.hpp>
#include <boost/json.hpp>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include <quarry/boost_memory_resource.hpp>

#include "best_times.hpp"

namespace {

namespace json = boost::json;

struct document {
  std::string name;
  std::string text;
};

std::string contents(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::string array_of_numbers(std::size_t count) {
  std::string text = "[0";
  for (std::size_t i = 1; i < count; ++i) text += ',' + std::to_string(i * 7919 % 100003);
  return text + "]";
}

std::vector<document> documents(bool smoke, const std::vector<std::string>& files) {
  std::vector<document> result;
  for (const std::string& file : files)
    result.push_back({std::filesystem::path(file).stem().string(), contents(file)});
  if (result.empty()) {
    const char* const folder = "/usr/share/iso-codes/json";
    for (const char* name : {"iso_639-3", "iso_3166-2", "iso_4217"}) {
      const std::string text = contents(std::string(folder) + "/" + name + ".json");
      if (!text.empty()) result.push_back({name, text});
    }
    if (result.empty()) std::fprintf(stderr, "no documents: install iso-codes, or name JSON files\n");
    result.push_back({"numbers", array_of_numbers(10000)});
  }
  if (smoke) result.erase(result.begin(), result.end() - 1);
  return result;
}

// A resource of the standard or of Quarry behind Boost's interface.
template <class Resource>
struct adapted {
  Resource resource;
  quarry::boost_memory_resource<Resource> storage{&resource};
};

struct rival {
  std::string name;
  std::function<boost::container::pmr::memory_resource*()> storage;  // null: Boost.JSON's default
  std::function<void()> end_round = [] {};
};

std::vector<rival> rivals() {
  const auto slabs = std::make_shared<adapted<quarry::unsynchronized_slab_resource>>();
  const auto std_pool = std::make_shared<adapted<std::pmr::unsynchronized_pool_resource>>();
  const auto boost_pool = std::make_shared<boost::container::pmr::unsynchronized_pool_resource>();
  static std::vector<unsigned char> buffer(std::size_t{64} << 20);
  const auto monotonic = std::make_shared<json::monotonic_resource>(buffer.data(), buffer.size());
  return {{"quarry", [slabs] { return &slabs->storage; }},
          {"default", [] { return static_cast<boost::container::pmr::memory_resource*>(nullptr); }},
          {"std_pool", [std_pool] { return &std_pool->storage; }},
          {"boost_pool", [boost_pool] { return boost_pool.get(); }},
          {"monotonic", [monotonic] { return monotonic.get(); }, [monotonic] { monotonic->release(); }}};
}

std::size_t parse(const std::string& text, const rival& on) {
  std::size_t kind = 0;
  {
    boost::container::pmr::memory_resource* const storage = on.storage();
    const json::value value = storage != nullptr ? json::parse(text, storage) : json::parse(text);
    kind = static_cast<std::size_t>(value.kind());
  }
  on.end_round();
  return kind;
}

// One row of MB/s, then our rate over the default's and over the better pool's.
void print_row(const std::string& name, const std::vector<rival>& all, const std::vector<double>& rates) {
  std::printf("%-14s", name.c_str());
  for (const double rate : rates) std::printf("%12.1f", rate);
  const auto rate_of = [&](const char* rival_name) {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (all[i].name == rival_name) return rates[i];
    return 0.0;
  };
  const double ours = rate_of("quarry");
  std::printf("%14.3f%14.3f\n", ours / rate_of("default"),
              ours / std::max(rate_of("std_pool"), rate_of("boost_pool")));
}

void print(const std::vector<document>& texts, const std::vector<rival>& all,
           const bench::best_times& times) {
  std::printf("%-14s", "MB/s");
  for (const rival& each : all) std::printf("%12s", each.name.c_str());
  std::printf("%14s%14s\n", "over default", "over a pool");
  std::vector<double> log_sums(all.size(), 0);
  std::size_t counted = 0;
  for (const document& text : texts) {
    std::vector<double> rates;
    const bool control = text.name == "numbers";
    counted += control ? 0U : 1U;
    for (std::size_t i = 0; i < all.size(); ++i) {
      rates.push_back(static_cast<double>(text.text.size()) * 1e3 /
                      times.ns_of(text.name + "/" + all[i].name));
      if (!control) log_sums[i] += std::log(rates.back());
    }
    print_row(text.name, all, rates);
  }
  if (counted == 0) return;
  std::vector<double> means;
  for (const double sum : log_sums) means.push_back(std::exp(sum / static_cast<double>(counted)));
  print_row("mean", all, means);
  std::printf("mean: geometric, without numbers\n");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<document> texts;
  const std::vector<rival> all = rivals();
  bench::best_times times;
  constexpr unsigned rounds = 100;
  const auto prepare = [&](bool smoke, const std::vector<std::string>& files) {
    texts = documents(smoke, files);
    for (const document& text : texts)
      for (const rival& each : all)
        benchmark::RegisterBenchmark((text.name + "/" + each.name).c_str(), [&](benchmark::State& state) {
          benchmark::DoNotOptimize(parse(text.text, each));  // not timed: its memory is warm from here on
          for (auto _ : state) benchmark::DoNotOptimize(parse(text.text, each));
          state.counters["operations"] = static_cast<double>(text.text.size()) / 1024;  // KiB
        });
  };
  const bool good = bench::run_in_turns(argc, argv, times, prepare, rounds);
  if (!good) return 2;
  print(texts, all, times);
  return 0;
}
