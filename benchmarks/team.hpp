// Threads that sleep between rounds, so that a round times work and not the birth of threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bench {

class team {
 public:
  explicit team(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) threads_.emplace_back([this, i] { serve(i); });
  }
  ~team() {
    start(nullptr);
    for (std::thread& each : threads_) each.join();
  }
  team(const team&) = delete;
  team& operator=(const team&) = delete;

  /// Runs work(number of the thread) in every thread, and waits for all.
  void run(const std::function<void(std::size_t)>& work) {
    start(&work);
    std::unique_lock<std::mutex> held(lock_);
    all_done_.wait(held, [this] { return busy_ == 0; });
  }

 private:
  void start(const std::function<void(std::size_t)>* work) {
    const std::lock_guard<std::mutex> held(lock_);
    work_ = work;
    busy_ = threads_.size();
    ++round_;
    started_.notify_all();
  }

  void serve(std::size_t number) {
    std::unique_lock<std::mutex> held(lock_);
    for (std::size_t seen = 0;;) {
      started_.wait(held, [&] { return round_ != seen; });
      seen = round_;
      const auto* const work = work_;
      if (work == nullptr) return;
      held.unlock();
      (*work)(number);
      held.lock();
      if (--busy_ == 0) all_done_.notify_one();
    }
  }

  std::mutex lock_;
  std::condition_variable started_;
  std::condition_variable all_done_;
  std::size_t round_ = 0;
  std::size_t busy_ = 0;
  const std::function<void(std::size_t)>* work_ = nullptr;  // null: go home
  std::vector<std::thread> threads_;
};

}  // namespace bench
