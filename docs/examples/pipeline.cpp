// A pipeline: one thread reads records, one parses them, one counts. Every record is allocated by the thread before
// and freed by the thread behind, so all frees are remote; the stages exchange whole magazines through the depot.
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <map>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <quarry/synchronized_slab_resource.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

// What one stage hands to the next: values that know their memory, in order.
template <class T>
class channel {
 public:
  explicit channel(std::pmr::memory_resource* memory) : values_(memory) {}

  void push(T value) {
    std::unique_lock<std::mutex> held(lock_);
    changed_.wait(held, [this] { return values_.size() < most_waiting; });
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard<std::mutex> held(lock_);
    closed_ = true;
    changed_.notify_all();
  }
  std::optional<T> pop() {
    std::unique_lock<std::mutex> held(lock_);
    changed_.wait(held, [this] { return closed_ || !values_.empty(); });
    if (values_.empty()) return std::nullopt;
    std::optional<T> taken(std::move(values_.front()));
    values_.pop_front();
    changed_.notify_all();
    return taken;
  }

 private:
  static constexpr std::size_t most_waiting = 256;
  std::mutex lock_;
  std::condition_variable changed_;
  std::pmr::deque<T> values_;
  bool closed_ = false;
};

using line = std::pmr::string;
using fields = std::pmr::vector<std::pmr::string>;

fields split(std::string_view text, std::pmr::memory_resource* memory) {
  fields result(memory);
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return result;
}

}  // namespace

int main() {
  constexpr int records = 20000;
  quarry::synchronized_slab_resource memory;
  std::map<std::string, int> words;
  {
    channel<line> lines(&memory);
    channel<fields> parsed(&memory);
    std::thread reader([&] {
      for (int i = 0; i < records; ++i) {
        line text("the quick brown fox number ", &memory);
        text += std::to_string(i % 10);
        lines.push(std::move(text));
      }
      lines.close();
    });
    std::thread parser([&] {
      while (const std::optional<line> text = lines.pop()) parsed.push(split(*text, &memory));
      parsed.close();
    });
    while (const std::optional<fields> record = parsed.pop())
      for (const std::pmr::string& word : *record) ++words[std::string(word)];
    reader.join();
    parser.join();
  }
  std::printf("%d records, \"fox\" %d times, \"7\" %d times, %zu slots still live\n", records, words["fox"],
              words["7"], memory.stats().live_slots);
  return words["fox"] == records && words["7"] == records / 10 && memory.stats().live_slots == 0 ? 0 : 1;
}
