// The page of a picture: an SVG document of lines of text and of rows of cells, written from top to bottom.
//
// Invariant  Everything is written below what was written before; a path is open only inside a row.
// Threads    One at a time.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <quarry/version.hpp>
#include <sstream>
#include <string>

namespace quarry {
inline namespace QUARRY_ABI {

/// Returns `text` as XML may contain it: its marks as entities, what is no character of UTF-8 as `?`, and no more than fits into
/// the title's line.
std::string escaped(const std::string& text);

/// Units: pixels, as the document has them at its own size. Words are XML already.
class picture_page {
 public:
  static constexpr int margin = 20;
  static constexpr int cells_width = 820;  // of the widest row
  static constexpr int row_step = 14;
  static constexpr int text_baseline = 9;  // of a row's text, below the row's top

  picture_page();

  void skip(int height) { y_ += height; }

  /// Writes a line whose baseline lies `ascent` below the last row.
  void line(int ascent, int height, const char* kind, const std::string& words);

  /// Writes a square of that kind, and what it means, without leaving the line.
  void legend(int x, const char* kind, const char* meaning);

  /// Begins a row of `units` units, each `unit_width` pixels wide, with its labels.
  void begin_row(const char* kind, double unit_width, std::size_t units, const std::string& left,
                 const std::string& right);
  /// Writes `count` units from `first` on; several calls make one path when no other kind is written between them.
  void stroke(const char* kind, std::size_t first, std::size_t count);
  void end_row();

  /// Defines the lines that part cells of that width; draw_gaps() lays them over the row written last.
  void define_gaps(std::size_t id, double unit_width, std::size_t units);
  void draw_gaps(std::size_t id);

  void write(std::ostream& out, const std::string& title) const;

 private:
  void text(int x, int baseline, const char* kind, const std::string& words);
  void end_path();

  std::ostringstream body_;
  int y_ = margin;              // top of what comes next
  const char* kind_ = nullptr;  // of the path that is open; null: none
  std::size_t end_ = 0;         // unit behind the last stroke of it
};

}  // namespace QUARRY_ABI
}  // namespace quarry
