#include "picture.hpp"

#include <algorithm>
#include <array>
#include <locale>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "picture_page.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

// Lengths in pixels, as the document has them at its own size.
constexpr double widest_cell = 14;
constexpr double least_cell_with_gap = 4;
constexpr double widest_granule = 12.5;  // 64 of them make a row
constexpr int section_gap = 10;
constexpr int width_of_character = 6;                       // of text of 10 pixels, at least
constexpr std::size_t gaps_of_extents = core::class_count;  // an id beside those of the classes

/// Writes digits in groups of three, whatever the program's locale.
std::string grouped(std::size_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string counted(std::size_t number, const char* what) {
  return grouped(number) + ' ' + what + (number == 1 ? "" : "s");
}

std::string address(std::uintptr_t at) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << "0x" << std::hex << at;
  return text.str();
}

struct totals {
  std::size_t slabs = 0, live = 0, cached = 0, free = 0;

  void add(const survey::slab& each) noexcept {
    ++slabs;
    live += each.live_slots();
    cached += each.cached_slots;
    free += each.free_slots;
  }
  std::size_t slots() const noexcept { return live + cached + free; }
};

void write_head(picture_page& to, const survey& of, const std::string& title) {
  const slab_stats& stats = of.stats;
  to.line(14, 24, "title", title);
  to.line(11, 15, "sum",
          grouped(stats.live_bytes) + " bytes live: " + counted(stats.live_slots, "slot") + ", " +
              counted(stats.oversize_blocks, "oversize block") + " of " + grouped(stats.oversize_bytes) +
              " bytes; " + counted(stats.cached_slots, "slot") + " cached; " +
              counted(of.slabs.size(), "slab"));
  to.line(11, 22, "sum",
          grouped(stats.upstream_bytes) + " bytes held from upstream, " + grouped(stats.discarded_bytes) +
              " of them discarded; at most " + grouped(stats.upstream_peak_bytes) + " were held");
  constexpr struct {
    const char* kind;
    const char* meaning;
  } kinds[] = {{"live", "live"},
               {"cached", "cached: rests in a magazine or depot"},
               {"free", "free"},
               {"lent", "lent to slabs or parts"},
               {"discarded", "discarded: addresses without memory"},
               {"unused", "never used"}};
  int x = picture_page::margin;
  for (const auto& each : kinds) {
    to.legend(x, each.kind, each.meaning);
    x += 46 + width_of_character * static_cast<int>(std::char_traits<char>::length(each.meaning));
  }
  to.skip(picture_page::row_step);
}

std::string shares(std::size_t live, std::size_t cached, std::size_t free) {
  return grouped(live) + " / " + grouped(cached) + " / " + grouped(free);
}

// A row for each slab.
void write_rows(picture_page& to, const survey& of, const survey::slab* begin, const survey::slab* end) {
  std::uint32_t most_slots = 0;
  for (const survey::slab* each = begin; each != end; ++each) most_slots = std::max(most_slots, each->slots);
  const double unit_width = std::min(widest_cell, double{picture_page::cells_width} / most_slots);
  const bool has_gaps = unit_width >= least_cell_with_gap;
  if (has_gaps) to.define_gaps(begin->size_class, unit_width, most_slots);
  for (const survey::slab* each = begin; each != end; ++each) {
    to.begin_row("slab", unit_width, each->slots, address(each->begin),
                 shares(each->live_slots(), each->cached_slots, each->free_slots));
    for (const auto& [state, kind] : {std::pair{slot_use::live, "live"}, {slot_use::cached, "cached"}})
      of.for_each_run(*each,
                      [&, wanted = state, name = kind](std::size_t first, std::size_t count, slot_use is) {
                        if (is == wanted) to.stroke(name, first, count);
                      });
    to.end_row();
    if (has_gaps) to.draw_gaps(begin->size_class);
  }
}

