// Replays what a threaded program did, in its own threads: each thread keeps its order, and a free waits for the
// allocation that it belongs to, whichever thread that runs in.
//
// The trace is made up here; with QUARRY_TRACE=FILE in the environment that file is replayed too. A line is
// `THREAD: malloc ADDRESS BYTES`, `THREAD: calloc ADDRESS COUNT BYTES`, `THREAD: realloc ADDRESS OLD BYTES` or
// `THREAD: free ADDRESS`, as Android's memory_replay writes them.
// timeout: 600
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <memory_resource>
#include <quarry/synchronized_slab_resource.hpp>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "support/counting_resource.hpp"

namespace {

using quarry::synchronized_slab_resource;
using quarry_test::counting_resource;

struct operation {
  bool is_free;
  std::uint32_t object;
};

struct trace {
  std::map<std::string, std::vector<operation>> threads;  // in each thread's order
  std::vector<std::uint32_t> bytes;                       // of each object
  std::size_t left = 0;                                   // objects that nobody frees
};

trace parse(std::istream& lines) {
  trace parsed;
  std::unordered_map<std::string, std::uint32_t> alive;  // by address
  const auto allocate = [&](std::vector<operation>& in, const std::string& address, std::size_t bytes) {
    const auto object = static_cast<std::uint32_t>(parsed.bytes.size());
    parsed.bytes.push_back(static_cast<std::uint32_t>(bytes));
    alive[address] = object;
    in.push_back({false, object});
  };
  const auto deallocate = [&](std::vector<operation>& in, const std::string& address) {
    const auto found = alive.find(address);
    if (found == alive.end()) return;
    in.push_back({true, found->second});
    alive.erase(found);
  };
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string thread;
    std::string verb;
    std::string address;
    std::string old;
    std::size_t bytes = 0;
    std::size_t count = 1;
    words >> thread >> verb >> address;
    std::vector<operation>& own = parsed.threads[thread];
    if (verb == "free") {
      deallocate(own, address);
    } else if (verb == "malloc" && words >> bytes) {
      allocate(own, address, bytes);
    } else if (verb == "calloc" && words >> count >> bytes) {
      allocate(own, address, count * bytes);
    } else if (verb == "realloc" && words >> old >> bytes) {
      deallocate(own, old);
      allocate(own, address, bytes);
    }
  }
  parsed.left = alive.size();
  return parsed;
}

class replay {
 public:
  replay(const trace& source, std::pmr::memory_resource& resource)
      : source_(source), resource_(resource), places_(source.bytes.size()) {}

  void run() {
    std::vector<std::thread> threads;
    for (const auto& [name, operations] : source_.threads)
      threads.emplace_back([this, &list = operations] {
        for (const operation& each : list) each.is_free ? deallocate(each.object) : allocate(each.object);
      });
    for (std::thread& each : threads) each.join();
  }

  void deallocate_rest() {
    for (std::uint32_t i = 0; i < places_.size(); ++i)
      if (places_[i] != nullptr) deallocate(i);
  }

  std::size_t wrong() const { return wrong_; }

 private:
  void allocate(std::uint32_t object) {
    const std::size_t bytes = source_.bytes[object];
    auto* const place = static_cast<unsigned char*>(resource_.allocate(bytes, 8));
    if (bytes != 0) place[0] = place[bytes - 1] = static_cast<unsigned char>(object);
    places_[object].store(place, std::memory_order_release);  // Release: pairs with deallocate().
  }
  void deallocate(std::uint32_t object) {
    unsigned char* place = nullptr;
    // Acquire: pairs with allocate(), which may be in another thread.
    while ((place = places_[object].load(std::memory_order_acquire)) == nullptr) std::this_thread::yield();
    const std::size_t bytes = source_.bytes[object];
    const auto mark = static_cast<unsigned char>(object);
    if (bytes != 0 && (place[0] != mark || place[bytes - 1] != mark)) ++wrong_;
    places_[object].store(nullptr, std::memory_order_relaxed);  // Relaxed: nobody else looks any more.
    resource_.deallocate(place, bytes, 8);
  }

  const trace& source_;
  std::pmr::memory_resource& resource_;
  std::vector<std::atomic<unsigned char*>> places_;
  std::atomic<std::size_t> wrong_{0};  // objects whose contents changed
};

void expect_replayed(const trace& source) {
  counting_resource upstream;
  upstream.forget_history();
  synchronized_slab_resource resource(&upstream);
  replay program(source, resource);
  program.run();
  EXPECT_EQ(program.wrong(), 0U);
  EXPECT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, source.left);
  program.deallocate_rest();
  EXPECT_EQ(resource.stats().live_slots + resource.stats().oversize_blocks, 0U);
}

TEST(Trace, AProgramWhoseThreadsFreeEachOthersObjects) {
  std::mt19937 random(11);
  std::ostringstream lines;
  std::vector<int> alive;
  for (int i = 0; i < 60000; ++i) {
    const auto thread = random() % 9;
    lines << thread << ": ";
    const std::size_t pick = alive.empty() ? 0 : random() % alive.size();
    if (alive.size() > 500 && random() % 2 == 0) {
      lines << "free " << alive[pick] << '\n';
      alive[pick] = alive.back();
      alive.pop_back();
    } else if (!alive.empty() && random() % 20 == 0) {
      lines << "realloc " << i << ' ' << alive[pick] << ' ' << random() % 3000 << '\n';
      alive[pick] = i;
    } else if (random() % 10 == 0) {
      lines << "calloc " << i << ' ' << random() % 10 << ' ' << random() % 100 << '\n';
      alive.push_back(i);
    } else {
      lines << "malloc " << i << ' ' << random() % (random() % 100 == 0 ? 100000 : 500) << '\n';
      alive.push_back(i);
    }
  }
  std::istringstream text(lines.str());
  const trace parsed = parse(text);
  EXPECT_EQ(parsed.threads.size(), 9U);
  EXPECT_EQ(parsed.left, alive.size());
  expect_replayed(parsed);
}

// There only when a file is named, so that nobody takes an absent one for a success.
class recorded_program : public testing::Test {
  void TestBody() override {
    const char* const path = std::getenv("QUARRY_TRACE");
    std::ifstream file(path);
    ASSERT_TRUE(file.good()) << path;
    const trace parsed = parse(file);
    ASSERT_GT(parsed.bytes.size(), 0U) << path << " holds no trace";
    std::printf("%zu objects in %zu threads\n", parsed.bytes.size(), parsed.threads.size());
    expect_replayed(parsed);
  }
};
[[maybe_unused]] const testing::TestInfo* const registered =
    std::getenv("QUARRY_TRACE") == nullptr
        ? nullptr
        : testing::RegisterTest("Trace", "AProgramThatWasRecorded", nullptr, nullptr, __FILE__, __LINE__,
                                []() -> testing::Test* { return new recorded_program; });

}  // namespace
