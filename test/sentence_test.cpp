#include "../src/sentence.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace quarry::detail {
namespace {

TEST(Sentence, IsPutTogetherFromPieces) {
  sentence text;
  EXPECT_STREQ(text.text(), "");
  text.add("%zu of %s", std::size_t{3}, "8").add(".");
  EXPECT_STREQ(text.text(), "3 of 8.");
}

TEST(Sentence, LeavesOutWhatDoesNotFit) {
  struct {
    sentence text;
    char behind[2 * sentence::most_bytes] = {};
  } place;
  sentence& text = place.text;
  for (std::size_t i = 0; i < sentence::most_bytes; ++i) text.add("0123456789");
  for (const char each : place.behind) ASSERT_EQ(each, 0);
  EXPECT_EQ(std::strlen(text.text()), sentence::most_bytes - 1);
  text.add("more");
  EXPECT_EQ(std::strlen(text.text()), sentence::most_bytes - 1);
}

}  // namespace
}  // namespace quarry::detail
