// Pictures: well-formed, readable, and with as many cells of each kind as the statistics say.
// links: Boost::container
// options: -D_LIBCPP_ENABLE_CXX17_REMOVED_UNARY_BINARY_FUNCTION
#include "../src/picture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <locale>
#include <map>
#include <memory_resource>
#include <mutex>
#include <quarry/page_sources.hpp>
#include <quarry/slab_thread_view.hpp>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/both_resources.hpp"
#include "support/take_any.hpp"

namespace {

using boost::property_tree::ptree;
using quarry::slab_options;
using quarry::slab_stats;
using quarry::survey;
using quarry_test::both_resources;
using quarry_test::resource_names;
using quarry_test::take_any;

/// What a document shows, added up over its rows.
struct shown {
  std::map<std::string, std::size_t> rows;  // by kind: slab, slabs, extent, extents, block
  std::map<std::string, std::size_t>
      units;  // by kind and state, `slab live`; `slab base` counts all of the row
  std::string title;
  std::string words;  // of all texts, a line each
  double height = 0;
};

/// Returns the units that a path of horizontal strokes covers, and checks that they ascend.
std::size_t units_of(const std::string& path) {
  std::size_t units = 0;
  for (std::size_t at = path.find('h'); at != std::string::npos; at = path.find('h', at + 1))
    units += std::strtoull(path.c_str() + at + 1, nullptr, 10);
  EXPECT_EQ(path.find('-'), std::string::npos) << "no stroke goes back";
  return units;
}

/// Checks that no two texts overlap: each is taken as 0.62 of its size wide for each character, which no monospace font exceeds.
struct text_box {
  double left, right, baseline;
};

shown parse(const std::string& document) {
  std::istringstream in(document);
  ptree tree;
  boost::property_tree::read_xml(in, tree);
  shown result;
  const ptree& svg = tree.get_child("svg");
  result.title = svg.get<std::string>("title");
  result.height = svg.get<double>("<xmlattr>.height");
  std::vector<text_box> texts;
  for (const auto& [name, element] : svg) {
    if (name == "text") {
      const std::string kind = element.get<std::string>("<xmlattr>.class"), words = element.data();
      const double size = kind == "title" ? 18 : kind == "class" ? 12 : kind == "sum" ? 11 : 10;
      const auto characters = static_cast<double>(
          std::count_if(words.begin(), words.end(), [](char c) { return (c & '\xc0') != '\x80'; }));
      const double x = element.get<double>("<xmlattr>.x"), width = characters * size * 0.62;
      const bool ends = kind.find("end") != std::string::npos;
      texts.push_back({ends ? x - width : x, ends ? x : x + width, element.get<double>("<xmlattr>.y")});
      EXPECT_GE(texts.back().left, 0) << words;
      EXPECT_LE(texts.back().right, svg.get<double>("<xmlattr>.width")) << words;
      EXPECT_LE(texts.back().baseline, result.height) << words;
      result.words += words + '\n';
    }
    if (name != "g") continue;
    const std::string kind = element.get<std::string>("<xmlattr>.class");
    ++result.rows[kind];
    for (const auto& [part, inner] : element) {
      if (part == "rect") result.units[kind + " base"] += inner.get<std::size_t>("<xmlattr>.width");
      if (part == "path")
        result.units[kind + ' ' + inner.get<std::string>("<xmlattr>.class")] +=
            units_of(inner.get<std::string>("<xmlattr>.d"));
    }
  }
  std::sort(texts.begin(), texts.end(), [](const text_box& a, const text_box& b) {
    return a.baseline != b.baseline ? a.baseline < b.baseline : a.left < b.left;
  });
  for (std::size_t i = 1; i < texts.size(); ++i) {
    const text_box &before = texts[i - 1], &each = texts[i];
    if (each.baseline == before.baseline) {
      EXPECT_GE(each.left, before.right) << "texts overlap";
    } else {
      EXPECT_GE(each.baseline - before.baseline, 11) << "lines overlap";
    }
  }
  return result;
}

template <class Resource>
std::string picture_of(const Resource& resource) {
  std::ostringstream out;
  resource.report_svg(out);
  return out.str();
}

template <class Resource>
class Pictures : public testing::Test {};
TYPED_TEST_SUITE(Pictures, both_resources, resource_names);

template <class Resource>
std::size_t expect_as_many_cells_as_stats_say(const Resource& resource) {
  const slab_stats stats = resource.stats();
  shown seen = parse(picture_of(resource));
  std::size_t slots = 0;
  for (std::size_t i = 0; i < stats.class_rows; ++i)
    slots += stats.classes[i].live_slots + stats.classes[i].cached_slots + stats.classes[i].free_slots;
  EXPECT_EQ(seen.units["slab base"] + seen.units["slabs base"], slots);
  EXPECT_EQ(seen.units["slab live"] + seen.units["slabs live"], stats.live_slots);
  EXPECT_EQ(seen.units["slab cached"] + seen.units["slabs cached"], stats.cached_slots);
  EXPECT_EQ(seen.units["block live"], stats.oversize_bytes) << "fewer blocks than get rows";
  const std::size_t granule_bytes = 65536;
  EXPECT_EQ((seen.units["extent discarded"] + seen.units["extents discarded"]) * granule_bytes,
            stats.discarded_bytes);
  return seen.rows["slab"] + seen.rows["slabs"];
}

TYPED_TEST(Pictures, HaveAsManyCellsOfEachKindAsTheStatisticsSay) {
  slab_options options;
  options.retain_bytes = 1;
  TypeParam resource(options, quarry::os_page_resource());
  std::mt19937 random(1);
  std::vector<std::pair<void*, std::size_t>> live;
  std::size_t most_rows = 0;
  for (const std::size_t wanted : {0U, 1U, 50U, 3000U, 60'000U, 9'000U, 400'000U, 20'000U, 0U}) {
    while (live.size() < wanted) {
      const std::size_t bytes = live.size() % 20'000 == 3 ? 50'000U : 1 + random() % 300;
      live.emplace_back(resource.allocate(bytes), bytes);
    }
    while (live.size() > wanted) {
      const auto [pointer, bytes] = take_any(live, random);
      resource.deallocate(pointer, bytes);
    }
    SCOPED_TRACE(testing::Message() << wanted << " blocks");
    most_rows = std::max(most_rows, expect_as_many_cells_as_stats_say(resource));
  }
  EXPECT_GT(most_rows, 100U);
  EXPECT_LT(most_rows, 1000U) << "many slabs are drawn as bars";
}

TYPED_TEST(Pictures, NameTheResourceWhateverItsName) {
  for (const auto& [name, title] :
       {std::pair<const char*, const char*>{"orders", "Slab resource orders"},
        {"a<b>&\"c'", "Slab resource a<b>&\"c'"},
        {"gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac",
         "Slab resource gr\xc3\xbc\xc3\x9f"
         "e \xe2\x82\xac"},
        {"bad \xff\xc0\xaf\x01\xed\xa0\x80\xef\xbf\xbe.", "Slab resource bad ??????????."},
        {"cut \xe2\x82", "Slab resource cut ??"},
        {"", "Slab resource without a name"},
        {nullptr, "Slab resource without a name"}}) {
    slab_options options;
    options.name = name;
    const TypeParam resource(options);
    EXPECT_EQ(parse(picture_of(resource)).title, title);
  }
  slab_options options;
  const std::string name(5000, '&');
  options.name = name.c_str();
  const TypeParam resource(options);
  EXPECT_LT(parse(picture_of(resource)).title.size(), 120U);
}

TYPED_TEST(Pictures, GiveASlabARowUntilThereAreTooMany) {
  slab_options options;
  options.slab_bytes = 4096;
  options.largest_required_pool_block = 1024;
  TypeParam resource(options);
  std::vector<void*> live;
  const auto slabs = [&] { return resource.stats().slab_count; };
  while (slabs() < quarry::most_rows) live.push_back(resource.allocate(1000));
  shown seen = parse(picture_of(resource));
  EXPECT_EQ(seen.rows["slab"], quarry::most_rows);
  EXPECT_EQ(seen.rows["slabs"], 0U);
  static_cast<void>(resource.allocate(500));  // a class that keeps its rows
  while (slabs() < 10'000) live.push_back(resource.allocate(1000));
  seen = parse(picture_of(resource));
  EXPECT_EQ(seen.rows["slab"], 1U);
  EXPECT_LE(seen.rows["slabs"], 12U);
  EXPECT_EQ(seen.rows["extent"], 0U);
  EXPECT_LE(seen.rows["extents"], 4U);
  EXPECT_LT(seen.height, 1000);
}

TYPED_TEST(Pictures, ShowWhatRestsWhereCallsAreChecked) {
  for (const quarry::check_level level : {quarry::check_level::pointers, quarry::check_level::full}) {
    slab_options options;
    options.checks = level;
    TypeParam resource(options);
    std::vector<void*> live;
    for (int i = 0; i < 3000; ++i) live.push_back(resource.allocate(64));
    for (; live.size() > 1000; live.pop_back()) resource.deallocate(live.back(), 64);
    EXPECT_GT(resource.stats().cached_slots, 0U);
    EXPECT_GT(expect_as_many_cells_as_stats_say(resource), 0U);
    for (void* const each : live) resource.deallocate(each, 64);
  }
}

TYPED_TEST(Pictures, ShowTheLargestBlocksAndSumUpTheOthers) {
  TypeParam resource;
  for (std::size_t i = 1; i <= quarry::most_rows_of_blocks + 2; ++i)
    static_cast<void>(resource.allocate(i * 100'000));
  shown seen = parse(picture_of(resource));
  EXPECT_EQ(seen.rows["block"], quarry::most_rows_of_blocks);
  EXPECT_NE(seen.words.find("\nand 2 smaller ones of 300,000 bytes\n"), std::string::npos) << seen.words;
}

TYPED_TEST(Pictures, AreTheSameWhateverTheProgramsLocale) {
  struct grouped_digits : std::numpunct<char> {
    char do_thousands_sep() const override { return '\''; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\2"; }
  };
  TypeParam resource;
  for (int i = 0; i < 1000; ++i) static_cast<void>(resource.allocate(100));
  const std::string before = picture_of(resource);
  const std::locale classic = std::locale::global(std::locale(std::locale::classic(), new grouped_digits));
  const std::string after = picture_of(resource);
  std::locale::global(classic);
  EXPECT_EQ(after, before);
}

TEST(Picture, ShowsWhatRestsInTheCachesOfViewsAndThreads) {
  quarry::synchronized_slab_resource resource;
  std::vector<void*> blocks;
  for (int i = 0; i < 1000; ++i) blocks.push_back(resource.allocate(64));
  quarry::slab_thread_view view(resource);
  for (int i = 0; i < 300; ++i) view.deallocate(blocks[static_cast<std::size_t>(i)], 64);
  std::mutex done, looked;  // locked until that is so
  done.lock();
  looked.lock();
  std::thread other([&] {
    for (int i = 300; i < 330; ++i) resource.deallocate(blocks[static_cast<std::size_t>(i)], 64);
    done.unlock();
    looked.lock();
  });
  done.lock();
  EXPECT_GT(resource.stats().cached_slots, 30U);
  EXPECT_EQ(resource.stats().live_slots, 670U);
  expect_as_many_cells_as_stats_say(resource);
  looked.unlock();
  other.join();
}

std::string drawn(const survey& made) {
  std::ostringstream out;
  quarry::write_svg(out, made, nullptr);
  return out.str();
}

TEST(Picture, SumsUpManySlabsByHowMuchOfThemLives) {
  const char* const names[] = {"none live", "up to 10 %", "to 20 %", "to 30 %", "to 40 %", "to 50 %",
                               "to 60 %",   "to 70 %",    "to 80 %", "to 90 %", "all live"};
  for (std::uint32_t live = 0; live <= 10; ++live) {
    survey made;
    made.slabs.resize(quarry::most_rows + 1);
    for (survey::slab& each : made.slabs) {
      each.slots = 10;
      each.free_slots = 10 - live;
    }
    const std::string document = drawn(made);
    for (const char* const name : names)
      EXPECT_EQ(document.find('>' + std::string(name) + '<') != std::string::npos, name == names[live])
          << name << " for " << live << " of 10 slots";
  }
}

quarry::core::extent extent_of_four(std::uint32_t lent) {
  quarry::core::extent made;
  made.granules = 4;
  made.lent = static_cast<std::uint8_t>(lent);
  made.free = (quarry::core::granule_mask{0b1111} << lent) & 0b1111;
  return made;
}

TEST(Picture, SumsUpManyExtentsByHowMuchOfThemIsLent) {
  const char* const names[] = {"idle", "less than half", "half or more", "half or more", "all lent"};
  for (std::uint32_t lent = 0; lent <= 4; ++lent) {
    survey made;
    made.extents.assign(quarry::most_rows_of_extents + 1, extent_of_four(lent));
    const std::string document = drawn(made);
    for (const std::string name : {"idle", "less than half", "half or more", "all lent"})
      EXPECT_EQ(document.find('>' + name + '<') != std::string::npos, name == names[lent])
          << name << " for " << lent << " of 4 granules";
  }
}

TEST(Picture, CountsEachGranuleOnce) {
  survey made;
  made.granule_bytes = 65536;
  made.extents = {extent_of_four(1)};
  made.extents[0].blank = 0b1100;
  made.extents[0].discarded = 0b0100;
  EXPECT_NE(drawn(made).find("1 extent of granules of 65,536 bytes, lent / free / discarded / never used: "
                             "1 / 1 / 1 / 1<"),
            std::string::npos);
}

TEST(Picture, DrawsEachRunOfSlotsWhereItIs) {
  survey made;
  made.slabs.resize(1);
  made.slabs[0].begin = 0x1000;
  made.slabs[0].slots = 10;
  made.slabs[0].free_slots = 4;
  made.slabs[0].cached_slots = 3;
  made.free_words = {0b0000001111};
  made.cached_words = {0b0101010000};
  const std::string document = drawn(made);
  EXPECT_NE(document.find("<rect class=\"base\" width=\"10\" height=\"1\"/>"
                          "<path class=\"live\" d=\"M5 .5h1m1 0h1m1 0h1\"/>"
                          "<path class=\"cached\" d=\"M4 .5h1m1 0h1m1 0h1\"/></g>"),
            std::string::npos)
      << document;
}

}  // namespace
