// Refusals, as a library with exceptions makes them and as one without does.
// again with: -fno-exceptions
#include "../src/refusal.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>

namespace {

#if defined(__cpp_exceptions)

TEST(Refusal, IsTheException) {
  EXPECT_THROW(quarry::detail::refuse_memory(), std::bad_alloc);
  try {
    quarry::detail::refuse<std::invalid_argument>("what is allowed");
  } catch (const std::invalid_argument& refused) {
    EXPECT_STREQ(refused.what(), "what is allowed");
  }
}

TEST(Refusal, IsOfAnAlignmentThatIsNoPowerOfTwo) {
  for (const std::size_t alignment : {std::size_t{0}, std::size_t{3}, std::size_t{24}, SIZE_MAX})
    EXPECT_THROW(quarry::detail::require_alignment(alignment), std::invalid_argument) << alignment;
  for (const std::size_t alignment : {std::size_t{1}, std::size_t{4096}, SIZE_MAX / 2 + 1})
    EXPECT_NO_THROW(quarry::detail::require_alignment(alignment)) << alignment;
}

#else

TEST(Refusal, IsASentenceAndTheEndOfTheProgram) {
  EXPECT_DEATH(quarry::detail::refuse_memory(), "quarry: there is no memory.*try_allocate\\(\\)");
  EXPECT_DEATH(quarry::detail::refuse<std::invalid_argument>("what is allowed"), "what is allowed");
}

#endif

}  // namespace
