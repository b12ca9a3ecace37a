// Real input, from files that Debian packages install; nothing is made up and nothing is downloaded.
#pragma once

#include <string>
#include <vector>

namespace bench {

struct document {
  std::string name;  // the file's path
  std::string text;
};

/// Running text: the licences of base-files, the words of wamerican, the C++ library headers that the
/// compiler installed. Throws std::runtime_error naming the package to install when there is none.
std::vector<document> real_text();

/// The JSON documents of iso-codes: countries, languages, currencies, scripts. Throws likewise.
std::vector<document> real_json();

/// What the functions above have read so far, one phrase each, for the report.
const std::vector<std::string>& real_input_used();

}  // namespace bench
