// What does an index of real text cost: every word of every document with the places where it stands; then
// documents are taken out and put back, as an editor or a search engine does; then the most frequent words
// are ranked?
#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loads.hpp"
#include "real_input.hpp"
#include "workload.hpp"

namespace {

using word_places = std::pmr::vector<std::uint32_t>;

// One text: which words, how often. Ordered, so that ranges of words can be asked for.
using word_counts = std::pmr::map<std::pmr::string, std::uint32_t, std::less<>>;

class text_index {
 public:
  explicit text_index(std::pmr::memory_resource& resource) : words_(&resource), documents_(&resource) {}

  void add(std::uint32_t id, std::string_view text) {
    word_counts& counts = documents_[id];
    std::pmr::string word(words_.get_allocator());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      while (at < text.size() && is_letter(text[at])) ++at;
      if (at == start) {
        ++at;
        continue;
      }
      word.assign(text, start, at - start);
      words_[word].push_back(id);
      ++counts[word];
    }
  }

  void remove(std::uint32_t id) {
    const auto document = documents_.find(id);
    for (const auto& [word, count] : document->second) {
      const auto found = words_.find(word);
      word_places& places = found->second;
      places.erase(std::remove(places.begin(), places.end(), id), places.end());
      if (places.empty()) {
        words_.erase(found);
      } else if (places.size() * 4 < places.capacity()) {
        places.shrink_to_fit();
      }
    }
    documents_.erase(document);
  }

  std::uint64_t rank() const {
    std::pmr::multimap<std::size_t, std::string_view> ranked(words_.get_allocator());
    std::uint64_t letters = 0;
    for (const auto& [word, places] : words_) {
      ranked.emplace(places.size(), word);
      letters += word.size();
    }
    return letters * 31 + ranked.rbegin()->first;
  }

 private:
  static bool is_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

  std::pmr::unordered_map<std::pmr::string, word_places> words_;
  std::pmr::map<std::uint32_t, word_counts> documents_;
};

bench::workload index_of_real_text(const bench::run_mode& mode) {
  auto documents = std::make_shared<std::vector<bench::document>>(bench::real_text());
  if (mode.smoke) documents->resize(std::min<std::size_t>(documents->size(), 3));
  const auto words = [documents] {
    std::size_t count = 0;
    for (const bench::document& each : *documents) {
      bool inside = false;
      for (const char c : each.text) {
        const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
        count += letter && !inside;
        inside = letter;
      }
    }
    return count;
  }();
  return {"text_index",
          "one word of real text indexed, with a quarter of the documents taken out and put back",
          words,
          250,
          true,
          [documents](std::pmr::memory_resource& resource) {
            return [documents, &resource](bool) {
              text_index index(resource);
              const auto count = static_cast<std::uint32_t>(documents->size());
              for (std::uint32_t id = 0; id < count; ++id) index.add(id, (*documents)[id].text);
              for (std::uint32_t id = 0; id < count; id += 4) index.remove(id);
              for (std::uint32_t id = 0; id < count; id += 4) index.add(id, (*documents)[id].text);
              return index.rank();
            };
          }};
}

}  // namespace

std::vector<bench::workload> bench::text_index_loads(const run_mode& mode) {
  return std::vector{index_of_real_text(mode)};
}
