// Reports: made-up snapshots as a table and as JSON, what lives as a list.
#include "../src/report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "support/both_resources.hpp"

namespace {

using quarry::slab_stats;
using quarry::survey;

slab_stats two_classes() {
  slab_stats stats;
  stats.live_bytes = 1000480;
  stats.live_slots = 10;
  stats.cached_slots = 6;
  stats.slab_count = 3;
  stats.upstream_bytes = 196608;
  stats.discarded_bytes = 8192;
  stats.upstream_peak_bytes = 262144;
  stats.oversize_bytes = 1000000;
  stats.oversize_blocks = 2;
  stats.class_rows = 2;
  stats.classes[0] = {48, 10, 5, 25, 2};
  stats.classes[1] = {256, 0, 1, 0, 1};
  stats.classes[2] = {777, 777, 777, 777, 777};  // beyond class_rows: no row
  return stats;
}

std::string table_of(const slab_stats& stats) {
  std::ostringstream out;
  quarry::write_table(out, stats);
  return out.str();
}

std::string json_of(const slab_stats& stats) {
  std::ostringstream out;
  quarry::write_json(out, stats);
  return out.str();
}

/// Writes numbers in groups of three, as the locales of many countries do.
class grouped_digits : public std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

/// Makes grouped_digits every new stream's way of writing numbers.
class grouped_world {
 public:
  grouped_world() = default;
  grouped_world(const grouped_world&) = delete;
  grouped_world& operator=(const grouped_world&) = delete;
  ~grouped_world() { std::locale::global(before_); }

