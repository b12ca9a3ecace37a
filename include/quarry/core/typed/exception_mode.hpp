// The names of what is compiled differently with exceptions and without.
//
// Layer      5. Freestanding.
// Invariant  Objects of both modes may be linked into one program, in any order: of an inline function that either mode names
//            the same the linker keeps one, so a function that may see an exception has a name for each mode. The types that
//            users name are the same in both.
// Source     As _LIBCPP_ODR_SIGNATURE in libc++.
#pragma once

#include <quarry/portability.hpp>

/// On a class: for each of its members. On a function: for itself.
#if defined(__cpp_exceptions)
#define QUARRY_EXCEPTION_MODE
#else
#define QUARRY_EXCEPTION_MODE QUARRY_ABI_TAG("without_exceptions")
#endif
