// What does a hash map of strings to vectors cost: many sizes, blocks that grow, nodes that come and go?
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "loads.hpp"
#include "random.hpp"
#include "workload.hpp"

namespace {

bench::workload string_map(const bench::run_mode& mode) {
  const std::size_t count = mode.pick(50'000, 200);
  auto keys = std::make_shared<std::vector<std::string>>();
  bench::random_numbers random(300);
  for (std::size_t i = 0; i < count; ++i) {
    std::string key(random.between(17, 60), 'k');  // past the small-string buffer
    for (char& letter : key) letter = static_cast<char>('a' + random.below(26));
    keys->push_back(std::move(key));
  }
  return {"string_map",
          "one key of an unordered_map<string, vector<int>>: inserted, appended to, half erased, destroyed",
          count,
          900,
          true,
          [keys](std::pmr::memory_resource& resource) {
            return [keys, &resource](bool) {
              std::pmr::unordered_map<std::pmr::string, std::pmr::vector<int>> map(&resource);
              for (std::size_t i = 0; i < keys->size(); ++i) {
                auto& numbers = map[std::pmr::string((*keys)[i], &resource)];
                for (std::size_t n = 0; n <= i % 9; ++n) numbers.push_back(static_cast<int>(i + n));
              }
              std::pmr::string key(&resource);
              std::uint64_t sum = 0;
              for (std::size_t i = 0; i < keys->size(); i += 2) {
                key = (*keys)[i];
                const auto found = map.find(key);
                for (const int number : found->second) sum += static_cast<std::uint64_t>(number);
                map.erase(found);
              }
              return sum + map.size();
            };
          }};
}

}  // namespace

std::vector<bench::workload> bench::string_map_loads(const run_mode& mode) {
  return std::vector{string_map(mode)};
}
