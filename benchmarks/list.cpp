// What does a large container of small nodes cost to build and to destroy?
#include <list>

#include "loads.hpp"
#include "workload.hpp"

namespace {

bench::workload list_of_a_million(const bench::run_mode& mode) {
  const std::size_t count = mode.pick(1'000'000, 1000);
  return {"list1M",
          "one node of a std::pmr::list of a million built and destroyed",
          count,
          35,
          true,
          [count](std::pmr::memory_resource& resource) {
            return [count, &resource](bool check) {
              std::pmr::list<std::uint64_t> numbers(&resource);
              for (std::size_t i = 0; i < count; ++i) numbers.push_back(i);
              std::uint64_t sum = numbers.back();
              if (check) {
                for (const std::uint64_t number : numbers) sum = sum * 31 + number;
              }
              return sum;
            };
          }};
}

}  // namespace

std::vector<bench::workload> bench::list_loads(const run_mode& mode) {
  return std::vector{list_of_a_million(mode)};
}