// A bar for each step of fullness.
void write_steps(picture_page& to, const survey::slab* begin, const survey::slab* end) {
  constexpr std::size_t steps = 12;  // none live, then ten of a tenth each, then all
  static constexpr const char* names[steps] = {"none live", "up to 10 %", "to 20 %", "to 30 %",
                                               "to 40 %",   "to 50 %",    "to 60 %", "to 70 %",
                                               "to 80 %",   "to 90 %",    "to 99 %", "all live"};
  std::array<totals, steps> sums;
  for (const survey::slab* each = begin; each != end; ++each) {
    const std::size_t live = each->live_slots();
    sums[live == 0 ? 0 : live == each->slots ? steps - 1 : 1 + (live - 1) * 10 / each->slots].add(*each);
  }
  std::size_t most_slots = 1;
  for (const totals& each : sums) most_slots = std::max(most_slots, each.slots());
  const double unit_width = double{picture_page::cells_width} / static_cast<double>(most_slots);
  for (std::size_t i = steps; i-- > 0;) {
    const totals& each = sums[i];
    if (each.slabs == 0) continue;
    to.begin_row("slabs", unit_width, each.slots(), names[i], counted(each.slabs, "slab"));
    if (each.live != 0) to.stroke("live", 0, each.live);
    if (each.cached != 0) to.stroke("cached", each.live, each.cached);
    to.end_row();
  }
}

void write_class(picture_page& to, const survey& of, const survey::slab* begin, const survey::slab* end) {
  totals sum;
  for (const survey::slab* each = begin; each != end; ++each) sum.add(*each);
  to.skip(section_gap);
  to.line(11, 17, "class",
          grouped(begin->slot_bytes()) + "-byte slots: " + counted(sum.slabs, "slab") + ", " +
              counted(sum.slots(), "slot") +
              ", live / cached / free: " + shares(sum.live, sum.cached, sum.free));
  if (of.slabs.size() > most_rows && sum.slabs > most_rows_of_class) {
    write_steps(to, begin, end);
  } else {
    write_rows(to, of, begin, end);
  }
}

std::size_t bits_of(core::granule_mask mask) noexcept {
  return core::count_bits(mask);
}

// The granules of one extent or of several, by state.
struct granules {
  std::size_t extents = 0, lent = 0, discarded = 0, unused = 0, free = 0;

  void add(const core::extent& each) noexcept {
    ++extents;
    lent += each.granules - bits_of(each.free);
    discarded += bits_of(each.discarded);
    unused += bits_of(each.blank & ~each.discarded);
    free += bits_of(each.free & ~each.blank);
  }
  std::size_t all() const noexcept { return lent + discarded + unused + free; }
};

void write_extent(picture_page& to, const core::extent& each) {
  granules sum;
  sum.add(each);
  const core::granule_mask all = ~core::granule_mask{0} >> (core::extents::most_granules - each.granules);
  const struct {
    const char* kind;
    core::granule_mask mask;
  } states[] = {
      {"lent", all & ~each.free}, {"discarded", each.discarded}, {"unused", each.blank & ~each.discarded}};
  to.begin_row("extent", widest_granule, each.granules, address(reinterpret_cast<std::uintptr_t>(each.base)),
               std::to_string(sum.lent) + " of " + std::to_string(sum.all()) + " lent" +
                   (each.is_fixed ? ", in the buffer" : ""));
  for (const auto& state : states)
    for (std::size_t i = 0; i < each.granules; ++i)
      if ((state.mask >> i & 1) != 0) to.stroke(state.kind, i, 1);
  to.end_row();
  to.draw_gaps(gaps_of_extents);
}

