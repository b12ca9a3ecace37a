// Reports: a snapshot as a table for people and as JSON for programs.
#pragma once

#include <iosfwd>

#include "quarry/slab_stats.hpp"
#include "survey.hpp"

namespace quarry {
inline namespace QUARRY_ABI {

/// Writes one row per size class and a line of totals, in the style of /proc/slabinfo.
void write_table(std::ostream& out, const slab_stats& stats);

/// Writes what lives: a row per size class with the first few addresses, then the largest oversize blocks; `name` is the
/// resource's, or null.
void write_live(std::ostream& out, const survey& of, const char* name);

/// Writes one JSON object with the fields of slab_stats; `classes` is an array of rows.
void write_json(std::ostream& out, const slab_stats& stats);

}  // namespace QUARRY_ABI
}  // namespace quarry
