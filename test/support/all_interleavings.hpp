// Runs a small concurrent scenario through every order in which its actors can take their steps.
//
// Each actor is a thread, but only one runs at a time: it stops at every step() and the explorer chooses who goes
// on. Choices are enumerated depth first, so every order is tried exactly once. Memory is sequentially consistent
// here; what weaker orders allow is left to ThreadSanitizer.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace quarry_test {

class interleaving {
 public:
  /// An actor is about to do something that another one may see.
  static void step() {
    if (running_ != nullptr) running_->pause(state::ready);
  }

  /// An actor waits for another one: it goes on after somebody else has taken a step.
  static void wait() {
    if (running_ != nullptr) running_->pause(state::waiting);
  }

  /// Notes that something happened which must not.
  static void violation(const std::string& what) { found_.push_back(what); }

  struct result {
    std::size_t orders = 0;               // that were run
    std::vector<std::string> violations;  // one entry for each that was noted, in any order
  };

  /// Runs the actors that `make_actors` returns, once for each order of their steps; `at_end` runs after each.
  static result explore(const std::function<std::vector<std::function<void()>>()>& make_actors,
                        const std::function<void()>& at_end) {
    result total;
    std::vector<std::size_t> choices;
    for (bool more = true; more;) {
      interleaving one(choices);
      one.run(make_actors());
      at_end();
      ++total.orders;
      more = one.next(choices);
    }
    total.violations.swap(found_);
    return total;
  }

 private:
  enum class state { fresh, ready, waiting, over };
  static constexpr std::size_t most_steps = 300;  // an order that takes more goes round in circles

  explicit interleaving(const std::vector<std::size_t>& prefix) : prefix_(prefix) {}

  void run(const std::vector<std::function<void()>>& actors) {
    states_.assign(actors.size(), state::fresh);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < actors.size(); ++i)
      threads.emplace_back([this, i, &actors] {
        running_ = this;
        number_ = i;
        await_turn();
        actors[i]();
        end_turn(state::over);
      });
    while (choose()) {
      std::unique_lock<std::mutex> held(lock_);
      changed_.wait(held, [this] { return turn_ == nobody; });
    }
    for (std::thread& each : threads) each.join();
  }

  // Gives the turn to the next actor; returns false when all are over.
  bool choose() {
    std::vector<std::size_t> able;
    bool all_over = true;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (states_[i] == state::fresh) {  // nobody sees what it does before its first step: no choice
        give_turn(i);
        return true;
      }
      all_over = all_over && states_[i] == state::over;
      if (states_[i] == state::ready || (states_[i] == state::waiting && last_ != i)) able.push_back(i);
    }
    if (all_over) return false;
    if (able.empty() || choices_.size() >= most_steps) {  // whoever waits, waits for ever
      violation("an actor waits for ever");
      give_up_ = true;
      for (std::size_t i = 0; i < states_.size(); ++i)
        if (states_[i] != state::over) able.assign(1, i);
    }
    std::size_t chosen = 0;
    if (!give_up_) {
      if (choices_.size() < prefix_.size()) chosen = prefix_[choices_.size()];
      choices_.push_back(chosen);
      options_.push_back(able.size());
    }
    give_turn(able[chosen]);
    return true;
  }

  void give_turn(std::size_t actor) {
    last_ = actor;
    const std::lock_guard<std::mutex> held(lock_);
    turn_ = actor;
    changed_.notify_all();
  }

  // Finds the choices of the order that comes next; returns false when there is none.
  bool next(std::vector<std::size_t>& choices) {
    while (!choices_.empty() && choices_.back() + 1 >= options_.back()) {
      choices_.pop_back();
      options_.pop_back();
    }
    if (choices_.empty()) return false;
    ++choices_.back();
    choices = choices_;
    return true;
  }

  void pause(state why) {
    if (why == state::waiting && give_up_) throw gave_up();
    end_turn(why);
    await_turn();
  }
  void end_turn(state why) {
    const std::lock_guard<std::mutex> held(lock_);
    states_[number_] = why;
    turn_ = nobody;
    changed_.notify_all();
  }
  void await_turn() {
    std::unique_lock<std::mutex> held(lock_);
    changed_.wait(held, [this] { return turn_ == number_; });
  }

 public:
  struct gave_up {};  // thrown out of wait() once nobody can end the wait

 private:
  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);
  static inline thread_local interleaving* running_ = nullptr;
  static inline thread_local std::size_t number_ = 0;
  static inline std::vector<std::string> found_;  // by whoever has the turn

  const std::vector<std::size_t> prefix_;  // choices to repeat
  std::vector<std::size_t> choices_;       // that were made
  std::vector<std::size_t> options_;       // that each choice had
  std::vector<state> states_;
  std::size_t last_ = nobody;  // who went last
  bool give_up_ = false;

  std::mutex lock_;  // guards what follows
  std::condition_variable changed_;
  std::size_t turn_ = nobody;
};

}  // namespace quarry_test
