// Random numbers and orders that are the same on every machine and in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace bench {

/// A generator whose sequence the standard fixes; every workload seeds its own.
class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) : engine_(seed) {}

  /// A number in [0, bound).
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(engine_() % bound); }

  /// A number in [first, last].
  std::size_t between(std::size_t first, std::size_t last) { return first + below(last - first + 1); }

  /// The numbers 0..count-1 in random order.
  std::vector<std::size_t> order(std::size_t count) {
    std::vector<std::size_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), std::size_t{0});
    for (std::size_t left = count; left > 1; --left) std::swap(numbers[left - 1], numbers[below(left)]);
    return numbers;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace bench
