// What do containers cost with an allocator that knows the node's size class when it is compiled, and with
// bursts, beside the typed allocators of Boost and std::allocator?
//
// usage: containers [--smoke] [--benchmark_filter=REGEX]
// All rivals of a load take turns in random order; the table at the end gives each one's best round.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <boost/container/adaptive_pool.hpp>
#include <boost/container/list.hpp>
#include <boost/container/node_allocator.hpp>
#include <boost/pool/pool_alloc.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <random>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include <quarry/slab_allocator.hpp>

#include "best_times.hpp"

namespace {

using quarry::slab_allocator;
using quarry::unsynchronized_slab_resource;

// slab_allocator with its bursts hidden: Boost.Container then asks for one node at a time.
template <class T>
struct one_by_one : slab_allocator<T> {
  using version = std::integral_constant<unsigned, 1>;
  using slab_allocator<T>::slab_allocator;
  template <class U>
  one_by_one(const one_by_one<U>& other) noexcept  // NOLINT(google-explicit-constructor)
      : slab_allocator<T>(other.resource()) {}
  template <class U>
  struct rebind {
    using other = one_by_one<U>;
  };
};

template <class T>
using fast_pool = boost::fast_pool_allocator<T, boost::default_user_allocator_new_delete,
                                             boost::details::pool::null_mutex, 1 << 13, 0>;
template <class T>
using boost_nodes = boost::container::node_allocator<T>;
template <class T>
using boost_adaptive = boost::container::adaptive_pool<T>;
template <class T>
using slabs = slab_allocator<T>;
template <class T>
using polymorphic = std::pmr::polymorphic_allocator<T>;

unsynchronized_slab_resource& resource() {
  static unsynchronized_slab_resource instance;
  return instance;
}

// An allocator of this kind, whatever it is made from.
template <class Allocator>
Allocator make() {
  if constexpr (std::is_constructible_v<Allocator, unsynchronized_slab_resource*>) {
    return Allocator(&resource());
  } else {
    return Allocator();
  }
}

template <template <class> class Allocator>
std::uint64_t std_list(std::size_t count) {
  std::list<int, Allocator<int>> list(make<Allocator<int>>());
  for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<int>(i));
  return static_cast<std::uint64_t>(list.back());
}

std::vector<int> numbers(std::size_t count) {
  std::vector<int> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<int>(i);
  return result;
}

template <template <class> class Allocator>
std::uint64_t boost_list(const std::vector<int>& source) {
  boost::container::list<int, Allocator<int>> list(source.begin(), source.end(), make<Allocator<int>>());
  const auto last = static_cast<std::uint64_t>(list.back());
  list.clear();
  return last + list.size();
}

// An entry of the size and shape of Bitcoin's cache of unspent outputs: a transaction's hash and an output
// number lead to an amount, a height and a short script.
struct outpoint {
  std::uint64_t hash[4];
  std::uint32_t number;
  friend bool operator==(const outpoint& a, const outpoint& b) {
    return std::memcmp(a.hash, b.hash, sizeof(a.hash)) == 0 && a.number == b.number;
  }
};
struct coin {
  std::uint64_t words[7];
};
struct salted_hash {
  std::size_t operator()(const outpoint& key) const noexcept { return key.hash[0] * 0x9E3779B97F4A7C15U; }
};
outpoint key_of(std::uint64_t number) {
  return {{number * 0x9E3779B97F4A7C15U, number, ~number, number ^ 77}, static_cast<std::uint32_t>(number)};
}

template <template <class> class Allocator>
using coin_map = std::unordered_map<outpoint, coin, salted_hash, std::equal_to<>,
                                    Allocator<std::pair<const outpoint, coin>>>;
template <template <class> class Allocator>
using number_map = std::unordered_map<std::uint64_t, std::uint64_t, std::hash<std::uint64_t>, std::equal_to<>,
                                      Allocator<std::pair<const std::uint64_t, std::uint64_t>>>;

inline void put(coin& to, std::uint64_t value) {
  to.words[0] = value;
}
inline void put(std::uint64_t& to, std::uint64_t value) {
  to = value;
}
template <class Key>
Key make_key(std::uint64_t number) {
  if constexpr (std::is_same_v<Key, outpoint>) {
    return key_of(number);
  } else {
    return number;
  }
}

template <class Map>
Map make_map() {
  return Map(make<typename Map::allocator_type>());
}

// Insert one, erase one, of a set of keys that leaves half of them in the map.
template <class Map>
std::uint64_t insert_erase(std::size_t operations, std::size_t keys) {
  Map map = make_map<Map>();
  std::mt19937_64 random(17);
  for (std::size_t i = 0; i < operations; ++i) {
    put(map[make_key<typename Map::key_type>(random() % keys)], i);
    map.erase(make_key<typename Map::key_type>(random() % keys));
  }
  return map.size();
}

template <class Map>
std::uint64_t insert(std::size_t count) {
  Map map = make_map<Map>();
  std::mt19937_64 random(18);
  for (std::size_t i = 0; i < count; ++i) put(map[make_key<typename Map::key_type>(random())], i);
  return map.size();
}

