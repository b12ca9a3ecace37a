// Unordered maps as Bitcoin's node uses them: its cache of unspent outputs, and the same with plain numbers.
#include <cstdio>
#include <cstring>
#include <random>
#include <unordered_map>

#include "child_process.hpp"
#include "container_loads.hpp"
#include "process_memory.hpp"

namespace bench {
namespace {

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
void insert_into(Map& map, std::size_t count) {
  std::mt19937_64 random(18);
  for (std::size_t i = 0; i < count; ++i) put(map[make_key<typename Map::key_type>(random())], i);
}

template <class Map>
std::uint64_t insert(std::size_t count) {
  Map map = make_map<Map>();
  insert_into(map, count);
  return map.size();
}

template <class Map>
const Map& source_map(std::size_t count) {
  static const Map map = [count] {
    Map built = make_map<Map>();
    insert_into(built, count);
    if constexpr (std::is_same_v<typename Map::allocator_type, bump<typename Map::value_type>>)
      bump_array_of_program().keep();
    return built;
  }();
  return map;
}

template <class Map>
std::uint64_t copy(std::size_t count) {
  const Map duplicate(source_map<Map>(count), make<typename Map::allocator_type>());
  return duplicate.size();
}

template <template <template <class> class> class Map>
void add_loads(const std::string& name, std::size_t million, std::vector<container_load>& loads) {
  using over_slabs = Map<slabs>;
  using over_std = Map<std::allocator>;
  using over_nothing = Map<bump>;
  for (const std::size_t keys : {million / 100, million / 2})
    loads.push_back({name + "_insert_erase_" + std::to_string(keys),
                     million,
                     {{"slab_allocator", [=] { return insert_erase<over_slabs>(million, keys); }},
                      {"std_allocator", [=] { return insert_erase<over_std>(million, keys); }}}});
  loads.push_back({name + "_insert_10M",
                   million * 10,
                   {{"slab_allocator", [=] { return insert<over_slabs>(million * 10); }},
                    {"std_allocator", [=] { return insert<over_std>(million * 10); }},
                    {"bump", over_bump([=] { return insert<over_nothing>(million * 10); })}}});
  loads.push_back({name + "_copy_1M",
                   million,
                   {{"slab_allocator", [=] { return copy<over_slabs>(million); }},
                    {"std_allocator", [=] { return copy<over_std>(million); }},
                    {"bump", over_bump([=] { return copy<over_nothing>(million); })}}});
}

// Fills a map and prints the bytes that it made resident, then and at most, and the least that nodes and buckets take.
template <class Map>
void measure(std::size_t entries) {
  turn_huge_pages_off();
  reset_resident_peak();
  const std::size_t before = resident_bytes();
  Map map = make_map<Map>();
  insert_into(map, entries);
  const std::size_t node_bytes = sizeof(void*) + sizeof(typename Map::value_type);
  std::printf("%zu %zu %zu\n", resident_bytes() - before, resident_peak_bytes() - before,
              map.size() * node_bytes + map.bucket_count() * sizeof(void*));
}

template <template <template <class> class> class Map>
bool measure_over(const std::string& allocator, std::size_t entries) {
  if (allocator == "slab_allocator") {
    measure<Map<slabs>>(entries);
  } else if (allocator == "std_allocator") {
    measure<Map<std::allocator>>(entries);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::vector<container_load> map_loads(bool smoke) {
  const std::size_t million = smoke ? 1000 : 1'000'000;
  std::vector<container_load> loads;
  add_loads<coin_map>("coins", million, loads);
  add_loads<number_map>("numbers", million, loads);
  return loads;
}

bool measure_map_memory(const std::string& map, const std::string& allocator, std::size_t entries) {
  if (map == "coins") return measure_over<coin_map>(allocator, entries);
  return map == "numbers" && measure_over<number_map>(allocator, entries);
}

bool print_map_memory(bool smoke) {
  std::printf("\n%-22s %-22s %14s %16s %16s\n", "map", "allocator", "bytes/entry", "at most", "over std");
  for (const char* map : {"coins", "numbers"}) {
    for (const std::size_t entries :
         {std::size_t{smoke ? 1000U : 1'000'000U}, std::size_t{smoke ? 2000U : 10'000'000U}}) {
      double of_std = 0;
      const auto print = [&](const char* allocator, double now, double most) {
        const double each = now / static_cast<double>(entries);
        std::printf("%-22s %-22s %14.1f %16.1f %16.3f\n", (map + ("_" + std::to_string(entries))).c_str(),
                    allocator, each, most / static_cast<double>(entries), now / of_std);
      };
      double least = 0;
      for (const char* allocator : {"std_allocator", "slab_allocator"}) {
        const std::string figures =
            output_of_child(std::string("--child ") + map + " " + allocator + " " + std::to_string(entries));
        double now = 0;
        double most = 0;
        if (std::sscanf(figures.c_str(), "%lf %lf %lf", &now, &most, &least) != 3) return false;
        if (of_std == 0) of_std = now;
        print(allocator, now, most);
      }
      print("nodes and buckets", least, least);
    }
  }
  return true;
}

}  // namespace bench
