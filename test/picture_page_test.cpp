// The page of a picture: what is written lies below what was before it, and is what XML may contain.
#include "../src/picture_page.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <locale>
#include <sstream>
#include <string>

namespace {

using quarry::escaped;
using quarry::picture_page;

std::string document_of(const picture_page& page) {
  std::ostringstream out;
  page.write(out, "a title");
  return out.str();
}

bool has(const std::string& document, const std::string& part) {
  return document.find(part) != std::string::npos;
}

TEST(PicturePage, IsAsHighAsWhatIsOnItWithAMarginAboveAndBelow) {
  picture_page page;
  EXPECT_TRUE(has(document_of(page), " height=\"40\" viewBox=\"0 0 1180 40\""));
  page.line(11, 15, "sum", "words");
  page.skip(100);
  page.begin_row("slab", 1, 10, "left", "right");
  page.end_row();
  EXPECT_TRUE(has(document_of(page), " height=\"169\" viewBox=\"0 0 1180 169\""));
  EXPECT_TRUE(has(document_of(page), "<title>a title</title>"));
}

TEST(PicturePage, WritesEachLineBelowTheOneBefore) {
  picture_page page;
  page.line(14, 24, "title", "first");
  page.line(11, 15, "sum", "second");
  page.begin_row("slab", 1, 10, "left", "right");
  page.end_row();
  const std::string document = document_of(page);
  EXPECT_TRUE(has(document, "<text x=\"20\" y=\"34\" class=\"title\">first</text>"));
  EXPECT_TRUE(has(document, "<text x=\"20\" y=\"55\" class=\"sum\">second</text>"));
  EXPECT_TRUE(has(document, "<text x=\"132\" y=\"68\" class=\"note end\">left</text>"));
  EXPECT_TRUE(has(document, "<text x=\"970\" y=\"68\" class=\"note\">right</text>"));
}

TEST(PicturePage, ALegendStaysOnItsLine) {
  picture_page page;
  page.legend(20, "live", "lives");
  page.legend(90, "free", "is free");
  const std::string document = document_of(page);
  EXPECT_TRUE(has(document, "<rect x=\"20\" y=\"20\" width=\"11\" height=\"11\" class=\"live\"/>"));
  EXPECT_TRUE(has(document, "<rect x=\"90\" y=\"20\" width=\"11\" height=\"11\" class=\"free\"/>"));
  EXPECT_TRUE(has(document, "<text x=\"36\" y=\"29\" class=\"note\">lives</text>"));
}

TEST(PicturePage, StrokesOfOneKindAreOnePathUntilAnotherKindComes) {
  static constexpr const char* live = "live";
  static constexpr const char* cached = "cached";
  picture_page page;
  page.begin_row("slab", 2.5, 10, "", "");
  page.stroke(live, 1, 2);
  page.stroke(live, 5, 1);
  page.stroke(cached, 8, 2);
  page.stroke(live, 0, 1);
  page.end_row();
  EXPECT_TRUE(has(document_of(page),
                  "<g class=\"slab\" transform=\"translate(140,20) scale(2.5,11)\"><rect class=\"base\" "
                  "width=\"10\" height=\"1\"/><path class=\"live\" d=\"M1 .5h2m2 0h1\"/><path "
                  "class=\"cached\" d=\"M8 .5h2\"/><path class=\"live\" d=\"M0 .5h1\"/></g>"));
}

TEST(PicturePage, ARowWithoutStrokesIsItsBase) {
  picture_page page;
  page.begin_row("slab", 1, 3, "", "");
  page.end_row();
  EXPECT_TRUE(has(document_of(page), "<rect class=\"base\" width=\"3\" height=\"1\"/></g>"));
  EXPECT_FALSE(has(document_of(page), "<path"));
}

TEST(PicturePage, GapsPartTheCellsOfTheRowWrittenLast) {
  picture_page page;
  page.define_gaps(7, 12.5, 4);
  page.begin_row("slab", 12.5, 4, "", "");
  page.end_row();
  page.draw_gaps(7);
  const std::string document = document_of(page);
  EXPECT_TRUE(
      has(document, "id=\"quarry-gaps-7\" class=\"quarry-gap\" d=\"M12.5 0v11M25 0v11M37.5 0v11\"/>"));
  EXPECT_TRUE(has(document, "<use xlink:href=\"#quarry-gaps-7\" x=\"140\" y=\"20\"/>"));
}

TEST(PicturePage, WritesNumbersAlikeInEveryLocale) {
  struct grouped_digits : std::numpunct<char> {
    char do_thousands_sep() const override { return '\''; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\2"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new grouped_digits));
  picture_page page;
  page.skip(1000);
  page.begin_row("block", 0.25, 123'456, "", "");
  page.end_row();
  const std::string document = document_of(page);
  std::locale::global(before);
  EXPECT_TRUE(has(document, "scale(0.25,11)"));
  EXPECT_TRUE(has(document, " width=\"123456\""));
  EXPECT_TRUE(has(document, " height=\"1054\""));
}

TEST(Escaped, MarksOfXmlAreEntities) {
  EXPECT_EQ(escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;\"c'");
  EXPECT_EQ(escaped(""), "");
}

TEST(Escaped, WhatIsNoCharacterOfXmlIsAQuestionMark) {
  EXPECT_EQ(escaped("\xc3\xbc \xe2\x82\xac"), "\xc3\xbc \xe2\x82\xac");
  EXPECT_EQ(escaped("\x01\x7f"), "??");
  EXPECT_EQ(escaped("\xe2\x82"), "??") << "cut";
  EXPECT_EQ(escaped("\xc0\xaf"), "??") << "longer than need be";
  EXPECT_EQ(escaped("\xed\xa0\x80"), "???") << "a surrogate";
  EXPECT_EQ(escaped("\xef\xbf\xbe"), "???") << "no character";
}

TEST(Escaped, ALongTextIsCutBehind80Characters) {
  EXPECT_EQ(escaped(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(escaped(std::string(81, 'x')), std::string(80, 'x') + "...");
  std::string ampersands;
  for (int i = 0; i < 80; ++i) ampersands += "&amp;";
  EXPECT_EQ(escaped(std::string(200, '&')), ampersands + "...");
}

}  // namespace
