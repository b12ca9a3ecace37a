#include "report.hpp"

#include <algorithm>
#include <iomanip>
#include <locale>
#include <ostream>
#include <sstream>
#include <vector>

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

constexpr int column_width = 12;

void write_json_field(std::ostream& out, const char* name, std::size_t value, const char* end = ",") {
  out << '"' << name << "\":" << value << end;
}

}  // namespace

void write_table(std::ostream& out, const slab_stats& stats) {
  std::ostringstream table;  // keeps the caller's format flags as they are
  table.imbue(std::locale::classic());
  for (const char* title : {"slot_bytes", "live", "cached", "free", "slabs", "live_%"})
    table << std::setw(column_width) << title;
  table << '\n' << std::fixed << std::setprecision(1);
  for (std::size_t i = 0; i < stats.class_rows; ++i) {
    const slab_class_stats& row = stats.classes[i];
    const std::size_t slots = row.live_slots + row.cached_slots + row.free_slots;
    for (const std::size_t value :
         {row.slot_bytes, row.live_slots, row.cached_slots, row.free_slots, row.slab_count})
      table << std::setw(column_width) << value;
    table << std::setw(column_width)
          << (slots == 0 ? 0.0 : 100.0 * static_cast<double>(row.live_slots) / static_cast<double>(slots))
          << '\n';
  }
  table << "live " << stats.live_bytes << " bytes in " << stats.live_slots << " slots and "
        << stats.oversize_blocks << " oversize blocks (" << stats.oversize_bytes << " bytes); cached "
        << stats.cached_slots << " slots; upstream " << stats.upstream_bytes << " bytes, "
        << stats.discarded_bytes << " of them discarded, peak " << stats.upstream_peak_bytes << " bytes in "
        << stats.slab_count << " slabs\n";
  out << table.str();
}

void write_live(std::ostream& out, const survey& of, const char* name) {
  constexpr std::size_t first_few = 4;     // addresses of a class
  constexpr std::size_t most_blocks = 64;  // the largest ones
  std::vector<survey::block> blocks;
  std::size_t slots = 0, slot_bytes = 0, block_bytes = 0;
  for (const survey::slab& each : of.slabs) {
    slots += each.live_slots();
    slot_bytes += each.live_slots() * each.slot_bytes();
  }
  for (const survey::block& each : of.blocks) {
    if (!each.is_live) continue;
    blocks.push_back(each);
    block_bytes += each.bytes;
  }
  std::ostringstream list;
  list.imbue(std::locale::classic());
  list << "live";
  if (name != nullptr) list << " in " << name;
  list << ": " << slots << " slots (" << slot_bytes << " bytes) and " << blocks.size() << " oversize blocks ("
       << block_bytes << " bytes)\n";
  for (std::size_t i = 0, end = 0; i < of.slabs.size(); i = end) {
    std::size_t live = 0, listed = 0;
    std::ostringstream addresses;
    addresses.imbue(std::locale::classic());
    addresses << std::hex;
    for (; end < of.slabs.size() && of.slabs[end].size_class == of.slabs[i].size_class; ++end) {
      const survey::slab& each = of.slabs[end];
      live += each.live_slots();
      for (std::size_t slot = 0; slot < each.slots && listed < first_few; ++slot) {
        if (of.state_of(each, slot) != slot_use::live) continue;
        addresses << "  0x" << each.begin + slot * each.slot_bytes();
        ++listed;
      }
    }
    if (live == 0) continue;
    list << std::setw(column_width) << of.slabs[i].slot_bytes() << " bytes" << std::setw(column_width) << live
         << " slots" << std::setw(column_width) << live * of.slabs[i].slot_bytes() << " bytes, first at"
         << addresses.str() << '\n';
  }
  std::sort(blocks.begin(), blocks.end());  // the largest first
  std::size_t rest_bytes = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i >= most_blocks) {
      rest_bytes += blocks[i].bytes;
    } else {
      list << std::setw(column_width) << blocks[i].bytes << " bytes, oversize, at  0x" << std::hex
           << blocks[i].begin << std::dec << '\n';
    }
  }
  if (blocks.size() > most_blocks)
    list << "and " << blocks.size() - most_blocks << " smaller oversize blocks of " << rest_bytes
         << " bytes\n";
  out << list.str();
}

void write_json(std::ostream& out, const slab_stats& stats) {
  std::ostringstream json;
  json.imbue(std::locale::classic());  // JSON knows no grouped digits
  json << '{';
  write_json_field(json, "live_bytes", stats.live_bytes);
  write_json_field(json, "live_slots", stats.live_slots);
  write_json_field(json, "cached_slots", stats.cached_slots);
  write_json_field(json, "slab_count", stats.slab_count);
  write_json_field(json, "upstream_bytes", stats.upstream_bytes);
  write_json_field(json, "discarded_bytes", stats.discarded_bytes);
  write_json_field(json, "upstream_peak_bytes", stats.upstream_peak_bytes);
  write_json_field(json, "oversize_bytes", stats.oversize_bytes);
  write_json_field(json, "oversize_blocks", stats.oversize_blocks);
  json << "\"classes\":[";
  for (std::size_t i = 0; i < stats.class_rows; ++i) {
    const slab_class_stats& row = stats.classes[i];
    json << (i == 0 ? "{" : ",{");
    write_json_field(json, "slot_bytes", row.slot_bytes);
    write_json_field(json, "live_slots", row.live_slots);
    write_json_field(json, "cached_slots", row.cached_slots);
    write_json_field(json, "free_slots", row.free_slots);
    write_json_field(json, "slab_count", row.slab_count, "}");
  }
  json << "]}";
  out << json.str();
}

}  // namespace QUARRY_ABI
}  // namespace quarry
