// A program without RTTI: the library asks its classes for a type that they do not know.
// options: -fno-rtti -fno-sanitize=vptr
#include <gtest/gtest.h>

#include <cstddef>
#include <memory_resource>
#include <new>
#include <quarry/detail/type_of.hpp>
#include <quarry/slab_thread_view.hpp>
#include <string>

#include "support/sanitizers.hpp"

namespace {

/// Returns memory that is not aligned as asked for.
struct misaligned_resource final : std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return static_cast<std::byte*>(std::pmr::new_delete_resource()->allocate(bytes + 8, alignment)) + 8;
  }
  void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
    std::pmr::new_delete_resource()->deallocate(static_cast<std::byte*>(place) - 8, bytes + 8, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

TEST(WithoutRtti, AClassOfTheProgramIsNotTakenForAView) {
  const misaligned_resource stranger;
  quarry::synchronized_slab_resource resource;
  const quarry::slab_thread_view view(resource);
  EXPECT_FALSE(resource.is_equal(stranger));
  EXPECT_FALSE(view.is_equal(stranger));
  EXPECT_EQ(quarry::detail::type_name_of<std::pmr::memory_resource>(stranger), nullptr);
  EXPECT_EQ((quarry::detail::as_final<misaligned_resource, std::pmr::memory_resource>(stranger)), nullptr);
}

TEST(WithoutRtti, TheLibraryWhichHasItKnowsItsOwn) {
  quarry::synchronized_slab_resource resource;
  const quarry::slab_thread_view view(resource);
  EXPECT_TRUE(resource.is_equal(view));
  EXPECT_TRUE(view.is_equal(resource));
}

TEST(WithoutRtti, AnUpstreamThatBreaksAPromiseIsNamedByItsAddress) {
  if (quarry_test::has_address_sanitizer)
    GTEST_SKIP() << "the checks for undefined behaviour that run beside it ask each upstream for its type";
  misaligned_resource upstream;
  quarry::synchronized_slab_resource resource(&upstream);
  std::string message;
  try {
    static_cast<void>(resource.allocate(100));
  } catch (const std::bad_alloc& thrown) {
    message = thrown.what();
  }
  EXPECT_NE(message.find("compiled without RTTI"), std::string::npos) << message;
}

}  // namespace
