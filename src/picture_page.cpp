#include "picture_page.hpp"

#include <iomanip>
#include <locale>
#include <ostream>

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

constexpr int page_width = 1180;
constexpr int label_width = 120;  // left of the cells
constexpr int cells_left = picture_page::margin + label_width;
constexpr int notes_left = cells_left + picture_page::cells_width + 10;  // right of the cells
constexpr int row_height = 11;

constexpr const char* style = R"(<style>
.quarry{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:10px}
.quarry .paper{fill:#ffffff}
.quarry text{fill:#1c2430}
.quarry .title{font-size:18px;font-weight:bold}
.quarry .sum{font-size:11px}
.quarry .class{font-size:12px;font-weight:bold}
.quarry .note{fill:#596577}
.quarry .end{text-anchor:end}
.quarry path{fill:none;stroke-width:1}
.quarry rect.free,.quarry rect.base{fill:#d5dbe3}
.quarry rect.live{fill:#1f6fd6}.quarry path.live{stroke:#1f6fd6}
.quarry rect.cached{fill:#f0a020}.quarry path.cached{stroke:#f0a020}
.quarry rect.lent{fill:#3d8f77}.quarry path.lent{stroke:#3d8f77}
.quarry rect.discarded{fill:#b58ad1}.quarry path.discarded{stroke:#b58ad1}
.quarry rect.unused{fill:#d9efe4}.quarry path.unused{stroke:#d9efe4}
.quarry-gap{fill:none;stroke:#ffffff}
@media (prefers-color-scheme:dark){
.quarry .paper{fill:#12161c}
.quarry text{fill:#e4e9f0}
.quarry .note{fill:#9aa6b6}
.quarry rect.free,.quarry rect.base{fill:#3b4452}
.quarry rect.live{fill:#5aa2f5}.quarry path.live{stroke:#5aa2f5}
.quarry rect.cached{fill:#f2b03d}.quarry path.cached{stroke:#f2b03d}
.quarry rect.lent{fill:#57b598}.quarry path.lent{stroke:#57b598}
.quarry rect.discarded{fill:#9a6fbd}.quarry path.discarded{stroke:#9a6fbd}
.quarry rect.unused{fill:#1f3a32}.quarry path.unused{stroke:#1f3a32}
.quarry-gap{stroke:#12161c}
}
</style>
)";

// Returns the bytes of the character of UTF-8 that begins at `at`, or 0 when there is none that XML may contain.
std::size_t character_bytes(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(i < text.size() ? text[i] : 0); };
  const unsigned first = byte(at);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t bytes = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 0;
  for (std::size_t i = 1; i < bytes; ++i)
    if ((byte(at + i) & 0xc0U) != 0x80) return 0;
  const unsigned second = byte(at + 1);
  const bool is_overlong = first == 0xe0 && second < 0xa0;
  const bool is_surrogate = first == 0xed && second >= 0xa0;
  const bool is_no_character = first == 0xef && second == 0xbf && byte(at + 2) >= 0xbe;
  return is_overlong || is_surrogate || is_no_character ? 0 : bytes;
}

}  // namespace

std::string escaped(const std::string& text) {
  constexpr std::size_t most_characters = 80;  // that fit into the title's line
  std::string result;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++characters) {
    if (characters == most_characters) return result + "...";
    const std::size_t bytes = character_bytes(text, at);
    const char first = text[at];
    if (first == '&') {
      result += "&amp;";
    } else if (first == '<') {
      result += "&lt;";
    } else if (first == '>') {
      result += "&gt;";
    } else if (bytes == 0) {
      result += '?';
    } else {
      result.append(text, at, bytes);
    }
    at += bytes == 0 ? 1 : bytes;
  }
  return result;
}

picture_page::picture_page() {
  body_.imbue(std::locale::classic());
  body_ << std::setprecision(9);
}

void picture_page::line(int ascent, int height, const char* kind, const std::string& words) {
  text(margin, y_ + ascent, kind, words);
  y_ += height;
}

void picture_page::legend(int x, const char* kind, const char* meaning) {
  body_ << "<rect x=\"" << x << "\" y=\"" << y_ << "\" width=\"" << row_height << "\" height=\"" << row_height
        << "\" class=\"" << kind << "\"/>";
  text(x + row_height + 5, y_ + text_baseline, "note", meaning);
}

void picture_page::begin_row(const char* kind, double unit_width, std::size_t units, const std::string& left,
                             const std::string& right) {
  text(cells_left - 8, y_ + text_baseline, "note end", left);
  text(notes_left, y_ + text_baseline, "note", right);
  body_ << "<g class=\"" << kind << "\" transform=\"translate(" << cells_left << ',' << y_ << ") scale("
        << unit_width << ',' << row_height << ")\"><rect class=\"base\" width=\"" << units
        << "\" height=\"1\"/>";
}

void picture_page::stroke(const char* kind, std::size_t first, std::size_t count) {
  if (kind_ != kind) {
    end_path();
    kind_ = kind;
    body_ << "<path class=\"" << kind << "\" d=\"M" << first << " .5h" << count;
  } else {
    body_ << 'm' << first - end_ << " 0h" << count;
  }
  end_ = first + count;
}

void picture_page::end_row() {
  end_path();
  body_ << "</g>\n";
  y_ += row_step;
}

void picture_page::define_gaps(std::size_t id, double unit_width, std::size_t units) {
  body_ << "<defs><path id=\"quarry-gaps-" << id << "\" class=\"quarry-gap\" d=\"";
  for (std::size_t i = 1; i < units; ++i)
    body_ << 'M' << static_cast<double>(i) * unit_width << " 0v" << row_height;
  body_ << "\"/></defs>\n";
}

void picture_page::draw_gaps(std::size_t id) {
  body_ << "<use xlink:href=\"#quarry-gaps-" << id << "\" x=\"" << cells_left << "\" y=\"" << y_ - row_step
        << "\"/>\n";
}

void picture_page::write(std::ostream& out, const std::string& title) const {
  std::ostringstream head;
  head.imbue(std::locale::classic());
  const int height = y_ + margin;
  head << "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
          "class=\"quarry\" width=\""
       << page_width << "\" height=\"" << height << "\" viewBox=\"0 0 " << page_width << ' ' << height
       << "\" role=\"img\">\n<title>" << title << "</title>\n"
       << style << "<rect class=\"paper\" width=\"" << page_width << "\" height=\"" << height << "\"/>\n";
  out << head.str() << body_.str() << "</svg>\n";
}

void picture_page::text(int x, int baseline, const char* kind, const std::string& words) {
  body_ << "<text x=\"" << x << "\" y=\"" << baseline << "\" class=\"" << kind << "\">" << words
        << "</text>\n";
}

void picture_page::end_path() {
  if (kind_ != nullptr) body_ << "\"/>";
  kind_ = nullptr;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
