// A work-stealing pool: each worker takes its newest task, and steals the oldest of another worker when it has none.
// A task is allocated by whoever spawned it and freed by whoever ran it. Each worker allocates through a
// slab_thread_view of its own, which looks up no thread_local and flushes when the worker is done.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <quarry/slab_thread_view.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <thread>
#include <vector>

namespace {

// Counts the ways to place queens on the board's remaining rows.
struct task {
  unsigned row;
  std::uint32_t columns, diagonals, antidiagonals;  // bits that are attacked
};

constexpr unsigned board = 9;
constexpr unsigned rows_as_tasks = 4;  // below that a task counts by itself

std::uint64_t count(const task& at) {
  if (at.row == board) return 1;
  std::uint64_t ways = 0;
  std::uint32_t open = ~(at.columns | at.diagonals | at.antidiagonals) & ((1U << board) - 1);
  for (; open != 0; open &= open - 1) {
    const std::uint32_t queen = open & (~open + 1);
    ways +=
        count({at.row + 1, at.columns | queen, (at.diagonals | queen) << 1, (at.antidiagonals | queen) >> 1});
  }
  return ways;
}

class worker {
 public:
  worker(quarry::synchronized_slab_resource& memory, std::vector<std::unique_ptr<worker>>& all,
         std::atomic<std::size_t>& unfinished)
      : memory_(memory), all_(all), unfinished_(unfinished) {}

  void spawn(const task& what, std::pmr::memory_resource& from) {
    ++unfinished_;
    void* const place = from.allocate(sizeof(task), alignof(task));
    const std::lock_guard<std::mutex> held(lock_);
    tasks_.push_back(::new (place) task(what));
  }

  std::uint64_t run() {
    quarry::slab_thread_view view(memory_);
    std::uint64_t ways = 0;
    while (unfinished_ != 0) {
      task* next = take_newest();
      for (std::size_t i = 0; next == nullptr && i < all_.size(); ++i) next = all_[i]->take_oldest();
      if (next == nullptr) {
        std::this_thread::yield();
        continue;
      }
      ways += work_on(*next, view);
      view.deallocate(next, sizeof(task), alignof(task));  // whoever allocated it
      --unfinished_;
    }
    return ways;
  }

 private:
  std::uint64_t work_on(const task& at, std::pmr::memory_resource& view) {
    if (at.row >= rows_as_tasks) return count(at);
    std::uint32_t open = ~(at.columns | at.diagonals | at.antidiagonals) & ((1U << board) - 1);
    for (; open != 0; open &= open - 1) {
      const std::uint32_t queen = open & (~open + 1);
      spawn({at.row + 1, at.columns | queen, (at.diagonals | queen) << 1, (at.antidiagonals | queen) >> 1},
            view);
    }
    return 0;
  }

  task* take_newest() {
    const std::lock_guard<std::mutex> held(lock_);
    if (tasks_.empty()) return nullptr;
    task* const taken = tasks_.back();
    tasks_.pop_back();
    return taken;
  }
  task* take_oldest() {
    const std::lock_guard<std::mutex> held(lock_);
    if (tasks_.empty()) return nullptr;
    task* const taken = tasks_.front();
    tasks_.pop_front();
    return taken;
  }

  quarry::synchronized_slab_resource& memory_;
  std::vector<std::unique_ptr<worker>>& all_;
  std::atomic<std::size_t>& unfinished_;  // tasks spawned and not yet run, of all workers
  std::mutex lock_;                       // guards tasks_
  std::deque<task*> tasks_;
};

}  // namespace

int main() {
  constexpr std::size_t worker_count = 4;
  quarry::synchronized_slab_resource memory;
  std::atomic<std::size_t> unfinished{0};
  std::atomic<std::uint64_t> ways{0};
  std::vector<std::unique_ptr<worker>> workers;
  for (std::size_t i = 0; i < worker_count; ++i)
    workers.push_back(std::make_unique<worker>(memory, workers, unfinished));
  workers.front()->spawn({0, 0, 0, 0}, memory);
  std::vector<std::thread> threads;
  for (auto& each : workers) threads.emplace_back([&] { ways += each->run(); });
  for (std::thread& each : threads) each.join();
  std::printf("%llu ways to place %u queens, %zu tasks still live\n",
              static_cast<unsigned long long>(ways.load()), board, memory.stats().live_slots);
  return ways == 352 && memory.stats().live_slots == 0 ? 0 : 1;
}
