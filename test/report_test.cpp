// Reports: made-up snapshots as a table and as JSON.
#include "../src/report.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <iomanip>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace {

using quarry::slab_stats;

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

TEST(Reports, NeitherHeedNorChangeTheFormatOfTheCallersStream) {
  std::ostringstream out;
  out << std::hex << std::showbase << std::setfill('*') << std::setprecision(3);
  quarry::write_table(out, two_classes());
  quarry::write_json(out, two_classes());
  EXPECT_EQ(out.str(), table_of(two_classes()) + json_of(two_classes()));
  out.str({});
  out << 255;
  EXPECT_EQ(out.str(), "0xff");
}

TEST(Reports, AreTheSameWhateverTheProgramsLocale) {
  const std::string table = table_of(two_classes());
  const std::string json = json_of(two_classes());
  const grouped_world grouped;
  std::ostringstream control;
  control << 196608;
  ASSERT_EQ(control.str(), "196.608") << "the locale of this test has no effect";
  EXPECT_EQ(table_of(two_classes()), table);
  EXPECT_EQ(json_of(two_classes()), json);
}

}  // namespace
