// What tools that watch memory are told of it: AddressSanitizer, MemorySanitizer and Valgrind's memcheck.
//
// Layer      5. Freestanding, where no tool watches. On Unix systems with ELF files the tools are looked for when the program runs,
//            so that code compiled without a sanitizer serves programs that have one; elsewhere nothing is told.
// Invariant  Nothing here reads or writes the memory that it tells of.
// Threads    Any number at a time, each with memory of its own.
// Source     The sanitizers' interfaces, sanitizer/{asan,msan}_interface.h; Valgrind manual, chapters 3.1 and 4.7.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/version.hpp>

#if __STDC_HOSTED__ && defined(__ELF__) && defined(__unix__)
#define QUARRY_MAY_BE_WATCHED 1
#else
#define QUARRY_MAY_BE_WATCHED 0
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

#if QUARRY_MAY_BE_WATCHED

namespace watching {

// Null when the program has no such sanitizer. Named by labels, so that the sanitizers' own declarations may stand beside these.
extern "C" {
void quarry_asan_poison(const volatile void*, std::size_t) __asm__("__asan_poison_memory_region")
    __attribute__((weak));
void quarry_asan_unpoison(const volatile void*, std::size_t) __asm__("__asan_unpoison_memory_region")
    __attribute__((weak));
void quarry_msan_poison(const volatile void*, std::size_t) __asm__("__msan_poison") __attribute__((weak));
void quarry_msan_unpoison(const volatile void*, std::size_t) __asm__("__msan_unpoison") __attribute__((weak));
}

/// The numbers of Valgrind's requests; those of memcheck begin with its letters.
enum class request : std::uintptr_t {
  no_access = 0x4d430000,
  undefined = 0x4d430001,
  defined = 0x4d430002,
  allocated = 0x1301,
  freed = 0x1302
};

/// Asks Valgrind, by instructions that it knows and that do nothing elsewhere.
/// Returns     What the tool answers; 0 where none runs, or one that does not know the request.
inline std::uintptr_t ask_valgrind([[maybe_unused]] request what, [[maybe_unused]] const void* begin,
                                   [[maybe_unused]] std::size_t bytes) noexcept {
  std::uintptr_t answer = 0;
#if defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__))
  const std::uintptr_t words[6] = {
      static_cast<std::uintptr_t>(what), reinterpret_cast<std::uintptr_t>(begin), bytes, 0, 0, 0};
#if defined(__x86_64__)
  __asm__ volatile(
      "rolq $3, %%rdi\n\t"
      "rolq $13, %%rdi\n\t"
      "rolq $61, %%rdi\n\t"
      "rolq $51, %%rdi\n\t"
      "xchgq %%rbx, %%rbx"
      : "+d"(answer)
      : "a"(words)
      : "cc", "memory");
#else
  __asm__ volatile(
      "mov x3, %0\n\t"
      "mov x4, %1\n\t"
      "ror x12, x12, #3\n\t"
      "ror x12, x12, #13\n\t"
      "ror x12, x12, #51\n\t"
      "ror x12, x12, #61\n\t"
      "orr x10, x10, x10\n\t"
      "mov %0, x3"
      : "+r"(answer)
      : "r"(words)
      : "cc", "memory", "x3", "x4");
#endif
#endif
  return answer;
}

}  // namespace watching

/// Returns whether memcheck runs the program.
inline bool has_memcheck() noexcept {
  const char byte = 0;
  return watching::ask_valgrind(watching::request::defined, &byte, 1) != 0;
}

/// Returns whether any tool wants to be told.
/// Complexity  O(1), some 20 instructions: ask once and remember.
inline bool is_watched() noexcept {
  return watching::quarry_asan_poison != nullptr || watching::quarry_msan_poison != nullptr || has_memcheck();
}

/// Nothing may touch `bytes` bytes from `begin` on.
inline void poison(const void* begin, std::size_t bytes) noexcept {
  if (watching::quarry_asan_poison != nullptr) watching::quarry_asan_poison(begin, bytes);
  if (watching::quarry_msan_poison != nullptr) watching::quarry_msan_poison(begin, bytes);
  watching::ask_valgrind(watching::request::no_access, begin, bytes);
}

/// The program may write these bytes, and read what it wrote.
inline void unpoison(const void* begin, std::size_t bytes) noexcept {
  if (watching::quarry_asan_unpoison != nullptr) watching::quarry_asan_unpoison(begin, bytes);
  if (watching::quarry_msan_poison != nullptr) watching::quarry_msan_poison(begin, bytes);
  watching::ask_valgrind(watching::request::undefined, begin, bytes);
}

/// The program may read and write these bytes, as memory of which nothing was told: before it goes back to where it came from.
inline void restore(const void* begin, std::size_t bytes) noexcept {
  if (watching::quarry_asan_unpoison != nullptr) watching::quarry_asan_unpoison(begin, bytes);
  if (watching::quarry_msan_unpoison != nullptr) watching::quarry_msan_unpoison(begin, bytes);
  watching::ask_valgrind(watching::request::defined, begin, bytes);
}

/// As unpoison(), of a block that is the user's until poison_freed(): memcheck notes who asked for it, and finds it if it leaks.
/// Each block must end by poison_freed().
inline void unpoison_allocated(const void* begin, std::size_t bytes) noexcept {
  unpoison(begin, bytes);
  watching::ask_valgrind(watching::request::allocated, begin, bytes);
}

/// As poison(), of a block that unpoison_allocated() gave out: memcheck notes who freed it.
inline void poison_freed(const void* begin, std::size_t bytes) noexcept {
  watching::ask_valgrind(watching::request::freed, begin, 0);  // a block has no red zone
  poison(begin, bytes);
}

#else

inline bool has_memcheck() noexcept {
  return false;
}
inline bool is_watched() noexcept {
  return false;
}
inline void poison(const void*, std::size_t) noexcept {}
inline void unpoison(const void*, std::size_t) noexcept {}
inline void restore(const void*, std::size_t) noexcept {}
inline void unpoison_allocated(const void*, std::size_t) noexcept {}
inline void poison_freed(const void*, std::size_t) noexcept {}

#endif

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
