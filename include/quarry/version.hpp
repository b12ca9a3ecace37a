// Which Quarry this is, and the namespace that keeps versions apart.
//
// Layer      6. Under every floor: macros only, for any build. The one place that says the version; CMake reads it here.
// Invariant  Everything in namespace quarry is declared in the inline namespace QUARRY_ABI, which is named for the number that
//            changes when layouts or symbols do: the minor one while the major one is 0, the major one from 1.0 on. So two
//            such versions in one process share no symbol and no type: each serves those who were compiled with it, through
//            std::pmr::memory_resource also the others. A declaration such as `namespace quarry { class slab_cache; }` in other
//            code names another thing than Quarry's class: include the header.
#pragma once

/// The three numbers of this version.
#define QUARRY_VERSION_MAJOR 0
#define QUARRY_VERSION_MINOR 1
#define QUARRY_VERSION_PATCH 0

/// One number that grows with each version.
#define QUARRY_VERSION (QUARRY_VERSION_MAJOR * 10000 + QUARRY_VERSION_MINOR * 100 + QUARRY_VERSION_PATCH)

/// The inline namespace. A build that wants a copy of its own, apart from all others of the process, defines it, the same for
/// the library and for everything that is compiled with its headers.
#if !defined(QUARRY_ABI)
#define QUARRY_ABI v0_1
#endif
