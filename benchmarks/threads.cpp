// What does it cost when threads share a resource: alone, side by side, and freeing what others allocated?
//
// Every load runs at 1, 2, 8 and 64 threads (those that need partners from 2 on). An operation is one
// allocation and its free; the time is the wall's, over the operations of all threads together.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "team.hpp"
#include "workload.hpp"

namespace {

using bench::run_mode;
using bench::team;
using bench::workload;

// Random numbers that cost less than an allocation.
class quick_random {
 public:
  explicit quick_random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 1) {}
  std::size_t below(std::size_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<std::size_t>(((state_ >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

struct block {
  unsigned char* bytes = nullptr;
  std::size_t size = 0;
};

block make_block(std::pmr::memory_resource& resource, std::size_t size) {
  block made{static_cast<unsigned char*>(resource.allocate(size, 8)), size};
  *made.bytes = 1;
  return made;
}
void free_block(std::pmr::memory_resource& resource, const block& freed) {
  resource.deallocate(freed.bytes, freed.size, 8);
}

workload make(const std::string& load, std::size_t threads, std::string operation, std::size_t operations,
              double typical_ns, decltype(workload::prepare) prepare) {
  workload made{load + "_t" + std::to_string(threads),
                std::move(operation),
                operations,
                typical_ns,
                true,
                std::move(prepare)};
  made.shares_resource = true;
  return made;
}

workload hot_pair(const run_mode& mode, std::size_t threads) {
  const std::size_t each = mode.pick(400000, 2000) / threads;
  const auto prepare = [=](std::pmr::memory_resource& resource) -> bench::round_function {
    auto workers = std::make_shared<team>(threads);
    return [=, &resource](bool) -> std::uint64_t {
      workers->run([&](std::size_t) {
        for (std::size_t i = 0; i < each; ++i) {
          void* slot = resource.allocate(64);
          benchmark::DoNotOptimize(slot);
          resource.deallocate(slot, 64);
        }
      });
      return each * threads;
    };
  };
  workload made = make("hot_pair", threads, "allocate and free 64 bytes", each * threads, 10, prepare);
  // One thread shares nothing, so unsynchronized resources show what synchronization costs.
  made.shares_resource = threads > 1;
  made.works_elsewhere = true;
  return made;
}

// As the server of Larson & Krishnan 1998: a thread replaces blocks at random, ends, and hands what is alive to a
// new thread, which frees what others allocated.
workload larson(const run_mode& mode, std::size_t threads) {
  const std::size_t live = mode.pick(threads > 8 ? 2000 : 10000, 50);
  const std::size_t each = mode.pick(400000, 2000) / threads;
  return make("larson", threads, "replace a block of 8 to 507 bytes; threads come and go", each * threads, 30,
              [=](auto& resource) {
                struct server {
                  std::pmr::memory_resource& resource;
                  std::vector<std::vector<block>> tables;
                  std::uint64_t births = 0;
                  ~server() {
                    for (const auto& table : tables)
                      for (const block& left : table) free_block(resource, left);
                  }
                };
                auto state = std::make_shared<server>(server{resource, {}, 0});
                quick_random sizes(1);
                for (std::size_t i = 0; i < threads; ++i) {
                  state->tables.emplace_back();
                  for (std::size_t k = 0; k < live; ++k)
                    state->tables.back().push_back(make_block(resource, 8 + sizes.below(500)));
                }
                return [=, &resource](bool) -> std::uint64_t {
                  std::vector<std::thread> born;
                  const std::uint64_t birth = ++state->births;
                  for (std::size_t i = 0; i < threads; ++i)
                    born.emplace_back([=, &resource] {
                      std::vector<block>& table = state->tables[(i + birth) % threads];
                      quick_random random(birth * threads + i);
                      for (std::size_t k = 0; k < each; ++k) {
                        block& replaced = table[random.below(live)];
                        free_block(resource, replaced);
                        replaced = make_block(resource, 8 + random.below(500));
                      }
                    });
                  for (std::thread& thread : born) thread.join();
                  return each * threads;
                };
              });
}

// One producer, one consumer. Small enough to stay in the cache; each side looks at the other's end only when it has to,
// so that the time is the resource's and not the ring's.
class ring {
 public:
  bool push(const block& pushed) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - seen_head_ == blocks_.size()) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (tail - seen_head_ == blocks_.size()) return false;
    }
    blocks_[tail % blocks_.size()] = pushed;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  bool pop(block& popped) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == seen_tail_) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (head == seen_tail_) return false;
    }
    popped = blocks_[head % blocks_.size()];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

 private:
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t seen_tail_ = 0;  // the consumer's
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t seen_head_ = 0;  // the producer's
  alignas(64) std::array<block, 1024> blocks_;
};

workload producer_consumer(const run_mode& mode, std::size_t threads) {
  const std::size_t each = mode.pick(400000, 2000) / (threads / 2);
  return make("producer_consumer", threads, "64 bytes allocated by one thread, freed by another",
              each * (threads / 2), 30, [=](auto& resource) {
                auto workers = std::make_shared<team>(threads);
                auto rings = std::make_shared<std::vector<ring>>(threads / 2);
                return [=, &resource](bool) -> std::uint64_t {
                  workers->run([&](std::size_t number) {
                    ring& between = (*rings)[number / 2];
                    for (std::size_t i = 0; i < each; ++i) {
                      if (number % 2 == 0) {
                        const block made = make_block(resource, 64);
                        while (!between.push(made)) std::this_thread::yield();
                      } else {
                        block taken;
                        while (!between.pop(taken)) std::this_thread::yield();
                        free_block(resource, taken);
                      }
                    }
                  });
                  return each * threads;
                };
              });
}

// Sizes mixed, half of the blocks freed by whoever draws them from a common table, the rest survivors.
workload mixed(const run_mode& mode, std::size_t threads) {
  const std::size_t places = mode.pick(1 << 15, 256);
  const std::size_t each = mode.pick(400000, 2000) / threads;
  return make("mixed", threads, "exchange a block of 8 to 1007 bytes in a common table", each * threads, 60,
              [=](auto& resource) {
                struct table {
                  std::pmr::memory_resource& resource;
                  std::vector<std::atomic<std::size_t*>> places;
                  table(std::pmr::memory_resource& from, std::size_t size) : resource(from), places(size) {}
                  ~table() {
                    for (auto& place : places) free_one(place.load());
                  }
                  void free_one(std::size_t* freed) {
                    if (freed != nullptr) resource.deallocate(freed, *freed, 8);
                  }
                };
                auto workers = std::make_shared<team>(threads);
                auto common = std::make_shared<table>(resource, places);
                return [=, &resource](bool) -> std::uint64_t {
                  workers->run([&](std::size_t number) {
                    quick_random random(number + 1);
                    for (std::size_t i = 0; i < each; ++i) {
                      const std::size_t size = 8 + random.below(1000);
                      auto* const made = static_cast<std::size_t*>(resource.allocate(size, 8));
                      *made = size;
                      common->free_one(
                          common->places[random.below(places)].exchange(made, std::memory_order_acq_rel));
                    }
                  });
                  return each * threads;
                };
              });
}

// Each thread has maps and strings of its own; only the resource is common.
workload containers(const run_mode& mode, std::size_t threads) {
  const std::size_t each = mode.pick(100000, 1000) / threads;
  return make("containers", threads, "insert a string into a map of one's own, and erase it", each * threads,
              200, [=](auto& resource) {
                auto workers = std::make_shared<team>(threads);
                return [=, &resource](bool) -> std::uint64_t {
                  std::atomic<std::uint64_t> sum{0};
                  workers->run([&](std::size_t number) {
                    quick_random random(number + 1);
                    std::pmr::map<std::uint64_t, std::pmr::string> map(&resource);
                    for (std::size_t i = 0; i < each; ++i) {
                      map.try_emplace(random.below(1000), 20 + random.below(100), 'x');
                      map.erase(random.below(1000));
                    }
                    sum += map.size();
                  });
                  return sum;
                };
              });
}

// Threads allocate in turns and write what they allocated: an allocator that deals neighbours out to different
// threads makes them fight for cache lines.
workload false_sharing(const run_mode& mode, std::size_t threads) {
  constexpr std::size_t writes = 200;
  const std::size_t each = mode.pick(20000, 200) / threads;
  return make("false_sharing", threads, "8 bytes allocated in turns, written 200 times, freed",
              each * threads, 400, [=](auto& resource) {
                auto workers = std::make_shared<team>(threads);
                return [=, &resource](bool) -> std::uint64_t {
                  workers->run([&](std::size_t) {
                    for (std::size_t i = 0; i < each; ++i) {
                      auto* const counter = static_cast<volatile std::size_t*>(resource.allocate(8, 8));
                      if (i % 16 == 0) std::this_thread::yield();
                      *counter = 0;
                      for (std::size_t k = 0; k < writes; ++k) *counter = *counter + 1;
                      resource.deallocate(const_cast<std::size_t*>(counter), 8, 8);
                    }
                  });
                  return each * threads;
                };
              });
}

// What a remote free costs when many threads have used the resource before.
workload remote_free(const run_mode& mode, std::size_t idle_threads) {
  const std::size_t batch = mode.pick(20000, 200);
  workload made =
      make("remote_free_beside", idle_threads, "free of another thread's 64 bytes, beside idle threads",
           batch, 30, [=](auto& resource) {
             auto idle = std::make_shared<team>(idle_threads);
             auto pair = std::make_shared<team>(2);
             auto blocks = std::make_shared<std::vector<block>>(batch);
             idle->run([&](std::size_t) { free_block(resource, make_block(resource, 64)); });
             return [=, &resource](bool) -> std::uint64_t {
               for (const std::size_t turn : {0U, 1U})
                 pair->run([&](std::size_t number) {
                   if (number != turn) return;
                   for (block& each : *blocks)
                     turn == 0 ? void(each = make_block(resource, 64)) : free_block(resource, each);
                 });
               return batch;
             };
           });
  return made;
}

/// 1, 2, 8 and 64 threads, and where there are more cores than two the other powers of two that each have a core.
std::set<std::size_t> thread_counts(std::size_t cores) {
  std::set<std::size_t> counts = {1, 2, 8, 64};
  for (std::size_t count = 4; count <= cores; count *= 2) counts.insert(count);
  return counts;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_workloads(argc, argv, [](const run_mode& mode) {
    std::vector<workload> loads;
    for (const std::size_t threads : thread_counts(std::thread::hardware_concurrency())) {
      loads.push_back(hot_pair(mode, threads));
      loads.push_back(larson(mode, threads));
      if (threads > 1) loads.push_back(producer_consumer(mode, threads));
      loads.push_back(mixed(mode, threads));
      loads.push_back(containers(mode, threads));
      if (threads > 1) loads.push_back(false_sharing(mode, threads));
    }
    for (const std::size_t idle : {1U, 31U, 127U, 511U}) loads.push_back(remote_free(mode, idle));
    return loads;
  });
}
