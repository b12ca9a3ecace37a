#include "words.hpp"

void words::add(const char* word) {
  ++counts_[word];
}

std::size_t words::count(const char* word) const {
  const auto found = counts_.find(word);
  return found == counts_.end() ? 0 : found->second;
}
