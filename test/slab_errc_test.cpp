// slab_errc: error values, and what they are to <system_error>.
#include "quarry/slab_errc.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <system_error>

namespace {

using quarry::slab_errc;

constexpr slab_errc all[] = {slab_errc::ok,
                             slab_errc::out_of_memory,
                             slab_errc::invalid_pointer,
                             slab_errc::alignment_mismatch,
                             slab_errc::size_mismatch,
                             slab_errc::double_free,
                             slab_errc::corrupted};

TEST(SlabErrc, OkIsNoErrorAndEveryOtherValueIsOne) {
  EXPECT_FALSE(make_error_code(slab_errc::ok));
  for (const slab_errc each : all) EXPECT_EQ(static_cast<bool>(make_error_code(each)), each != slab_errc::ok);
}

TEST(SlabErrc, ConvertsImplicitlyToAnErrorCodeOfItsCategory) {
  const std::error_code code = slab_errc::double_free;
  EXPECT_EQ(code.category().name(), std::string("quarry"));
  EXPECT_EQ(code, slab_errc::double_free);
  EXPECT_NE(code, slab_errc::corrupted);
}

TEST(SlabErrc, EveryValueHasAMessageOfItsOwn) {
  std::set<std::string> messages;
  for (const slab_errc each : all) messages.insert(make_error_code(each).message());
  EXPECT_EQ(messages.size(), std::size(all));
  EXPECT_EQ(messages.count(make_error_code(static_cast<slab_errc>(99)).message()), 0U);
}

TEST(SlabErrc, MatchesThePortableConditions) {
  EXPECT_EQ(make_error_code(slab_errc::out_of_memory), std::errc::not_enough_memory);
  EXPECT_EQ(make_error_code(slab_errc::invalid_pointer), std::errc::invalid_argument);
  EXPECT_EQ(make_error_code(slab_errc::corrupted), std::errc::bad_address);
  EXPECT_EQ(make_error_code(slab_errc::ok).default_error_condition(), std::error_condition());
}

}  // namespace
