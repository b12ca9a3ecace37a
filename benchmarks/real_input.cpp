#include "real_input.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace bench {
namespace {

namespace fs = std::filesystem;

std::vector<std::string>& used() {
  static std::vector<std::string> phrases;
  return phrases;
}

// All regular files directly in `folder` whose names begin and end so, by name, so that every run reads the
// same.
std::vector<document> files_in(const fs::path& folder, const std::string& beginning,
                               const std::string& ending) {
  std::vector<fs::path> paths;
  std::error_code missing;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, missing)) {
    const std::string name = entry.path().filename().string();
    const bool matches = name.size() >= beginning.size() + ending.size() &&
                         name.compare(0, beginning.size(), beginning) == 0 &&
                         name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
    if (entry.is_regular_file() && !entry.is_symlink() && matches) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<document> documents;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    documents.push_back({path.string(), {std::istreambuf_iterator<char>(file), {}}});
  }
  return documents;
}

void note(const std::string& what, const std::vector<document>& documents) {
  std::size_t bytes = 0;
  for (const document& each : documents) bytes += each.text.size();
  used().push_back(what + ": " + std::to_string(documents.size()) + " files, " +
                   std::to_string(bytes / 1024) + " KiB");
}

// The newest libstdc++ headers installed, or none.
fs::path library_headers() {
  fs::path newest;
  int newest_version = 0;
  std::error_code missing;
  for (const fs::directory_entry& entry : fs::directory_iterator("/usr/include/c++", missing)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version > newest_version) {
      newest_version = version;
      newest = entry.path() / "bits";
    }
  }
  return newest;
}

}  // namespace

std::vector<document> real_text() {
  std::vector<document> all;
  const auto add = [&all](const std::string& what, std::vector<document> some) {
    if (some.empty()) return;
    note(what, some);
    std::move(some.begin(), some.end(), std::back_inserter(all));
  };
  add("licence texts (base-files)", files_in("/usr/share/common-licenses", "", ""));
  add("English words (wamerican)", files_in("/usr/share/dict", "", "english"));
  const fs::path headers = library_headers();
  if (!headers.empty())
    add("C++ library headers (" + headers.string() + ")", files_in(headers, "stl_", ".h"));
  if (all.empty()) throw std::runtime_error("no text found: install the Debian package wamerican");
  return all;
}

std::vector<document> real_json() {
  std::vector<document> all = files_in("/usr/share/iso-codes/json", "", ".json");
  if (all.empty()) throw std::runtime_error("no JSON documents found: install the Debian package iso-codes");
  note("JSON documents (iso-codes)", all);
  return all;
}

const std::vector<std::string>& real_input_used() {
  return used();
}

}  // namespace bench
