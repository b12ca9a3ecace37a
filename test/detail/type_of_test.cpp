// What objects of classes with and without RTTI say of their types.
#include "quarry/detail/type_of.hpp"

#include <gtest/gtest.h>

#include <string>

namespace {

using quarry::detail::as_final;
using quarry::detail::as_final_like;
using quarry::detail::type_name_of;

struct base {
  virtual ~base() = default;
};
struct first final : base {};
struct second final : base {};

TEST(TypeOf, AnObjectIsWhatItIsAndNothingElse) {
  const first object;
  const base& unknown = object;
  EXPECT_EQ(as_final<first>(unknown), &object);
  EXPECT_EQ(as_final<second>(unknown), nullptr);
  EXPECT_NE(std::string(type_name_of(unknown)).find("first"), std::string::npos);
}

TEST(TypeOf, AnObjectIsLikeOthersOfItsClassOnly) {
  const first known, object;
  const second other;
  EXPECT_EQ(as_final_like(known, static_cast<const base&>(object)), &object);
  EXPECT_EQ(as_final_like(known, static_cast<const base&>(known)), &known);
  EXPECT_EQ(as_final_like(known, static_cast<const base&>(other)), nullptr);
}

}  // namespace
