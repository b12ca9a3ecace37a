// Where the decisions of a generated test come from: bytes, a random source, or an enumeration of all of them.
//
// A world is a part of Quarry beside a plain model of it. step(choices&) makes one operation, whichever is chosen among those that
// are allowed now, and expects what the model says; check() compares everything. Threads: one at a time.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace quarry_test {

class choices {
 public:
  choices() = default;
  choices(const choices&) = delete;
  choices& operator=(const choices&) = delete;
  virtual ~choices() = default;

  /// Returns a number below `limit`. Requires limit > 0.
  virtual std::size_t below(std::size_t limit) = 0;
};

/// Takes each decision from a byte or two of an input; 0 once that is used up.
class chosen_by_bytes final : public choices {
 public:
  chosen_by_bytes(const std::uint8_t* data, std::size_t bytes) : next_(data), end_(data + bytes) {}

  bool are_used_up() const { return next_ == end_; }
  std::size_t below(std::size_t limit) override {
    if (limit <= 1) return 0;
    const std::size_t low = byte();
    return (limit <= 256 ? low : low | byte() << 8) % limit;
  }

 private:
  std::size_t byte() { return are_used_up() ? 0 : *next_++; }

  const std::uint8_t* next_;
  const std::uint8_t* end_;
};

/// Takes every decision in turn: call next() until it returns false.
class every_choice final : public choices {
 public:
  std::size_t below(std::size_t limit) override {
    if (at_ == path_.size()) path_.push_back({0, limit});
    EXPECT_EQ(path_[at_].limit, limit) << "the world has changed between two runs";
    return path_[at_++].chosen;
  }

  /// Returns whether the decision that is new in this run was taken already: before it, all is as in the run before.
  bool is_new() const { return at_ >= first_new_; }

  bool next() {
    while (!path_.empty() && path_.back().chosen + 1 == path_.back().limit) path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().chosen;
    first_new_ = path_.size();
    at_ = 0;
    return true;
  }

  std::string path() const {
    std::string text;
    for (const decision& each : path_) text += std::to_string(each.chosen) + " ";
    return text;
  }

 private:
  struct decision {
    std::size_t chosen;
    std::size_t limit;
  };
  std::vector<decision> path_;  // of this run
  std::size_t at_ = 0;          // decisions taken in this run
  std::size_t first_new_ = 0;   // decisions up to the first one that differs from the run before
};

/// Makes a world again and again, takes `steps` steps in it, in every way there is, and checks after each step. Returns how many
/// ways there were; stops at the first that fails.
template <class MakeWorld>
std::size_t take_every_way(std::size_t steps, MakeWorld make) {
  every_choice all;
  std::size_t ways = 0;
  do {
    auto world = make();
    for (std::size_t i = 0; i < steps; ++i) {
      world.step(all);
      if (all.is_new()) world.check();
    }
    ++ways;
    if (testing::Test::HasFailure()) {
      ADD_FAILURE() << "after the choices " << all.path();
      break;
    }
  } while (all.next());
  return ways;
}

/// Takes the steps that an input says in a World that it chooses, and checks after each.
template <class World>
void take_chosen_way(const std::uint8_t* data, std::size_t bytes) {
  chosen_by_bytes input(data, bytes);
  World world(input);
  while (!input.are_used_up() && !testing::Test::HasFailure()) {
    world.step(input);
    world.check();
  }
}

}  // namespace quarry_test
