// What does an ordered map cost that is built, then half erased, refilled and walked several times, and
// destroyed? A walk in key order shows how near to each other the allocator put what was allocated together.
#include <map>
#include <memory>

#include "loads.hpp"
#include "random.hpp"
#include "workload.hpp"

namespace {

bench::workload map_churn(const bench::run_mode& mode) {
  constexpr std::size_t turns = 4;
  const std::size_t count = mode.pick(100'000, 300);
  auto keys = std::make_shared<std::vector<std::uint64_t>>();
  bench::random_numbers random(200);
  for (std::size_t i = 0; i < count + turns * count / 2; ++i) {
    keys->push_back(static_cast<std::uint64_t>(random.below(std::size_t{1} << 40)));
  }
  const auto order = std::make_shared<const std::vector<std::size_t>>(random.order(count));

  return {"map_churn",
          "one element of a std::pmr::map of 100,000 inserted, in all rounds of erase, refill and walk",
          keys->size(),
          900,
          true,
          [count, keys, order](std::pmr::memory_resource& resource) {
            return [count, keys, order, &resource, living = std::vector<std::uint64_t>()](bool) mutable {
              std::pmr::map<std::uint64_t, std::uint64_t> map(&resource);
              living.assign(keys->begin(), keys->begin() + static_cast<std::ptrdiff_t>(count));
              for (const std::uint64_t key : living) map.emplace(key, key);
              std::uint64_t sum = 0;
              std::size_t next_key = count;
              for (std::size_t turn = 0; turn < turns; ++turn) {
                // Odd turns replace one half of the elements, even turns the other, in random order.
                const std::size_t first = turn % 2 * (count / 2);
                const std::size_t last = first + count / 2;
                for (std::size_t i = first; i < last; ++i) map.erase(living[(*order)[i]]);
                for (std::size_t i = first; i < last; ++i) {
                  const std::uint64_t key = (*keys)[next_key++];
                  map.emplace(key, i);
                  living[(*order)[i]] = key;
                }
                for (const auto& [key, number] : map) sum = sum * 31 + (key ^ number);
              }
              return sum;
            };
          }};
}

}  // namespace

std::vector<bench::workload> bench::map_churn_loads(const run_mode& mode) {
  return std::vector{map_churn(mode)};
}
