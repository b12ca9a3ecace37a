// Which sanitizer watches this program, told by g++ in macros and by clang as features.
//
// Threads: any.
#pragma once

namespace quarry_test {

#if defined(__has_feature)
#define QUARRY_TEST_HAS_FEATURE(feature) __has_feature(feature)
#else
#define QUARRY_TEST_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || QUARRY_TEST_HAS_FEATURE(address_sanitizer)
#define QUARRY_TEST_HAS_ADDRESS_SANITIZER 1  // for what must not be compiled without it, or with it
#else
#define QUARRY_TEST_HAS_ADDRESS_SANITIZER 0
#endif
inline constexpr bool has_address_sanitizer = QUARRY_TEST_HAS_ADDRESS_SANITIZER != 0;

#if defined(__SANITIZE_THREAD__) || QUARRY_TEST_HAS_FEATURE(thread_sanitizer)
#define QUARRY_TEST_HAS_THREAD_SANITIZER 1
#else
#define QUARRY_TEST_HAS_THREAD_SANITIZER 0
#endif
inline constexpr bool has_thread_sanitizer = QUARRY_TEST_HAS_THREAD_SANITIZER != 0;

#undef QUARRY_TEST_HAS_FEATURE

}  // namespace quarry_test