 private:
  std::locale before_ = std::locale::global(std::locale(std::locale::classic(), new grouped_digits));
};

TEST(Table, HasATitleOneLineForEachRowInUseAndALineOfTotals) {
  EXPECT_EQ(table_of(two_classes()),
            "  slot_bytes        live      cached        free       slabs      live_%\n"
            "          48          10           5          25           2        25.0\n"
            "         256           0           1           0           1         0.0\n"
            "live 1000480 bytes in 10 slots and 2 oversize blocks (1000000 bytes); cached 6 slots; "
            "upstream 196608 bytes, 8192 of them discarded, peak 262144 bytes in 3 slabs\n");
}

TEST(Table, OfAnUnusedResourceHasNoRows) {
  EXPECT_EQ(table_of(slab_stats()),
            "  slot_bytes        live      cached        free       slabs      live_%\n"
            "live 0 bytes in 0 slots and 0 oversize blocks (0 bytes); cached 0 slots; "
            "upstream 0 bytes, 0 of them discarded, peak 0 bytes in 0 slabs\n");
}

TEST(Table, OfAClassWithoutSlabsDividesNothingByNothing) {
  slab_stats stats;
  stats.class_rows = 1;
  stats.classes[0].slot_bytes = 64;
  EXPECT_NE(table_of(stats).find("         0.0\n"), std::string::npos);
}

TEST(Json, HasEveryFieldAndEveryRowInUse) {
  EXPECT_EQ(nlohmann::json::parse(json_of(two_classes())), nlohmann::json::parse(R"({
    "live_bytes": 1000480, "live_slots": 10, "cached_slots": 6, "slab_count": 3,
    "upstream_bytes": 196608, "discarded_bytes": 8192, "upstream_peak_bytes": 262144, "oversize_bytes": 1000000, "oversize_blocks": 2,
    "classes": [
      {"slot_bytes": 48, "live_slots": 10, "cached_slots": 5, "free_slots": 25, "slab_count": 2},
      {"slot_bytes": 256, "live_slots": 0, "cached_slots": 1, "free_slots": 0, "slab_count": 1}]})"));
}

TEST(Json, OfAnUnusedResourceHasAnEmptyListOfClasses) {
  const nlohmann::json document = nlohmann::json::parse(json_of(slab_stats()));
  EXPECT_TRUE(document.at("classes").is_array());
  EXPECT_TRUE(document.at("classes").empty());
}

TEST(Json, KeepsTheLargestNumbersWhole) {
  slab_stats stats;
  stats.upstream_peak_bytes = SIZE_MAX;
  EXPECT_EQ(nlohmann::json::parse(json_of(stats)).at("upstream_peak_bytes").get<std::size_t>(), SIZE_MAX);
}

survey a_class_and_two_blocks() {
  survey made;
  made.slabs.resize(3);
  for (std::size_t i = 0; i < 3; ++i) {
    quarry::survey::slab& each = made.slabs[i];
    each.begin = 0x1000 * (i + 1);
    each.size_class = quarry::core::class_of_bytes(i < 2 ? 48 : 256);
    each.slots = 4;
    each.first_word = i;
  }
  made.free_words = {0b0001, 0b0000, 0b1111};
  made.cached_words = {0b0010, 0b0000, 0b0000};
  made.slabs[0].free_slots = made.slabs[0].cached_slots = 1;
  made.slabs[2].free_slots = 4;
  made.blocks = {{0x10000, 40'000, true}, {0x20000, 60'000, true}, {0x30000, 90'000, false}};
  return made;
}

std::string live_of(const survey& of, const char* name = nullptr) {
  std::ostringstream out;
  quarry::write_live(out, of, name);
  return out.str();
}

TEST(Live, TellsEachClassInUseWithItsFirstSlotsAndTheLiveBlocksByTheirSize) {
  EXPECT_EQ(
      live_of(a_class_and_two_blocks(), "orders"),
      "live in orders: 6 slots (288 bytes) and 2 oversize blocks (100000 bytes)\n"
      "          48 bytes           6 slots         288 bytes, first at  0x1060  0x1090  0x2000  0x2030\n"
      "       60000 bytes, oversize, at  0x20000\n"
      "       40000 bytes, oversize, at  0x10000\n");
}

TEST(Live, OfAnUnusedResourceIsOneLine) {
  EXPECT_EQ(live_of(survey()), "live: 0 slots (0 bytes) and 0 oversize blocks (0 bytes)\n");
}

TEST(Live, SumsUpTheSmallerBlocksOfVeryMany) {
  survey made;
  for (std::size_t i = 1; i <= 66; ++i) made.blocks.push_back({0x1000 * i, i * 1000, true});
  const std::string text = live_of(made);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 66);
  EXPECT_NE(text.find("and 2 smaller oversize blocks of 3000 bytes\n"), std::string::npos);
}

template <class Resource>
class LiveOf : public testing::Test {};
TYPED_TEST_SUITE(LiveOf, quarry_test::both_resources, quarry_test::resource_names);

TYPED_TEST(LiveOf, EachResourceTellsWhatItsUserHolds) {
  quarry::slab_options options;
  options.name = "mine";
  TypeParam resource(options);
  void* const gone = resource.allocate(48);
  void* const slot = resource.allocate(48);
  void* const block = resource.allocate(70'000);
  resource.deallocate(gone, 48);
  std::ostringstream out, expected;
  resource.report_live(out);
  expected << "live in mine: 1 slots (48 bytes) and 1 oversize blocks (70000 bytes)\n"
           << "          48 bytes           1 slots          48 bytes, first at  " << slot << "\n"
           << "       70000 bytes, oversize, at  " << block << "\n";
  EXPECT_EQ(out.str(), expected.str());
  resource.release();
  out.str({});
  resource.report_live(out);
  EXPECT_EQ(out.str(), "live in mine: 0 slots (0 bytes) and 0 oversize blocks (0 bytes)\n");
}

TEST(Reports, NeitherHeedNorChangeTheFormatOfTheCallersStream) {
  std::ostringstream out;
  out << std::hex << std::showbase << std::setfill('*') << std::setprecision(3);
  quarry::write_table(out, two_classes());
  quarry::write_json(out, two_classes());
  quarry::write_live(out, a_class_and_two_blocks(), nullptr);
  EXPECT_EQ(out.str(), table_of(two_classes()) + json_of(two_classes()) + live_of(a_class_and_two_blocks()));
  out.str({});
  out << 255;
  EXPECT_EQ(out.str(), "0xff");
}

TEST(Reports, AreTheSameWhateverTheProgramsLocale) {
  const std::string table = table_of(two_classes());
  const std::string json = json_of(two_classes());
  const std::string live = live_of(a_class_and_two_blocks());
  const grouped_world grouped;
  std::ostringstream control;
  control << 196608;
  ASSERT_EQ(control.str(), "196.608") << "the locale of this test has no effect";
  EXPECT_EQ(table_of(two_classes()), table);
  EXPECT_EQ(json_of(two_classes()), json);
  EXPECT_EQ(live_of(a_class_and_two_blocks()), live);
}

}  // namespace
