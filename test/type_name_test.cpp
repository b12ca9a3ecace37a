// The name of a resource's type, also where its code was compiled without RTTI.
#include "../src/type_name.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <memory_resource>
#include <typeinfo>

namespace {

class named_resource final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t, std::size_t) override { return nullptr; }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

TEST(TypeName, IsTheNameOfTheDynamicType) {
  const named_resource resource;
  EXPECT_STREQ(quarry::detail::type_name_of(resource), typeid(named_resource).name());
}

TEST(TypeName, IsARemarkWhereTheTypeHasNoDescription) {
  // A virtual table as code without RTTI has it: null where the description would be, before the functions.
  const void* const table[] = {nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  const void* const* const functions = table + 2;
  alignas(named_resource) unsigned char memory[sizeof(named_resource)];
  std::memcpy(memory, &functions, sizeof functions);
  const auto& resource = *reinterpret_cast<const std::pmr::memory_resource*>(memory);
  EXPECT_STREQ(quarry::detail::type_name_of(resource), "compiled without RTTI");
}

}  // namespace