template <class Map>
const Map& source_map(std::size_t count) {
  static const Map map = [count] {
    Map built = make_map<Map>();
    std::mt19937_64 random(19);
    for (std::size_t i = 0; i < count; ++i) put(built[make_key<typename Map::key_type>(random())], i);
    return built;
  }();
  return map;
}

template <class Map>
std::uint64_t copy(std::size_t count) {
  const Map duplicate(source_map<Map>(count), make<typename Map::allocator_type>());
  return duplicate.size();
}

struct load {
  std::string name;
  std::size_t operations;
  std::vector<std::pair<std::string, std::function<std::uint64_t()>>> rivals;  // the first is Quarry
};

std::vector<load> make_loads(bool smoke) {
  const std::size_t million = smoke ? 1000 : 1'000'000;
  std::vector<load> loads;
  loads.push_back({"std_list_1M",
                   million,
                   {{"slab_allocator", [=] { return std_list<slabs>(million); }},
                    {"slabs_through_pmr", [=] { return std_list<polymorphic>(million); }},
                    {"fast_pool_null_mutex", [=] { return std_list<fast_pool>(million); }},
                    {"node_allocator", [=] { return std_list<boost_nodes>(million); }},
                    {"adaptive_pool", [=] { return std_list<boost_adaptive>(million); }},
                    {"std_allocator", [=] { return std_list<std::allocator>(million); }}}});
  for (const std::size_t count : {million / 1000, million / 100, million}) {
    const auto source = std::make_shared<std::vector<int>>(numbers(count));
    const std::size_t repeats = std::max<std::size_t>(million / 10 / count, 1);
    const auto repeat = [repeats, source](auto function) {
      return [repeats, source, function] {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < repeats; ++i) sum += function(*source);
        return sum;
      };
    };
    loads.push_back({"boost_list_" + std::to_string(count),
                     count * repeats,
                     {{"slab_allocator", repeat(boost_list<slabs>)},
                      {"slabs_one_by_one", repeat(boost_list<one_by_one>)},
                      {"node_allocator", repeat(boost_list<boost_nodes>)},
                      {"adaptive_pool", repeat(boost_list<boost_adaptive>)},
                      {"std_allocator", repeat(boost_list<std::allocator>)}}});
  }
  const std::size_t keys = million / 2;
  loads.push_back(
      {"coins_insert_erase",
       million,
       {{"slab_allocator", [=] { return insert_erase<coin_map<slabs>>(million, keys); }},
        {"std_allocator", [=] { return insert_erase<coin_map<std::allocator>>(million, keys); }}}});
  loads.push_back({"coins_insert_1M",
                   million,
                   {{"slab_allocator", [=] { return insert<coin_map<slabs>>(million); }},
                    {"std_allocator", [=] { return insert<coin_map<std::allocator>>(million); }}}});
  loads.push_back({"coins_copy_1M",
                   million,
                   {{"slab_allocator", [=] { return copy<coin_map<slabs>>(million); }},
                    {"std_allocator", [=] { return copy<coin_map<std::allocator>>(million); }}}});
  loads.push_back(
      {"numbers_insert_erase",
       million,
       {{"slab_allocator", [=] { return insert_erase<number_map<slabs>>(million, keys); }},
        {"std_allocator", [=] { return insert_erase<number_map<std::allocator>>(million, keys); }}}});
  loads.push_back({"numbers_insert_10M",
                   million * 10,
                   {{"slab_allocator", [=] { return insert<number_map<slabs>>(million * 10); }},
                    {"std_allocator", [=] { return insert<number_map<std::allocator>>(million * 10); }}}});
  loads.push_back({"numbers_copy_1M",
                   million,
                   {{"slab_allocator", [=] { return copy<number_map<slabs>>(million); }},
                    {"std_allocator", [=] { return copy<number_map<std::allocator>>(million); }}}});
  return loads;
}

void print(const std::vector<load>& loads, const bench::best_times& times) {
  std::printf("%-22s %-22s %14s %16s\n", "load", "allocator", "ns/operation", "time over ours");
  for (const load& each : loads) {
    const double ours = times.ns_of(each.name + "/" + each.rivals.front().first);
    for (const auto& rival : each.rivals) {
      const double ns = times.ns_of(each.name + "/" + rival.first);
      if (!std::isnan(ns))
        std::printf("%-22s %-22s %14.2f %16.2f\n", each.name.c_str(), rival.first.c_str(),
                    ns / static_cast<double>(each.operations), ns / ours);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<load> loads;
  std::map<std::string, std::uint64_t> results;  // what the first rival of each load computed
  bool agree = true;
  bench::best_times times;
  const bool good = bench::run_in_turns(argc, argv, times, [&](bool smoke, const std::vector<std::string>&) {
    loads = make_loads(smoke);
    for (const load& each : loads)
      for (const auto& rival : each.rivals)
        benchmark::RegisterBenchmark((each.name + "/" + rival.first).c_str(), [&](benchmark::State& state) {
          const std::uint64_t result = rival.second();  // not timed: its memory is warm from here on
          agree = agree && results.try_emplace(each.name, result).first->second == result;
          for (auto _ : state) benchmark::DoNotOptimize(rival.second());
        });
  });
  if (!good) return 2;
  print(loads, times);
  if (!agree) std::fprintf(stderr, "the allocators' containers disagree\n");
  return agree ? 0 : 1;
}
