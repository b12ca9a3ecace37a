#include "quarry/core/poison.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "support/memcheck.hpp"
#include "support/sanitizers.hpp"
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif

namespace quarry::core {
namespace {

alignas(64) char memory[256];

#if QUARRY_MAY_BE_WATCHED
extern "C" __attribute__((weak)) int __asan_address_is_poisoned(const volatile void*);  // NOLINT

TEST(Poison, IsSeenByAddressSanitizer) {
  if (!quarry_test::has_address_sanitizer) return;
  EXPECT_TRUE(is_watched());
  poison(memory, 64);
  EXPECT_TRUE(__asan_address_is_poisoned(memory));
  EXPECT_TRUE(__asan_address_is_poisoned(memory + 63));
  EXPECT_FALSE(__asan_address_is_poisoned(memory + 64));
  unpoison(memory, 64);
  EXPECT_FALSE(__asan_address_is_poisoned(memory));
  poison_freed(memory, 64);
  EXPECT_TRUE(__asan_address_is_poisoned(memory));
  unpoison_allocated(memory, 64);
  EXPECT_FALSE(__asan_address_is_poisoned(memory));
  poison(memory, 64);
  restore(memory, 64);
  EXPECT_FALSE(__asan_address_is_poisoned(memory));
}
#endif

TEST(Poison, LeavesWhatMemoryHolds) {
  memory[3] = 7;
  poison(memory, sizeof(memory));
  poison_freed(memory, sizeof(memory));
  restore(memory, sizeof(memory));
  EXPECT_EQ(memory[3], 7);
}

#if QUARRY_MAY_BE_WATCHED && __has_include(<valgrind/memcheck.h>)
TEST(Poison, AsksValgrindByItsOwnNumbers) {
  using watching::request;
  EXPECT_EQ(static_cast<std::uintptr_t>(request::no_access), VG_USERREQ__MAKE_MEM_NOACCESS);
  EXPECT_EQ(static_cast<std::uintptr_t>(request::undefined), VG_USERREQ__MAKE_MEM_UNDEFINED);
  EXPECT_EQ(static_cast<std::uintptr_t>(request::defined), VG_USERREQ__MAKE_MEM_DEFINED);
  EXPECT_EQ(static_cast<std::uintptr_t>(request::allocated), VG_USERREQ__MALLOCLIKE_BLOCK);
  EXPECT_EQ(static_cast<std::uintptr_t>(request::freed), VG_USERREQ__FREELIKE_BLOCK);
}
#endif

// What memcheck complains of twice.
void touch_poisoned() {
  volatile char* const bytes = memory;
  std::fprintf(stderr, "watched: %d\n", is_watched() ? 1 : 0);
  poison(memory, 64);
  char read = bytes[1];
  unpoison_allocated(memory, 64);
  bytes[2] = 1;
  read = bytes[2];
  static_cast<void>(read);
  poison_freed(memory, 64);
  bytes[2] = 2;
  restore(memory, 64);
  if (bytes[2] == 2) std::fputs("restored\n", stderr);
}

TEST(Poison, IsSeenByMemcheck) {
  if (quarry_test::is_in_memcheck()) return touch_poisoned();
  if (const char* const why = quarry_test::why_no_memcheck()) GTEST_SKIP() << why;
  const std::string output = quarry_test::output_in_memcheck("Poison.IsSeenByMemcheck");
  for (const char* const wanted :
       {"watched: 1", "Invalid read of size 1", "Invalid write of size 1",
        "2 bytes inside a block of size 64 free'd", "restored", "ERROR SUMMARY: 2 errors"})
    EXPECT_NE(output.find(wanted), std::string::npos) << wanted << " is missing in:\n" << output;
}

}  // namespace
}  // namespace quarry::core
