// What a shared Quarry shows to those who link it.
//
// Layer      6. Under every floor: one macro, for any build.
// Invariant  The library is compiled with hidden visibility; what inline code of its users calls or names beyond it is marked.
//            A static library shows nothing, so each module that contains one has a copy of its own, whatever else is loaded.
#pragma once

/// On a class: for its members, virtual table and type. On a function or variable: for itself. QUARRY_SHARED is defined where a
/// shared library is built and for those who use it, QUARRY_BUILDS_SHARED only where it is built; CMake does both.
#if !defined(QUARRY_SHARED)
#define QUARRY_EXPORT
#elif defined(_MSC_VER) && defined(QUARRY_BUILDS_SHARED)
#define QUARRY_EXPORT __declspec(dllexport)
#elif defined(_MSC_VER)
#define QUARRY_EXPORT __declspec(dllimport)
#elif defined(_WIN32) && defined(QUARRY_BUILDS_SHARED)
#define QUARRY_EXPORT [[gnu::dllexport]]
#elif defined(_WIN32)
#define QUARRY_EXPORT [[gnu::dllimport]]
#else
#define QUARRY_EXPORT [[gnu::visibility("default")]]
#endif

/// Defined where a class template that the library instantiates is instantiated by each user too: mingw's DLL shows no inline
/// member of one, so that what is not inlined would be nowhere.
#if defined(QUARRY_SHARED) && defined(__MINGW32__)
#define QUARRY_USERS_INSTANTIATE
#endif
