// Lists: one node for each number, built in order and destroyed.
#include <algorithm>
#include <boost/container/list.hpp>
#include <list>
#include <numeric>

#include "container_loads.hpp"

namespace bench {
namespace {

template <template <class> class Allocator>
std::uint64_t std_list(std::size_t count) {
  std::list<int, Allocator<int>> list(make<Allocator<int>>());
  for (std::size_t i = 0; i < count; ++i) list.push_back(static_cast<int>(i));
  return static_cast<std::uint64_t>(list.back());
}

template <template <class> class Allocator>
std::uint64_t boost_list(const std::vector<int>& source) {
  boost::container::list<int, Allocator<int>> list(source.begin(), source.end(), make<Allocator<int>>());
  const auto last = static_cast<std::uint64_t>(list.back());
  list.clear();
  return last + list.size();
}

}  // namespace

std::vector<container_load> list_loads(bool smoke) {
  const std::size_t million = smoke ? 1000 : 1'000'000;
  std::vector<container_load> loads;
  loads.push_back({"std_list_1M",
                   million,
                   {{"slab_allocator", [=] { return std_list<slabs>(million); }},
                    {"slabs_through_pmr", [=] { return std_list<polymorphic>(million); }},
                    {"fast_pool_null_mutex", [=] { return std_list<fast_pool>(million); }},
                    {"node_allocator", [=] { return std_list<boost_nodes>(million); }},
                    {"adaptive_pool", [=] { return std_list<boost_adaptive>(million); }},
                    {"std_allocator", [=] { return std_list<std::allocator>(million); }},
                    {"bump", over_bump([=] { return std_list<bump>(million); })}}});
  for (const std::size_t count : {million / 1000, million / 100, million}) {
    const auto source = std::make_shared<std::vector<int>>(count);
    std::iota(source->begin(), source->end(), 0);
    const std::size_t repeats = std::max<std::size_t>(million / 10 / count, 1);
    const auto repeat = [repeats, source](auto function) {
      return [repeats, source, function] {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < repeats; ++i) sum += function(*source);
        return sum;
      };
    };
    const auto on_bump = [](const std::vector<int>& numbers) {
      bump_array_of_program().start_over();
      return boost_list<bump>(numbers);
    };
    loads.push_back({"boost_list_" + std::to_string(count),
                     count * repeats,
                     {{"slab_allocator", repeat(boost_list<slabs>)},
                      {"slabs_one_by_one", repeat(boost_list<one_by_one>)},
                      {"node_allocator", repeat(boost_list<boost_nodes>)},
                      {"adaptive_pool", repeat(boost_list<boost_adaptive>)},
                      {"std_allocator", repeat(boost_list<std::allocator>)},
                      {"bump_in_bursts", repeat(on_bump)}}});
  }
  return loads;
}

}  // namespace bench