void write_extents(picture_page& to, const survey& of) {
  if (of.extents.empty()) return;
  granules sum;
  for (const core::extent& each : of.extents) sum.add(each);
  to.skip(section_gap);
  to.line(11, 17, "class",
          counted(sum.extents, "extent") + " of granules of " + grouped(of.granule_bytes) +
              " bytes, lent / free / discarded / never used: " + grouped(sum.lent) + " / " +
              grouped(sum.free) + " / " + grouped(sum.discarded) + " / " + grouped(sum.unused));
  if (of.extents.size() <= most_rows_of_extents) {
    to.define_gaps(gaps_of_extents, widest_granule, core::extents::most_granules);
    for (const core::extent& each : of.extents) write_extent(to, each);
    return;
  }
  constexpr std::size_t steps = 4;
  static constexpr const char* names[steps] = {"idle", "less than half", "half or more", "all lent"};
  std::array<granules, steps> sums;
  for (const core::extent& each : of.extents)
    sums[each.lent == 0                   ? 0U
         : each.lent == each.granules     ? 3U
         : each.lent * 2U < each.granules ? 1U
                                          : 2U]
        .add(each);
  std::size_t most = 1;
  for (const granules& each : sums) most = std::max(most, each.all());
  for (std::size_t i = steps; i-- > 0;) {
    const granules& each = sums[i];
    if (each.extents == 0) continue;
    to.begin_row("extents", double{picture_page::cells_width} / static_cast<double>(most), each.all(),
                 names[i], counted(each.extents, "extent"));
    if (each.lent != 0) to.stroke("lent", 0, each.lent);
    if (each.discarded != 0) to.stroke("discarded", each.lent, each.discarded);
    if (each.unused != 0) to.stroke("unused", each.lent + each.discarded, each.unused);
    to.end_row();
  }
}

void write_blocks(picture_page& to, const survey& of) {
  if (of.blocks.empty()) return;
  std::vector<survey::block> blocks = of.blocks;
  std::sort(blocks.begin(), blocks.end());  // the largest first
  std::size_t live = 0, live_bytes = 0, kept_bytes = 0, rest_bytes = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    live += blocks[i].is_live;
    (blocks[i].is_live ? live_bytes : kept_bytes) += blocks[i].bytes;
    if (i >= most_rows_of_blocks) rest_bytes += blocks[i].bytes;
  }
  to.skip(section_gap);
  to.line(11, 17, "class",
          counted(blocks.size(), "oversize block") + ": " + grouped(live) + " live of " +
              grouped(live_bytes) + " bytes, " + grouped(blocks.size() - live) + " kept of " +
              grouped(kept_bytes) + " bytes");
  const double unit_width =
      double{picture_page::cells_width} / static_cast<double>(std::max<std::size_t>(blocks[0].bytes, 1));
  for (std::size_t i = 0; i < blocks.size() && i < most_rows_of_blocks; ++i) {
    to.begin_row("block", unit_width, blocks[i].bytes, address(blocks[i].begin),
                 grouped(blocks[i].bytes) + " bytes" + (blocks[i].is_live ? "" : ", kept"));
    if (blocks[i].is_live) to.stroke("live", 0, blocks[i].bytes);
    to.end_row();
  }
  if (blocks.size() > most_rows_of_blocks)
    to.line(picture_page::text_baseline, picture_page::row_step, "note",
            "and " + grouped(blocks.size() - most_rows_of_blocks) + " smaller ones of " +
                grouped(rest_bytes) + " bytes");
}

}  // namespace

void write_svg(std::ostream& out, const survey& of, const char* name) {
  const std::string title =
      name != nullptr && *name != '\0' ? "Slab resource " + escaped(name) : "Slab resource without a name";
  picture_page document;
  write_head(document, of, title);
  const survey::slab* const end = of.slabs.data() + of.slabs.size();
  for (const survey::slab *begin = of.slabs.data(), *next = begin; begin != end; begin = next) {
    while (next != end && next->size_class == begin->size_class) ++next;
    write_class(document, of, begin, next);
  }
  write_extents(document, of);
  write_blocks(document, of);
  document.write(out, title);
}

}  // namespace QUARRY_ABI
}  // namespace quarry
