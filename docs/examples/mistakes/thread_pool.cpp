// A pool of threads. Mistake: a task that is cancelled is freed by who cancels it and by the worker that took it.
// Told at full: a block is freed that is free already.*synchronized_slab_resource.*freed by
// Told at pointers: a block is freed that is free already.*synchronized_slab_resource
#include <condition_variable>
#include <deque>
#include <mutex>
#include <quarry/synchronized_slab_resource.hpp>
#include <thread>

struct task {
  void (*run)();
  int is_cancelled = 0;
};

quarry::synchronized_slab_resource memory;

void free(task* one) {
  memory.deallocate(one, sizeof(task), alignof(task));
}

class worker {
 public:
  ~worker() {
    add(nullptr);
    thread_.join();
  }
  task* add(task* one) {
    const std::lock_guard<std::mutex> held(lock_);
    tasks_.push_back(one);
    changed_.notify_one();
    return one;
  }
  void cancel(task* one) {
    const std::lock_guard<std::mutex> held(lock_);
    one->is_cancelled = 1;
    free(one);
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock<std::mutex> held(lock_);
      changed_.wait(held, [this] { return !tasks_.empty(); });
      task* const next = tasks_.front();
      tasks_.pop_front();
      held.unlock();
      if (next == nullptr) return;
      if (next->is_cancelled == 0) next->run();
      free(next);
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<task*> tasks_;
  std::thread thread_{[this] { work(); }};
};

std::mutex gate;

int main() {
  gate.lock();
  worker one;
  const auto place = [] { return memory.allocate(sizeof(task), alignof(task)); };
  one.add(::new (place()) task{[] { const std::lock_guard<std::mutex> waits(gate); }});
  task* const second = one.add(::new (place()) task{[] {}});
  one.cancel(second);
  gate.unlock();
}
