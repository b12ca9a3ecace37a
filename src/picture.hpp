// A picture of what a resource holds: every slab a row, every slot a cell.
#pragma once

#include <iosfwd>

#include "survey.hpp"

namespace quarry {
inline namespace QUARRY_ABI {

/// Writes an SVG document; `name` is the resource's, or null.
///
/// A slab's slots are a group scaled so that a slot is one unit wide: a base as wide as its slots, then a path of
/// strokes for those that live and one for those that are cached; what neither covers is free. Where there are more than `most_rows` slabs, a class of more than a few is drawn as a bar for
/// each step of fullness instead.
void write_svg(std::ostream& out, const survey& of, const char* name);

inline constexpr std::size_t most_rows = 200;          // slabs that have a row of their own
inline constexpr std::size_t most_rows_of_class = 16;  // beyond most_rows slabs
inline constexpr std::size_t most_rows_of_extents = 64;
inline constexpr std::size_t most_rows_of_blocks = 32;  // the largest ones

}  // namespace QUARRY_ABI
}  // namespace quarry
