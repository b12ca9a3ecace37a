// Boost.JSON documents in slabs.
// links: Boost::json
#include <gtest/gtest.h>
#include <quarry/boost_memory_resource.hpp>

#include <boost/json.hpp>
#include <cstddef>
#include <string>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"

namespace {

namespace json = boost::json;
using quarry::unsynchronized_slab_resource;

std::string document() {
  std::string text = "[";
  for (int i = 0; i < 500; ++i) {
    if (i != 0) text += ',';
    text += R"({"id":)" + std::to_string(i) + R"(,"name":"a name that needs memory of its own )" +
            std::to_string(i * 7919) + R"(","tags":["x","yy",null,true,1.5],"inner":{"a":{"b":{"c":[]}}}})";
  }
  return text + "]";
}

class BoostJson : public ::testing::Test {
 protected:
  quarry_test::counting_resource upstream_;
  unsynchronized_slab_resource resource_{&upstream_};
  quarry::boost_memory_resource<> adapted_{&resource_};
};

TEST_F(BoostJson, DocumentsEqualThoseOfTheDefaultStorage) {
  const std::string text = document();
  {
    const json::value mine = json::parse(text, &adapted_);
    const json::value reference = json::parse(text);
    EXPECT_EQ(mine, reference);
    EXPECT_EQ(json::serialize(mine), json::serialize(reference));
    EXPECT_EQ(mine.storage().get(), &adapted_);
    EXPECT_EQ(mine.at(3).at("name").storage().get(), &adapted_);
    EXPECT_GT(resource_.stats().live_slots, 3000U);
  }
  EXPECT_EQ(resource_.stats().live_slots, 0U);
}

TEST_F(BoostJson, DocumentsAreEditedCopiedAndMovedWithinTheirStorage) {
  {
    json::value mine = json::parse(document(), &adapted_);
    json::array& entries = mine.as_array();
    for (std::size_t i = 0; i < entries.size(); i += 2) entries[i].as_object().erase("inner");
    for (std::size_t i = 1; i < entries.size(); i += 2) entries[i].as_object()["extra"] = entries[i - 1];
    const json::value copy(mine, &adapted_);
    EXPECT_EQ(copy, mine);
    json::value moved(std::move(mine));
    EXPECT_EQ(moved, copy);
    moved.as_array().resize(10);
  }
  EXPECT_EQ(resource_.stats().live_slots, 0U);
}

TEST_F(BoostJson, ADocumentThatBreaksOffLeavesNothingBehind) {
  const std::string text = document();
  for (std::size_t length = 1; length < 2000; length += 7) {
    boost::system::error_code error;
    const json::value broken = json::parse(text.substr(0, length), error, &adapted_);
    EXPECT_TRUE(error.failed());
    EXPECT_EQ(resource_.stats().live_slots, 0U);
  }
}

// Boost 1.81 frees the blocks of its monotonic_resource with fewer bytes than it asked for.
TEST_F(BoostJson, AMonotonicResourceGivesItsBlocksBackWhole) {
  const std::string text = document();
  for (const std::size_t initial_bytes : {512U, 1024U, 3000U, 65536U})
    for (int round = 0; round < 20; ++round) {
      json::monotonic_resource monotonic(initial_bytes, &adapted_);
      const json::value mine = json::parse(text, &monotonic);
      const json::value beside = json::parse(text, &adapted_);
      ASSERT_EQ(mine, beside);
    }
  EXPECT_EQ(resource_.stats().live_bytes, 0U);
  resource_.trim();
  EXPECT_EQ(upstream_.live_bytes(), 0U);
}

TEST_F(BoostJson, AFailureOfUpstreamLeavesNothingBehind) {
  const std::string text = document();
  for (std::size_t call = 1;; ++call) {
    quarry_test::failing_resource failing(&upstream_);
    unsynchronized_slab_resource resource(&failing);
    quarry::boost_memory_resource<> adapted(resource);
    failing.fail_at(call);
    try {
      const json::value mine = json::parse(text, &adapted);
      EXPECT_EQ(mine.as_array().size(), 500U);
    } catch (const quarry_test::upstream_failure&) {
      EXPECT_TRUE(failing.failed());
    }
    EXPECT_EQ(resource.stats().live_bytes, 0U);
    if (!failing.failed()) {
      EXPECT_GT(call, 5U);
      break;
    }
  }
}

}  // namespace
