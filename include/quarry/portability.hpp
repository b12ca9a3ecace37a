// What compilers spell differently: hints, attributes, and instructions that C++ has no word for.
//
// Layer      6. Under every floor: macros only, for any build.
// Invariant  Builtins and attributes of one compiler are named here, in export.hpp, core/bits.hpp and core/poison.hpp, nowhere else.
//            All but QUARRY_THREAD_LOCAL are hints: a compiler that knows none of them gives code that does the same.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

/// What is the case nearly always, and nearly never: a condition, with the cold way out of the hot one's path.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_LIKELY(...) __builtin_expect(static_cast<bool>(__VA_ARGS__), 1)
#define QUARRY_UNLIKELY(...) __builtin_expect(static_cast<bool>(__VA_ARGS__), 0)
#else
#define QUARRY_LIKELY(...) static_cast<bool>(__VA_ARGS__)
#define QUARRY_UNLIKELY(...) static_cast<bool>(__VA_ARGS__)
#endif

/// A place that is never reached.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_UNREACHABLE() __builtin_unreachable()
#elif defined(_MSC_VER)
#define QUARRY_UNREACHABLE() __assume(0)
#else
#define QUARRY_UNREACHABLE() static_cast<void>(0)
#endif

/// The program ends here, with nothing that says why.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_TRAP() __builtin_trap()
#elif defined(_MSC_VER)
#define QUARRY_TRAP() __debugbreak()
#endif

/// The name of the function that it stands in, with its template arguments.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_SIGNATURE __PRETTY_FUNCTION__
#elif defined(_MSC_VER)
#define QUARRY_SIGNATURE __FUNCSIG__
#else
#define QUARRY_SIGNATURE __func__
#endif

/// At the begin of a declaration. QUARRY_ALWAYS_INLINE says `inline`, too.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_NOINLINE __attribute__((noinline))
#define QUARRY_ALWAYS_INLINE __attribute__((always_inline)) inline
#elif defined(_MSC_VER)
#define QUARRY_NOINLINE __declspec(noinline)
#define QUARRY_ALWAYS_INLINE __forceinline
#else
#define QUARRY_NOINLINE
#define QUARRY_ALWAYS_INLINE inline
#endif

/// On a declaration without a body: a call of it is an error of the compiler's that says `text`, or else one of the linker's.
#if defined(__GNUC__) && !defined(__clang__)
#define QUARRY_REFUSED(text) __attribute__((error(text)))
#else
#define QUARRY_REFUSED(text)
#endif

/// On a function that ThreadSanitizer is not to look into, because it reads on purpose what another thread may be writing.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_UNSEEN_BY_THREAD_SANITIZER __attribute__((noinline, no_sanitize("thread")))
#else
#define QUARRY_UNSEEN_BY_THREAD_SANITIZER
#endif

/// Before a loop: how many turns of it to write out.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_PRAGMA(text) _Pragma(#text)
#define QUARRY_UNROLL(turns) QUARRY_PRAGMA(GCC unroll turns)
#else
#define QUARRY_UNROLL(turns)
#endif

/// Fetches the line at an address into the processor's cache, to be written soon.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_PREFETCH_FOR_WRITE(address) __builtin_prefetch(address, 1)
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#define QUARRY_PREFETCH_FOR_WRITE(address) \
  _mm_prefetch(static_cast<const char*>(static_cast<const void*>(address)), _MM_HINT_T0)
#else
#define QUARRY_PREFETCH_FOR_WRITE(address) static_cast<void>(address)
#endif

/// The compiler forgets what it knows of the value of a pointer.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_FORGET(pointer) __asm__("" : "+r"(pointer))
#else
#define QUARRY_FORGET(pointer) static_cast<void>(pointer)
#endif

/// Tells the processor that this thread is waiting for another.
#if defined(__i386__) || defined(__x86_64__)
#define QUARRY_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__) || (defined(__arm__) && defined(__ARM_ARCH) && __ARM_ARCH >= 7)
#define QUARRY_PAUSE() __asm__ volatile("yield" ::: "memory")
#elif defined(__GNUC__) || defined(__clang__)
#define QUARRY_PAUSE() __asm__ volatile("" ::: "memory")
#elif defined(_M_X64) || defined(_M_IX86)
#define QUARRY_PAUSE() _mm_pause()
#elif defined(_M_ARM64) || defined(_M_ARM)
#define QUARRY_PAUSE() __yield()
#else
#define QUARRY_PAUSE() static_cast<void>(0)
#endif

/// On a variable of a trivial type with a constant initialiser: one for each thread, read and written without a guard.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_THREAD_LOCAL __thread
#elif defined(_MSC_VER)
#define QUARRY_THREAD_LOCAL __declspec(thread)
#else
#define QUARRY_THREAD_LOCAL thread_local
#endif

/// Behind such a variable's name: found without a call also in position-independent code, in space that the loader has set
/// apart. QUARRY_NO_INITIAL_EXEC is defined for the library and its users where a plugin finds none of that space.
#if defined(__ELF__) && !defined(QUARRY_NO_INITIAL_EXEC)
#define QUARRY_INITIAL_EXEC __attribute__((tls_model("initial-exec")))
#else
#define QUARRY_INITIAL_EXEC
#endif

/// On a function whose argument number `of` is a format of std::printf, with arguments from number `first` on.
#if defined(__MINGW32__)
#define QUARRY_PRINTF_FORMAT(of, first) __attribute__((format(gnu_printf, of, first)))
#elif defined(__GNUC__) || defined(__clang__)
#define QUARRY_PRINTF_FORMAT(of, first) __attribute__((format(printf, of, first)))
#else
#define QUARRY_PRINTF_FORMAT(of, first)
#endif

/// On a class: for its members. On a function: for itself. Another name for the linker, where a compiler knows such names.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_ABI_TAG(name) __attribute__((abi_tag(name)))
#else
#define QUARRY_ABI_TAG(name)
#endif

/// On a function, in code for such systems alone. ELF: its address is null where nothing defines it. Unix: it is called when the
/// program or library is loaded; smaller numbers come first. On a variable: it stays although nothing names it.
#if defined(__GNUC__) || defined(__clang__)
#define QUARRY_WEAK __attribute__((weak))
#define QUARRY_AT_LOAD(number) __attribute__((constructor(number)))
#define QUARRY_USED __attribute__((used))
#endif
